"""The kinds of value a manifest key can have: how each is read, written back, and described as JSON Schema."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from agent_queue.core import capabilities, field_schemas
from agent_queue.core.budget import Budget
from agent_queue.core.frontmatter import Node, NodeError, quoted
from agent_queue.core.outcome import FAILURES, Failure
from agent_queue.core.retry import NEVER, Retry

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d)")
_COUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kKmM]?)")
LONGEST_S = 3650 * 86400.0
TRUE = frozenset(("true", "yes", "on"))
FALSE = frozenset(("false", "no", "off"))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of value is read (NodeError when it cannot be), written as YAML, and described as JSON Schema."""

    parse: Callable[[Node], Any]
    show: Callable[[Any], str]
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """`auto` promotes from review without a verify; `reviewers` are recorded."""

    auto: bool = False
    reviewers: tuple[str, ...] = ()


MANUAL_REVIEW = ReviewPolicy()


def seconds(text: str) -> float | None:
    """Read `90s`, `45m`, `2h`, `1d` as seconds, or None when it is none of these."""
    found = _DURATION.fullmatch(text.strip())
    value = float(found[1]) * _UNITS[found[2]] if found else None
    return value if value is not None and value <= LONGEST_S else None


def is_relative(path: str) -> bool:
    """True for a path whose meaning depends on where one stands."""
    return not path.startswith(("/", "~"))


def parse_text(node: Node) -> str:
    if isinstance(node.value, list | dict) or node.value is None or not node.text.strip():
        raise NodeError(node, "expected text")
    if "\0" in node.text:
        raise NodeError(node, "text may not contain a NUL character")
    return node.text


def parse_flag(node: Node) -> bool:
    if isinstance(node.value, bool):
        return node.value
    word = node.text.lower()
    if isinstance(node.value, str) and word in TRUE | FALSE:
        return word in TRUE
    raise NodeError(node, "expected true or false")


def parse_duration(node: Node) -> float:
    value = seconds(node.text) if not isinstance(node.value, list | dict) else None
    if value is None:
        raise NodeError(node, "expected a duration such as 90s, 45m, 2h or 1d")
    return value


def parse_limit(node: Node) -> float:
    """A duration that something is allowed to take: none at all would be a limit that nobody means."""
    value = parse_duration(node)
    if value <= 0:
        raise NodeError(node, "expected a duration above 0, such as 90s, 45m, 2h or 1d")
    return value


