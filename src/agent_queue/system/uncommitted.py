"""The uncommitted changes of a person's checkout, which a worktree does not show by itself."""

from agent_queue.core.choices import Dirty
from agent_queue.core.job import JobId
from agent_queue.system.attach import WorkspaceError
from agent_queue.system.checkpoint import look_at
from agent_queue.system.content import links
from agent_queue.system.filters import for_a_look
from agent_queue.system.git import Git, GitError
from agent_queue.system.inner import there


def _status(git: Git) -> list[str]:
    """The paths that differ from HEAD or are new there, as git shows them; what it ignores is none of them.

    git is not let into the repositories inside: it would run there what their configuration names.
    """
    how = ("--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames", "--ignore-submodules=dirty")
    try:
        said = git.run("status", *how)
    except GitError:
        said = for_a_look(git).run("status", *how)
    return [field[3:] for field in said.split("\0") if field]


def _inside(user: Git) -> list[str]:
    """The repositories inside that have such changes, submodules among them."""
    return [path for path, git in there(user.folder, links(user)).items() if _status(git)]


def beginning(user: Git, job: JobId, base: str, dirty: Dirty) -> tuple[str, tuple[str, ...]]:
    """The commit that a new branch begins with, and the changes of the checkout that it does not hold.

    `include`d changes become a commit on `base`. The checkout and its index stay as they are, and secrets stay out.

    Raises:
        WorkspaceError: they are changes of another commit than the base.
    """
    paths, inside = _status(user), _inside(user)
    if dirty is Dirty.ANNOUNCE or not paths:
        return base, (*paths, *(path for path in inside if path not in paths))
    head = user.run("rev-parse", "HEAD^{commit}")
    if head != base:
        text = f"dirty: include, and the uncommitted changes are those of {head[:12]}, not of its base {base[:12]}"
        raise WorkspaceError(text, hint="leave out `base`, or commit them first")
    message = f"aq wip: {job} (uncommitted changes of the checkout)"
    found = look_at(user)
    new = [path for path in found.nested if f"{path}/" in paths]
    return user.run("commit-tree", found.tree, "-p", base, "-m", message), (*inside, *new)
