"""Whether a job's worktree can go: when its every file is on the branch, or kept beside a run as it is now."""

from collections.abc import Sequence
from dataclasses import replace

from agent_queue.core.job import JobId
from agent_queue.system import equipment, left_out, nested, nested_copies
from agent_queue.system.before import filters, read
from agent_queue.system.checkpoint import known, look_at
from agent_queue.system.files import Disk
from agent_queue.system.filters import as_before
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import Outer


def unsaved(here: Git, job: JobId, branch: str, runs: Sequence[str], disk: Disk) -> str:
    """Why the worktree has to stay, '' when it need not. `runs` are the folders of the job's runs, the last one last.

    Nothing of it is run: neither filters that an agent configured nor what repositories inside it name.
    """
    path, ref = here.folder, f"refs/heads/{branch}"
    work = f"{path} holds work that is not on {branch}; `aq requeue` it or commit it there"
    before = next((known_then for run in reversed(runs) if (known_then := read(run))), None)
    try:
        here = replace(here, settings=as_before(before, filters(here))[0])
        found = look_at(here)
        if here.ask("symbolic-ref", "-q", "HEAD") != ref or known(here, f"{ref}^{{tree}}") != [found.tree]:
            return work
    except GitError as error:
        return f"{path} cannot be looked through: {error}"
    if found.missed:
        return f"{path} holds what cannot be read: {'; '.join(found.missed)}"
    latest = left_out.latest(runs)

    def beside(name: str) -> bool:
        return left_out.kept_of(path, name, latest)

    if not all(map(beside, found.left_out)):
        return work
    inside = nested_copies.latest(runs)
    outer = Outer(root=path, job=job, branch=branch, own=True, run_folder=inside, before=before, disk=disk)
    if repositories := nested.unsaved(outer, found.nested, beside):
        return f"{path} holds repositories with work that is nowhere else: {', '.join(repositories)}"
    if copies := equipment.changed(path):
        return f"{path} holds copies that were changed, and are on no branch: {', '.join(copies)}"
    return ""
