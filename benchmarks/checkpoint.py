"""A checkpoint of a large work tree against what a person would type: `git add -A && git commit`."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from agent_queue.core.history import NEW
from agent_queue.core.job import JobId
from agent_queue.core.manifest import Manifest
from agent_queue.flow.beats import PACE
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.locks import FileLocks
from agent_queue.system.worktrees import MachineWorkspaces
from benchmarks.figures import Figure, median, milliseconds
from benchmarks.setting import Setting

FILES, CHANGED, PER_FOLDER = 50_000, 20, 100
EVERY_S = 60.0
JOB = JobId("large")


def measure(setting: Setting) -> list[Figure]:
    count = setting.count(FILES, 2_000)
    space = setting.space("checkpoint")
    layout = Layout(str(space))
    for folder in (layout.work, layout.scratch):
        Path(folder).mkdir(parents=True)
    one = _repository(space / "repository", count)
    two = _repository(space / "by-hand", count)
    workspaces, lock, manifest = MachineWorkspaces(layout, Disk(layout.scratch)), FileLocks([]), Manifest(cwd=str(one))
    place = workspaces.open(JOB, workspaces.plan(manifest), NEW, lock, manifest)
    kept, typed, beaten = [], [], []
    for number in range(setting.count(7, 3)):
        _change(two, number)
        typed.append(_took(lambda: _git(two, "add", "-A"), lambda: _git(two, "commit", "-qm", "work")))
        _change(Path(place.cwd), 2 * number)
        kept.append(_took(lambda: workspaces.keep(JOB, place, "measured", lock)))  # of what no beat has saved yet
        _change(Path(place.cwd), 2 * number + 1)
        beaten.append(_took(lambda: workspaces.beat(JOB, place)))
    ratio, beat = median(kept) / median(typed), median(beaten)
    share = beat / (beat + max(EVERY_S, PACE * beat))
    return [
        Figure(
            figure=f"checkpoint, {count:,} files, {CHANGED} changed", measured=f"{ratio:.2f} x",
            target="<= 1.0 x `git add -A && git commit`", met=ratio <= 1,
            beside=f"{milliseconds(median(kept))} against {milliseconds(median(typed))}, both with `core.fsync=all`",
        ),
        Figure(
            figure="a beat of it, once a minute, as a share of the time", measured=f"{share:.2%}",
            target="<= 1 %", met=share <= 0.01, beside=f"{milliseconds(beat)} each",
        ),
    ]  # fmt: skip


def _repository(folder: Path, count: int) -> Path:
    for number in range(count):
        path = folder / f"{number // PER_FOLDER:03}" / f"{number % PER_FOLDER:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * 10)
    _git(folder, "init", "-q", "-b", "main")
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "all")
    return folder


def _change(folder: Path, round_: int) -> None:
    for number in range(CHANGED):
        (folder / f"{number:03}" / "00.txt").write_text(f"round {round_}, file {number}\n")


def _git(folder: Path, *arguments: str) -> None:
    person = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0", "-c", "core.fsync=all"]
    subprocess.run(["git", "-C", folder, *person, *arguments], check=True, capture_output=True)


def _took(*deeds: Callable[[], object]) -> float:
    began = time.perf_counter()
    for deed in deeds:
        deed()
    return time.perf_counter() - began
