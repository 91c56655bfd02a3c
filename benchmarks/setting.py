"""Where the measurements work, how large they are, and queues to measure on."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import median, milliseconds
from benchmarks.running import Spent, run

SHIPPED = (
    '{"at":"2026-01-01T00:00:00.000Z","event":"move","seq":1,"move":"begin","from":"inbox","to":"building","run":1,'
    '"attempts":1,"recoveries":0,"next_eligible":0.0,"fresh":false}\n'
    '{"at":"2026-01-01T00:00:00.001Z","event":"moved","seq":1}\n'
    '{"at":"2026-01-01T00:00:01.000Z","event":"ended","ended_at":1767225601.0,"exit":0,"duration_s":1.0}\n'
    '{"at":"2026-01-01T00:00:02.000Z","event":"move","seq":2,"move":"by_hand","from":"building","to":"shipped","run":1,'
    '"attempts":1,"recoveries":0,"next_eligible":0.0,"fresh":false,"result":"shipped"}\n'
    '{"at":"2026-01-01T00:00:02.001Z","event":"moved","seq":2}\n'
)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of its own, and the environment that leads `aq` there."""

    root: Path
    environment: dict[str, str]

    def aq(self, *arguments: str, check: bool = True) -> Spent:
        """Run `aq` to its end; `check` stops the measurement when it fails."""
        return run([*AQ, *arguments], self.environment, check=check)

    def put(self, stage: str, job: str, text: str, journal: str = "") -> None:
        """Lay a job's files down, without a flush."""
        (self.root / stage / f"{job}.md").write_text(text)
        if journal:
            (self.root / "journal" / f"{job}.jsonl").write_text(journal)


@dataclass(slots=True)
class Setting:
    """One run of the benchmarks. Every queue lies in a folder of its own below `folder`."""

    folder: Path
    quick: bool = False
    idle_s: float = 60.0
    _made: int = field(default=0)

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def space(self, name: str) -> Path:
        """A new empty folder."""
        self._made += 1
        path = self.folder / f"{self._made:03}-{name}"
        path.mkdir()
        return path

    def queue(self, name: str, **environment: str) -> Queue:
        """A new queue."""
        space = self.space(name)
        (space / "home").mkdir()
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
        root = str(space / "queue")
        made = Queue(space / "queue", {**kept, "HOME": str(space / "home"), "AGENT_QUEUE_ROOT": root, **environment})
        made.aq("init")
        return made

    def flush(self) -> str:
        """What one fsync of a small new file takes here and now, in words."""
        space, seconds = self.space("flush"), []
        for number in range(50):
            with (space / str(number)).open("wb") as file:
                file.write(b"a line\n")
                file.flush()
                began = time.perf_counter()
                os.fsync(file.fileno())
                seconds.append(time.perf_counter() - began)
        return f"an fsync took {milliseconds(median(seconds))} at that moment"

    def places(self, count: int) -> list[Path]:
        """Plain folders to work in. Jobs of one folder wait for each other, so that slots need several."""
        space = self.space("places")
        made = [space / str(number) for number in range(count)]
        for place in made:
            place.mkdir()
        return made


def job(place: Path, *, body: str = "true", keys: str = "") -> str:
    """The text of a job of the shell engine."""
    return f"---\nengine: shell\ncwd: {place}\n{keys}---\n{body}\n"


@contextmanager
def setting(*, quick: bool, idle_s: float, parent: str | None, keep: bool) -> Iterator[Setting]:
    """A folder for all measurements of this run; removed at its end unless it is to be kept."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # people have bytecode
    made = Setting(Path(tempfile.mkdtemp(prefix="aq-bench-", dir=parent)).resolve(), quick, idle_s)
    try:
        made.queue("warm-up").aq("run", "--once")
        yield made
    finally:
        if not keep:
            shutil.rmtree(made.folder, ignore_errors=True)


def _command() -> list[str]:
    script = os.path.join(os.path.dirname(sys.executable), "aq")
    return [script] if os.path.exists(script) else [sys.executable, "-m", "agent_queue"]


AQ = _command()
