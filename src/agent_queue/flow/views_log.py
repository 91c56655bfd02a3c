"""What a run's agent, or its verify, printed: as bytes, as text, or as the events that the engine's reader makes."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent_queue.core.errors import AqError, UsageError
from agent_queue.core.job import JobId, Stage
from agent_queue.core.lifecycle import Job, pending
from agent_queue.core.redaction import Redaction
from agent_queue.flow.opened import opened_in
from agent_queue.flow.setup import RECORD
from agent_queue.flow.tools import Tools, policy_of
from agent_queue.flow.verify import current
from agent_queue.ports import Engine, Event, EventKind, Reader, RunFolder

CHUNK = 1 << 20

Wait = Callable[[Callable[[], bool]], object]
"""Wait until something is so, or for a while."""


class Kind(StrEnum):
    """What of a run printed a log."""

    AGENT = "agent"
    VERIFY = "verify"
    SETUP = "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The log of one run, of its agent, its verify or the setup before it."""

    job: JobId
    run: int
    folder: RunFolder
    kind: Kind

    @property
    def name(self) -> str:
        return f"{self.kind}.log"


def log_of(tools: Tools, job: Job, run: int | None, kind: Kind) -> Log:
    """The log of a run, the latest when none is named.

    Raises:
        AqError: there is none, and why.
    """
    if not job.past.run:
        raise AqError(f"{job.id} has not run yet", hint="`aq status` says what it waits for")
    if run is not None and not 1 <= run <= job.past.run:
        raise UsageError(f"{job.id} has no run {run}; its latest is {job.past.run}")
    number = run or job.past.run
    folder = tools.queue.run_folder(job.id, number)
    log = Log(job=job.id, run=number, folder=folder, kind=kind)
    under_way = number == job.past.run and job.stage in (Stage.BUILDING, Stage.REVIEW)
    if folder.written_at(log.name) is None and not under_way:
        if kind is not Kind.AGENT:
            raise AqError(f"run {number} of {job.id} had no {kind}", hint=f"`aq show {job.id}` says how it ended")
        raise AqError(f"run {number} of {job.id} has no log", hint=f"`aq show {job.id}` says why it ended")
    return log


def over(log: Log, tools: Tools, *, lives: Callable[[str], bool], supervised: Callable[[], bool]) -> bool:
    """True when nothing more will come. `lives`: the process of a record folder does."""
    job = tools.queue.job(log.job)
    if job is None or job.past.run != log.run:
        return True
    match job.stage:
        case Stage.BUILDING:
            path = log.folder.path_of(RECORD) if log.kind is Kind.SETUP else log.folder.path
            if log.kind is not Kind.VERIFY and tools.processes.exit(path) is not None:
                return True
        case Stage.REVIEW if log.kind is Kind.VERIFY:
            path = current(log.folder)
            if path and tools.processes.exit(path) is not None:
                return True
            if not pending(job, policy_of(tools.queue.file(log.job).manifest, tools.settings)):
                return True
        case _:
            return True
    return not supervised() and not (path and lives(path))


def chunks(log: Log, over: Callable[[], bool], wait: Wait) -> Iterator[bytes]:
    """The log from its first byte, until it is over and all of it was read."""
    offset = 0

    def more() -> bool:
        return bool(log.folder.log(log.name, offset, 1)) or over()

    while True:
        last = over()  # asked before reading: what was printed before the end is in the log by then
        while data := log.folder.log(log.name, offset, CHUNK):
            offset += len(data)
            yield data
        if last:
            return
        wait(more)


def reader_of(log: Log, engine: Callable[[str], Engine | None]) -> Reader | None:
    """What makes the output of the run's engine readable; None for one that is not there any more."""
    placed = opened_in(log.folder)
    found = engine(placed.engine) if placed else None
    return found.reader() if found else None


def told(data: Iterable[bytes], reader: Reader | None, redaction: Redaction) -> Iterator[Event]:
    """What a log says, without secrets: the events that the reader makes of it, else its text, in pieces."""
    if reader is None:
        yield from (Event(EventKind.TEXT, text) for text in redaction.stream(texts(data)))
    else:
        yield from (Event(event.kind, redaction.text(event.text)) for event in events(data, reader))


def events(data: Iterable[bytes], reader: Reader) -> Iterator[Event]:
    """What an agent said and did."""
    end = b"\n"
    for chunk in data:
        end = chunk[-1:]
        yield from reader.feed(chunk)
    if end != b"\n":
        yield from reader.feed(b"\n")  # the last line has no end, and says something all the same


def texts(data: Iterable[bytes]) -> Iterator[str]:
    """The text of a log, as it comes; it ends in a line end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = "\n"
    for chunk in data:
        text = decoder.decode(chunk) or text
        yield text
    rest = decoder.decode(b"", final=True)
    if not (rest or text).endswith("\n"):
        yield f"{rest}\n"
