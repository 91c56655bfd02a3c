"""From the reset of a usage limit to the start of the agent that waited for it.

The agent is a script that ends as claude does at a usage limit, and the next time says when it began.
"""

import time
from pathlib import Path

from benchmarks.figures import Figure, median, milliseconds, percentile
from benchmarks.running import running, wait_for
from benchmarks.setting import AQ, Setting

AGENT = """#!/bin/sh
if [ -e limited ]; then date +%s.%N > began; exit 0; fi
touch limited
reset=$(($(date +%s) + 2))
echo $reset > reset
echo '{{"type":"rate_limit_event","session_id":"s","rate_limit_info":{{"status":"rejected","resetsAt":'$reset'}}}}'
echo '{{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"session_id":"s","result":"limit"}}'
exit 1
"""


def measure(setting: Setting) -> list[Figure]:
    space, rounds = setting.space("agent"), setting.count(20, 3)
    agent = space / "agent"
    agent.write_text(AGENT.format())
    agent.chmod(0o755)
    queue = setting.queue("reset", CLAUDE_BIN=str(agent))
    places = setting.places(rounds)
    with running([*AQ, "run"], queue.environment):
        wait_for((queue.root / ".aq" / "supervisor.json").exists, "the supervisor")
        late = [_late(queue.root, place, f"limited-{number}") for number, place in enumerate(places)]
    middle, worst = median(late), percentile(late, 100)
    return [
        Figure(
            figure=f"usage limit: from its reset to the start of the job that waited ({rounds} times)",
            measured=f"median {milliseconds(middle)}, worst {milliseconds(worst)}", target="<= 1 s",
            met=min(late) >= 0 and worst <= 1, beside="63 s is the best figure that a like queue has published",
        )
    ]  # fmt: skip


def _late(root: Path, place: Path, name: str) -> float:
    """Seconds from the reset to the agent's own clock: its start-up is in it."""
    (root / "inbox" / f"{name}.md").write_text(f"---\nengine: claude\ncwd: {place}\n---\ngo on\n")
    wait_for((root / "review" / f"{name}.md").exists, f"{name} to end")
    time.sleep(0.01)
    return float((place / "began").read_text()) - float((place / "reset").read_text())
