"""What harnesses A and B stop half-way: commands on queues that are made once and copied for every try."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import invariants
from .real import MAKE, MOVED, Bench, Done, body, left_over
from .strace import CHANGING, Call, calls


def empty(bench: Bench) -> None:
    assert bench.aq("init").code == 0


def one(bench: Bench) -> None:
    empty(bench)
    bench.add("one", body())


def verified(bench: Bench) -> None:
    """Verify, and out by itself."""
    empty(bench)
    bench.add("verified", body(), "verify: test -e /", "ship: auto")


def retried(bench: Bench) -> None:
    empty(bench)
    bench.add("retried", body(code=3), "retry: {max: 1, on: [crash]}")


def three(bench: Bench) -> None:
    empty(bench)
    for name in ("one", "two", "three"):
        bench.add(name, body(), f"lock: {name}")  # without one, jobs of one folder wait for each other


def reviewed(bench: Bench) -> None:
    one(bench)
    assert bench.aq("run", "--once").code == 0


def tested(bench: Bench) -> None:
    empty(bench)
    bench.add("tested", body(), "verify: test -e /")
    assert bench.aq("run", "--once").code == 0


def failed(bench: Bench) -> None:
    empty(bench)
    bench.add("failed", body(code=3))
    assert bench.aq("run", "--once").code == 1


def late(bench: Bench) -> None:
    """A deadline that falls due: the shim writes stop.json."""
    empty(bench)
    bench.add("late", body(work="sleep 60"), "timeout: 0.2s")


def orphan(bench: Bench) -> None:
    """Claimed, and then its supervisor was killed."""
    one(bench)
    _run_killed(bench, "mkdir", 1)


def ended(bench: Bench) -> None:
    """Its agent ended, and nobody has judged that yet."""
    one(bench)
    _run_killed(bench, "renameat2", 2)


def torn(bench: Bench) -> None:
    """A crash tore the last line of its journal."""
    reviewed(bench)
    bench.torn = 1
    for path in Path(bench.root, "journal").iterdir():
        with path.open("ab") as file:
            file.write(b'{"at":"2026-03-01T12:00:00.000Z","event":"mo')


def repository(bench: Bench) -> None:
    """A job for a git repository: it works in a worktree, and what it made is saved on its branch."""
    place = bench.make_repository()
    empty(bench)
    bench.add("work", body(work=MAKE), cwd=place)


def _run_killed(bench: Bench, name: str, number: int) -> None:
    done = bench.aq("run", "--once", names=CHANGING, inject=f"{name}:signal=SIGKILL:when={number}")
    assert done.code == -9, done


@dataclass(frozen=True, slots=True)
class Case:
    """A command on a prepared queue; `stage` is where its job lies once the command has succeeded."""

    name: str
    template: Callable[[Bench], None] | None
    command: tuple[str, ...]
    stage: str = ""
    late: bool = False
    """The shim has a deadline to keep."""


RUN = ("run", "--once", "--slots", "2")
CASES = (
    Case("init", None, ("init",)),
    Case("add", empty, ("add", "new.md"), "inbox"),
    Case("add a folder", empty, ("add", "new"), "inbox"),
    Case("run", one, RUN),
    Case("run, verify and ship", verified, RUN),
    Case("run, retry", retried, RUN),
    Case("run three on two slots", three, RUN),
    Case("run what a kill left", orphan, RUN),
    Case("run what ended unseen", ended, RUN),
    Case("work in a repository", repository, RUN),
    Case("recover what a kill left", orphan, ("recover",)),
    Case("recover what ended unseen", ended, ("recover",)),
    Case("promote", reviewed, ("promote", "one"), "testing"),
    Case("promote over a torn line", torn, ("promote", "one"), "testing"),
    Case("reject", reviewed, ("reject", "one"), "failed"),
    Case("requeue", failed, ("requeue", "failed"), "inbox"),
    Case("requeue afresh", failed, ("requeue", "--fresh", "failed"), "inbox"),
    Case("cancel a waiting job", one, ("cancel", "one"), "failed"),
    Case("cancel a finished job", reviewed, ("cancel", "one"), "failed"),
    Case("ship", tested, ("ship", "tested"), "shipped"),
)

SHIM_CASES = (
    Case("shim", one, RUN),
    Case("shim, verify", verified, RUN),
    Case("shim, deadline", late, RUN, late=True),
)
"""Here the shim suffers, not the supervisor."""


class Templates:
    """Prepared queues, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Callable[[Bench], None] | None, Bench] = {}
        self._copies = 0

    def fresh(self, template: Callable[[Bench], None] | None) -> Bench:
        if template not in self._made:
            place = self._folder / f"template-{len(self._made)}"
            place.mkdir()
            bench = Bench(place)
            (place / "new").mkdir()
            for name in ("new", "new/a", "new/b"):
                bench.write_job(name, body())
            if template is not None:
                template(bench)
            self._made[template] = bench
        self._copies += 1
        return self._made[template].copy(self._folder / str(self._copies))


