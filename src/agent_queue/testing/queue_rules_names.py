"""What a queue knows of names: keys and ids, what jobs need, a text that takes another's place."""

from agent_queue.core.job import JobId, Stage
from agent_queue.ports import Queue
from agent_queue.testing.queue_rules import A, B, C, QueueRules, looked, text, waiting

NOBODY = JobId("nobody")


class NameRules(QueueRules):
    def test_a_name_is_a_key_or_an_id(self, queue: Queue) -> None:
        assert queue.create([(A, text(idempotency_key="login")), (B, text())]) == [True, True]
        assert (queue.named("login"), queue.named(A), queue.named(B)) == (A, A, B)
        assert (queue.keyed("login"), queue.keyed(A), queue.keyed(B)) == (A, None, None)
        assert queue.named("nobody") is None

    def test_a_key_goes_before_an_id(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key=B)), (B, text())])
        assert queue.named(B) == A

    def test_keys_are_told_apart_by_case(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key="login")), (B, text(idempotency_key="Login"))])
        assert (queue.keyed("login"), queue.keyed("Login"), queue.keyed("LOGIN")) == (A, B, None)

    def test_a_name_that_is_no_id_means_nobody(self, queue: Queue) -> None:
        for name in ("", "../x", "a b", "x" * 500, ".hidden"):
            assert queue.named(name) is None

    def test_a_job_keeps_its_key_wherever_it_lies(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key="login"))])
        looked(queue)
        assert queue.keyed("login") == A
        for source, target in ((Stage.INBOX, Stage.REVIEW), (Stage.REVIEW, Stage.SHIPPED)):
            self.person().move(f"{A}.md", source, target)
            looked(queue)
            assert (queue.keyed("login"), self.make().keyed("login")) == (A, A)

    def test_the_key_of_a_changed_file_is_the_new_one(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key="old"))])
        looked(queue)
        assert queue.keyed("old") == A
        looked(queue, [self.person().write(Stage.INBOX, f"{A}.md", text(idempotency_key="new"))])
        assert (queue.keyed("old"), queue.keyed("new")) == (None, A)
        assert self.make().keyed("new") == A

    def test_the_key_of_a_file_that_is_gone_is_free(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key="login"))])
        looked(queue)
        assert queue.keyed("login") == A
        looked(queue, [self.person().remove(Stage.INBOX, f"{A}.md")])
        assert queue.keyed("login") is None

    def test_what_a_job_needs(self, queue: Queue) -> None:
        queue.create([(A, text(deps="[x, y]")), (B, text())])
        assert (tuple(queue.needs(A)), tuple(queue.needs(B)), tuple(queue.needs(NOBODY))) == (("x", "y"), (), ())

    def test_the_same_key_by_hand_makes_the_later_file_invalid(self, queue: Queue) -> None:
        queue.create([(A, text(idempotency_key="login"))])
        assert waiting(looked(queue)) == [A]
        person = self.person()
        assert waiting(looked(queue, [person.write(Stage.INBOX, f"{B}.md", text(idempotency_key="login"))])) == []
        (problem,) = queue.invalid()
        assert "login" in problem.problem
        assert A in problem.problem
        changes = looked(queue, [person.remove(Stage.INBOX, f"{A}.md")])
        assert waiting(changes) == [B], "what stood in its way is gone"
        assert queue.invalid() == []

    def test_a_circle_by_hand_is_invalid_and_holds_up_nobody_else(self, queue: Queue) -> None:
        looked(queue)
        person = self.person()
        for job, key, needs in ((A, "a", "b"), (B, "b", C), (C, "c", "a")):
            looked(queue, [person.write(Stage.INBOX, f"{job}.md", text(idempotency_key=key, deps=needs))])
        assert [problem.name for problem in queue.invalid()] == [f"{job}.md" for job in (A, B, C)]
        assert all(f"{A} -> {B} -> {C} -> {A}" in problem.problem for problem in queue.invalid()[:1])
        looked(queue, [person.write(Stage.INBOX, f"{C}.md", text(idempotency_key="c"))])
        assert queue.invalid() == []

    def test_another_text_takes_a_waiting_jobs_place(self, queue: Queue) -> None:
        queue.create([(A, text("Old.", idempotency_key="a"))])
        looked(queue)
        lock = queue.lock(A)
        assert lock is not None
        assert queue.replace(A, text("New.", idempotency_key="a", priority="high"), "then")
        lock.close()
        assert queue.file(A).body.strip() == "New."
        assert [row.rank for row in looked(queue).waiting] == [1]

    def test_a_job_in_work_keeps_its_text(self, queue: Queue) -> None:
        self.put(queue, A)
        self.built(queue, A)
        assert not queue.replace(A, text("New."), "then")
        assert not queue.replace(NOBODY, text("New."), "then")
        assert queue.file(A).body.strip() == "Do it."
