"""What a crash leaves to do. Recovery twice is recovery once, wherever the first was cut short."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_queue.core.history import Entry, fold
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Job, Move, Policy, begin, by_hand, decide, pending, recover, requeue
from agent_queue.core.outcome import Broke, Done, Failure, Outcome
from agent_queue.core.recovery import Repair, repair
from agent_queue.core.retry import Retry

from .strategies import JOB, NOW, outcomes, policies

DIED = Broke(kind=Failure.MACHINE, reason="the shim died")
POLICY = Policy(verify=True, retry=Retry(max_retries=1, on=(Failure.CRASH,)))
WORK = (Stage.BUILDING, Stage.REVIEW)


class CrashError(Exception):
    """The supervisor dies here."""


class Disk:
    """What is left after a crash: the journal, the folder the file lies in, the exit record of each run.

    `steps` counts down the writes that are still made; None never crashes.
    """

    def __init__(self, stage: Stage = Stage.INBOX, journal: list[Entry] | None = None) -> None:
        self.stage = stage
        self.journal = journal or []
        self.records: dict[tuple[int, Stage], Outcome] = {}
        self.steps: int | None = None

    def copy(self) -> "Disk":
        other = Disk(self.stage, list(self.journal))
        other.records = dict(self.records)
        return other

    @property
    def job(self) -> Job:
        return Job(id=JOB, stage=self.stage, past=fold(self.journal))

    def _write(self) -> None:
        if self.steps == 0:
            raise CrashError
        if self.steps is not None:
            self.steps -= 1

    def settle(self, move: Move) -> None:
        self._write()
        self.journal.append(move.entry())
        self.finish(move.seq, move.target)

    def finish(self, seq: int, target: Stage) -> None:
        self._write()
        self.stage = target
        self._write()
        self.journal.append({"event": "moved", "seq": seq})

    def recover(self, policy: Policy) -> list[Repair]:
        """Do what recovery asks until it asks for nothing; the flow's order, with no process alive."""
        asked: list[Repair] = []
        while len(asked) < 9:
            moved = by_hand(self.job)
            if moved is not None:
                self._write()
                self.journal.append(moved.entry())
            job = self.job
            if job.past.unfinished and job.past.origin is job.stage is Stage.INBOX:
                asked.append(Repair.FINISH_MOVE)
                self.finish(job.past.seq, job.past.stage or Stage.INBOX)
                continue
            if self.stage not in WORK or not (job.past.unfinished or pending(job, policy)):
                return asked
            step = repair(job.past, self.stage, alive=False, recorded=(job.past.run, self.stage) in self.records)
            asked.append(step)
            match step:
                case Repair.FINISH_MOVE:
                    assert job.past.stage is not None
                    self.finish(job.past.seq, job.past.stage)
                case Repair.CHARGE:
                    self.settle(recover(job))
                case Repair.GO_ON:
                    self.settle(decide(job, self.records[job.past.run, self.stage], policy, NOW, 0.0))
                case Repair.ORPHAN:
                    # A verify without a record is run again; here it passes.
                    again = DIED if self.stage is Stage.BUILDING else Done()
                    self.settle(decide(job, again, policy, NOW, 0.0))
                case Repair.ADOPT:
                    raise AssertionError("nothing is alive")
        raise AssertionError(f"recovery does not end: {asked}")


def claimed(runs: int = 1) -> Disk:
    disk = Disk()
    for number in range(runs):
        if number:
            disk.settle(decide(disk.job, DIED, Policy(max_recoveries=9), NOW, 0.0))
        disk.settle(begin(disk.job))
    return disk


def ended(outcome: Outcome) -> Disk:
    disk = claimed()
    disk.records[1, Stage.BUILDING] = outcome
    return disk


def dragged(stage: Stage, target: Stage) -> Disk:
    """A job with two runs behind it, that a person then moved."""
    disk = claimed(2)
    disk.records[2, Stage.BUILDING] = Done()
    disk.settle(decide(disk.job, Broke(kind=Failure.CRASH, reason="exit code 1"), Policy(), NOW, 0.0))
    if stage is Stage.INBOX:
        disk.settle(requeue(disk.job))
    disk.stage = target
    return disk


SCENES = {
    "an orphan": claimed,
    "an orphan of the third run": lambda: claimed(3),
    "ended well, unseen": lambda: ended(Done()),
    "crashed, unseen": lambda: ended(Broke(kind=Failure.CRASH, reason="exit code 1")),
    "no journal": lambda: Disk(Stage.BUILDING),
    "dragged from failed": lambda: dragged(Stage.FAILED, Stage.BUILDING),
    "dragged from the inbox": lambda: dragged(Stage.INBOX, Stage.BUILDING),
    "dragged into review": lambda: dragged(Stage.FAILED, Stage.REVIEW),
}


def settled(disk: Disk) -> tuple[object, ...]:
    past = disk.job.past
    return disk.stage, past.stage, past.run, past.attempts, past.recoveries, past.unfinished, past.state.get("result")