def acknowledge(bench: Bench, case: Case, code: int, out: str) -> list[str]:
    """Take an exit code of 0 for the promise that it is; what is broken about it."""
    if code != 0 or not case.stage:
        return []
    jobs = out.split() if case.command[0] == "add" else [line.partition(":")[0] for line in out.splitlines()]
    where = invariants.places(bench.root)
    wrong = [f"{job} was said to be in {case.stage}, and is in {where.get(job)}"
             for job in jobs if where.get(job) != [case.stage]]  # fmt: skip
    if not wrong and case.command[0] == "add":
        bench.accept(jobs)
    return wrong


def settled_as_said(bench: Bench, said: str) -> list[str]:
    """Every move that a supervisor told of was settled, so it is in the journal for good."""
    found = []
    for job, origin, target in MOVED.findall(said):
        path = Path(bench.root, "journal", f"{job}.jsonl")
        entries = invariants.journal(path).entries if path.exists() else ()
        if not any(entry.get("from") == origin and entry.get("to") == target for entry in entries):
            found.append(f"{job}: {origin} -> {target} was told, and is not in its journal")
    return found


def before_recovery(bench: Bench, case: Case, said: str) -> list[str]:
    """Check what a crash left."""
    if case.template is None:
        return []
    return [*bench.problems(recovered=False), *settled_as_said(bench, said)]


def after(bench: Bench, case: Case, said: str, *, may_fail: bool) -> list[str]:
    """Let a supervisor go on from what a crash left, and check; then a recovery must find nothing to do.

    `may_fail`: what was done to the job may be a reason to fail it.
    """
    if case.template is None and bench.aq("init").code != 0:
        return ["a second init failed"]
    done = bench.aq(*RUN)
    if found := [*unexpected(bench, done), *bench.problems(recovered=True), *settled_as_said(bench, said)]:
        return found
    if found := [*invariants.unexplained(bench.root), *left_over(bench)]:
        return found
    if case.template is repository and (found := bench.unsaved(may_fail=may_fail)):
        return found
    before = invariants.snapshot(bench.root)
    done = bench.aq("recover")
    return [*unexpected(bench, done), *invariants.differences(before, invariants.snapshot(bench.root))]


def unexpected(bench: Bench, done: Done) -> list[str]:
    """A supervisor after a crash ends well, or says that a job failed; it never breaks off."""
    found = [path.read_text()[-600:] for path in bench.folder.glob("aq-error-*")]
    if done.code not in (0, 1) or "defect of aq" in done.err:
        found.append(f"aq ended with {done.code}: {done.err[-300:]}")
    return found


def listed(templates: Templates, case: Case, names: tuple[str, ...] = CHANGING) -> list[Call]:
    """The calls that a command makes when nothing stops it."""
    bench = templates.fresh(case.template)
    done = bench.aq(*case.command, names=names)
    assert done.code in (0, 1), (case.name, done)
    return calls(bench.trace, names)
