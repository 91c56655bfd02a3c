"""The state diagram in docs/explanation/lifecycle.md."""

from agent_queue.core.job import FINAL, Stage
from agent_queue.core.lifecycle import TRANSITIONS
from pages.source import table

BEGIN = "<!-- Made by `make docs` from src/agent_queue/core/lifecycle.py; edit that instead. -->\n"
END = "<!-- End of what `make docs` made. -->\n"


def renewed(text: str) -> str:
    """The page with its generated block written anew.

    Raises:
        SystemExit: the marks around the block are gone.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("docs/explanation/lifecycle.md has lost the marks around its generated block")
    return before + BEGIN + block() + END + after


def block() -> str:
    arrows = "".join(f"    {origin} --> {target}: {why}\n" for origin, target, why in TRANSITIONS)
    ends = "".join(f"    {stage} --> [*]\n" for stage in FINAL)
    rows = [(origin.value, target.value, why) for origin, target, why in TRANSITIONS]
    return f"""
```mermaid
stateDiagram-v2
    [*] --> {Stage.INBOX}
{arrows}{ends}```

{table(("from", "to", "by"), rows)}
"""
