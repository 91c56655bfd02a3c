"""Putting away what finished jobs left behind. Job files and journals stay: keys and dependencies still hold."""

from dataclasses import dataclass, field

from agent_queue.core.errors import AqError, StorageError
from agent_queue.core.job import FINAL, JobId, Stage
from agent_queue.core.lifecycle import Job
from agent_queue.flow.tools import Tools


@dataclass(slots=True)
class Cleaned:
    """What was put away, and what was left where it is, with the reason."""

    archived: list[JobId] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def clean(tools: Tools, *, keep: int, branches: bool) -> Cleaned:
    """Archive the runs and worktrees of all finished jobs but the `keep` latest.

    With `branches`, the branch of a shipped job is deleted where its work is merged into the repository's HEAD.
    """
    cleaned = Cleaned()
    label = f"{tools.clock.now():%Y%m%d-%H%M%S}"
    jobs = sorted(tools.queue.jobs(*FINAL), key=lambda job: float(job.past.state.get("ended_at") or 0.0))
    for job in jobs[: max(len(jobs) - keep, 0)]:
        lock = tools.queue.lock(job.id)
        if lock is None:
            cleaned.left.append(f"{job.id}: another process holds it")
            continue
        try:
            now = tools.queue.job(job.id)  # only under its lock is it still so: a person may have put it back
            if now is not None and now.stage in FINAL:
                _clean_one(tools, now, label, cleaned, branches=branches)
        except StorageError:
            raise  # the queue's own disk: the next one would meet the same
        except AqError as error:
            cleaned.left.append(f"{job.id}: {error}")
        finally:
            lock.close()
    return cleaned


def _clean_one(tools: Tools, job: Job, label: str, cleaned: Cleaned, *, branches: bool) -> None:
    left = tools.workspaces.close(job.id, job.past)
    if left:
        cleaned.left.append(f"{job.id}: {left}")
        return
    if branches and job.stage is Stage.SHIPPED:
        plan = tools.workspaces.plan(tools.queue.file(job.id).manifest)
        if plan.repository and (branch := tools.workspaces.drop_merged(plan.repository, job.past)):
            cleaned.branches.append(branch)
    if tools.queue.archive(job.id, label):
        cleaned.archived.append(job.id)
