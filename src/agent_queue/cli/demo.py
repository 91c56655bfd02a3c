"""aq demo"""

import click

from agent_queue.core.errors import EXIT_FAILED
from agent_queue.demo.play import play


@click.command()
@click.option("--keep", is_flag=True, help="Leave the folder for you to look around in.")
def command(*, keep: bool) -> None:
    """See it work: a queue, a repository and five jobs in a temporary folder. No agent program is needed.

    Ends with 0 only when every job ended as the story says. Your own queue and home are not touched.
    """
    if not play(keep=keep):
        raise SystemExit(EXIT_FAILED)
