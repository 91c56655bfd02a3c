"""What a person may set outside a job file. Flags beat environment beats file."""

import tomllib
from typing import Any

import pytest

from agent_queue.core.choices import Priority
from agent_queue.core.errors import SettingsError
from agent_queue.core.manifest import EMPTY
from agent_queue.core.outcome import Failure
from agent_queue.core.retry import Retry
from agent_queue.core.settings import Durability, EngineSettings, RunSettings, Settings, engine_settings, settings

WHOLE = """
[defaults]
engine = "codex"
priority = "high"
yolo = true
timeout = "45m"
verify = ["make lint", "make test"]
retry = {max = 2, backoff = "exp", on = ["timeout"]}
budget = {usd = 2.5, tokens = "2M"}

[run]
slots = 8
stall_after = "5m"
stall_stop = "1h"
stop_grace = "3s"
checkpoint_every = "90s"
max_recoveries = 0
durability = "fast"

[engines.claude]
bin = "/opt/claude"
args = ["--verbose"]
model = "opus"
env = {ANTHROPIC_BASE_URL = "http://localhost:1"}

[engines."my.module:Engine"]

[env]
pass = ["GH_TOKEN"]
"""


def of(text: str, **environment: str) -> Settings:
    return settings(tomllib.loads(text), environment)


def test_nothing_set_is_the_default() -> None:
    found = of("")
    assert found == Settings()
    assert found.run == RunSettings(
        slots=3,
        stall_after_s=600.0,
        stall_stop_s=None,
        stop_grace_s=10.0,
        max_recoveries=3,
        durability=Durability.FULL,
        checkpoint_every_s=60.0,
    )
    assert (found.defaults, found.defaults.origins, found.env_pass) == (EMPTY, {}, ())
    assert engine_settings(found, "claude") == EngineSettings()


def test_everything_set() -> None:
    found = of(WHOLE)
    assert found.run == RunSettings(
        slots=8,
        stall_after_s=300.0,
        stall_stop_s=3600.0,
        stop_grace_s=3.0,
        checkpoint_every_s=90.0,
        max_recoveries=0,
        durability=Durability.FAST,
    )
    defaults = found.defaults
    assert (defaults.engine, defaults.priority, defaults.yolo, defaults.timeout) == (
        "codex",
        Priority.HIGH,
        True,
        2700.0,
    )
    assert defaults.verify == ("make lint", "make test")
    assert defaults.retry == Retry(max_retries=2, backoff_s=None, on=(Failure.TIMEOUT,))
    assert (defaults.budget.usd, defaults.budget.tokens) == (2.5, 2_000_000)
    assert set(defaults.origins.values()) == {"config"}
    assert engine_settings(found, "claude") == EngineSettings(
        bin="/opt/claude", args=("--verbose",), model="opus", env={"ANTHROPIC_BASE_URL": "http://localhost:1"}
    )
    assert engine_settings(found, "my.module:Engine") == EngineSettings()
    assert found.env_pass == ("GH_TOKEN",)


@pytest.mark.parametrize("value", ['"off"', "false"])
def test_a_silent_agent_is_stopped_only_when_asked_for(value: str) -> None:
    assert of(f"[run]\nstall_stop = {value}").run.stall_stop_s is None


def test_the_environment_beats_the_file() -> None:
    found = of(WHOLE, AGENT_QUEUE_ENGINE="shell", AGENT_QUEUE_VERIFY="true", AGENT_QUEUE_STALL_MIN="2.5")
    assert (found.defaults.engine, found.defaults.verify) == ("shell", ("true",))
    assert (found.defaults.origins["engine"], found.defaults.origins["verify"]) == ("environment", "environment")
    assert (found.defaults.priority, found.defaults.origins["priority"]) == (Priority.HIGH, "config")
    assert (found.run.stall_after_s, found.run.slots) == (150.0, 8)


def test_the_environment_is_enough() -> None:
    assert of("", AGENT_QUEUE_ENGINE="no").defaults.engine == "no"
    assert of("", AGENT_QUEUE_STALL_MIN=" 1").run.stall_after_s == 60.0


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_variable_says_nothing(blank: str) -> None:
    found = of(WHOLE, AGENT_QUEUE_ENGINE=blank, AGENT_QUEUE_VERIFY=blank, AGENT_QUEUE_STALL_MIN=blank)
    assert found.run.stall_after_s == 300.0
    assert (found.defaults.engine, found.defaults.verify) == ("codex", ("make lint", "make test"))


