"""A job says what it needs of its host; where that is not there, its agent is never started."""

import pytest

from .conftest import Aq, Jobs


def test_what_the_host_offers_lets_a_job_run(aq: Aq, jobs: Jobs) -> None:
    needs = "[has:git, 'git>=2.0', os:any, '!has:no-such-tool', 'cpus>=1', engine:shell]"
    job = jobs.add("at-home", "true", capabilities=needs)
    aq("run", "--once")
    assert jobs.stage(job) == "review"


@pytest.mark.parametrize("need", ["has:no-such-tool", "git>=99", "os:plan9", "!has:git", "engine:nobody", "mem>=99999"])
def test_what_it_does_not_offer_is_named_and_nothing_is_started(aq: Aq, jobs: Jobs, need: str) -> None:
    job = jobs.add("abroad", "touch started", capabilities=f"[has:git, '{need}']")
    ran = aq("run", "--once", check=1)
    assert f"does not offer {need};" in ran.err
    assert aq("show", job, "--json").json()["state"]["result"] == "capability_mismatch"
    assert not (jobs.queue / "work" / job).exists()
    assert not jobs.run_folder(job).exists()


def test_what_is_no_capability_is_refused_at_its_place(aq: Aq, jobs: Jobs) -> None:
    said = aq("add", jobs.write("odd", "true", capabilities="[has:git, 'node>=']"), check=65).err
    assert 'odd.md:3:15: capabilities: "node>=" is no capability' in said


def test_doctor_prints_what_this_host_offers_and_looks_again_when_told(aq: Aq, jobs: Jobs) -> None:
    offers = aq("doctor", "--capabilities", "--json", check=None).json()["offers"]
    assert offers["os"]
    assert "shell" in offers["engine"]
    assert offers["git"]
    cache = jobs.queue / ".aq/host.json"
    assert cache.exists()
    cache.write_text(cache.read_text().replace("git version", "git version 99.0, not"))
    assert "99.0" in aq("doctor", "--capabilities", check=None).out
    assert "99.0" not in aq("doctor", "--capabilities", "--rescan", check=None).out
