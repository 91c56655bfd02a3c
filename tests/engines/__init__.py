import pytest

pytest.register_assert_rewrite("engines.lab", "engines.stories")