def parse_count(node: Node) -> int:
    found = _COUNT.fullmatch(node.text) if not isinstance(node.value, list | dict) else None
    value = round(float(found[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[found[2].lower()]) if found else 0
    if not 0 < value < 10**15:
        raise NodeError(node, "expected a number above 0, such as 80, 200k or 2M")
    return value


def parse_amount(node: Node) -> float:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**9:
        raise NodeError(node, "expected an amount above 0, such as 5 or 0.25")
    return float(value)


def parse_texts(node: Node) -> tuple[str, ...]:
    """A single text is a list of one."""
    if isinstance(node.value, list):
        return tuple(parse_text(item) for item in node.value)
    return (parse_text(node),)


def parse_words(node: Node) -> tuple[str, ...]:
    """A list, or one text with commas or white space between its words."""
    if isinstance(node.value, list):
        return tuple(parse_text(item).strip() for item in node.value)
    words = tuple(word for word in re.split(r"[,\s]+", parse_text(node)) if word)
    if not words:
        raise NodeError(node, "expected text")
    return words


def parse_capabilities(node: Node) -> tuple[str, ...]:
    """Tokens as `core.capabilities` reads them."""
    for word in (words := parse_words(node)):
        if capabilities.parse(word) is None:
            raise NodeError(node, f"{quoted(word)} is no capability; write KEY, KEY:VALUE or KEY>=VERSION")
    return words


def parse_retry(node: Node) -> Retry:
    if node.text.lower() == "none":
        return NEVER
    pairs = _mapping(node, ("max", "backoff", "on", "stop_on_repeat"), "retry")
    most = pairs.get("max")
    if most is None:
        raise NodeError(node, "retry needs 'max', the runs after the first, e.g. {max: 2, on: [verify_failed]}")
    if isinstance(most.value, bool) or not isinstance(most.value, int) or not 0 <= most.value <= 1000:
        raise NodeError(most, "retry.max must be a whole number from 0 to 1000")
    backoff: float | None = 0.0
    if "backoff" in pairs:
        backoff = None if pairs["backoff"].text == "exp" else parse_duration(pairs["backoff"])
    on = _failures(pairs["on"]) if "on" in pairs else RETRIED_BY_DEFAULT
    repeat = parse_flag(pairs["stop_on_repeat"]) if "stop_on_repeat" in pairs else False
    return Retry(max_retries=most.value, backoff_s=backoff, on=on, stop_on_repeat=repeat)


RETRIED_BY_DEFAULT = (Failure.CRASH, Failure.TIMEOUT, Failure.STALLED, Failure.VERIFY_FAILED)
RETRIABLE = tuple(failure for failure, rule in FAILURES.items() if rule.retriable)


def _failures(node: Node) -> tuple[Failure, ...]:
    items = node.value if isinstance(node.value, list) else [node]
    found: list[Failure] = []
    for item in items:
        name = "crash" if item.text == "agent_error" else item.text
        if name not in RETRIABLE:
            raise NodeError(item, f"cannot retry on '{item.text}'; possible are {', '.join(RETRIABLE)}, agent_error")
        found.append(Failure(name))
    return tuple(dict.fromkeys(found))


def parse_budget(node: Node) -> Budget:
    readers: dict[str, Callable[[Node], Any]] = {
        "usd": parse_amount, "tokens": parse_count, "turns": parse_count, "wall": parse_limit, "strict": parse_flag,
    }  # fmt: skip
    pairs = _mapping(node, tuple(readers), "budget")
    values = {"wall_s" if key == "wall" else key: readers[key](value) for key, value in pairs.items()}
    return Budget(**values)


def parse_review_policy(node: Node) -> ReviewPolicy:
    if node.text in ("manual", "auto"):
        return ReviewPolicy(auto=node.text == "auto")
    if not isinstance(node.value, dict):
        raise NodeError(node, "expected 'manual', 'auto' or {reviewers: [NAME, ...]}")
    pairs = _mapping(node, ("reviewers",), "review-policy")
    return ReviewPolicy(reviewers=parse_words(pairs["reviewers"]) if "reviewers" in pairs else ())


def _mapping(node: Node, allowed: tuple[str, ...], name: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise NodeError(node, f"{name} must be a mapping with {', '.join(allowed)}")
    for key, (place, _) in node.value.items():
        if key not in allowed:
            raise NodeError(place, f"unknown key '{key}' in {name}; possible are {', '.join(allowed)}")
    return {key: value for key, (_, value) in node.value.items()}


def show(value: Any) -> str:
    """Write a flag, a text or a list of texts as one line of YAML that reads back as the same value."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return str(value).lower() if isinstance(value, bool) else quoted(value)


def show_duration(value: float) -> str:
    """The shortest text that reads back as the same number of seconds."""
    for unit in ("d", "h", "m"):
        if value and value % _UNITS[unit] == 0:
            return f"{value / _UNITS[unit]:.0f}{unit}"
    return f"{value:.0f}s" if value == int(value) else f"{Decimal(repr(value)):f}s"


def show_retry(value: Retry) -> str:
    if value == NEVER:
        return "none"
    backoff = "exp" if value.backoff_s is None else show_duration(value.backoff_s)
    repeat = ", stop_on_repeat: true" if value.stop_on_repeat else ""
    return f"{{max: {value.max_retries}, backoff: {backoff}, on: [{', '.join(value.on)}]{repeat}}}"


def show_budget(value: Budget) -> str:
    wall = show_duration(value.wall_s) if value.wall_s is not None else None
    parts = {"usd": value.usd, "tokens": value.tokens, "turns": value.turns, "wall": wall}
    shown = [f"{key}: {part}" for key, part in parts.items() if part is not None]
    return "{" + ", ".join([*shown, *(["strict: true"] if value.strict else [])]) + "}"


def show_review_policy(value: ReviewPolicy) -> str:
    return f"{{reviewers: {show(value.reviewers)}}}" if value.reviewers else "auto" if value.auto else "manual"


def choice(options: type[StrEnum]) -> Kind:
    """A kind that takes one of the words of an enum."""
    words = [option.value for option in options]

    def parse(node: Node) -> StrEnum:
        if node.text not in words:
            raise NodeError(node, f"expected one of {', '.join(words)}, not '{node.text}'")
        return options(node.text)

    return Kind(parse, str, field_schemas.choice(words))


TEXT = Kind(parse_text, show, field_schemas.TEXT)
FLAG = Kind(parse_flag, show, field_schemas.FLAG)
DURATION = Kind(parse_limit, show_duration, field_schemas.LIMIT)
PATH = Kind(lambda node: "~" if node.text == "~" else parse_text(node), show, field_schemas.PATH)
TEXTS = Kind(parse_texts, show, field_schemas.TEXTS)
CAPABILITIES = Kind(parse_capabilities, show, field_schemas.CAPABILITIES)
WORDS = Kind(parse_words, show, field_schemas.WORDS)
RETRY = Kind(parse_retry, show_retry, field_schemas.retry((*RETRIABLE, "agent_error")))
BUDGET = Kind(parse_budget, show_budget, field_schemas.BUDGET)
REVIEW_POLICY = Kind(parse_review_policy, show_review_policy, field_schemas.REVIEW_POLICY)
