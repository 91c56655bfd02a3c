"""What can go wrong for a person, in words a person can act on, with the exit code it ends in."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_MANIFEST = 65
EXIT_UNAVAILABLE = 69
EXIT_AGAIN = 75
EXIT_SETTINGS = 78
EXIT_INTERRUPTED = 130


class AqError(Exception):
    """It failed or was refused. The text says what and where; `hint` says what to do next."""

    exit_code = EXIT_FAILED

    def __init__(self, text: str, *, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class UsageError(AqError):
    """The words of the call do not name one thing."""

    exit_code = EXIT_USAGE


class ManifestError(AqError):
    """A job file that cannot become a job; every problem as `file:line:column: message`."""

    exit_code = EXIT_MANIFEST


class UnavailableError(AqError):
    """A program or service that is needed cannot be reached."""

    exit_code = EXIT_UNAVAILABLE


class BusyError(AqError):
    """It may work later: another supervisor, a verify under way, a hold."""

    exit_code = EXIT_AGAIN


class SettingsError(AqError):
    """Configuration that cannot be used."""

    exit_code = EXIT_SETTINGS


class IllegalMoveError(AqError):
    """The job's stage does not allow the move that was asked for."""


class StorageError(AqError):
    """The disk refused a write that durability depends on; nothing was acknowledged.

    `full`: for want of space, which may come back.
    """

    def __init__(self, text: str, *, hint: str = "", full: bool = False) -> None:
        super().__init__(text, hint=hint)
        self.full = full


class RecordError(StorageError):
    """One file of the queue is in the way, say a folder in its place: the jobs that it is not of are not concerned."""
