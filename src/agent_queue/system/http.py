"""Requests to a tracker over HTTP. httpx2 is imported here and nowhere else, and late: it takes 90 ms."""

import json
import time
from functools import partial
from typing import TYPE_CHECKING

from agent_queue import __version__
from agent_queue.core.calls import DATE, Answer, Request
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.system.aside import within

if TYPE_CHECKING:
    import httpx2

CONNECT_S, LONGEST_S = 5.0, 15.0
"""For a connection, and for a whole request, however slowly its answer drips in."""
SPARE_S = 0.5
"""So much longer the thread of a request is waited for: the client's own word is better where it comes."""
LARGEST_ANSWER = 16 << 20


class HttpTransport:
    """Satisfies `ports.Transport`, for one base address; it sends each request once, and follows no redirect."""

    def __init__(self, base: str, *, longest_s: float = LONGEST_S) -> None:
        self._base = base
        self._longest_s = longest_s
        self._client: httpx2.Client | None = None

    def send(self, request: Request) -> Answer:
        """Raises TrackerError. The client bounds each read, not all of them: a thread of its own is left alone then."""
        import httpx2

        if self._client is None:
            timeout = httpx2.Timeout(self._longest_s, connect=min(CONNECT_S, self._longest_s))
            self._client = httpx2.Client(timeout=timeout, headers={"User-Agent": f"agent-queue/{__version__}"})
        client = self._client
        for come in within(self._longest_s + SPARE_S, partial(self._answer, client, request)):
            if isinstance(come, Exception):
                raise come
            assert isinstance(come, Answer)
            return come
        self._client = None
        client.close()  # the thread ends with the next byte that comes
        raise self._late(self._named(request), "no answer")

    def _answer(self, client: "httpx2.Client", request: Request) -> Answer:
        import httpx2

        end, what = time.monotonic() + self._longest_s, self._named(request)
        try:
            body = None if request.body is None else json.dumps(request.body).encode()
            headers = {"Accept": "application/json", **request.headers}
            if body is not None:
                headers["Content-Type"] = "application/json"
            with client.stream(request.method, self._base + request.path, content=body, headers=headers) as got:
                data = self._read(got, end, what)
                said = {"date": time.strftime(DATE, time.gmtime()), **{k.lower(): v for k, v in got.headers.items()}}
                return Answer(status=got.status_code, body=data, headers=said)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            slow = isinstance(error, httpx2.ConnectTimeout)
            text = f"cannot reach {self._base}: {str(error) or 'no answer'}"
            raise _unreachable(text, arrived=False, slow=slow) from error
        except httpx2.TimeoutException as error:
            raise self._late(what, "no answer") from error
        except httpx2.TransportError as error:
            raise _unreachable(f"{what}: {str(error) or type(error).__name__}", arrived=True) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            text = f"{what}: {type(error).__name__}: {error}"
            raise TrackerError(Trouble.BAD_ANSWER, text, hint="check [tracker] url", arrived=True) from error

    def _named(self, request: Request) -> str:
        return f"{request.method} {self._base}{request.path.partition('?')[0]}"

    def _late(self, what: str, missing: str) -> TrackerError:
        return _unreachable(f"{what}: {missing} in {self._longest_s:.0f} s", arrived=True, slow=True)

    def _read(self, got: "httpx2.Response", end: float, what: str) -> bytes:
        data = bytearray()
        for piece in got.iter_bytes():
            data += piece
            if len(data) > LARGEST_ANSWER:
                raise TrackerError(Trouble.BAD_ANSWER, f"{what}: the answer is larger than {LARGEST_ANSWER >> 20} MiB",
                                   hint="check [tracker] url", arrived=True)  # fmt: skip
            if time.monotonic() > end:
                raise self._late(what, "no end of the answer")
        return bytes(data)


def _unreachable(text: str, *, arrived: bool, slow: bool = False) -> TrackerError:
    hint = "check the address ([tracker] url, AQ_TRACKER_API), and that the service runs"
    return TrackerError(Trouble.UNREACHABLE, text, hint=hint, arrived=arrived, slow=slow)
