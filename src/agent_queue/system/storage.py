"""What a disk that refuses means for people."""

import errno

from agent_queue.core.errors import RecordError, StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)
IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP)


def storage_error(error: OSError, path: str) -> StorageError:
    """Say what a full, failing or read-only disk means for the person who asked for the change."""
    hints = {
        errno.ENOSPC: "the disk is full: free some space, then try again",
        errno.EDQUOT: "your disk quota is used up: free some space, then try again",
        errno.EROFS: "the file system is mounted read-only",
        errno.EACCES: f"check who owns {path} and its mode",
        errno.EPERM: f"check who owns {path} and its mode",
    }
    hint = hints.get(error.errno or 0, "nothing was acknowledged")
    where = str(error.filename2 or error.filename or path)
    words = f"cannot write {where}: {error.strerror}"
    if error.errno in IN_THE_WAY and f"{where}/".startswith(f"{path}/"):  # not what all jobs share
        return RecordError(words, hint=f"{hint}; move what is in the way aside")
    return StorageError(words, hint=hint, full=error.errno in FULL)
