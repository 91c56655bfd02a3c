"""Whether a run still shows signs of life, and keeps to what one job may take of the machine.

Output, CPU time of its processes and changes of files all count as life. The sign of a stall is that none of them came
for a while; what is seen is left in `vitals.json` for lists to mark.
"""

from agent_queue.core.limits import Vitals, size
from agent_queue.core.outcome import StopReason
from agent_queue.flow.opened import Opened, to_json
from agent_queue.flow.tools import Deed, Run, Steps, Tools
from agent_queue.ports import RunFolder

LOG, RECORD = "agent.log", "vitals.json"
SOON_S, SELDOM_S = 5.0, 15.0
BUSY = 0.05
"""The share of one processor that counts as work: a program that only waits for an answer uses less."""


class Vigil:
    """One run's, also for a supervisor that took it over from another."""

    def __init__(self, run: Run, tools: Tools, folder: RunFolder, opened: Opened) -> None:
        engine, settings = tools.engine(opened.engine), tools.settings
        self._job, self._tools, self._folder, self._opened = run.id, tools, folder, opened
        self._stop_s = None if engine is None or engine.silent else settings.run.stall_stop_s
        self._limits = settings.limits
        patience = [seconds / 4 for seconds in (self._stop_s, settings.run.stall_after_s) if seconds]
        urgent = self._stop_s is not None or self._limits.memory is not None
        self._every_s = min(SOON_S if urgent else SELDOM_S, *patience) if patience else SELDOM_S
        self._looks_at_files_s = min(4 * seconds for seconds in patience) / 2 if patience else None
        now = tools.clock.now().timestamp()
        self._life_at = self._files_at = now
        self._last: tuple[float, Vitals] | None = None
        self._due = tools.clock.monotonic() + self._every_s
        self._stopped = False

    def wait_s(self, now: float) -> float:
        """How long until the next look."""
        return max(self._due - now, 0.0)

    def look(self) -> Steps[None]:
        """See how the run stands, and stop one that takes too much or shows no life for too long."""
        clock = self._tools.clock
        if clock.monotonic() < self._due:
            return
        found: Vitals | None = yield Deed(lambda: self._tools.vitals(self._folder.path, self._limits.memory))
        now = clock.now().timestamp()
        self._note_life(found, now)
        if self._looks_at_files_s is not None and now - self._life_at > self._looks_at_files_s:
            since, self._files_at = self._files_at, now
            if (yield Deed(lambda: self._tools.changed_since(self._opened.place.cwd, since))):
                self._life_at = now
        self._folder.write(RECORD, to_json({"at": now, "life_at": self._life_at, **_told(found)}))
        self._judge(found, now - self._life_at)
        if self._limits.log is not None:
            self._tools.cap_log(self._folder.path_of(LOG), self._limits.log)
        left_s = self._every_s if self._stop_s is None else max(self._stop_s - (now - self._life_at), 0.0) + 0.1
        self._due = clock.monotonic() + (self._every_s if self._stopped else min(self._every_s, left_s))

    def _note_life(self, found: Vitals | None, now: float) -> None:
        written = self._folder.written_at(LOG)
        self._life_at = max(self._life_at, written or 0.0)
        if found is not None:
            before, last = self._last or (now, found)
            used = found.cpu_s - last.cpu_s
            if used < 0 or used > BUSY * (now - before) > 0:  # less than before: a process has ended, that is life too
                self._life_at = now
            self._last = (now, found)

    def _judge(self, found: Vitals | None, still_s: float) -> None:
        if self._stopped:
            return
        most = self._limits.memory
        if found is not None and most is not None and found.memory > most:
            words = f"its processes hold {size(found.memory)}, over [limits] memory ({size(most)})"
            self._stop(StopReason.MEMORY, words)
        elif self._stop_s is not None and still_s > self._stop_s:
            self._stop(StopReason.STALLED, f"no output, work or change of a file for {still_s:.0f} s")

    def _stop(self, why: StopReason, words: str) -> None:
        self._stopped = True
        self._tools.tell(f"{self._job}: {words}; stopping it")
        self._tools.processes.ask_stop(self._folder.path, why)


def _told(found: Vitals | None) -> dict[str, float]:
    return {} if found is None else {"cpu_s": round(found.cpu_s, 2), "memory": found.memory}
