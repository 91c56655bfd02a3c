"""Reading an engine's output: speed and peak memory on a long log of claude's, most of it in lines of 1 MB."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.setting import Setting

MEGABYTES = 500
SESSION = "5f0c7a52-1f5e-4b50-9d0b-4a3f8f3f0c11"
READ = """
import sys, time
from agent_queue.engines.claude import Claude
from agent_queue.flow.meter import CHUNK
reader, size = Claude().reader(), 0
def peak():  # of this program alone; rusage would begin with that of the process that started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
began = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    while data := file.read(CHUNK):
        size += len(data)
        for _ in reader.feed(data):
            pass
seconds = time.perf_counter() - began
print(size / seconds / 1e6, peak() - before, reader.facts()["tool_calls"])
"""
"""Run in a process of its own, so that the memory is the reader's."""


def measure(setting: Setting) -> list[Figure]:
    megabytes = setting.count(MEGABYTES, 50)
    log = setting.space("log") / "agent.log"
    _write(log, megabytes)
    small = setting.space("log") / "agent.log"
    _write(small, megabytes // 5)
    rounds = [_read(log) for _ in range(setting.count(5, 3))]
    speed, peak = median([speed for speed, _ in rounds]), median([peak for _, peak in rounds])
    _, less = _read(small)
    flat = peak <= less * 1.25 + 4096
    return [
        Figure(
            figure=f"reading engine output: a log of claude's of {megabytes} MB, with lines of 1 MB",
            measured=f"{speed:,.0f} MB/s, {peak / 1024:.0f} MB memory", target=">= 100 MB/s, memory flat",
            met=speed >= 100 and flat,
            beside=f"a fifth of it: {less / 1024:.0f} MB; `json.loads` alone on such lines: {_parsing():,.0f} MB/s",
        )
    ]  # fmt: skip


def _lines(number: int) -> list[bytes]:
    """A text, a tool call, and its result of 1 MB."""
    message = {"id": f"msg_{number}", "role": "assistant", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 9}}
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {"command": "make test"}}
    output = "".join(f"{line}: all is well\n" for line in range(50_000))
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": output, "is_error": False}
    events = [
        {"type": "assistant", "message": {**message, "content": [{"type": "text", "text": "I run the tests."}]}},
        {"type": "assistant", "message": {**message, "content": [call]}},
        {"type": "user", "message": {"role": "user", "content": [result]}},
    ]
    return [json.dumps({**event, "session_id": SESSION}).encode() + b"\n" for event in events]


def _write(log: Path, megabytes: int) -> None:
    number = 0
    with log.open("wb") as file:
        while file.tell() < megabytes * 1_000_000:
            file.writelines(_lines(number))
            number += 1


def _read(log: Path) -> tuple[float, float]:
    """MB/s and KB of memory above what the interpreter had before."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", READ, log], env=environment, capture_output=True, text=True, check=True
    )
    speed, peak, calls = done.stdout.split()
    assert int(calls) > 0
    return float(speed), float(peak)


def _parsing() -> float:
    """MB/s of `json.loads` alone."""
    lines, rounds = _lines(0), 20
    began = time.perf_counter()
    for _ in range(rounds):
        for line in lines:
            json.loads(line)
    return rounds * sum(map(len, lines)) / (time.perf_counter() - began) / 1e6