COUNT = "must be a whole number from 0 to 10000"
TIME = "must be a duration such as 90s, 10m or 2h"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[runs]", "unknown key 'runs' (did you mean run?)"),
        ("frobnicate = 1", "unknown key 'frobnicate'"),
        ("run = 1", "run must be a table"),
        ("defaults = []", "defaults must be a table"),
        ("env = 'GH_TOKEN'", "env must be a table"),
        ("engines = 1", "engines must be a table"),
        ("[engines]\nclaude = 'x'", "engines.claude must be a table"),
        ("[[run]]", "run must be a table"),
        ("[run]\nslot = 1", "unknown key 'run.slot' (did you mean run.slots?)"),
        ("[run]\nslots = 0", "run.slots must be at least 1"),
        ("[run]\nslots = -1", f"run.slots {COUNT}"),
        ("[run]\nslots = 10001", f"run.slots {COUNT}"),
        ("[run]\nslots = 3.0", f"run.slots {COUNT}"),
        ("[run]\nslots = true", f"run.slots {COUNT}"),
        ("[run]\nslots = '3'", f"run.slots {COUNT}"),
        ("[run]\nmax_recoveries = -1", f"run.max_recoveries {COUNT}"),
        ("[run]\nstall_after = 600", f"run.stall_after {TIME}"),
        ("[run]\nstall_after = 'soon'", f"run.stall_after {TIME}"),
        ("[run]\nstall_after = 'off'", f"run.stall_after {TIME}"),
        ("[run]\nstall_stop = true", f"run.stall_stop {TIME}"),
        ("[run]\nstall_stop = 0", f"run.stall_stop {TIME}"),
        ("[run]\nstop_grace = '10'", f"run.stop_grace {TIME}"),
        ("[run]\ndurability = 'none'", "run.durability must be full or fast"),
        ("[run]\ndurability = 1", "run.durability must be full or fast"),
        ("[engines.claude]\nbinary = 'x'", "unknown key 'engines.claude.binary' (did you mean engines.claude.bin?)"),
        ("[engines.claude]\nmodell = 'x'", "unknown key 'engines.claude.modell' (did you mean engines.claude.model?)"),
        ("[engines.claude]\nbin = 1", "engines.claude.bin must be text"),
        ("[engines.claude]\nbin = ''", "engines.claude.bin must be text"),
        ('[engines.claude]\nbin = "a\\u0000"', "engines.claude.bin must be text"),
        ("[engines.claude]\nmodel = []", "engines.claude.model must be text"),
        ("[engines.claude]\nargs = '-v'", "engines.claude.args must be a list of texts"),
        ("[engines.claude]\nargs = [1]", "engines.claude.args must be text"),
        ("[engines.claude]\nenv = ['A']", "engines.claude.env must be a table"),
        ("[engines.claude.env]\nA = 1", "engines.claude.env.A must be text"),
        ("[env]\npas = ['A']", "unknown key 'env.pas' (did you mean env.pass?)"),
        ("[env]\npass = 'A'", "env.pass must be a list of texts"),
        ("[env]\npass = [1]", "env.pass must be text"),
        ("[defaults]\nprioritty = 'high'", "[defaults] unknown key 'prioritty' (did you mean 'priority'?)"),
        (
            "[defaults]\npriority = 'urgent'",
            "[defaults] priority: expected one of critical, high, medium, low, not 'urgent'",
        ),
        ("[defaults]\ntimeout = 12:30:00", "[defaults] timeout: expected a duration such as 90s, 45m, 2h or 1d"),
        ("[defaults]\nyolo = 1", "[defaults] yolo: expected true or false"),
        ("[defaults]\nengine = []", "[defaults] engine: expected text"),
        ("[defaults]\nbudget = {usd = nan}", "[defaults] budget: expected an amount above 0, such as 5 or 0.25"),
        ("[defaults]\nbudget = {usd = inf}", "[defaults] budget: expected an amount above 0, such as 5 or 0.25"),
        ("[defaults]\nretry = {max = true}", "[defaults] retry: retry.max must be a whole number from 0 to 1000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        of(text)
    assert str(caught.value) == f"config.toml: {message}"
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("minutes", ["soon", "-1", "5m", "1e3", "nan"])
def test_a_wrong_variable_is_named(minutes: str) -> None:
    with pytest.raises(SettingsError, match=r"^AGENT_QUEUE_STALL_MIN must be minutes, such as 10$"):
        of("", AGENT_QUEUE_STALL_MIN=minutes)


@pytest.mark.parametrize(("table", "possible"), [
    ("x = 1", ("defaults, run, workspace, engines, classes, lanes, limits, env, prices, budgets, tracker, "
               "notify")),
    ("[run]\nx = 1", ("slots, max_recoveries, max_hold, breaker, stall_after, stall_stop, stop_grace, durability, "
                     "checkpoint_every")),
    ("[engines.a]\nx = 1", "bin, args, model, env, account"),
])  # fmt: skip
def test_the_hint_says_what_is_possible(table: str, possible: str) -> None:
    with pytest.raises(SettingsError) as caught:
        of(table)
    assert caught.value.hint == f"possible are {possible}"


@pytest.mark.parametrize("value", [1979, 1.5, True, "x", ["x", 1, True], {"max": 1}, {"a": {"b": []}}])
@pytest.mark.parametrize(
    "key", ["engine", "yolo", "timeout", "verify", "lock", "retry", "budget", "review-policy", "ship"]
)
def test_any_toml_value_is_taken_or_refused_by_name(key: str, value: Any) -> None:
    try:
        found = settings({"defaults": {key: value}}, {})
    except SettingsError as error:
        said = str(error)
    else:
        assert found.defaults.origins == {key: "config"}
        return
    assert said.startswith(f"config.toml: [defaults] {key}: ")


@pytest.mark.parametrize("file", [{"env": {"pass": ["A=B"]}}, {"engines": {"x": {"env": {"A B": "1"}}}}])
def test_what_is_no_variable_is_refused(file: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="which is no variable"):
        settings(file, {})
