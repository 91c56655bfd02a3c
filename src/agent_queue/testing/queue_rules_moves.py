"""What must be so of the jobs of a queue: their files, their moves, their journals, locks and run folders."""

from dataclasses import replace

import pytest

from agent_queue.core.errors import AqError, ManifestError
from agent_queue.core.history import STATE_KEYS, TEXTS
from agent_queue.core.job import Result, Stage
from agent_queue.core.lifecycle import Kind, Policy, begin, decide, recover, requeue
from agent_queue.core.outcome import Broke, Done, Failure, Held
from agent_queue.core.retry import Retry
from agent_queue.ports import Queue
from agent_queue.testing.queue_rules import NOW, A, B, C, QueueRules, looked, text, waiting


class MoveRules(QueueRules):
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
        facts = {key: "word" if key in TEXTS else 7 for key in STATE_KEYS}
        queue.note(A, {"event": "ended", **facts})
        assert dict(queue.past(A).state) == facts

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
        assert queue.run_folder(A, 1).read("agent.log") == b"x", "who asks for it is shown it from the archive"
        assert not queue.archive(A, "20260301-120001")
        assert (self.found(queue, A).stage, queue.past(A).run) == (Stage.FAILED, 1)
