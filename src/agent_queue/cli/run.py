"""aq run"""

import time

import click

from agent_queue.cli.options import chatter, emit, engine_named, engine_names, json_option
from agent_queue.core.errors import EXIT_AGAIN, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, UsageError
from agent_queue.core.fields import seconds
from agent_queue.wiring import opened


@click.command()
@click.option("--slots", "--max", type=click.IntRange(1, 1000), help="How many jobs at a time.  [default: 3]")
@click.option("--once", is_flag=True, help="End when nothing more can run.")
@click.option("--wait", "patience", metavar="TIME", help="With --once: wait this long for held jobs, e.g. 10m.")
@click.option("--engine", help="Run only jobs of this engine.", shell_complete=engine_names)
@click.option("--pull", type=click.FloatRange(0.01, 10_000), metavar="MINUTES", help="Take new items of the tracker.")
@json_option
@click.pass_obj
def command(
    root: str | None, *, slots: int | None, once: bool, patience: str | None, engine: str | None, pull: float | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run the queue: take up what the last supervisor left, then start jobs as they come.

    Ctrl-C once: no new jobs, wait for the running ones. Twice: stop them now; their work is kept.
    """
    wait_s = seconds(patience) if patience else 0.0
    if wait_s is None:
        raise UsageError(f"--wait takes a time such as 10m, not '{patience}'")
    if patience and not once:
        raise UsageError("--wait says how long `aq run --once` waits; without --once it waits for ever")
    app = opened(root, lambda text: chatter(f"{time.strftime('%H:%M:%S')} {text}"))
    if engine is not None:
        engine_named(app, engine)
    report, interrupted = app.run(
        slots or app.settings.run.slots, once=once, wait_s=wait_s, engine=engine, pull_minutes=pull
    )
    for line in report.left:
        chatter(line)
    ended = {stage: count for stage, count in report.ended.items() if count}
    emit(as_json, {"ended": ended, "held": report.held, "left": report.left, "interrupted": interrupted}, ())
    if interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    raise SystemExit(EXIT_FAILED if report.failed else EXIT_AGAIN if report.held else EXIT_OK)
