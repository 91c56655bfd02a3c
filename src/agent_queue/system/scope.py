"""Which of a job's changes lie outside of what it may change, in git's own reading of globs."""

from collections.abc import Sequence

from agent_queue.system.git import Git


def outside(git: Git, base: str, tip: str, globs: Sequence[str]) -> list[str]:
    """The paths that differ between two trees and match none of the globs, from the top of the repository on.

    `*` stays within a folder, `**` does not; the name of a folder stands for all that is in it.

    Raises:
        GitError: git cannot read one of the trees.
    """
    inside = (f":(top,exclude,glob){glob.rstrip('/')}" for glob in globs)
    found = git.run("diff", "--name-only", "--no-renames", "-z", base, tip, "--", ":(top)", *inside, limit_s=600)
    return [path for path in found.split("\0") if path]