@pytest.mark.parametrize(("scene", "crash"), list(product(SCENES, range(10))))
def test_recovery_cut_short_anywhere_and_begun_again_ends_the_same(scene: str, crash: int) -> None:
    undisturbed = SCENES[scene]()
    undisturbed.recover(POLICY)
    disk = SCENES[scene]()
    disk.steps = crash
    with suppress(CrashError):
        disk.recover(POLICY)
    for _ in range(2):
        disk.steps = None
        disk.recover(POLICY)
        # A crash after the rename leaves a move without its `moved`, for good: it counts as done.
        assert settled(disk)[:5] == settled(undisturbed)[:5]
        assert settled(disk)[6] == settled(undisturbed)[6]


@settings(max_examples=4 * settings.default.max_examples)
@given(policies, st.lists(st.tuples(outcomes, st.integers(0, 8)), max_size=8))
def test_recovery_twice_is_recovery_once(policy: Policy, history: list[tuple[Outcome, int]]) -> None:
    disk = Disk()
    for outcome, steps in history:
        disk.steps = steps
        try:
            if disk.stage is Stage.INBOX:
                disk.settle(begin(disk.job))
            if disk.stage in WORK:
                disk.settle(decide(disk.job, outcome, policy, NOW, 0.0))
        except CrashError:
            disk.steps = None
            disk.recover(policy)
        once = disk.copy()
        disk.steps = None
        disk.recover(policy)
        before = (settled(disk), len(disk.journal))
        assert disk.recover(policy) == []
        assert (settled(disk), len(disk.journal)) == before
        assert once.job.past.run <= disk.job.past.run
        assert by_hand(disk.job) is None


@pytest.mark.parametrize(
    ("scene", "steps"),
    [
        ("an orphan", [Repair.ORPHAN]),
        ("ended well, unseen", [Repair.GO_ON, Repair.ORPHAN]),
        ("crashed, unseen", [Repair.GO_ON]),
        ("no journal", [Repair.CHARGE, Repair.ORPHAN]),
        ("dragged from failed", [Repair.CHARGE, Repair.ORPHAN]),
        ("dragged from the inbox", [Repair.CHARGE, Repair.ORPHAN]),
        ("dragged into review", []),
    ],
)
def test_what_recovery_does(scene: str, steps: list[Repair]) -> None:
    assert SCENES[scene]().recover(POLICY) == steps


@pytest.mark.parametrize("target", Stage)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_move_that_was_journaled_is_finished_before_all_else(target: Stage, recorded: bool) -> None:
    disk = claimed()
    entry = {"event": "move", "seq": 2, "move": "fail", "from": "building", "to": str(target)}
    past = fold([*disk.journal, entry])
    found = repair(past, Stage.BUILDING, alive=False, recorded=recorded)
    assert (found is Repair.FINISH_MOVE) == (target is not Stage.BUILDING)
    assert repair(past, Stage.BUILDING, alive=True, recorded=recorded) is Repair.ADOPT


def test_only_a_file_that_still_lies_at_its_origin_has_a_move_to_finish() -> None:
    past = fold(
        [{"event": "move", "seq": 1, "move": "cancel", "from": "inbox", "to": "failed", "run": 1, "attempts": 1}]
    )
    assert repair(past, Stage.BUILDING, alive=False, recorded=True) is Repair.CHARGE


@given(st.booleans(), st.sampled_from(WORK))
def test_what_is_alive_is_left_alone(recorded: bool, stage: Stage) -> None:
    for disk in (Disk(stage), claimed(), claimed(3)):
        assert repair(disk.job.past, stage, alive=True, recorded=recorded) is Repair.ADOPT


def test_a_file_that_no_claim_brought_is_charged_whatever_an_earlier_run_left() -> None:
    disk = dragged(Stage.FAILED, Stage.BUILDING)
    moved = by_hand(disk.job)
    assert moved is not None
    past = fold([*disk.journal, moved.entry()])
    assert (past.run, past.attempts) == (2, 2)
    assert repair(past, Stage.BUILDING, alive=False, recorded=True) is Repair.CHARGE


def test_the_charge_is_made_once() -> None:
    disk = Disk(Stage.BUILDING)
    disk.settle(recover(disk.job))
    assert (disk.job.past.run, disk.job.past.attempts, disk.stage) == (1, 1, Stage.BUILDING)
    assert repair(disk.job.past, disk.stage, alive=False, recorded=False) is Repair.ORPHAN


def test_a_verify_found_in_review_goes_on_from_its_record() -> None:
    disk = claimed()
    disk.settle(decide(disk.job, Done(), POLICY, NOW, 0.0))
    assert repair(disk.job.past, Stage.REVIEW, alive=False, recorded=True) is Repair.GO_ON
    assert repair(disk.job.past, Stage.REVIEW, alive=False, recorded=False) is Repair.ORPHAN
