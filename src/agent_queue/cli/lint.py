"""aq lint"""

import click

from agent_queue.cli.inputs import inputs
from agent_queue.cli.options import chatter, emit, json_option
from agent_queue.core.errors import EXIT_MANIFEST
from agent_queue.core.frontmatter import Problem
from agent_queue.flow.views_lint import lint
from agent_queue.wiring import App


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|FOLDER|-", type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "github"]), default="text", show_default=True,
              help="`github` marks the lines of a pull request.")  # fmt: skip
@json_option
@click.pass_obj
def command(root: str | None, *, files: tuple[str, ...], form: str, as_json: bool) -> None:
    """Check job files. Ends with 65 when one of them cannot become a job. No queue is needed."""
    app = App(root, chatter)
    found = [
        (path, problem)
        for name in files
        for path, data in inputs(name)
        for problem in lint(data, app.meaning, app.around)
    ]
    rows = [{"file": path, "line": problem.line, "column": problem.column,
             "level": "warning" if problem.warning else "error", "message": problem.message}
            for path, problem in found]  # fmt: skip
    errors = sum(row["level"] == "error" for row in rows)
    say = Problem.at if form == "text" else _annotation
    emit(as_json, {"errors": errors, "problems": rows}, (say(problem, path) for path, problem in found))
    if not found and not as_json:
        chatter("nothing to say against it")
    if errors:
        raise SystemExit(EXIT_MANIFEST)


def _annotation(problem: Problem, path: str) -> str:
    def escaped(text: str, also: str = "") -> str:
        return "".join(f"%{ord(c):02X}" if c in f"%\r\n{also}" else c for c in text)

    place = f"file={escaped(path, ':,')},line={problem.line},col={problem.column}"
    return f"::{'warning' if problem.warning else 'error'} {place}::{escaped(problem.message)}"
