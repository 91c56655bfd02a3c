"""After a job shipped: its worktree is not needed any more, and a person wants to know how to merge."""

from agent_queue.core.job import JobId
from agent_queue.flow.tools import Tools


def after_ship(tools: Tools, job: JobId) -> list[str]:
    """Remove the worktree if everything in it is on the branch; say where the work is and how to get it."""
    past = tools.queue.past(job)
    notes = [left] if (left := tools.workspaces.close(job, past)) else []
    branch, changed = past.state.get("wip_branch"), past.state.get("files_changed")
    if branch and changed != 0:  # None where git could not count
        notes.append(f"{job}: its work is on {branch}; merge it with  aq merge {job}  (or  git merge {branch})")
    return notes
