"""What a job's branch begins at: its `base`, or the work of the jobs that it depends on."""

from dataclasses import replace

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId
from agent_queue.flow.tools import Run, Tools
from agent_queue.ports import Plan

DEPS = "deps"
"""The word for it in `base`."""


def based(run: Run, tools: Tools) -> Plan:
    """The run's plan, with the commits that it builds on.

    That is asked for by `base: deps`; without any `base` it is so when all its dependencies worked in its repository.
    """
    manifest, plan = run.manifest, run.plan
    if not manifest.deps or plan.repository is None or manifest.base not in (None, DEPS):
        return plan
    found = [_commit(job, plan.repository, tools) for name in manifest.deps if (job := tools.queue.named(name))]
    here = tuple(commit for commit in found if commit)
    return replace(plan, onto=here) if manifest.base == DEPS or len(here) == len(manifest.deps) else plan


def _commit(job: JobId, repository: str, tools: Tools) -> str:
    """The commit that holds a job's work in this repository; '' when it did none there."""
    try:
        plan = tools.workspaces.plan(tools.queue.file(job).manifest)
    except AqError:
        return ""
    commit = tools.queue.past(job).state.get("wip_commit")
    return str(commit) if commit and plan.repository == repository else ""
