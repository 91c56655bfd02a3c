"""What the machine must have left for a job to start, and what a job may take."""

import sys

from .conftest import Aq, Jobs


def settings(jobs: Jobs, text: str) -> None:
    (jobs.queue / "config.toml").write_text(text)


def test_a_job_that_grows_past_the_memory_limit_is_stopped(aq: Aq, jobs: Jobs) -> None:
    settings(jobs, '[limits]\nmemory = "100MB"\n')
    hog = f"{sys.executable} -c 'import time; held = bytearray(300 << 20); time.sleep(600)'"
    big = jobs.add("big", f"touch started; {hog} & wait")
    small = jobs.add("small", "sleep 1")
    aq("run", "--once", check=1)
    assert (jobs.stage(big), jobs.stage(small)) == ("failed", "review")
    shown = aq("show", big, "--json").json()
    assert shown["state"]["result"] == "out_of_memory"
    assert "Raise `[limits] memory`" in shown["report"]


def test_a_machine_with_too_little_left_starts_nothing(aq: Aq, jobs: Jobs) -> None:
    settings(jobs, '[limits]\nfree_disk = "900TB"\n')
    job = jobs.add("waits", "true")
    refused = aq("run", "--once", check=75)
    assert jobs.stage(job) == "inbox"
    assert "of disk space free, less than [limits] asks for (900TB)" in refused.err
    text = aq("status", "--wide").out
    assert "of disk space free" in text
    assert "`aq resume` undoes it" not in text
    settings(jobs, '[limits]\nfree_disk = "off"\n')
    aq("run", "--once")
    assert jobs.stage(job) == "review"
