"""Where a job goes next: every history of outcomes ends legally, and nobody moves a job from where he may not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_queue.core import lifecycle
from agent_queue.core.errors import BusyError, IllegalMoveError
from agent_queue.core.history import Entry, History, fold
from agent_queue.core.job import Result, Stage
from agent_queue.core.lifecycle import TRANSITIONS, Job, Kind, Move, Policy, begin, by_hand, decide, pending
from agent_queue.core.outcome import FAILURES, Broke, Done, Failure, Fault, Held, Outcome, Refused
from agent_queue.core.retry import Retry

from .strategies import JOB, NOW, broken, failures, held, outcomes, own_failures, policies, rolls

WORDS: dict[Kind, tuple[str, ...]] = {
    Kind.ADVANCE: ("the agent ended well", "verified"),
    Kind.FAIL: ("broke", "refused", "cancel"),
}
"""What the table of transitions calls a kind of move, where it is not by its own name."""

TABLE = {(origin, target, word) for origin, target, words in TRANSITIONS for word in words.split(", ")}
CRASH = Broke(kind=Failure.CRASH, reason="exit code 1")
DIED = Broke(kind=Failure.MACHINE, reason="the shim died")
CANCELLED = Refused(result=Result.CANCELLED, reason="cancelled by a person")
NO_ENGINE = Refused(result=Result.NO_ENGINE, reason="none is installed")
LIMIT = Held(reason="usage limit", lane="claude", until=NOW + timedelta(hours=5))


def at(stage: Stage, **past: object) -> Job:
    return Job(id=JOB, stage=stage, past=History(**past))  # type: ignore[arg-type]


class Life:
    """A job as a queue keeps it: each move is journaled, carried out, and read back."""

    def __init__(self) -> None:
        self.journal: list[Entry] = []
        self.stage = Stage.INBOX

    @property
    def job(self) -> Job:
        return Job(id=JOB, stage=self.stage, past=fold(self.journal))

    def carry_out(self, move: Move) -> None:
        assert move.origin is self.stage
        assert move.seq == self.job.past.seq + 1
        self.journal += [move.entry(), {"event": "moved", "seq": move.seq}]
        self.stage = move.target


def legal(move: Move) -> bool:
    words = WORDS.get(move.kind, (move.kind.value,))
    return any((move.origin, move.target, word) in TABLE for word in words)


@settings(max_examples=4 * settings.default.max_examples)
@given(policies, st.lists(outcomes, max_size=20), rolls)
def test_every_history_ends_legally(policy: Policy, endings: list[Outcome], roll: float) -> None:
    life = Life()
    for ending in endings:
        if life.stage is Stage.INBOX:
            before = life.job.past
            claim = begin(life.job)
            assert (claim.run, claim.attempts) == (before.run + 1, before.attempts + 1), "charged before it can crash"
            assert legal(claim)
            life.carry_out(claim)
        if life.stage not in (Stage.BUILDING, Stage.REVIEW):
            break
        move = decide(life.job, ending, policy, NOW, roll)
        assert legal(move)
        assert 0 <= move.attempts <= 1 + policy.retry.max_retries + move.recoveries
        assert move.recoveries <= policy.max_recoveries
        assert move.run == life.job.past.run
        life.carry_out(move)
    if life.stage is Stage.TESTING:
        shipped = replace(policy, auto_ship=True)
        assert legal(decide(life.job, Done(), shipped, NOW, roll))


@given(policies, st.lists(broken, min_size=12, max_size=12), st.booleans(), rolls)
def test_a_job_that_keeps_breaking_ends_in_failed(
    policy: Policy, endings: list[Broke], late: bool, roll: float
) -> None:
    life = Life()
    for ending in endings:
        life.carry_out(begin(life.job))
        if late:
            life.carry_out(decide(life.job, Done(), policy, NOW, roll))
        life.carry_out(decide(life.job, ending, policy, NOW, roll))
        if life.stage is Stage.FAILED:
            break
    assert life.stage is Stage.FAILED
    assert life.job.past.run <= 1 + policy.retry.max_retries + policy.max_recoveries


@given(policies, st.lists(st.sampled_from([CRASH, DIED]), max_size=3), st.lists(held, min_size=1, max_size=30), rolls)
def test_a_hold_gives_the_attempt_back(policy: Policy, before: list[Broke], holds: list[Held], roll: float) -> None:
    life = Life()
    for ending in before:
        if life.stage is Stage.INBOX:
            life.carry_out(begin(life.job))
            life.carry_out(decide(life.job, ending, policy, NOW, roll))
    if life.stage is not Stage.INBOX:
        return
    charged = life.job.past
    for number, hold in enumerate(holds, 1):
        life.carry_out(begin(life.job))
        life.carry_out(decide(life.job, hold, policy, NOW, roll))
        past = life.job.past
        assert (past.attempts, past.recoveries) == (charged.attempts, charged.recoveries)
        assert (past.run, life.stage) == (charged.run + number, Stage.INBOX)
        assert past.next_eligible == (hold.until.timestamp() if hold.until > NOW else 0.0)


@given(
    st.sampled_from(Stage), outcomes, policies, st.builds(History, attempts=st.integers(0, 9), run=st.integers(0, 9))
)
def test_whatever_is_decided_anywhere_is_in_the_table(
    stage: Stage, ending: Outcome, policy: Policy, past: History
) -> None:
    job = Job(id=JOB, stage=stage, past=past)
    try:
        move = decide(job, ending, policy, NOW, 0.5)
    except IllegalMoveError:
        assert stage not in (Stage.BUILDING, Stage.REVIEW)
        return
    assert legal(move)
    assert move.attempts >= 0


def test_the_table_has_no_row_that_cannot_happen() -> None:
    happened = set()
    retrying = Policy(retry=Retry(max_retries=2, on=(Failure.CRASH,)), auto_ship=True)
    for stage, ending in product(Stage, (Done(), CRASH, DIED, LIMIT, NO_ENGINE, CANCELLED)):
        for policy in (retrying, Policy(max_recoveries=0)):
            try:
                move = decide(at(stage, attempts=1), ending, policy, NOW, 0.0)
            except IllegalMoveError:
                continue
            happened.add((move.origin, move.target, word_of(move)))
    for deed, stage in product((begin, *PERSONS), Stage):
        try:
            move = deed(at(stage))
        except (IllegalMoveError, BusyError):
            continue
        happened.add((move.origin, move.target, move.kind.value))
    assert happened == TABLE


def word_of(move: Move) -> str:
    if move.kind is Kind.ADVANCE:
        return "the agent ended well" if move.origin is Stage.BUILDING else "verified"
    if move.kind is Kind.FAIL:
        return "broke" if move.failure else "cancel" if move.result is Result.CANCELLED else "refused"
    return move.kind.value


PERSONS: dict[Callable[[Job], Move], tuple[dict[Stage, Stage], Result | None]] = {
    lifecycle.promote: ({Stage.REVIEW: Stage.TESTING}, Result.TESTING),
    lifecycle.ship: ({Stage.TESTING: Stage.SHIPPED}, Result.SHIPPED),
    lifecycle.reject: ({Stage.REVIEW: Stage.FAILED, Stage.TESTING: Stage.FAILED}, Result.REJECTED),
    lifecycle.cancel: (
        {Stage.INBOX: Stage.FAILED, Stage.REVIEW: Stage.FAILED, Stage.TESTING: Stage.FAILED}, Result.CANCELLED,
    ),
    lifecycle.requeue: ({Stage.FAILED: Stage.INBOX, Stage.REVIEW: Stage.INBOX, Stage.TESTING: Stage.INBOX}, None),
}  # fmt: skip


@pytest.mark.parametrize("deed", PERSONS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("stage", Stage)
def test_a_person_moves_a_job_only_from_where_the_contract_says(deed: Callable[[Job], Move], stage: Stage) -> None:
    targets, result = PERSONS[deed]
    job = at(stage, seq=4, run=3, attempts=2, recoveries=1)
    if stage in targets:
        move = deed(job)
        assert (move.origin, move.target, move.result, move.seq, move.run) == (stage, targets[stage], result, 5, 3)
        assert move.kind.value == deed.__name__
    else:
        busy = deed is lifecycle.cancel and stage is Stage.BUILDING
        with pytest.raises(BusyError if busy else IllegalMoveError, match=f"^{JOB} (is running|lies in {stage}: only)"):
            deed(job)


@pytest.mark.parametrize("stage", Stage)
def test_only_a_waiting_job_can_begin(stage: Stage) -> None:
    if stage is Stage.INBOX:
        assert begin(at(stage)).target is Stage.BUILDING
    else:
        with pytest.raises(IllegalMoveError, match="only a job in inbox can start"):
            begin(at(stage))


def test_a_refusal_says_what_is_possible() -> None:
    with pytest.raises(IllegalMoveError) as caught:
        lifecycle.requeue(at(Stage.SHIPPED))
    assert str(caught.value) == f"{JOB} lies in shipped: only a job in failed or review or testing can requeue"


@given(st.sampled_from([Stage.FAILED, Stage.REVIEW, Stage.TESTING]), st.booleans(), st.integers(0, 9))
def test_a_requeue_begins_to_count_again_and_keeps_the_run_numbers(stage: Stage, fresh: bool, count: int) -> None:
    job = at(stage, run=count + 1, attempts=count, recoveries=count, next_eligible=9e9, fresh=not fresh)
    move = lifecycle.requeue(job, fresh=fresh)
    assert (move.run, move.attempts, move.recoveries, move.next_eligible) == (count + 1, 0, 0, 0.0)
    assert move.fresh is fresh


def test_a_fresh_beginning_lasts_until_the_workspace_was_made() -> None:
    life = Life()
    life.stage = Stage.FAILED
    life.carry_out(lifecycle.requeue(life.job, fresh=True))
    life.carry_out(begin(life.job))
    assert life.job.past.fresh, "whoever makes the workspace reads it after the claim"
    life.carry_out(decide(life.job, DIED, Policy(), NOW, 0.0))
    life.carry_out(begin(life.job))
    assert life.job.past.fresh, "it never came to that"
    life.journal.append({"event": "started", "fresh": False})
    life.carry_out(decide(life.job, DIED, Policy(), NOW, 0.0))
    life.carry_out(begin(life.job))
    assert not life.job.past.fresh, "now there is work to go on with"


@given(failures, policies)
def test_what_is_not_retried_leaves_its_own_result(kind: Failure, policy: Policy) -> None:
    policy = replace(policy, retry=Retry(), max_recoveries=0)
    move = decide(at(Stage.BUILDING, attempts=1), Broke(kind=kind, reason="why"), policy, NOW, 0.0)
    assert (move.kind, move.target) == (Kind.FAIL, Stage.FAILED)
    assert (move.result, move.failure) == (FAILURES[kind].result, kind)
    assert move.reason.startswith("why")


@given(own_failures, st.integers(1, 9), policies, rolls)
def test_a_retry_waits_at_least_its_backoff(kind: Failure, attempts: int, policy: Policy, roll: float) -> None:
    move = decide(at(Stage.BUILDING, attempts=attempts), Broke(kind=kind, reason="why"), policy, NOW, roll)
    retry = policy.retry
    asked = kind in retry.on and retry.max_retries > 0
    assert (move.kind is Kind.RETRY) == (asked and attempts <= retry.max_retries)
    assert (move.result is Result.RETRIES_EXHAUSTED) == (asked and attempts > retry.max_retries)
    if move.kind is Kind.RETRY:
        least = 10.0 if retry.backoff_s is None else retry.backoff_s
        assert (move.attempts, move.result) == (attempts, Result.RETRY)
        assert move.next_eligible == 0.0 if least == 0 else move.next_eligible >= NOW.timestamp() + least


def test_max_one_means_two_attempts() -> None:
    life, policy = Life(), Policy(retry=Retry(max_retries=1, on=(Failure.CRASH,)))
    for target in (Stage.INBOX, Stage.FAILED):
        life.carry_out(begin(life.job))
        life.carry_out(decide(life.job, CRASH, policy, NOW, 0.0))
        assert life.stage is target
    assert life.job.past.state["result"] == "retries_exhausted"
    assert life.job.past.attempts == 2


@pytest.mark.parametrize("max_recoveries", [0, 1, 3])
def test_the_death_of_the_machine_is_charged_and_has_an_end(max_recoveries: int) -> None:
    life, policy = Life(), Policy(max_recoveries=max_recoveries)
    for _ in range(max_recoveries + 1):
        assert life.stage is Stage.INBOX
        life.carry_out(begin(life.job))
        move = decide(life.job, DIED, policy, NOW, 0.0)
        life.carry_out(move)
    assert life.stage is Stage.FAILED
    assert life.job.past.run == life.job.past.attempts == max_recoveries + 1
    assert (move.result, move.reason) == (Result.CRASH, f"the shim died; it did so {max_recoveries + 1} times")


@pytest.mark.parametrize("stage", [Stage.BUILDING, Stage.REVIEW])
def test_an_uncharged_job_is_decided_on_all_the_same(stage: Stage) -> None:
    for kind, backoff in product(Failure, (None, 0.0, 60.0)):
        policy = Policy(retry=Retry(max_retries=1, backoff_s=backoff, on=tuple(Failure)))
        assert decide(at(stage), Broke(kind=kind, reason="why"), policy, NOW, 0.9).attempts == 0
    assert decide(at(stage), LIMIT, Policy(), NOW, 0.0).attempts == 0


def test_a_hold_that_is_over_does_not_wait() -> None:
    over = replace(LIMIT, until=NOW)
    assert decide(at(Stage.BUILDING, attempts=1), over, Policy(), NOW, 0.0).next_eligible == 0.0


@pytest.mark.parametrize("ending", [Done(), CRASH, DIED, LIMIT])
def test_in_the_inbox_nothing_can_end_but_by_a_refusal(ending: Outcome) -> None:
    with pytest.raises(IllegalMoveError):
        decide(at(Stage.INBOX, attempts=1), ending, Policy(retry=Retry(max_retries=3, on=tuple(Failure))), NOW, 0.0)
    assert decide(at(Stage.INBOX, attempts=1), NO_ENGINE, Policy(), NOW, 0.0).result is Result.NO_ENGINE


def test_only_ship_auto_passes_the_human_gate() -> None:
    with pytest.raises(IllegalMoveError, match="lies in testing"):
        decide(at(Stage.TESTING), Done(), Policy(), NOW, 0.0)
    assert decide(at(Stage.TESTING), Done(), Policy(auto_ship=True), NOW, 0.0).kind is Kind.SHIP


@pytest.mark.parametrize(
    ("stage", "kind", "policy", "answer"),
    [
        (Stage.INBOX, "", Policy(verify=True, auto_promote=True, auto_ship=True), False),
        (Stage.BUILDING, "", Policy(), True),
        (Stage.REVIEW, "advance", Policy(), False),
        (Stage.REVIEW, "advance", Policy(verify=True), True),
        (Stage.REVIEW, "advance", Policy(auto_promote=True), True),
        (Stage.REVIEW, "by_hand", Policy(verify=True, auto_promote=True), False),
        (Stage.TESTING, "advance", Policy(), False),
        (Stage.TESTING, "by_hand", Policy(auto_ship=True), True),
        (Stage.SHIPPED, "ship", Policy(verify=True, auto_ship=True), False),
        (Stage.FAILED, "fail", Policy(verify=True, auto_ship=True), False),
    ],
)
def test_where_aq_itself_has_work(stage: Stage, kind: str, policy: Policy, answer: bool) -> None:
    assert pending(at(stage, kind=kind), policy) is answer


@pytest.mark.parametrize(("known", "found"), list(product(Stage, Stage)))
def test_a_persons_mv_wins_and_is_explained_once(known: Stage, found: Stage) -> None:
    journal: list[Entry] = [
        {
            "event": "move",
            "seq": 1,
            "move": "begin",
            "from": "inbox",
            "to": str(known),
            "run": 3,
            "attempts": 2,
            "recoveries": 1,
        },
        {"event": "moved", "seq": 1},
    ]
    job = Job(id=JOB, stage=found, past=fold(journal))
    move = by_hand(job)
    if known is found:
        assert move is None
        return
    assert move is not None
    assert (move.origin, move.target, move.seq, move.run) == (known, found, 2, 3)
    assert move.entry()["event"] == "moved_by_hand"
    past = fold([*journal, move.entry()])
    assert by_hand(Job(id=JOB, stage=found, past=past)) is None
    assert (past.stage, past.unfinished) == (found, False)
    reborn = known is Stage.SHIPPED and found is Stage.INBOX
    assert (move.kind is Kind.REBORN) == reborn == move.fresh == (past.life == 2)
    assert (past.attempts, past.recoveries) == ((0, 0) if found is Stage.INBOX else (2, 1))
    assert past.state.get("result") == RESULTS.get(found)


RESULTS = {Stage.REVIEW: "review", Stage.TESTING: "testing", Stage.SHIPPED: "shipped", Stage.FAILED: "cancelled"}


@pytest.mark.parametrize("found", Stage)
def test_a_move_that_a_crash_cut_short_is_no_persons(found: Stage) -> None:
    claim = begin(at(Stage.INBOX))
    job = Job(id=JOB, stage=found, past=fold([claim.entry()]))
    assert (by_hand(job) is None) == (found in (claim.origin, claim.target))


@pytest.mark.parametrize("found", Stage)
def test_a_job_without_a_journal_was_not_moved(found: Stage) -> None:
    assert by_hand(at(found)) is None


def test_the_lane_is_held_and_the_job_is_not_blamed() -> None:
    move = decide(at(Stage.BUILDING, attempts=1), LIMIT, Policy(), NOW, 0.0)
    assert (move.result, move.failure, move.reason) == (Result.HELD, None, "usage limit")


def test_what_broke_the_lane_is_journaled_and_not_charged() -> None:
    slow = replace(LIMIT, failure=Failure.RATE_LIMITED, known_reset=False)
    entry = decide(at(Stage.BUILDING, attempts=1), slow, Policy(), NOW, 0.0).entry()
    assert (entry["result"], entry["failure"], entry["attempts"]) == ("held", "rate_limited", 0)
    since = NOW.timestamp() - Policy().max_hold_s
    given_up = decide(at(Stage.BUILDING, attempts=1, held_since=since), slow, Policy(), NOW, 0.0)
    assert (given_up.result, given_up.failure) == (Result.HELD_TOO_LONG, Failure.RATE_LIMITED)


def test_every_fault_has_a_failure() -> None:
    assert {rule.fault for rule in FAILURES.values()} == set(Fault)
