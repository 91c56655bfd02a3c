"""What jobs left about, judged: worktrees and runs of nobody, snapshots of jobs that are over, the disk they take."""

from collections.abc import Iterator
from shlex import quote

from agent_queue.flow.doctor import Facts, Finding, Level, some

ABOUT = "leftovers"


def leftovers(facts: Facts) -> Iterator[Finding]:
    """What there is, and the command that puts it away. Nothing is put away by itself: it may hold work."""
    yield Finding(ABOUT, Level.OK, in_words(facts["disk"]))
    if found := facts["lone_worktrees"]:
        remove = f"git worktree remove --force {quote(found[0])}"
        fix = f"look into them; then {remove}, or rm -r it when that is no worktree"
        yield Finding(ABOUT, Level.WARN, f"worktrees of no job: {some(found)}", fix)
    if found := facts["lone_runs"]:
        yield Finding(ABOUT, Level.WARN, f"run folders of no job: {some(found)}", f"rm -r {quote(found[0])}")
    if found := facts["over_worktrees"]:
        text = f"{len(found)} worktree{'s' if len(found) > 1 else ''} of finished jobs: {some(found)}"
        yield Finding(ABOUT, Level.OK, text, "aq clean removes those whose work is all on the branch")
    if facts["snapshots"]:
        repository, ref = facts["snapshots"][0]
        text = f"snapshots of finished jobs: {some([ref for _, ref in facts['snapshots']])}"
        yield Finding(ABOUT, Level.OK, text, f"git -C {quote(repository)} update-ref -d {quote(ref)}")


def in_words(disk: Facts) -> str:
    """What is taken, as one line."""
    least = "" if disk["whole"] else "at least "
    count = f"{disk['worktrees']} worktree{'' if disk['worktrees'] == 1 else 's'}"
    return f"{least}{_size(disk['work'])} in {count}, {_size(disk['runs'])} of runs, {_size(disk['archive'])} archived"


def _size(count: int) -> str:
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
