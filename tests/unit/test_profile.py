"""Profiles: a persona and defaults, job over profile over default."""

from pathlib import Path

import pytest

import agent_queue
from agent_queue.core.errors import ManifestError
from agent_queue.core.manifest import Manifest
from agent_queue.core.manifest import parse as parse_job
from agent_queue.core.profile import parse, prompt

SHIPPED = Path(agent_queue.__file__).parent / "profiles"
NAMES = ("backend-engineer", "developer", "docs-writer", "frontend-engineer", "planner", "qa", "reviewer",
         "ui-designer", "ux-designer")  # fmt: skip


def test_job_over_profile_over_default_key_by_key() -> None:
    profile = parse(b"---\ndefault-verify: make check\ncapabilities: [has:git]\n---\nYou are careful.\n", "qa", "qa.md")
    defaults = parse_job(b"---\nverify: make all\npriority: high\n---\n", "config", origin="config").manifest
    job = parse_job(b"---\nprofile: qa\ncapabilities: [node]\n---\nDo it.\n", "a.md").manifest
    whole = job.under(profile.defaults).under(defaults)
    assert whole.verify == ("make check",)
    assert whole.capabilities == ("node",)
    assert whole.priority == "high"
    assert whole.origins == {
        "profile": "job", "capabilities": "job", "verify": "profile:qa", "priority": "config",
    }  # fmt: skip


def test_the_persona_goes_before_the_body_which_stays_as_it_is() -> None:
    assert prompt("You are careful.\n", "# Do it\n") == "You are careful.\n\n---\n\n# Do it\n"
    assert prompt("", "# Do it\n") == "# Do it\n"
    assert prompt(" \n", "x") == "x"


def test_a_profile_cannot_set_what_runs() -> None:
    with pytest.raises(ManifestError, match=r"evil.md:2:1: a profile has no key 'yolo'"):
        parse(b"---\nyolo: true\n---\nx", "evil", "evil.md")
    with pytest.raises(ManifestError, match=r"evil.md:2:1: a profile has no key 'engine'"):
        parse(b"---\nengine: shell\n---\nx", "evil", "evil.md")


def test_it_is_listed_by_its_description_or_its_first_words() -> None:
    assert parse(b"---\ndescription: fixes bugs\n---\n\n# A fixer\n", "x", "x.md").summary == "fixes bugs"
    assert parse(b"---\nname: x\n---\n\n# A fixer\n", "x", "x.md").summary == "A fixer"


def test_verify_may_stand_once() -> None:
    with pytest.raises(ManifestError, match=r"x.md:3:1: 'verify' says again what"):
        parse(b"---\ndefault-verify: make\nverify: make check\n---\nx", "x", "x.md")


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_profile_can_be_read_and_says_something(name: str) -> None:
    profile = parse((SHIPPED / f"{name}.md").read_bytes(), name, f"{name}.md")
    assert len(profile.persona) > 800
    assert profile.persona.startswith("You are")
    assert profile.summary == profile.description != ""
    assert profile.defaults != Manifest()


def test_those_are_all_that_are_shipped() -> None:
    assert sorted(path.stem for path in SHIPPED.glob("*.md")) == sorted(NAMES)
