"""What a model service means when it refuses: one reading of its words and status for every agent program."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from agent_queue.core.outcome import Broke, Failure, Held

_SIGNS: tuple[tuple[Failure, re.Pattern[str]], ...] = tuple(
    (kind, re.compile("|".join(patterns), re.IGNORECASE))
    for kind, *patterns in (
        # A service that names a wait in the same breath asks to slow down, whatever it calls that.
        (Failure.RATE_LIMITED, r"current quota\b.*\bretry in \d", "rate limit reached", "rate_limit_error",
         "too many requests"),
        (Failure.CONTEXT, "prompt (is|as) too long", "context window", "context limit", "maximum context length",
         "context_length_exceeded", "ContextOverflow", "ran out of room", "input token count.*exceeds"),
        (Failure.QUOTA, "credit balance", "insufficient[ _]quota", "insufficient credits", "quota exceeded",
         "exceeded your current quota", "exhausted your .*quota", "usage limit", "session limit", "payment required"),
        (Failure.AUTH, "invalid x-api-key", "(incorrect|invalid) api key", "api[ _]key[ _](not[ _]valid|invalid)",
         "authentication[ _](failed|error)", "failed to authenticate", "unauthorized", "not logged in", "run /login",
         "auth login", "no api key found", "set an auth method", "no auth type", "no authentication information",
         "oauth token (has expired|revoked)", "ProviderAuthError"),
        (Failure.OVERLOADED, "overloaded", "at capacity", "high demand", "service unavailable", "bad gateway",
         "internal server error", "internal error has occurred", "server had an error"),
        (Failure.RATE_LIMITED, "rate.?limit", "resource_exhausted"),
    )
)  # fmt: skip
"""In order: the first that is found decides. Words come before the status, which is often a bare 400 or 429."""

_STATUS = {401: Failure.AUTH, 402: Failure.QUOTA, 403: Failure.AUTH, 413: Failure.CONTEXT, 429: Failure.RATE_LIMITED}
_LONGEST_REASON = 300
_LONGEST_READ = 10_000
_JUST_PASSED = timedelta(minutes=5)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = re.compile(r"\|(\d{10})\b")
_CLOCK = re.compile(
    r"(?:resets|again|reset)\s+(?:at\s+)?"
    r"(?:(?P<month>[a-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?:(?P<year>\d{4}),?\s+)?(?:at\s+)?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap])m(?:\s*\((?P<zone>[\w/+-]+)\))?",
    re.IGNORECASE,
)
_WAIT = re.compile(r"again in\s+((?:\d+\s+(?:day|hour|minute|second)s?[\s,]*(?:and\s+)?)+)", re.IGNORECASE)
_PART = re.compile(r"(\d+)\s+(day|hour|minute|second)", re.IGNORECASE)


def kind(text: str, status: int | None = None) -> Failure | None:
    """Name the failure class of a refusal, None when neither its words nor its HTTP status tell one."""
    for failure, sign in _SIGNS:
        if sign.search(text, 0, _LONGEST_READ):
            return failure
    if status is None:
        return None
    return Failure.OVERLOADED if status >= 500 else _STATUS.get(status)


def broke(text: str, status: int | None = None) -> Broke:
    """A refusal as an outcome; one that nobody can name is a crash."""
    return Broke(kind=kind(text, status) or Failure.CRASH, reason=reason(text))


def reason(text: str) -> str:
    """The sentence why, on one line and not too long."""
    line = " ".join(text[: 8 * _LONGEST_REASON].split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 3] + "..."


def held(text: str, lane: str, reset: datetime) -> Held:
    """Wait for a usage limit's reset, as the program told it, also when it has passed by now."""
    return Held(reason=reason(text), lane=lane, until=reset)


def reset_in(text: str, now: datetime) -> datetime | None:
    """Find when a limit ends, in the words of the program; aware. None when they name no time.

    Known are `|EPOCH`, `resets 6am (Area/City)`, `try again at 6:00 AM`, both also after a date, and
    `try again in 2 hours 5 minutes`. A clock time without a zone is in the zone of `now`.
    """
    finders: tuple[Callable[[str, datetime], datetime | None], ...] = (_epoch, _clock, _wait)
    for find in finders:
        try:
            found = find(text[:_LONGEST_READ], now)
        except (ValueError, OverflowError):  # 31 June, the year 10000
            found = None
        if found is not None:
            return found
    return None


def reset_at(seconds: int, now: datetime) -> datetime | None:
    """A reset that is told in epoch seconds, None when that is no time."""
    try:
        return datetime.fromtimestamp(seconds, now.tzinfo)
    except (ValueError, OverflowError, OSError):
        return None


def _epoch(text: str, now: datetime) -> datetime | None:
    found = _EPOCH.search(text)
    return reset_at(int(found[1]), now) if found else None


def _clock(text: str, now: datetime) -> datetime | None:
    found = _CLOCK.search(text)
    if not found or not 1 <= int(found["hour"]) <= 12:
        return None
    local = now.astimezone(_zone(found["zone"], now))
    hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "p" else 0)
    at = local.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
    if not found["month"]:
        # A time that has just passed is a reset that has just come, not one a day away.
        return at if at > local - _JUST_PASSED else at + timedelta(days=1)
    month = _MONTHS.index(found["month"].lower()) + 1
    at = at.replace(year=int(found["year"] or local.year), month=month, day=int(found["day"]))
    return at.replace(year=at.year + 1) if not found["year"] and at < local - timedelta(days=1) else at


def _wait(text: str, now: datetime) -> datetime | None:
    found = _WAIT.search(text)
    if not found:
        return None
    parts = {f"{unit.lower()}s": int(number) for number, unit in _PART.findall(found[1])}
    # In UTC: in local time five hours may be four or six, when the clocks change on the way.
    return (now.astimezone(UTC) + timedelta(**parts)).astimezone(now.tzinfo)


def _zone(name: str | None, now: datetime) -> tzinfo | None:
    if name is None:
        return now.tzinfo
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a zone this machine does not know: its own is the best guess left
        return now.tzinfo
