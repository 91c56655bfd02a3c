"""The real agent programs, fetched from npm, and the model service that they talk to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .install import Package, installed
from .lab import Lab
from .model_server import ModelServer

CLAUDE = Package("@anthropic-ai/claude-code", "2.1.197", "claude")
CODEX = Package("@openai/codex", "0.169.0", "codex")


@pytest.fixture(scope="session")
def claude_folder() -> Path:
    return installed(CLAUDE)


@pytest.fixture(scope="session")
def codex_folder() -> Path:
    return installed(CODEX)


@pytest.fixture(scope="session")
def service() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def claude(claude_folder: Path, service: ModelServer, tmp_path: Path) -> Iterator[Lab]:
    yield from laboratory("claude", claude_folder, service, tmp_path, claude_settings)


@pytest.fixture
def codex(codex_folder: Path, service: ModelServer, tmp_path: Path) -> Iterator[Lab]:
    yield from laboratory("codex", codex_folder, service, tmp_path, codex_settings)


def laboratory(
    engine: str, folder: Path, service: ModelServer, place: Path, settings: Callable[[str], str],
    files: Callable[[str], dict[str, str]] = lambda _: {},
) -> Iterator[Lab]:  # fmt: skip
    if not Path("/proc/self/environ").exists():
        pytest.skip("these tests look for survivors in /proc, which this system does not have")
    lab = Lab(engine, place, folder, service, settings, files=files)
    yield lab
    lab.close()


def claude_settings(url: str, key: str = "ANTHROPIC_API_KEY") -> str:
    """One retry: the program's own number is ten, over three minutes, for a bad key too."""
    lines = {"ANTHROPIC_BASE_URL": url, key: "dummy", "CLAUDE_CODE_MAX_RETRIES": "1"}
    return "\n".join(["[engines.claude.env]", *(f"{name} = {json.dumps(value)}" for name, value in lines.items())])


def codex_settings(url: str) -> str:
    provider = {"name": "ours", "base_url": f"{url}/v1", "env_key": "OUR_KEY", "wire_api": "responses",
                "request_max_retries": 1, "stream_max_retries": 1}  # fmt: skip
    values = {"model_provider": "ours", "check_for_update_on_startup": False, "analytics.enabled": False}
    values |= {f"model_providers.ours.{key}": value for key, value in provider.items()}
    arguments = [part for key, value in values.items() for part in ("-c", f"{key}={json.dumps(value)}")]
    return f'[engines.codex]\nargs = {json.dumps(arguments)}\n[engines.codex.env]\nOUR_KEY = "dummy"\n'
