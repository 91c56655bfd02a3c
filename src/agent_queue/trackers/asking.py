"""What trackers behind HTTP share: requests with the tracker's headers, answers judged, lists taken page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from agent_queue.core.calls import Answer, Request, judged
from agent_queue.core.item import Item
from agent_queue.core.label_map import Standing
from agent_queue.core.trouble import OF_THE_TRACKER, TrackerError, Trouble
from agent_queue.ports_tracker import Transport

MOST_PAGES = 200
PAGE = 100
CLOSED = frozenset(("done", "closed", "wont_fix", "resolved", "rejected"))
"""Statuses of items that nobody wants work on any more."""

One = TypeVar("One")


class Asking:
    """One tracker's interface over a transport."""

    def __init__(self, transport: Transport, headers: Mapping[str, str], *, has_secret: bool, secret_env: str) -> None:
        """Raises TrackerError for what no header can carry: whoever found that out later might show the token."""
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                text = f"what belongs into the header {name} has a line end or a letter that no header can carry"
                raise missing(text, f"check {secret_env} and [tracker]")
        self._transport = transport
        self._headers = headers
        self._has_secret = has_secret
        self._secret_env = secret_env

    def send(
        self, method: str, path: str, body: Any = None, *, twice: bool = True, headers: Mapping[str, str] | None = None
    ) -> Answer:  # fmt: skip
        """The answer, whatever its status."""
        return self._transport.send(
            Request(method=method, path=path, body=body, twice=twice, headers={**self._headers, **(headers or {})})
        )

    def good(
        self, method: str, path: str, body: Any = None, *, twice: bool = True, headers: Mapping[str, str] | None = None
    ) -> Answer:  # fmt: skip
        """The answer, which says that it went well.

        Raises:
            TrackerError: it says something else.
        """
        answer = self.send(method, path, body, twice=twice, headers=headers)
        return self.judged(answer, f"{method} {path.partition('?')[0]}")

    def judged(self, answer: Answer, what: str) -> Answer:
        return judged(answer, what, has_secret=self._has_secret, secret_env=self._secret_env)

    def json(self, path: str) -> Any:
        return self.good("GET", path).json(f"GET {path.partition('?')[0]}")

    def object(self, path: str) -> Mapping[str, Any]:
        """The JSON object at a path."""
        return an_object(self.json(path), f"GET {path.partition('?')[0]}")


def an_object(value: Any, what: str) -> Mapping[str, Any]:
    """Raises TrackerError when the value is no JSON object."""
    if not isinstance(value, dict):
        hint = "check [tracker] kind, url and paths"
        raise TrackerError(Trouble.BAD_ANSWER, f"{what}: the answer is no object", hint=hint, arrived=True)
    return value


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing where there is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def pages(ask: Callable[[int], Sequence[One]], key: Callable[[One], str], *, full: int | None = None) -> Iterator[One]:
    """Everything that `ask` gives page by page, from page 1; each thing once.

    It ends with a page that brings nothing new: also where a server knows no pages and gives the same one again. A page
    of fewer than `full` is the last one.
    """
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        found = ask(page)
        new = [one for one in found if key(one) not in seen]
        seen.update(map(key, new))
        yield from new
        if not new or (full is not None and len(found) < full):
            return


def wanted(found: Iterable[One], read: Callable[[One], Item], label: str) -> Iterator[Item | TrackerError]:
    """The open items among these that carry the label. One that cannot be read keeps no other one away."""
    for one in found:
        try:
            item = read(one)
        except TrackerError as error:
            if error.trouble in OF_THE_TRACKER:
                raise
            yield error
        else:
            if label in item.labels and item.status.casefold() not in CLOSED:
                yield item


def fitting(there: Sequence[str], usual: Mapping[Standing, str], said: Mapping[str, str]) -> str:
    """A line that names the statuses which are there.

    Raises:
        TrackerError: one that an item would be told is not among them. `said` are those of the settings.
    """
    known = {name.casefold() for name in there}
    for standing, word in usual.items():
        status = said.get(standing.value) or word
        if status.casefold() not in known:
            hint = f'set [tracker.statuses] {standing} = "...", one of {", ".join(there) or "none"}'
            raise TrackerError(Trouble.MISCONFIGURED, f"it has no status {status!r} for {standing}", hint=hint)
    return f"its statuses are {', '.join(there)}"


def query(**values: object) -> str:
    """`?a=1&b=2` of the values that are there."""
    said = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(said)}" if said else ""


def quoted(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def missing(what: str, hint: str) -> TrackerError:
    return TrackerError(Trouble.MISCONFIGURED, what, hint=hint)


def secret_of(secret: str, name: str, secret_env: str) -> str:
    """The token.

    Raises:
        TrackerError: there is none.
    """
    if not secret:
        text = f"{name} needs a token, and {secret_env} is not set"
        raise TrackerError(Trouble.MISSING_SECRET, text, hint="[tracker] token_env names another variable")
    return secret
