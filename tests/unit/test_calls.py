"""What an answer means, and how long a tracker wants to be left alone."""

import pytest

from agent_queue.core.calls import LONGEST_RETRY_AFTER_S, Answer, Request, judged, wait_before_again
from agent_queue.core.trouble import TrackerError, Trouble

NOW, LATER = "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:01:30 GMT"
GET = Request(method="GET", path="/")


def trouble(status: int, body: bytes = b"", **headers: str) -> TrackerError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(TrackerError) as found:
        judged(Answer(status=status, body=body, headers=named), "GET /x", has_secret=True, secret_env="T")
    return found.value


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": " 0 "}, 0.0),
        ({"retry_after": LATER, "date": NOW}, 90.0),
        ({"retry_after": NOW, "date": LATER}, 0.0),
        ({"retry_after": LATER}, None),
        ({"retry_after": "soon", "date": NOW}, None),
        ({"retry_after": "-5", "date": NOW}, None),
        ({"retry_after": "999999999"}, LONGEST_RETRY_AFTER_S),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": NOW}, LONGEST_RETRY_AFTER_S),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_to_in_seconds_and_as_a_date(
    status: int, headers: dict[str, str], wait: float | None
) -> None:
    assert trouble(status, **headers).retry_after_s == wait


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (403, b"", {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1772366430", "date": NOW}, 30.0),
        (403, b"", {"x_ratelimit_remaining": "0"}, 60.0),
        (403, b"", {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "never", "date": NOW}, 60.0),
        (403, b"", {"x_ratelimit_remaining": "4000", "retry_after": "20"}, 20.0),
        (403, b'{"message": "You have exceeded a secondary rate limit."}', {"x_ratelimit_remaining": "4000"}, 60.0),
        (400, b'{"errors": [{"extensions": {"code": "RATELIMITED"}}]}', {}, 60.0),
    ],
)
def test_what_is_asked_too_often_is_known_by_more_than_429(
    status: int, body: bytes, headers: dict[str, str], wait: float
) -> None:
    error = trouble(status, body, **headers)
    assert error.trouble is Trouble.RATE_LIMITED
    assert error.retry_after_s == wait


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Trouble.MISCONFIGURED), (400, Trouble.REFUSED), (401, Trouble.REFUSED), (403, Trouble.REFUSED),
        (404, Trouble.NOT_FOUND), (409, Trouble.REFUSED), (410, Trouble.NOT_FOUND), (412, Trouble.REFUSED),
        (422, Trouble.REFUSED), (500, Trouble.UNREACHABLE), (502, Trouble.UNREACHABLE), (504, Trouble.UNREACHABLE),
    ],
)  # fmt: skip
def test_every_other_answer_has_its_kind(status: int, kind: Trouble) -> None:
    error = trouble(status, b"\x1b[2Jno \xff\n", x_ratelimit_remaining="4000")
    assert error.trouble is kind
    assert error.hint
    assert str(error).isprintable()


def test_within_one_call_only_short_waits_are_waited() -> None:
    def wait(status: int, tries: int = 1, **headers: str) -> float | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return wait_before_again(GET, Answer(status=status, headers=named), tries)

    assert wait(503, retry_after="2") == 2.0
    assert wait(503, retry_after="Sun, 01 Mar 2026 12:00:03 GMT", date=NOW) == 3.0
    assert wait(429, retry_after="60") is None
    assert wait(429, retry_after=LATER, date=NOW) is None
    assert wait(500) is not None
    assert wait(500, tries=3) is None
    assert wait(404) is None
    assert wait_before_again(Request(method="POST", path="/", twice=False), Answer(status=500), 1) is None
