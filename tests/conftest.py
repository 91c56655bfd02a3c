"""For every test: a home, a queue and a git of its own; nothing of the person who runs the tests gets in."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow or shared machine is no bug, and the home that every test gets costs the same for one example or for all.
_CHECKS = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)}
settings.register_profile("aq", max_examples=30, **_CHECKS)
settings.register_profile("ci", max_examples=30, derandomize=True, database=None, **_CHECKS)
settings.register_profile("nightly", max_examples=5_000, **_CHECKS)
settings.load_profile("ci" if os.environ.get("CI") else "aq")

_OURS = ("AGENT_QUEUE_", "AQ_TRACKER_", "AQ_PRODUCT_", "XDG_")
_SINGLE = ("AQ_JOB_ID", "AQ_RUN", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "NO_COLOR", "FORCE_COLOR")
_XDG = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state",
        "XDG_CACHE_HOME": ".cache", "XDG_RUNTIME_DIR": ".run"}  # fmt: skip
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own HOME, which exists; the queue root `queue` and the XDG folders in it do not yet."""
    for name in os.environ:
        if name.startswith(_OURS) or name in _SINGLE:
            monkeypatch.delenv(name)
    folder = homes / str(next(_numbers))
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AGENT_QUEUE_ROOT", str(folder / "queue"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name, place in _XDG.items():
        monkeypatch.setenv(name, str(folder / place))
    return folder
