"""For every contract: a failing assertion of a shipped contract shows its values too."""

import pytest

pytest.register_assert_rewrite("agent_queue.testing.queue_contract", "agent_queue.testing.engine_contract")
