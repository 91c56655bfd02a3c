"""What a run's agent has used so far: its log is read as it grows, and a budget that is used up ends the run."""

import json
from contextlib import suppress
from typing import Any

from agent_queue.core.allowance import Cost
from agent_queue.core.budget import WARN_AT, Spent, spent, unknown
from agent_queue.core.outcome import Broke, Failure, Outcome, StopReason
from agent_queue.core.settings import engine_settings
from agent_queue.flow.opened import Opened, to_json
from agent_queue.flow.reading import Reading
from agent_queue.flow.tools import Deed, Run, Steps, Tools
from agent_queue.ports import RunFolder

LOG, RECORD = "agent.log", "live.json"
CHUNK = 1 << 20
FAST_S, SLOW_S = 0.25, 5.0
"""How often a log is looked at: with a budget to keep, and only to show what was used so far."""
FIRST_S = 0.1
SIDE_FILES_S, PACE = 1.0, 20
"""Side files are read as a whole each time: no sooner than after so many times what the last reading took."""
SHOWN = (
    "tokens_in", "tokens_cached", "tokens_out", "cost_usd", "turns", "tool_calls", "model", "usage", "cost_basis",
)  # fmt: skip


class Meter:
    """Reads one run's log from its first byte, also for a supervisor that took the run over from another."""

    def __init__(self, run: Run, tools: Tools, folder: RunFolder, opened: Opened, *, fresh: bool = False) -> None:
        """`fresh`: the agent was started just now."""
        engine = tools.engine(opened.engine)
        asked = run.manifest.model or engine_settings(tools.settings, opened.engine).model
        self.reading = Reading(engine, tools.prices, asked) if engine is not None else None
        self._run, self._tools, self._folder, self._opened = run, tools, folder, opened
        self._budget = run.manifest.budget
        self._offset = 0
        self._facts: dict[str, Any] = {}
        self._record = self._shown = _recorded(folder)
        self._began = tools.clock.monotonic()
        self._due = self._began + FIRST_S
        self._side_files_due = self._began
        self._said: set[str] = set()
        self._stopped = False
        self._missed = not fresh and bool(folder.log(LOG, 0, 1))
        """Nobody can tell any more when it printed first."""

    def wait_s(self, now: float) -> float:
        """How long until the next look."""
        return max(self._due - now, 0.0)

    def look(self) -> Steps[None]:
        """Read what is new, show it, and end the run when a budget is used up."""
        now = self._tools.clock.monotonic()
        if now < self._due:
            return
        grown = bool(self._folder.log(LOG, self._offset, 1))
        if grown:
            self._note_first_output()
        if self.reading is not None and (grown or self._side_files_are_due(now)):
            yield Deed(self._read)
            self._count()
            self._keep_to_the_budget()
            self._show()
        now = self._tools.clock.monotonic()
        self._due = now + self._pause(now - self._began)

    def rest(self) -> Steps[None]:
        """Read all that is left, once the run has ended."""
        if self._folder.log(LOG, 0, 1):
            self._note_first_output()
        if self._opened.sidecars or self._feed_some():
            self._side_files_due = 0.0
            yield Deed(self._read)
        self._facts = self.facts()
        self._count()

    def _count(self) -> None:
        """Tell the day's budget what the run cost so far."""
        allowance, run = self._tools.lanes.allowance, self._run
        usd = self._facts.get("cost_usd")
        if allowance is not None and usd is not None:
            cost = Cost(self._opened.engine, run.manifest.profile or "", usd)
            allowance.note(run.id, run.job.past.run, cost)

    def facts(self) -> dict[str, Any]:
        """State keys."""
        first = self._record.get("first_output_s")
        told = self.reading.facts() if self.reading is not None else {}
        return told | ({"first_output_s": first} if first is not None else {})

    def over(self) -> Spent | None:
        """The limit that ended, or should end, the run; None while all are kept."""
        if self._budget.strict and (lacking := unknown(self._budget, self._facts)):
            return lacking[0]
        return next((each for each in spent(self._budget, self._facts) if each.over), None)

    def judged(self, outcome: Outcome) -> Outcome:
        """An agent that ends at its own limit of turns ends at the job's budget, where that is what it was told."""
        turns = self._budget.turns
        if isinstance(outcome, Broke) and outcome.kind is Failure.MAX_TURNS and turns is not None:
            return Broke(kind=Failure.BUDGET, reason=f"budget.turns {turns}: {outcome.reason}")
        return outcome

    def _pause(self, elapsed: float) -> float:
        if self._budget.counted and not self._stopped:
            return FAST_S
        if "first_output_s" not in self._record:
            return min(max(elapsed / 10, FIRST_S), SLOW_S)
        return SLOW_S

    def _side_files_are_due(self, now: float) -> bool:
        return bool(self._budget.counted and self._opened.sidecars) and now >= self._side_files_due

    def _read(self) -> None:
        """Beside the loop: a log may be large, and to price what was used takes time too."""
        assert self.reading is not None
        while self._feed_some():
            pass
        began = self._tools.clock.monotonic()
        if self._opened.sidecars and began >= self._side_files_due:
            # It is the program's: one that is gone, or closed to us, is asked for again at the next look.
            with suppress(OSError):
                self.reading.side_files(self._opened.sidecars, self._tools.side_files)
            now = self._tools.clock.monotonic()
            self._side_files_due = now + max(PACE * (now - began), SIDE_FILES_S)
        self._facts = self.reading.facts()

    def _feed_some(self) -> bool:
        """Read a piece of what is new; True when there may be more."""
        if self.reading is None:
            return False
        data = self._folder.log(LOG, self._offset, CHUNK)
        for _ in self.reading.feed(data):
            pass
        self._offset += len(data)
        return len(data) == CHUNK

    def _note_first_output(self) -> None:
        """The log tells when it was written last. Looked at soon after its first byte, that is when that came."""
        written = self._folder.written_at(LOG)
        if self._missed or "first_output_s" in self._record or written is None:
            return
        started = self._tools.queue.past(self._run.id).state.get("started_at")
        if isinstance(started, int | float):
            self._record = {**self._record, "first_output_s": round(max(written - started, 0.0), 3)}

    def _keep_to_the_budget(self) -> None:
        if not self._budget.counted or self._stopped:
            return
        over = self.over()
        if over is not None:
            self._stopped = True
            if self._tools.processes.exit(self._folder.path) is None:
                self._say(f"stopping it: {over}")
                self._tools.processes.ask_stop(self._folder.path, StopReason.BUDGET)
            return
        for each in spent(self._budget, self._facts):
            if each.share >= WARN_AT:
                self._say(f"{WARN_AT:.0%} of budget.{each.name} is used", f"{each.share:.0%}: {each}")
        for each in unknown(self._budget, self._facts):
            self._say(str(each))

    def _say(self, once: str, words: str = "") -> None:
        if once not in self._said:
            self._said.add(once)
            self._tools.tell(f"{self._run.id}: {words or once}")

    def _show(self) -> None:
        """Leave it where `aq status`, and a supervisor that takes the run over, find it."""
        facts = self._facts
        budget = [{"name": each.name, "limit": each.limit, "used": each.used, "share": round(each.share, 4)}
                  for each in spent(self._budget, facts)]  # fmt: skip
        record = {
            **{key: self._record[key] for key in ("first_output_s",) if key in self._record},
            **{key: facts[key] for key in SHOWN if key in facts},
            **({"budget": budget} if budget else {}),
        }
        if record != self._shown:
            self._shown = self._record = record
            self._folder.write(RECORD, to_json(record))


def _recorded(folder: RunFolder) -> dict[str, Any]:
    """What was found so far of this run, by whoever watched it."""
    try:
        value = json.loads(folder.read(RECORD) or b"")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
