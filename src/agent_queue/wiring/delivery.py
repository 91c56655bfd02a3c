"""What a person does with a job's branch once the job rests: merge it, push it, go on with its conversation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent_queue.core.errors import AqError, BusyError, UnavailableError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.flow.requests import held
from agent_queue.flow.views_job import cwd, manifest
from agent_queue.system.git import Git, repository

if TYPE_CHECKING:
    from agent_queue.system.merge import Merged
    from agent_queue.wiring import App


@dataclass(frozen=True, slots=True)
class Resting:
    """A job that nobody works on: its repository, its branch, the base that its file names."""

    job: Job
    repository: str
    branch: str
    base: str | None


@contextmanager
def resting(app: "App", job: JobId) -> Iterator[Resting]:
    """The job with its branch, under its lock.

    Raises:
        BusyError: its agent or its verify runs, or was left by a crash. AqError: it has no branch, and why.
    """
    with held(app.queue, job) as found:
        if found.stage is Stage.BUILDING:
            raise BusyError(f"{job} was left in work by a crash", hint="`aq run` or `aq recover` settles it")
        branch, folder = found.past.state.get("wip_branch"), cwd(app.queue, found)
        if not branch:
            raise AqError(
                f"{job} {found.past.why_no_branch}: it has no branch", hint=f"`aq show {job}` says how it stands"
            )
        top = repository(os.path.expanduser(folder)) if folder else None
        if top is None:
            raise AqError(f"the repository of {job} is gone: {folder}")
        if Git(top).ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}") is None:
            raise AqError(f"{branch} is not in {top} any more", hint="`aq clean --branches` deletes merged branches")
        base = manifest(app.queue, found).get("base")
        yield Resting(found, top, branch, str(base["value"]) if base else None)


def merge(app: "App", job: JobId, into: str | None) -> "Merged":
    """Bring the job's branch into its base, or into the branch that is named."""
    from agent_queue.system import merge as merging

    with resting(app, job) as rest:
        name = merging.target(rest.repository, rest.base, into)
        merged = merging.merge(rest.repository, rest.branch, name)
        if merged.how is not merging.How.NOTHING:
            app.queue.note(job, {"event": "merged", "branch": name, "commit": merged.after})
        return merged


def doubtful(app: "App", job: JobId) -> str:
    """What nobody has said is good, in words: work that failed, or that waits for a person; '' for other work."""
    found = app.queue.job(job)
    match found.stage if found is not None else None:
        case Stage.FAILED:
            assert found is not None
            return f"failed ({found.past.state.get('result')})"
        case Stage.REVIEW | Stage.INBOX:
            return "was not reviewed"
        case _:
            return ""


def push(
    app: "App", job: JobId, *, remote: str, name: str | None, pr: bool, title: str | None, base: str | None, talk: bool
) -> dict[str, Any]:
    """Push the job's branch, and with `pr` open a pull request; what was done, as plain values."""
    from agent_queue.system import publish

    with resting(app, job) as rest:
        state = rest.job.past.state
        if state.get("wip_base") == Git(rest.repository).run("rev-parse", f"refs/heads/{rest.branch}"):
            raise AqError(f"{job} changed nothing: there is nothing to push")
        onto = base or _onto(rest, remote)
        own = name or f"aq/{rest.branch.removeprefix('aq/wip/')}"
        pushed = publish.push(rest.repository, rest.branch, name=own, remote=remote, base=onto, talk=talk)
        app.queue.note(job, {"event": "pushed", "branch": own, "commit": pushed.commit})
        url = None
        if pr:
            words = title or job.rpartition("__")[2].replace("-", " ").replace("_", " ")
            body = f"Job `{job}` of agent-queue, {state.get('files_changed') or 0} files changed."
            url = publish.pull_request(rest.repository, head=own, base=onto, title=words, body=body)
        return {**asdict(pushed), "base": onto, "pull_request": url}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What an agent's conversation is gone on with: a command, and the folder that it was held in."""

    argv: tuple[str, ...]
    cwd: str


def conversation(app: "App", job: Job) -> Conversation:
    """How a person goes on with the conversation of the job's last run.

    Raises:
        AqError: there is none, and why. UnavailableError: the program is not here any more.
    """
    from agent_queue.flow.choose_engine import find_program
    from agent_queue.flow.opened import opened_in

    state = job.past.state
    name, known = str(state.get("engine") or ""), state.get("resume_id")
    opened = opened_in(app.queue.run_folder(job.id, job.past.run)) if job.past.run else None
    if job.past.fresh or not known or opened is None or opened.engine != name:
        why = "has not run yet" if not job.past.run else "left no conversation to go on with"
        raise AqError(f"{job.id} {why}", hint="`aq show` has its folders")
    engine = app.engine(name)
    program = find_program(name, engine, app.tools) if engine else None
    if engine is None or program is None:
        raise UnavailableError(f"{name} is not here any more", hint=engine.hint if engine else "")
    argv = engine.interactive(program, str(known))
    if not argv:
        raise AqError(f"{name} has no conversations")
    return Conversation(argv=argv, cwd=opened.place.cwd)


def go_on(app: "App", job: JobId) -> int:
    """Hand the terminal to the agent program in the job's workspace, then save what was done; its exit code.

    The job is held meanwhile: no supervisor starts it.
    """
    from agent_queue.flow.saved import record
    from agent_queue.flow.tools import Run
    from agent_queue.system.terminal import hand_over

    file = app.queue.file(job)
    lock = app.queue.lock(job, app.mutexes(file.manifest))
    if lock is None:
        raise BusyError(f"{job} or its place is in use", hint="wait for it, or `aq cancel` it")
    try:
        found = app.queue.job(job)
        assert found is not None
        if found.stage is Stage.BUILDING:
            raise BusyError(f"{job} was left in work by a crash", hint="`aq run` or `aq recover` settles it")
        way = conversation(app, found)
        plan = app.workspaces.plan(file.manifest)
        if plan.problem:
            raise AqError(f"{job} {plan.problem}")
        place = app.workspaces.open(job, plan, found.past, lock, file.manifest)
        code = hand_over(way.argv, way.cwd)
        kept = app.workspaces.keep(job, place, "continued by a person", lock)
        record(Run(job=found, manifest=file.manifest, body=file.body, plan=plan, lock=lock), app.tools, kept)
        app.queue.note(job, {"event": "continued", **kept.facts})
        return code
    finally:
        lock.close()


def _onto(rest: Resting, remote: str) -> str:
    """The branch that a pull request is for: the job's base where that is one, else what is checked out."""
    git = Git(rest.repository)
    short = (rest.base or "").removeprefix(f"{remote}/")
    for ref in (f"refs/heads/{short}", f"refs/remotes/{remote}/{short}"):
        if short and git.ask("show-ref", "--verify", "--quiet", ref) is not None:
            return short
    return git.ask("symbolic-ref", "-q", "--short", "HEAD") or "main"
