"""The uncommitted changes of a person's checkout, which a worktree does not show by itself."""

from agent_queue.core.choices import Dirty
from agent_queue.core.job import JobId
from agent_queue.system.attach import WorkspaceError
from agent_queue.system.checkpoint import present
from agent_queue.system.git import Git


def uncommitted(user: Git) -> tuple[str, ...]:
    """The paths that differ from HEAD or are new there, as git shows them; what it ignores is none of them."""
    fields = user.run("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames").split("\0")
    return tuple(field[3:] for field in fields if field)


def beginning(user: Git, job: JobId, base: str, dirty: Dirty) -> tuple[str, tuple[str, ...]]:
    """The commit that a new branch begins with, and the changes of the checkout that it does not hold.

    `include`d changes become a commit on `base`. The checkout and its index stay as they are, and secrets stay out.

    Raises:
        WorkspaceError: they are changes of another commit than the base.
    """
    paths = uncommitted(user)
    if dirty is Dirty.ANNOUNCE or not paths:
        return base, paths
    head = user.run("rev-parse", "HEAD^{commit}")
    if head != base:
        text = f"dirty: include, and the uncommitted changes are those of {head[:12]}, not of its base {base[:12]}"
        raise WorkspaceError(text, hint="leave out `base`, or commit them first")
    message = f"aq wip: {job} (uncommitted changes of the checkout)"
    return user.run("commit-tree", present(user), "-p", base, "-m", message), ()
