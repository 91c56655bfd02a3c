"""Every error a person can meet ends in the exit code that the contract names."""

import pytest

from agent_queue.core import errors

CODES = {
    errors.AqError: 1,
    errors.IllegalMoveError: 1,
    errors.StorageError: 1,
    errors.RecordError: 1,
    errors.UsageError: 2,
    errors.ManifestError: 65,
    errors.UnavailableError: 69,
    errors.BusyError: 75,
    errors.SettingsError: 78,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_exit_code(kind: type[errors.AqError], code: int) -> None:
    error = kind("what is wrong", hint="what to do")
    assert (error.exit_code, str(error), error.hint) == (code, "what is wrong", "what to do")
    assert isinstance(error, errors.AqError)


def test_every_error_has_a_code_in_the_table_above() -> None:
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.AqError)}
    assert kinds == set(CODES)


def test_the_codes_of_a_call_that_raises_nothing() -> None:
    assert (errors.EXIT_OK, errors.EXIT_INTERRUPTED) == (0, 130)
