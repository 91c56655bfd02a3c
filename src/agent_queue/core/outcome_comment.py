"""The comment that an item gets: figures of its job. Never a word of the prompt, of the agent's output, or a secret."""

from collections.abc import Mapping
from typing import Any

from agent_queue.core.fields import show_duration


def comment(*, status: str, state: Mapping[str, Any], attempts: int, figures: Mapping[str, Any], sign: str) -> str:
    """`state` are the folded state keys of the journal, `figures` the sums over all runs; None in them is unknown."""
    lines = [
        ("result", str(state.get("result") or "none")),
        ("attempts", str(attempts)),
        ("duration", _duration(figures.get("duration_s"))),
        ("tokens", _tokens(figures)),
        ("cost", _cost(figures)),
        ("lines changed", _lines(figures)),
        ("branch", str(state.get("wip_branch") or "none")),
    ]
    told = "".join(f"- {name}: {value}\n" for name, value in lines)
    return f"agent-queue: {status}\n\n{told}\n{sign}\n"


def _duration(seconds: Any) -> str:
    return "unknown" if seconds is None else show_duration(float(round(seconds)))


def _tokens(figures: Mapping[str, Any]) -> str:
    given, taken, cached = (figures.get(key) for key in ("tokens_in", "tokens_out", "tokens_cached"))
    if given is None and taken is None:
        return "unknown"
    of_cache = f" ({cached:,} from a cache)" if cached else ""
    return f"{_amount(given)} in{of_cache}, {_amount(taken)} out ({figures.get('usage') or 'unknown'})"


def _amount(value: Any) -> str:
    return "unknown" if value is None else f"{value:,}"


def _cost(figures: Mapping[str, Any]) -> str:
    cost = figures.get("cost_usd")
    return "unknown" if cost is None else f"${cost:.4f} ({figures.get('cost_usage') or 'unknown'})"


def _lines(figures: Mapping[str, Any]) -> str:
    files = figures.get("files_changed")
    if files is None:
        return "unknown"
    added, deleted = figures.get("lines_added") or 0, figures.get("lines_deleted") or 0
    return f"{files} file{'' if files == 1 else 's'}, +{added} -{deleted}"
