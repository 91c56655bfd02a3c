"""The beginning of a run: its workspace, its files, its command, its process."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from agent_queue.core.errors import AqError
from agent_queue.core.history import Entry
from agent_queue.core.manifest import render
from agent_queue.core.outcome import Outcome, Refused, StopReason, of_stop
from agent_queue.core.profile import prompt
from agent_queue.core.settings import engine_settings
from agent_queue.flow.choose_engine import Chosen, choose
from agent_queue.flow.tools import Deed, Run, Steps, Tools
from agent_queue.ports import Assignment, Place, RunFolder, Start

JOB = "job.md"
"""The job as this run was claimed with it, defaults filled in: later edits of its file hold from the next claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a run was started with, as `place.json` keeps it for whoever takes the run up again."""

    place: Place
    marker: str
    session: str
    engine: str
    sidecars: tuple[str, ...] = ()
    """Globs of the side files in which the program tells more than on its output."""


def launch(run: Run, tools: Tools, folder: RunFolder) -> Steps[Opened | Outcome]:
    """Make the workspace, write the run's files, start the agent. Gives what was opened, or why it was not."""
    chosen = choose(run.manifest, tools)
    if isinstance(chosen, Refused):
        return chosen
    lock, past = run.lock, run.job.past
    assert lock is not None
    if run.plan.repository is None:
        place = tools.workspaces.open(run.id, run.plan, past, lock, run.manifest)
    else:
        place = yield Deed(lambda: tools.workspaces.open(run.id, run.plan, past, lock, run.manifest))
    opened = Opened(place=place, marker=tools.clock.token(), session=tools.clock.token(), engine=chosen.name)
    assignment = _assignment(run, tools, folder, chosen.program, opened)
    start, dropped = _command(run, tools, folder, chosen, opened, assignment)
    opened = replace(opened, sidecars=chosen.engine.sidecars(assignment, place, start.env))
    folder.write("place.json", to_json(asdict(opened)))
    folder.write("manifest.json", to_json(run.manifest.to_json()))
    folder.write(JOB, render(run.manifest, run.body).encode(errors="surrogateescape"))
    told = run.body if chosen.engine.script else prompt(run.persona, run.body)
    folder.write("prompt.md", told.encode(errors="surrogateescape"))
    stopped = tools.processes.stopped(folder.path)
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    tools.processes.start(start, lock)
    tools.queue.note(run.id, _started(run, opened, tools.clock.now()), durable=False)
    if dropped:
        folder.write("dropped.json", to_json(dropped))
    return opened


def _command(
    run: Run, tools: Tools, folder: RunFolder, chosen: Chosen, opened: Opened, assignment: Assignment
) -> tuple[Start, list[str]]:
    """The process to start, and the names of the variables that it does not see."""
    said, engine = engine_settings(tools.settings, chosen.name), chosen.engine
    command = engine.command(assignment, opened.place, tools.host)
    patterns = (*engine.environment, *tools.settings.env_pass)
    seen, dropped = tools.child_environment(tools.environment, patterns)
    marks = {"AQ_JOB_ID": run.id, "AQ_RUN": opened.marker}
    deadline_s, why = deadline(run)
    start = Start(
        folder=folder.path, log=folder.path_of("agent.log"), cwd=opened.place.cwd, argv=command.argv,
        env={**seen, **command.env, **said.env, **marks}, stdin=command.stdin, deadline_s=deadline_s, deadline_why=why,
        grace_s=tools.settings.run.stop_grace_s, stop=engine.stop,
    )  # fmt: skip
    return start, dropped


def _assignment(run: Run, tools: Tools, folder: RunFolder, program: str, opened: Opened) -> Assignment:
    said = engine_settings(tools.settings, opened.engine)
    return Assignment(
        job=run.id, run=run.job.past.run, program=program, manifest=run.manifest,
        model=run.manifest.model or said.model, args=(*said.args, *run.manifest.args), folder=folder.path,
        prompt_file=folder.path_of("prompt.md"), session=opened.session,
    )  # fmt: skip


def deadline(run: Run) -> tuple[float | None, StopReason]:
    """The earlier of timeout and budget.wall; wall names the result only when it is strictly the smaller."""
    timeout, wall = run.manifest.timeout, run.manifest.budget.wall_s
    if wall is not None and (timeout is None or wall < timeout):
        return wall, StopReason.WALL
    return timeout, StopReason.TIMEOUT


def opened_in(folder: RunFolder) -> Opened | None:
    """What a run was started with; None when it never came that far, or its record was torn by a power cut."""
    try:
        value = json.loads(folder.read("place.json") or b"")
    except ValueError:
        return None
    return Opened(**{**value, "place": Place(**value["place"]), "sidecars": tuple(value["sidecars"])})


def _started(run: Run, opened: Opened, now: datetime) -> Entry:
    place = opened.place
    branch = {"wip_branch": place.branch, "wip_base": place.base} if place.branch else {}
    return {
        "event": "started", "run": run.job.past.run, "engine": opened.engine, "started_at": now.timestamp(),
        "fresh": False, **branch,
    }  # fmt: skip


def with_hint(error: AqError | OSError) -> str:
    """What went wrong, with what to do about it."""
    hint = error.hint if isinstance(error, AqError) else ""
    return f"{error} ({hint})" if hint else str(error)


def to_json(value: object) -> bytes:
    """A record for a run folder, readable by people too."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
