"""What every queue must do, as tests. Take it into a test class of your own:

class TestMyQueue(QueueContract):
    def make(self): ...
    def person(self): ...
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from agent_queue.core.board import Changes, FileChange
from agent_queue.core.errors import AqError, ManifestError
from agent_queue.core.history import STATE_KEYS
from agent_queue.core.job import JobId, Result, Stage
from agent_queue.core.lifecycle import Job, Kind, Move, Policy, begin, decide, promote, recover, requeue, ship
from agent_queue.core.outcome import Broke, Done, Failure, Held
from agent_queue.core.retry import Retry
from agent_queue.ports import Queue
from agent_queue.system.events import wait_until
from agent_queue.testing.machine import job_file

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
A, B, C = JobId("20260301-1200__a"), JobId("20260301-1200__b"), JobId("20260301-1200__c")
LIMIT_S = 10.0


class Person(Protocol):
    """Somebody with a shell at the queue's files. Each deed gives what a watcher of the folders would report."""

    def write(self, stage: Stage, name: str, data: bytes) -> FileChange: ...
    def move(self, name: str, source: Stage, target: Stage) -> list[FileChange]: ...
    def remove(self, stage: Stage, name: str) -> FileChange: ...


def text(body: str = "Do it.", **keys: Any) -> bytes:
    return job_file(body, **{"engine": "shell", "cwd": "/", **keys})


def looked(queue: Queue, files: Sequence[FileChange] | None = None) -> Changes:
    """All that a supervisor finds by and by: it looks again as long as the queue asks for that."""
    found = [queue.look(files)]

    def whole() -> bool:
        if found[-1].look_again_s is not None:
            found.append(queue.look([]))
        return found[-1].look_again_s is None

    assert wait_until(whole, seconds=LIMIT_S), "the queue asks to be looked at again and again"
    return Changes(
        waiting=tuple(row for changes in found for row in changes.waiting),
        gone=tuple(job for changes in found for job in changes.gone),
        by_hand=tuple(job for changes in found for job in changes.by_hand),
    )


def waiting(changes: Changes) -> list[JobId]:
    return [row.id for row in changes.waiting]


