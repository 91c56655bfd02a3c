"""What a job may be called."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_queue.core.job import ACTIVE, FINAL, JobId, Stage, bad_id, renamed, slug, wip_branch

from .strategies import letters

SHAPE = "a job's name is 1 to 128 of the characters A-Z a-z 0-9 . _ - and begins with a letter or digit"
DOTS = "a job's name may not contain '..'"
ENDING = "a job's name may not end in '.lock' or '.': git refuses such a branch"


@pytest.mark.parametrize("stem", ["a", "0", "20260301-1200__fix-login", "A.b_c-d", "x" * 128, "a.lock.b", "block"])
def test_good_names(stem: str) -> None:
    assert bad_id(stem) is None


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("", SHAPE), ("Fix login", SHAPE), ("-a", SHAPE), (".a", SHAPE), ("_a", SHAPE), ("x" * 129, SHAPE),
        ("a/b", SHAPE), ("a\n", SHAPE), ("grün", SHAPE), ("a\0", SHAPE), ("a..b", DOTS), ("a..", DOTS),
        ("a.lock", ENDING), ("a.", ENDING),
    ],
)  # fmt: skip
def test_bad_names_say_why(stem: str, reason: str) -> None:
    assert bad_id(stem) == reason


@given(st.text(letters))
@example("a.lock.lock")
@example("x" * 119 + ".y")
@example("a.-lock.lock-.")
@example("x" * 115 + ".locker")
def test_the_suggested_name_is_always_legal(stem: str) -> None:
    assert bad_id(renamed(stem)) is None


@pytest.mark.parametrize(
    ("stem", "better"),
    [("Fix login", "Fix-login"), ("a..b", "a.b"), ("..a", "a"), ("???", "job"), ("a.lock", "a"), ("ready", "ready")],
)
def test_the_suggested_name_is_near(stem: str, better: str) -> None:
    assert renamed(stem) == better


@given(st.text(letters), st.integers(1, 60))
def test_a_slug_is_legal_and_short(text: str, length: int) -> None:
    made = slug(text, length=length)
    assert bad_id(made) is None
    assert len(made) <= max(length, len("job"))


@pytest.mark.parametrize(("text", "made"), [("Fix the Login!", "fix-the-login"), ("", "job"), ("ä", "job")])
def test_slug(text: str, made: str) -> None:
    assert slug(text) == made


def test_a_job_has_one_branch() -> None:
    assert wip_branch(JobId("fix-login")) == "aq/wip/fix-login"


def test_stages_are_active_or_final() -> None:
    assert {*ACTIVE, *FINAL} == set(Stage)
    assert not set(ACTIVE) & set(FINAL)


def test_no_other_job_can_have_the_branch_of_a_second_life() -> None:
    assert wip_branch(JobId("a")) == "aq/wip/a"
    assert wip_branch(JobId("a"), 2) == "aq/wip/a+2"
    assert bad_id("a+2") is not None
