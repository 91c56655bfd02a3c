"""What an import did, or would do, as plain values: the same for people and for `--json`."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from os.path import expanduser
from typing import Any

from agent_queue.core.job import JobId, Stage, wip_branch
from agent_queue.queues.import_plan import Planned, passed_over, pending, renamed_deps
from agent_queue.queues.import_profiles import NewProfile
from agent_queue.queues.old_queue import OldQueue
from agent_queue.system.attach import checked_out
from agent_queue.system.git import Git, GitError, repository
from agent_queue.system.layout import SUFFIX


def report(
    old: OldQueue, planned: Sequence[Planned], made: Sequence[Planned], profiles: Sequence[NewProfile]
) -> dict[str, Any]:
    """`made` are the jobs that came into being, or would; the rest concerns those and no earlier ones."""
    new = pending(planned)
    problems = [*old.unreadable, *(each.text.problem for each in new if _can_run(each) and each.text.problem)]
    missed = [each for each in new if each not in made]
    problems += [each.problem for each in profiles if each.problem]
    quoted = [(f"{each.job}{SUFFIX}", each.text.quoted) for each in new]
    quoted += [(f"profiles/{each.file}", each.quoted) for each in profiles]
    problems += [f"{each.job}{SUFFIX}: a file of that name appeared in {each.stage}/ meanwhile" for each in missed]
    return {
        "imported": [{"job": each.job, "from": f"{each.old.stage}/{each.old.stem}{SUFFIX}", "stage": each.stage.value,
                      "attempts": each.entry.get("attempts", 0), "logs": len(each.old.logs)} for each in made],
        "already": len(planned) - len(new),
        "renamed": [{"from": f"{each.old.stage}/{each.old.stem}{SUFFIX}", "job": each.job}
                    for each in new if each.old.stem != each.job],
        "deps": [{"job": job, "says": said, "now": now} for job, said, now in renamed_deps(new)],
        "quoted": [{"file": file, "line": line, "key": key} for file, lines in quoted for line, key in lines],
        "without_yolo": sum(not each.text.says_yolo for each in new),
        "branches": list(_branches(new)),
        "earlier_work": [{"job": job, "branch": branch} for job, branch in _earlier(new)],
        "passed_over": dict(sorted(passed_over(new).items())),
        "notes_without_job": old.left(),
        "profiles": [each.file for each in profiles],
        "problems": problems,
    }  # fmt: skip


def _can_run(each: Planned) -> bool:
    return each.stage is not Stage.SHIPPED


def _earlier(new: Sequence[Planned]) -> Iterator[tuple[JobId, str]]:
    """Jobs that can run again and have work on a branch of another name than the one they go on from."""
    for each in new:
        branch = each.entry.get("wip_branch")
        if branch and branch != wip_branch(each.job) and _can_run(each):
            yield each.job, branch


def _branches(new: Sequence[Planned]) -> Iterator[dict[str, str]]:
    """Branches of jobs that can run again and that are checked out somewhere: until that ends, the job waits."""
    known: dict[str, dict[str, str]] = {}
    for each in new:
        cwd = each.text.manifest.cwd
        top = repository(expanduser(cwd)) if cwd and _can_run(each) else None
        if top is None:
            continue
        if top not in known:
            known[top] = {}
            with suppress(GitError):
                known[top] = dict(checked_out(Git(top)))
        for branch in dict.fromkeys((str(each.entry.get("wip_branch")), wip_branch(each.job))):
            if where := known[top].get(f"refs/heads/{branch}"):
                yield {"job": each.job, "branch": branch, "at": where}
