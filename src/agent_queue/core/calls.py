"""One call of a tracker's interface as values: what is asked, what came back, what that means, whether to ask again."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent_queue.core.trouble import TrackerError, Trouble

TRIES = 3
LONGEST_WAIT_S = 5.0
"""Within one call; what a tracker wants beyond that is waited for between calls."""
LONGEST_RETRY_AFTER_S = 3600.0
UNSAID_S = 60.0
"""How long to wait where a tracker says that it was asked too often, and not until when."""
SHOWN = 200
DATE = "%a, %d %b %Y %H:%M:%S GMT"
"""How HTTP writes a time."""
_PASSING = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a tracker. `path` begins with a slash; `twice` is True when asking it again does no harm."""

    method: str
    path: str
    body: Any = None
    """Sent as JSON; None for none."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    twice: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Names of headers are in lower case; `date` is always there where there are any."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self, what: str) -> Any:
        """The body as JSON; None when it is empty.

        Raises:
            TrackerError: it is none.
        """
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body, strict=False)  # a line end within a text is no reason to refuse it
        except (ValueError, RecursionError):
            text = f"{what}: the answer is no JSON: {shown(self.body)}"
            hint = "check the address: [tracker] url, or AQ_TRACKER_API"
            raise TrackerError(Trouble.BAD_ANSWER, text, hint=hint, arrived=True) from None


def shown(body: bytes) -> str:
    """The beginning of an answer, fit for a terminal."""
    text = " ".join(body[: 4 * SHOWN].decode(errors="replace").split())[:SHOWN]
    return "".join(c if c.isprintable() else "?" for c in text) or "(empty)"


def judged(answer: Answer, what: str, *, has_secret: bool, secret_env: str) -> Answer:
    """The answer when it is a good one. `what` names the request for people.

    Raises:
        TrackerError: it is not, by kind.
    """
    if answer.good:
        return answer
    status, said = answer.status, f"{what}: HTTP {answer.status}: {shown(answer.body)}"
    if status == 429 or (status in (400, 403) and _asked_too_often(answer)):
        wait = _wanted(answer)
        raise TrackerError(Trouble.RATE_LIMITED, said, hint="it is asked again later",
                           retry_after_s=wait if wait is not None or status == 429 else UNSAID_S)  # fmt: skip
    if status in (401, 403) and not has_secret:
        hint = f"put the token into {secret_env} ([tracker] token_env names another variable)"
        raise TrackerError(Trouble.MISSING_SECRET, said, hint=hint)
    if status in (401, 403):
        raise TrackerError(Trouble.REFUSED, said, hint=f"check the token in {secret_env} and what it may do")
    if status in (404, 410):
        raise TrackerError(Trouble.NOT_FOUND, said, hint="check the item's id, and [tracker] url and project")
    if 300 <= status < 400:
        to = answer.headers.get("location", "elsewhere")
        raise TrackerError(Trouble.MISCONFIGURED, f"{what}: leads to {to}", hint="set [tracker] url to the new address")
    if status >= 500:
        raise TrackerError(Trouble.UNREACHABLE, said, hint="the tracker is in trouble; it is asked again later",
                           retry_after_s=_wanted(answer))  # fmt: skip
    raise TrackerError(Trouble.REFUSED, said, hint="check [tracker] statuses, paths and project")


def wait_before_again(request: Request, answer: Answer | None, tries: int) -> float | None:
    """Seconds until the same request is sent again within one call; None for never.

    `answer` is None when none came; `tries` counts those that were made.
    """
    if not request.twice or tries >= TRIES or (answer is not None and answer.status not in _PASSING):
        return None
    wanted = _wanted(answer) if answer is not None else None
    wait = wanted if wanted is not None else 0.2 * 3.0 ** (tries - 1)
    return wait if wait <= LONGEST_WAIT_S else None


def _asked_too_often(answer: Answer) -> bool:
    """Whether a refusal is about how often, not about what: GitHub says so with 403, Linear with 400."""
    spent = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    return spent or b"RATELIMITED" in answer.body or b"rate limit" in answer.body.lower()


def _wanted(answer: Answer) -> float | None:
    """How many seconds the tracker asks to wait, within reason: by `Retry-After`, or by when GitHub's limit ends."""
    said, now = answer.headers.get("retry-after", "").strip(), _epoch(answer.headers.get("date", ""))
    wait = float(said) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", said) else None
    until = _epoch(said)
    if not said and answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        until = float(reset) if re.fullmatch(r"[0-9]{1,11}", reset) else None
    if wait is None and until is not None and now is not None:
        wait = max(until - now, 0.0)
    return None if wait is None else min(wait, LONGEST_RETRY_AFTER_S)


def _epoch(said: str) -> float | None:
    """A time as HTTP writes it, in epoch seconds. One clock alone is asked, the tracker's: ours may be wrong."""
    try:
        return datetime.strptime(said.strip(), DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