class QueueContract:
    """The tests. Each works on one new, empty queue.

    `make` gives a view of it: a second call gives what another process would see of the same queue. Its defaults are
    empty, and the mutexes of a job are just what its file names under `lock`.
    """

    def make(self) -> Queue:
        raise NotImplementedError

    def person(self) -> Person:
        raise NotImplementedError

    @pytest.fixture
    def queue(self) -> Queue:
        return self.make()

    @pytest.fixture(params=["told which", "told any", "a view of its own"])
    def news(self, request: pytest.FixtureRequest) -> str:
        """How a supervisor comes to know of a change: which file, that there was one, or by seeing all anew."""
        return str(request.param)

    def seen(self, queue: Queue, news: str, *changes: FileChange) -> Changes:
        if news == "told which":
            return looked(queue, changes)
        return looked(queue, [FileChange("")]) if news == "told any" else looked(self.make())

    def put(self, queue: Queue, *jobs: JobId, **keys: Any) -> None:
        assert queue.create([(job, text(**keys)) for job in jobs]) == [True] * len(jobs)

    def found(self, queue: Queue, job: JobId) -> Job:
        found = queue.job(job)
        assert found is not None
        return found

    def carry(self, queue: Queue, *moves: Move) -> None:
        assert queue.settle(moves) == list(moves)

    def built(self, queue: Queue, job: JobId) -> Job:
        """Bring a waiting job into building."""
        self.carry(queue, begin(self.found(queue, job)))
        return self.found(queue, job)

    # Jobs and their files.

    def test_a_new_job_waits_in_the_inbox(self, queue: Queue) -> None:
        assert queue.create([(A, text("Mend it.", lock="db"))]) == [True]
        for view in (queue, self.make()):
            job = self.found(view, A)
            assert (job.stage, job.past.seq, job.past.stage) == (Stage.INBOX, 0, None)
            assert view.file(A).body == "Mend it.\n"
            assert view.file(A).manifest.lock == ("db",)
            assert view.ids(Stage.INBOX) == [A]
            assert [job.id for job in view.jobs(Stage.BUILDING, Stage.INBOX)] == [A]

    def test_no_job_is_written_over(self, queue: Queue) -> None:
        self.put(queue, A)
        assert self.make().create([(B, text()), (A, text("Other.")), (C, text())]) == [True, False, True]
        assert queue.file(A).body == "Do it.\n"
        assert queue.ids(Stage.INBOX) == [A, B, C]

    def test_an_id_is_taken_wherever_its_job_lies(self, queue: Queue) -> None:
        assert not queue.taken(A)
        self.put(queue, A)
        assert queue.taken(A)
        self.built(queue, A)
        assert queue.taken(A)
        assert queue.create([(A, text("Other."))]) == [False]
        assert queue.ids(Stage.INBOX) == []

    def test_an_id_names_one_job_for_ever(self, queue: Queue) -> None:
        self.put(queue, A)
        self.built(queue, A)
        self.person().remove(Stage.BUILDING, f"{A}.md")
        assert queue.job(A) is None
        assert queue.taken(A)
        assert queue.create([(A, text())]) == [False]

    def test_a_job_that_is_not_there(self, queue: Queue) -> None:
        assert queue.job(A) is None
        assert queue.jobs(*Stage) == []
        assert queue.past(A).seq == 0
        with pytest.raises(AqError, match=A):
            queue.file(A)

    def test_a_file_that_cannot_be_read_as_a_job(self, queue: Queue) -> None:
        self.put(queue, A)
        self.person().write(Stage.INBOX, f"{A}.md", text(priority="urgent"))
        with pytest.raises(ManifestError, match=f"{A}.md:4:"):
            queue.file(A)

    def test_a_body_survives_to_the_byte(self, queue: Queue) -> None:
        body = "Naïve \u2028 tail  \r\n\n---\nnot: frontmatter\n---\n\x85 no newline at the end"
        queue.create([(A, b"---\nengine: shell\n---\n" + body.encode())])
        assert queue.file(A).body == body

    # A look.

    def test_the_first_look_finds_what_waits(self, queue: Queue) -> None:
        self.put(queue, A, B)
        assert waiting(looked(queue)) == [A, B]
        assert looked(queue) == Changes()

    def test_a_dropped_file_waits(self, queue: Queue, news: str) -> None:
        looked(queue)
        file = text(engine="pi", lock="[b, a]", deps="x", priority="high")
        change = self.person().write(Stage.INBOX, f"{A}.md", file)
        (row,) = self.seen(queue, news, change).waiting
        assert (row.id, row.engine, set(row.locks), row.deps, row.rank) == (A, "pi", {"a", "b"}, ("x",), 1)
        assert row.next_eligible == 0
        assert queue.past(A).seq == 0, "nothing is journaled of a job that only waits"

    def test_a_changed_file_waits_as_it_is_now(self, queue: Queue, news: str) -> None:
        self.put(queue, A)
        looked(queue)
        change = self.person().write(Stage.INBOX, f"{A}.md", text(priority="low"))
        assert [row.rank for row in self.seen(queue, news, change).waiting] == [3]

    def test_a_deleted_file_waits_no_more(self, queue: Queue) -> None:
        self.put(queue, A, B)
        looked(queue)
        assert looked(queue, [self.person().remove(Stage.INBOX, f"{A}.md")]).gone == (A,)
        self.person().remove(Stage.INBOX, f"{B}.md")
        assert looked(queue).gone == (B,)

    def test_what_is_no_job_is_ignored(self, queue: Queue, news: str) -> None:
        names = [".hidden.md", f"{A}.md~", f"{A}.txt", f".{A}.md.swp", "README"]
        changes = [self.person().write(Stage.INBOX, name, b"") for name in names]
        assert self.seen(queue, news, *changes) == Changes()
        assert queue.invalid() == []
        assert queue.ids(Stage.INBOX) == []

    @pytest.mark.parametrize(
        ("name", "data", "said"),
        [
            ("Fix login.md", text(), "Fix-login.md"),
            ("a..b.md", text(), "a.b.md"),
            ("end.lock.md", text(), "end.md"),
            ("bad.md", text(priority="urgent"), "bad.md:4:"),
            ("torn.md", b"---\nengine: [shell\n---\nDo it.\n", "torn.md:"),
            ("empty.md", text(" "), "body"),
            ("nowhere.md", b"---\nengine: shell\n---\nDo it.\n", "cwd"),
            ("nobody.md", b"---\ncwd: /\n---\nDo it.\n", "engine"),
        ],
    )
    def test_a_file_that_cannot_become_a_job_is_invalid_and_holds_up_nobody(
        self, queue: Queue, name: str, data: bytes, said: str
    ) -> None:
        looked(queue)
        self.put(queue, A)
        change = self.person().write(Stage.INBOX, name, data)
        assert waiting(looked(queue, [FileChange(""), change])) == [A]
        (invalid,) = queue.invalid()
        assert (invalid.name, invalid.stage) == (name, Stage.INBOX)
        assert said in invalid.problem

    def test_an_invalid_file_waits_once_it_is_mended(self, queue: Queue) -> None:
        looked(queue, [self.person().write(Stage.INBOX, f"{A}.md", text(priority="urgent"))])
        mended = self.person().write(Stage.INBOX, f"{A}.md", text())
        assert waiting(looked(queue, [mended])) == [A]
        assert queue.invalid() == []

    def test_a_waiting_file_that_becomes_invalid_waits_no_more(self, queue: Queue) -> None:
        self.put(queue, A)
        looked(queue)
        assert looked(queue, [self.person().write(Stage.INBOX, f"{A}.md", text(timeout="soon"))]).gone == (A,)
        assert len(queue.invalid()) == 1
        looked(queue, [self.person().remove(Stage.INBOX, f"{A}.md")])
        assert queue.invalid() == []

    def test_a_second_file_of_one_id_is_invalid(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, decide(self.built(queue, A), Broke(kind=Failure.CRASH, reason=""), Policy(), NOW, 0))
        looked(queue)
        changes = looked(queue, [self.person().write(Stage.INBOX, f"{A}.md", text())])
        assert waiting(changes) == []
        (invalid,) = queue.invalid()
        assert "failed/" in invalid.problem
        assert self.found(queue, A).stage is Stage.FAILED

    def test_ids_that_differ_in_case_only_are_one_id(self, queue: Queue, news: str) -> None:
        first = self.person().write(Stage.INBOX, "Fix.md", text())
        looked(queue, [first])
        second = self.person().write(Stage.INBOX, "fix.md", text())
        view = queue if news != "a view of its own" else self.make()
        looked(view, [second] if news == "told which" else None)
        assert [invalid.name for invalid in view.invalid()] == ["fix.md"]

    def test_a_copy_may_stay_when_the_first_one_goes(self, queue: Queue) -> None:
        first = self.person().write(Stage.INBOX, "Fix.md", text())
        second = self.person().write(Stage.INBOX, "fix.md", text(priority="low"))
        looked(queue, [first, second])
        changes = looked(queue, [self.person().remove(Stage.INBOX, "Fix.md")])
        assert (waiting(changes), changes.gone) == (["fix"], ("Fix",))
        assert queue.invalid() == []

    def test_our_own_moves_are_no_news(self, queue: Queue) -> None:
        self.put(queue, A, B)
        looked(queue)
        moves = [begin(self.found(queue, A)), begin(self.found(queue, B))]
        self.carry(queue, *moves)
        assert looked(queue, [FileChange("")]) == Changes()
        self.carry(queue, decide(self.found(queue, A), Done(), Policy(), NOW, 0))
        assert looked(queue, [FileChange("")]) == Changes()

    def test_a_job_that_comes_back_to_the_inbox_waits_again(self, queue: Queue) -> None:
        self.put(queue, A)
        looked(queue)
        held = decide(self.built(queue, A), Held(reason="", lane="", until=datetime(2027, 1, 1, tzinfo=UTC)),
                      Policy(), NOW, 0)  # fmt: skip
        self.carry(queue, held)
        (row,) = looked(queue, []).waiting
        assert (row.id, row.next_eligible) == (A, held.next_eligible)

    # A person's moves.

    @pytest.mark.parametrize("target", [stage for stage in Stage if stage is not Stage.BUILDING])
    def test_a_move_by_hand_is_explained_once(self, queue: Queue, target: Stage) -> None:
        self.put(queue, A)
        self.built(queue, A)
        looked(queue)
        changes = looked(queue, self.person().move(f"{A}.md", Stage.BUILDING, target))
        assert [(job.id, job.stage, job.past.stage) for job in changes.by_hand] == [(A, target, target)]
        past = queue.past(A)
        assert (past.kind, past.stage, past.unfinished, past.seq) == (Kind.BY_HAND, target, False, 2)
        assert waiting(changes) == ([A] if target is Stage.INBOX else [])
        assert looked(queue, [FileChange("")]) == Changes()
        assert looked(self.make()).by_hand == ()

    def test_a_move_by_hand_into_work_is_explained(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, decide(self.built(queue, A), Done(), Policy(), NOW, 0))
        looked(queue)
        changes = looked(queue, self.person().move(f"{A}.md", Stage.REVIEW, Stage.BUILDING))
        assert [(job.id, job.stage) for job in changes.by_hand] == [(A, Stage.BUILDING)]
        assert queue.past(A).kind == Kind.BY_HAND

    def test_a_job_put_back_after_it_shipped_has_a_new_life(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, decide(self.built(queue, A), Done(), Policy(), NOW, 0))
        self.carry(queue, promote(self.found(queue, A)))
        self.carry(queue, ship(self.found(queue, A)))
        looked(queue)
        looked(queue, self.person().move(f"{A}.md", Stage.SHIPPED, Stage.INBOX))
        past = queue.past(A)
        assert (past.kind, past.life, past.attempts, past.fresh) == (Kind.REBORN, 2, 0, True)

    def test_a_dragged_job_that_another_process_holds_is_told_at_once_and_explained_later(self, queue: Queue) -> None:
        self.put(queue, A)
        self.built(queue, A)
        looked(queue)
        lock = self.make().lock(A)
        assert lock is not None
        changes = queue.look(self.person().move(f"{A}.md", Stage.BUILDING, Stage.INBOX))
        assert [(job.id, job.stage) for job in changes.by_hand] == [(A, Stage.INBOX)]
        assert changes.look_again_s is not None
        assert (waiting(changes), queue.past(A).kind) == ([], Kind.BEGIN)
        lock.close()
        assert waiting(looked(queue, [])) == [A]
        assert queue.past(A).kind == Kind.BY_HAND

    def test_what_another_process_moves_into_work_is_told(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, decide(self.built(queue, A), Done(), Policy(), NOW, 0))
        looked(queue)
        other = self.make()
        assert other.settle([promote(self.found(other, A))])
        assert [(job.id, job.stage) for job in looked(queue, [FileChange("")]).by_hand] == [(A, Stage.TESTING)]
        assert queue.past(A).kind == Kind.PROMOTE

    def test_a_file_dropped_into_building_is_told(self, queue: Queue) -> None:
        looked(queue)
        changes = looked(queue, [self.person().write(Stage.BUILDING, f"{A}.md", text())])
        assert [(job.id, job.stage) for job in changes.by_hand] == [(A, Stage.BUILDING)]
        assert queue.past(A).seq == 0

    # Moves.

    def test_a_move_is_carried_out_and_journaled(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, begin(self.found(queue, A)))
        for view in (queue, self.make()):
            job = self.found(view, A)
            assert job.stage is Stage.BUILDING
            assert (job.past.seq, job.past.kind, job.past.origin) == (1, Kind.BEGIN, Stage.INBOX)
            assert (job.past.stage, job.past.unfinished) == (Stage.BUILDING, False)
            assert (job.past.run, job.past.attempts) == (1, 1)
            assert (view.ids(Stage.INBOX), view.ids(Stage.BUILDING)) == ([], [A])

    def test_a_journal_folds_to_the_state_of_its_job(self, queue: Queue) -> None:
        policy = Policy(verify=True, retry=Retry(max_retries=2, on=(Failure.TIMEOUT,), backoff_s=60))
        self.put(queue, A)
        broke = decide(self.built(queue, A), Broke(kind=Failure.TIMEOUT, reason="x"), policy, NOW, 0)
        self.carry(queue, broke)
        past = queue.past(A)
        assert (past.seq, past.run, past.attempts, past.next_eligible) == (2, 1, 1, NOW.timestamp() + 60)
        assert past.state["result"] == Result.RETRY
        self.carry(queue, decide(self.built(queue, A), Done(), policy, NOW, 0))
        self.carry(queue, decide(self.found(queue, A), Done(), policy, NOW, 0))
        self.carry(queue, requeue(self.found(queue, A), fresh=True))
        past = self.make().past(A)
        assert (past.seq, past.run, past.attempts, past.fresh) == (6, 2, 0, True)
        assert past.next_eligible == 0

    def test_an_attempt_is_charged_where_the_job_lies(self, queue: Queue) -> None:
        self.person().write(Stage.BUILDING, f"{A}.md", text())
        self.carry(queue, recover(self.found(queue, A)))
        job = self.found(queue, A)
        assert (job.stage, job.past.attempts, job.past.run, job.past.unfinished) == (Stage.BUILDING, 1, 1, False)

    def test_a_batch_carries_out_what_it_can(self, queue: Queue) -> None:
        self.put(queue, A, B, C)
        moves = [begin(self.found(queue, job)) for job in (A, B, C)]
        self.person().remove(Stage.INBOX, f"{B}.md")
        assert queue.settle(moves) == [moves[0], moves[2]]
        assert queue.ids(Stage.BUILDING) == [A, C]
        assert queue.settle([]) == []

    def test_a_move_is_announced_before_it_is_made(self, queue: Queue) -> None:
        self.put(queue, A)
        move = begin(self.found(queue, A))
        self.person().remove(Stage.INBOX, f"{A}.md")
        assert queue.settle([move]) == []
        past = self.make().past(A)
        assert (past.seq, past.stage, past.unfinished) == (1, Stage.BUILDING, True)
        assert queue.job(A) is None

    def test_a_move_never_goes_over_another_file(self, queue: Queue) -> None:
        self.put(queue, A)
        self.person().write(Stage.BUILDING, f"{A}.md", text("Mine."))
        move = begin(replace(self.found(queue, A), stage=Stage.INBOX))
        assert queue.settle([move]) == []
        assert queue.ids(Stage.INBOX) == queue.ids(Stage.BUILDING) == [A]
        self.person().remove(Stage.INBOX, f"{A}.md")
        assert queue.file(A).body == "Mine.\n"

    def test_a_move_that_a_crash_cut_short_can_be_finished(self, queue: Queue) -> None:
        self.put(queue, A)
        queue.note(A, begin(self.found(queue, A)).entry())  # all that a crash before the rename leaves
        view = self.make()
        job = self.found(view, A)
        assert (job.stage, job.past.stage, job.past.unfinished) == (Stage.INBOX, Stage.BUILDING, True)
        assert view.finish(job)
        job = self.found(view, A)
        assert (job.stage, job.past.unfinished, job.past.seq) == (Stage.BUILDING, False, 1)
        assert not view.finish(job)

    def test_a_move_that_was_finished_is_news_to_the_inbox_only(self, queue: Queue) -> None:
        self.put(queue, A, B)
        back = decide(self.built(queue, A), Held(reason="", lane="", until=NOW), Policy(), NOW, 0)
        queue.note(A, back.entry())
        queue.note(B, begin(self.found(queue, B)).entry())
        looked(queue)
        assert queue.finish(self.found(queue, A))
        assert queue.finish(self.found(queue, B))
        changes = looked(queue, [])
        assert (waiting(changes), changes.gone, changes.by_hand) == ([A], (B,), ())

    def test_a_move_that_a_person_overtook_cannot_be_finished(self, queue: Queue) -> None:
        self.put(queue, A)
        queue.note(A, begin(self.found(queue, A)).entry())
        job = self.found(queue, A)
        self.person().move(f"{A}.md", Stage.INBOX, Stage.FAILED)
        assert not queue.finish(job)
        assert self.found(queue, A).stage is Stage.FAILED

    # Locks.

    def test_a_lock_is_held_until_it_is_closed(self, queue: Queue) -> None:
        lock = queue.lock(A)
        assert lock is not None
        assert len(lock.filenos()) == 1
        assert self.make().lock(A) is None
        assert queue.lock(A) is None, "not even the process that holds it takes it twice"
        lock.close()
        lock.close()
        again = self.make().lock(A)
        assert again is not None
        again.close()

    def test_locks_are_taken_all_or_none(self, queue: Queue) -> None:
        held, other = queue.lock(A, ["m", "z"]), self.make()
        assert held is not None
        assert len(held.filenos()) == 3
        assert other.lock(B, ["a", "m", "n"]) is None
        rest = other.lock(B, ["a", "n"])
        assert rest is not None, "nothing stayed locked of what could not be had as a whole"
        held.close()
        rest.close()
        freed = other.lock(C, ["a", "m", "n", "z"])
        assert freed is not None
        freed.close()

    def test_a_lock_named_twice_is_one_lock(self, queue: Queue) -> None:
        lock = queue.lock(A, ["m", "m"])
        assert lock is not None
        assert len(lock.filenos()) == 2
        lock.close()

    def test_a_mutex_is_not_the_lock_of_a_job_of_that_name(self, queue: Queue) -> None:
        job, mutex = queue.lock(A), queue.lock(B, [A, "any / text \u00e9"])
        assert job is not None
        assert mutex is not None
        job.close()
        mutex.close()

    # Notes and run folders.

    @pytest.mark.parametrize("durable", [True, False])
    def test_notes_are_folded_in_their_order(self, queue: Queue, durable: bool) -> None:
        self.put(queue, A)
        queue.note(A, {"event": "ended", "exit": 1, "model": "m"}, durable=durable)
        queue.note(A, {"event": "ended", "exit": 0}, durable=durable)
        state = self.make().past(A).state
        assert (state["exit"], state["model"]) == (0, "m")

    def test_every_state_key_is_kept(self, queue: Queue) -> None:
        self.put(queue, A)
        queue.note(A, {"event": "ended", **dict.fromkeys(STATE_KEYS, 7)})
        assert dict(queue.past(A).state) == dict.fromkeys(STATE_KEYS, 7)

    def test_the_journal_takes_no_words(self, queue: Queue) -> None:
        self.put(queue, A)
        with pytest.raises(ValueError, match="prompt"):
            queue.note(A, {"event": "started", "prompt": "Do it."})
        assert queue.past(A).state == {}

    def test_a_run_folder_keeps_files_and_logs(self, queue: Queue) -> None:
        folder = queue.run_folder(A, 1)
        assert folder.read("place.json") is None
        assert folder.written_at("agent.log") is None
        assert folder.log("agent.log", 0, 10) == b""
        folder.write("place.json", b"{}")
        folder.write("place.json", b"{1}", durable=True)
        folder.write("verify/1/commands.json", b"[]")
        folder.write("agent.log", b"0123456789")
        again = self.make().run_folder(A, 1)
        assert (again.path, again.read("place.json")) == (folder.path, b"{1}")
        assert again.read("verify/1/commands.json") == b"[]"
        assert again.path_of("agent.log").startswith(again.path)
        assert (again.log("agent.log", 4, 3), again.log("agent.log", 8, 9)) == (b"456", b"89")
        assert again.log("agent.log", 10, 3) == b""
        assert again.written_at("agent.log") is not None
        assert self.make().run_folder(A, 2).read("place.json") is None

    def test_what_a_finished_job_ran_can_be_put_away(self, queue: Queue) -> None:
        self.put(queue, A)
        self.carry(queue, decide(self.built(queue, A), Broke(kind=Failure.CRASH, reason=""), Policy(), NOW, 0))
        queue.run_folder(A, 1).write("agent.log", b"x")
        assert queue.archive(A, "20260301-120000")
        assert queue.run_folder(A, 1).read("agent.log") is None
        assert not queue.archive(A, "20260301-120001")
        assert (self.found(queue, A).stage, queue.past(A).run) == (Stage.FAILED, 1)
