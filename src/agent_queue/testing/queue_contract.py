"""What every queue must do, as tests. Take it into a test class of your own:

    class TestMyQueue(QueueContract):
        def make(self): ...
        def person(self): ...

Before the import, `pytest.register_assert_rewrite("agent_queue.testing")` has a failure show its values.
"""

from agent_queue.testing.queue_rules import LIMIT_S, Person, text
from agent_queue.testing.queue_rules_look import LookRules
from agent_queue.testing.queue_rules_moves import MoveRules
from agent_queue.testing.queue_rules_names import NameRules

__all__ = ["LIMIT_S", "Person", "QueueContract", "text"]


class QueueContract(LookRules, MoveRules, NameRules):
    """All of them. `make` and `person` are what your queue has to give; `QueueRules` says how."""
