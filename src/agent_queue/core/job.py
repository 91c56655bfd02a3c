"""What a job is called, and where it can lie."""

import re
from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", str)

ID_LENGTH = 128
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9]+")


class Stage(StrEnum):
    """A folder a job can lie in. The folder is the truth; nothing else stores the stage."""

    INBOX = "inbox"
    BUILDING = "building"
    REVIEW = "review"
    TESTING = "testing"
    SHIPPED = "shipped"
    FAILED = "failed"


ACTIVE = (Stage.INBOX, Stage.BUILDING, Stage.REVIEW, Stage.TESTING)
FINAL = (Stage.SHIPPED, Stage.FAILED)


class Result(StrEnum):
    """How a job's last run stands, journaled as `result`."""

    REVIEW = "review"
    TESTING = "testing"
    SHIPPED = "shipped"
    CRASH = "crash"
    VERIFY_FAILED = "verify_failed"
    TIMEOUT = "timeout"
    BUDGET_EXCEEDED = "budget_exceeded"
    STALLED = "stalled"
    SETUP_FAILED = "setup_failed"
    CONTEXT = "context"
    MAX_TURNS = "max_turns"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    CAPABILITY_MISMATCH = "capability_mismatch"
    NO_ENGINE = "no_engine"
    NO_PERMISSION = "no_permission"
    AUTH_FAILED = "auth_failed"
    SCOPE_REFUSED = "scope_refused"
    OUT_OF_MEMORY = "out_of_memory"
    HELD_TOO_LONG = "held_too_long"
    RETRIES_EXHAUSTED = "retries_exhausted"
    RETRY = "retry"
    RECOVERED = "recovered"
    HELD = "held"


def bad_id(stem: str) -> str | None:
    """Say why `stem` cannot be a job id, or None when it can."""
    if not _ID.fullmatch(stem):
        return f"a job's name is 1 to {ID_LENGTH} of the characters A-Z a-z 0-9 . _ - and begins with a letter or digit"
    if ".." in stem:
        return "a job's name may not contain '..'"
    if stem.endswith((".lock", ".")):
        return "a job's name may not end in '.lock' or '.': git refuses such a branch"
    return None


def slug(text: str, *, length: int = 60) -> str:
    """Turn a name into the readable tail of a job id; 'job' when nothing of it can be used."""
    return _NOT_IN_A_SLUG.sub("-", text.lower()).strip("-")[:length].rstrip("-") or "job"


def renamed(stem: str) -> str:
    """Suggest the nearest legal job id for a file that has an illegal one."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("-._")
    kept = re.sub(r"\.{2,}", ".", kept)[: ID_LENGTH - 8]
    return re.sub(r"(\.lock|[-._])+\Z", "", kept) or "job"


def wip_branch(job: JobId, life: int = 1) -> str:
    """The only branch that aq writes for a job. A job put back after it shipped has a new life, and a new branch.

    `+` stands in no job id, so that no other job can have that branch.
    """
    return f"aq/wip/{job}" if life == 1 else f"aq/wip/{job}+{life}"


def snapshots_ref(branch: str) -> str:
    """Where what lay in the workspace of this branch is saved while an agent works in it."""
    return f"refs/aq/snapshots/{branch.removeprefix('aq/wip/')}"
