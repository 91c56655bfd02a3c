"""The commit that a job's branch begins at when it builds on the work of others: the merge of theirs."""

from collections.abc import Sequence

from agent_queue.system.attach import WorkspaceBusyError, WorkspaceError
from agent_queue.system.git import Git

LISTED = 5


def merged(user: Git, commits: Sequence[str]) -> str:
    """A commit that holds all of these. Nothing but git's object store changes.

    What HEAD holds by now is taken from there, with whatever else came to it since.

    Raises:
        WorkspaceBusyError: they contradict each other; a person has to merge them. WorkspaceError: one is gone.
    """
    for commit in commits:
        if user.ask("cat-file", "-e", f"{commit}^{{commit}}") is None:
            text = f"the work that it builds on, {commit[:12]}, is not in {user.folder} any more"
            raise WorkspaceError(text, hint="say `base:` in its file, e.g. `base: HEAD`")
    head = user.run("rev-parse", "HEAD^{commit}")
    left = [commit for commit in commits if user.ask("merge-base", "--is-ancestor", commit, head) is None]
    ends = [*([head] if len(left) < len(commits) else []), *left]
    result, *others = user.run("merge-base", "--independent", *ends).split()
    for other in others:
        result = _merge(user, result, other)
    return result


def _merge(user: Git, one: str, other: str) -> str:
    tree, conflicts = user.merge_tree(one, other)
    if conflicts:
        shown = ", ".join(conflicts[:LISTED]) + (", ..." if len(conflicts) > LISTED else "")
        text = f"the jobs that it builds on contradict each other in {shown}"
        raise WorkspaceBusyError(text, hint="merge their branches where HEAD is, or say `base:` in its file")
    return user.run("commit-tree", tree, "-p", one, "-p", other, "-m", "aq: the work that a job builds on")
