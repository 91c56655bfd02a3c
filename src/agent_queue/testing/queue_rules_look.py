"""What a look at a queue must find: new, changed, deleted and invalid files, and what a person moved."""

from datetime import UTC, datetime

import pytest

from agent_queue.core.board import Changes, FileChange
from agent_queue.core.job import Stage
from agent_queue.core.lifecycle import Kind, Policy, begin, decide, promote, ship
from agent_queue.core.outcome import Broke, Done, Failure, Held
from agent_queue.ports import Queue
from agent_queue.testing.queue_rules import NOW, A, B, QueueRules, looked, text, waiting


class LookRules(QueueRules):
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
        assert (row.id, row.engines, set(row.locks), row.deps, row.rank) == (A, ("pi",), {"a", "b"}, ("x",), 1)
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
            ("relative.md", text(cwd="sub/folder"), "relative"),
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

    @pytest.mark.parametrize("target", [stage for stage in Stage if stage is not Stage.BUILDING])
    def test_a_move_by_hand_while_nobody_looked_is_explained_by_the_next_look(
        self, queue: Queue, target: Stage
    ) -> None:
        self.put(queue, A)
        self.built(queue, A)
        self.person().move(f"{A}.md", Stage.BUILDING, target)
        changes = looked(self.make())
        assert [(job.id, job.stage) for job in changes.by_hand] == [(A, target)]
        assert (queue.past(A).kind, queue.past(A).stage) == (Kind.BY_HAND, target)

    @pytest.mark.parametrize("stage", [Stage.BUILDING, Stage.REVIEW])
    def test_a_file_that_is_removed_from_work_is_told_once(self, queue: Queue, stage: Stage) -> None:
        self.put(queue, A)
        self.built(queue, A)
        if stage is Stage.REVIEW:
            self.carry(queue, decide(self.found(queue, A), Done(), Policy(), NOW, 0))
        looked(queue)
        assert looked(queue, [self.person().remove(stage, f"{A}.md")]) == Changes(vanished=(A,))
        assert looked(queue, [FileChange("")]) == Changes()

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
