"""The beginning of a run: its workspace, its files, its command, its process."""

from dataclasses import replace
from datetime import datetime

from agent_queue.core.budget import Budget, unwatched
from agent_queue.core.errors import AqError
from agent_queue.core.history import Entry
from agent_queue.core.job import Result
from agent_queue.core.manifest import render
from agent_queue.core.outcome import Outcome, Refused, StopReason, of_stop
from agent_queue.core.preface import prefaced
from agent_queue.core.profile import prompt
from agent_queue.core.run import guarded
from agent_queue.core.settings import engine_settings
from agent_queue.flow.base import based
from agent_queue.flow.before import before, conversation_of, preface_of
from agent_queue.flow.choose_engine import Chosen, choose
from agent_queue.flow.opened import Opened, keep, to_json
from agent_queue.flow.setup import setup
from agent_queue.flow.tools import Deed, Run, Steps, Tools
from agent_queue.ports import Assignment, Lock, Place, RunFolder, Start

JOB = "job.md"
"""The job as this run was claimed with it, defaults filled in: later edits of its file hold from the next claim."""
PREFACE = "preface.md"
"""What stands before the body in the prompt; AQ_PREFACE names it to an agent whose prompt is a program."""


def launch(run: Run, tools: Tools, folder: RunFolder) -> Steps[Opened | Outcome]:
    """Make the workspace, write the run's files, start the agent. Gives what was opened, or why it was not."""
    chosen = choose(run.manifest, tools, admitted=run.engine)
    if isinstance(chosen, Refused):
        return chosen
    complaint = unkept(run.manifest.budget, chosen)
    if complaint and run.manifest.budget.strict:
        return Refused(result=Result.BUDGET_EXCEEDED, reason=f"budget.strict: {complaint}")
    if complaint:
        tools.tell(f"{run.id}: {complaint}")
    lock, found = run.lock, before(run, tools)
    assert lock is not None
    place, summary = yield from _workspace(run, tools, lock)
    opened = Opened(
        place=place, marker=tools.clock.token(), session=tools.clock.token(), engine=chosen.name,
        resumed=conversation_of(run, chosen.name, place, found),
    )  # fmt: skip
    assignment = _assignment(run, tools, folder, chosen, opened)
    start, dropped = _command(run, tools, folder, chosen, opened, assignment)
    opened = replace(opened, sidecars=chosen.engine.sidecars(assignment, place, start.env))
    _write(run, folder, chosen, opened, preface_of(run, opened, found, summary))
    failed = yield from setup(run, tools, folder, opened)
    if failed is not None:
        return failed
    stopped = tools.processes.stopped(folder.path)
    if stopped is not None:
        return of_stop(stopped, tools.clock.now())
    tools.processes.start(start, lock)
    tools.queue.note(run.id, _started(run, opened, tools.clock.now()), durable=False)
    if dropped:
        folder.write("dropped.json", to_json(dropped))
    return opened


def _write(run: Run, folder: RunFolder, chosen: Chosen, opened: Opened, told: str) -> None:
    """The run's files; `told` is what stands before the body in the prompt."""
    keep(folder, opened)
    folder.write("manifest.json", to_json(run.manifest.to_json()))
    folder.write(JOB, render(run.manifest, run.body).encode(errors="surrogateescape"))
    folder.write(PREFACE, told.encode())
    whole = run.body if chosen.engine.script else prefaced(told, prompt(run.persona, run.body))
    folder.write("prompt.md", whole.encode(errors="surrogateescape"))


def _workspace(run: Run, tools: Tools, lock: Lock) -> Steps[tuple[Place, str]]:
    """Have the job's workspace, and the diffstat of what earlier runs or the person left in it."""

    plan = based(run, tools)

    def made() -> tuple[Place, str]:
        place = tools.workspaces.open(run.id, plan, run.job.past, lock, run.manifest)
        looked_at = run.job.past.run > 1 or not run.plan.worktree  # a new worktree is as its base is
        return place, tools.workspaces.summary(place) if looked_at else ""

    place, summary = made() if run.plan.repository is None else (yield Deed(made))
    if place.note:
        tools.tell(f"{run.id}: {place.note}")
    return place, summary


def unkept(budget: Budget, chosen: Chosen) -> str:
    """What cannot be kept of a budget with this engine, '' when all can."""
    lacking = unwatched(budget, (*chosen.engine.live, *chosen.engine.caps))
    names = " and ".join(f"budget.{name}" for name in lacking)
    return f"{names} cannot be kept: {chosen.name} does not tell while it runs what it uses" if lacking else ""


def _command(
    run: Run, tools: Tools, folder: RunFolder, chosen: Chosen, opened: Opened, assignment: Assignment
) -> tuple[Start, list[str]]:
    """The process to start, and the names of the variables that it does not see."""
    said, engine = engine_settings(tools.settings, chosen.name), chosen.engine
    command = engine.command(assignment, opened.place, tools.host)
    patterns = (*engine.environment, *tools.settings.env_pass)
    seen, dropped = tools.child_environment(tools.environment, patterns)
    marks = {"AQ_JOB_ID": run.id, "AQ_RUN": opened.marker, "AQ_PREFACE": folder.path_of(PREFACE)}
    env = guarded({**seen, **command.env, **said.env, **marks}, opened.place.env)
    deadline_s, why = deadline(run)
    start = Start(
        folder=folder.path, log=folder.path_of("agent.log"), cwd=opened.place.cwd, argv=command.argv,
        env=env, stdin=command.stdin, deadline_s=deadline_s, deadline_why=why,
        grace_s=tools.settings.run.stop_grace_s, stop=engine.stop,
    )  # fmt: skip
    return start, dropped


def _assignment(run: Run, tools: Tools, folder: RunFolder, chosen: Chosen, opened: Opened) -> Assignment:
    said, asked = engine_settings(tools.settings, chosen.name), run.manifest
    return Assignment(
        job=run.id, run=run.job.past.run, program=chosen.program, manifest=asked,
        model=said.model if chosen.instead else asked.model or said.model,
        args=(*said.args, *(() if chosen.instead else asked.args)), folder=folder.path,
        prompt_file=folder.path_of("prompt.md"), session=opened.session, resume_id=opened.resumed,
    )  # fmt: skip


def deadline(run: Run) -> tuple[float | None, StopReason]:
    """The earlier of timeout and budget.wall; wall names the result only when it is strictly the smaller."""
    timeout, wall = run.manifest.timeout, run.manifest.budget.wall_s
    if wall is not None and (timeout is None or wall < timeout):
        return wall, StopReason.WALL
    return timeout, StopReason.TIMEOUT


def _started(run: Run, opened: Opened, now: datetime) -> Entry:
    place = opened.place
    branch = {"wip_branch": place.branch, "wip_base": place.base} if place.branch else {}
    profile = {"profile": run.manifest.profile} if run.manifest.profile else {}
    return {
        "event": "started", "run": run.job.past.run, "engine": opened.engine, "started_at": now.timestamp(),
        "resume_id": opened.resumed, "fresh": False, **profile, **branch,
    }  # fmt: skip


def with_hint(error: AqError | OSError) -> str:
    """What went wrong, with what to do about it."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    hint = error.hint
    return f"{error} ({hint})" if hint else str(error)
