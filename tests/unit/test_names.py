"""Keys and dependencies of all jobs, asked for once."""

from collections.abc import Iterator

import pytest

from agent_queue.core.job import JobId
from agent_queue.core.names import Names, Said


def test_files_that_could_not_be_read_are_read_when_somebody_asks_again() -> None:
    """Else a job would wait for one that is there, and a key would be given twice, until the process ends."""
    asked: list[int] = []

    def read() -> Iterator[Said]:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("too many open files")
        yield Said(True, 1, JobId("a"), "nightly", ("b",))

    names = Names(read)
    with pytest.raises(OSError, match="too many"):
        names.holders("nightly")
    assert names.holders("nightly") == [JobId("a")]
    assert names.needs(JobId("a")) == ("b",)
    assert len(asked) == 2
