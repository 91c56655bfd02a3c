"""Everything a person may set outside a job file, typed, with its default. Flags beat environment beats file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent_queue.core import tables
from agent_queue.core.allowance import Daily
from agent_queue.core.engine_class import CLASSES, Classes
from agent_queue.core.errors import SettingsError
from agent_queue.core.fields import seconds
from agent_queue.core.frontmatter import Node
from agent_queue.core.limits import NO_LIMITS, Limits
from agent_queue.core.manifest import EMPTY, Manifest, typed
from agent_queue.core.prices import Price, prices
from agent_queue.core.settings_budgets import daily
from agent_queue.core.settings_lanes import LaneSettings, account, lane_settings
from agent_queue.core.settings_limits import limits
from agent_queue.core.settings_notify import notify_command
from agent_queue.core.tracker_settings import NO_TRACKER, TrackerSettings, tracker_settings


class Durability(StrEnum):
    """`full` flushes every acknowledged change to the disk; `fast` leaves that to the kernel, for scratch queues."""

    FULL = "full"
    FAST = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How the supervisor runs jobs. Times are seconds; None is never: no silent agent stopped, no snapshot taken."""

    slots: int = 3
    stall_after_s: float = 600.0
    stall_stop_s: float | None = None
    stop_grace_s: float = 10.0
    checkpoint_every_s: float | None = 60.0
    max_recoveries: int = 3
    max_hold_s: float = 24 * 3600.0
    breaker: int = 3
    """Jobs in a row that crash at once before their engine is held to be broken; 0 for never."""
    durability: Durability = Durability.FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What a person says about one engine. `bin` is a program name or path."""

    bin: str | None = None
    args: tuple[str, ...] = ()
    model: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    """A name for the account in use: usage limits are remembered for each account by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """`refs` are patterns of refs that agents may move besides their job's branch; short ones mean branches.

    `copy` and `link` are globs below the repository, `setup` commands for a new worktree, with their time in seconds.
    """

    refs: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    setup_timeout_s: float | None = 1800.0


_RUN_DEFAULTS = RunSettings()
_NO_LIMITS = Daily()
NOTHING_WANTED = WorkspaceSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    run: RunSettings = _RUN_DEFAULTS
    workspace: WorkspaceSettings = NOTHING_WANTED
    defaults: Manifest = EMPTY
    engines: Mapping[str, EngineSettings] = field(default_factory=dict)
    classes: Classes = field(default_factory=lambda: CLASSES)
    """What `engine-class` may name: the engines of a class, best first."""
    lanes: Mapping[str, LaneSettings] = field(default_factory=dict)
    budgets: Daily = _NO_LIMITS
    """What may be spent in a day."""
    env_pass: tuple[str, ...] = ()
    """Further variables of the supervisor's environment that agents may see."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By model, what a person knows better than the list prices."""
    tracker: TrackerSettings = NO_TRACKER
    limits: Limits = NO_LIMITS
    notify: tuple[str, ...] = ()
    """The command that is called with every notice, () for none."""


_ENGINE_NONE = EngineSettings()
_TABLES = ("defaults", "run", "workspace", "engines", "classes", "lanes", "limits", "env", "prices", "budgets",
           "tracker", "notify")  # fmt: skip


def settings(file: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Type the configuration file's tables, and let the environment override them.

    Raises:
        SettingsError: an unknown table or key, or a value of the wrong kind, with its dotted name.
    """
    tables.known(file, _TABLES, "")
    env = tables.table(file, "env", "env")
    tables.known(env, ("pass",), "env.")
    classes = tables.table(file, "classes", "classes")
    return Settings(
        run=_run(tables.table(file, "run", "run"), environment),
        workspace=_workspace(tables.table(file, "workspace", "workspace")),
        defaults=_from_environment(environment).under(_defaults(tables.table(file, "defaults", "defaults"))),
        engines={name: _engine(tables.table(file["engines"], name, f"engines.{name}"), name)
                 for name in tables.table(file, "engines", "engines")},
        classes={**CLASSES, **{name: _members(value, name) for name, value in classes.items()}},
        prices=prices(tables.table(file, "prices", "prices")),
        budgets=daily(tables.table(file, "budgets", "budgets")),
        limits=limits(tables.table(file, "limits", "limits")),
        notify=notify_command(tables.table(file, "notify", "notify")),
        lanes={name: lane_settings(tables.table(file["lanes"], name, f"lanes.{name}"), f"lanes.{name}")
               for name in tables.table(file, "lanes", "lanes")},
        env_pass=tuple(tables.variable(name, "env.pass") for name in tables.texts(env.get("pass", []), "env.pass")),
        tracker=tracker_settings(file, environment, _tracker_defaults),
    )  # fmt: skip


def engine_settings(whole: Settings, engine: str) -> EngineSettings:
    """What is set for one engine; nothing when nobody mentions it."""
    return whole.engines.get(engine, _ENGINE_NONE)


def named_engines(whole: Settings) -> Mapping[str, str]:
    """Every engine that a table is named after or a class lists, with where it stands first."""
    tables = {"engines": whole.engines, "lanes": whole.lanes, "budgets.engines": whole.budgets.engines}
    found = {name: f"classes.{of}" for of, names in whole.classes.items() for name in names}
    return found | {name: f"{table}.{name}" for table, names in reversed(tables.items()) for name in names}


def _defaults(table: Mapping[str, Any], origin: str = "config", name: str = "defaults") -> Manifest:
    pairs = {key: (Node(key, 1, 1, key), tables.node(value)) for key, value in table.items()}
    manifest, problems = typed(pairs, origin)
    if problems:
        raise SettingsError(f"config.toml: [{name}] {problems[0].message}", hint="keys are those of a job file")
    return manifest


def _tracker_defaults(table: Mapping[str, Any], name: str) -> Manifest:
    return _defaults(table, "tracker", name)


def _from_environment(environment: Mapping[str, str]) -> Manifest:
    variables = {"engine": "AGENT_QUEUE_ENGINE", "verify": "AGENT_QUEUE_VERIFY"}
    given = {key: environment[name] for key, name in variables.items() if environment.get(name, "").strip()}
    return _defaults(given, "environment")


def _run(table: Mapping[str, Any], environment: Mapping[str, str]) -> RunSettings:
    readers: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
        "slots": ("slots", tables.count), "max_recoveries": ("max_recoveries", tables.count),
        "max_hold": ("max_hold_s", tables.duration), "breaker": ("breaker", tables.count),
        "stall_after": ("stall_after_s", tables.duration), "stall_stop": ("stall_stop_s", tables.off_or_duration),
        "stop_grace": ("stop_grace_s", tables.duration), "durability": ("durability", _durability),
        "checkpoint_every": ("checkpoint_every_s", tables.off_or_duration),
    }  # fmt: skip
    tables.known(table, tuple(readers), "run.")
    values = {readers[key][0]: readers[key][1](value, f"run.{key}") for key, value in table.items()}
    minutes = environment.get("AGENT_QUEUE_STALL_MIN", "").strip()
    if minutes:
        values["stall_after_s"] = seconds(f"{minutes}m")
        if values["stall_after_s"] is None:
            raise SettingsError("AGENT_QUEUE_STALL_MIN must be minutes, such as 10")
    if values.get("slots", 1) < 1:
        raise SettingsError("config.toml: run.slots must be at least 1")
    return RunSettings(**values)


def _workspace(table: Mapping[str, Any]) -> WorkspaceSettings:
    tables.known(table, ("refs", "copy", "link", "setup", "setup_timeout"), "workspace.")
    setup = table.get("setup", [])
    return WorkspaceSettings(
        refs=tables.texts(table.get("refs", []), "workspace.refs"),
        copy=_below(table.get("copy", []), "workspace.copy"),
        link=_below(table.get("link", []), "workspace.link"),
        setup=tables.texts([setup] if isinstance(setup, str) else setup, "workspace.setup"),
        setup_timeout_s=tables.off_or_duration(table.get("setup_timeout", "30m"), "workspace.setup_timeout"),
    )


def _below(value: object, name: str) -> tuple[str, ...]:
    """Globs that stay below the repository."""
    found = tables.texts(value, name)
    for text in found:
        if text.startswith(("/", "~")) or {"..", ".git"} & {*text.split("/")}:
            raise SettingsError(f"config.toml: {name} holds {text!r}, which is no path below the repository")
    return found


def _engine(table: Mapping[str, Any], name: str) -> EngineSettings:
    where = f"engines.{name}"
    tables.known(table, ("bin", "args", "model", "env", "account"), f"{where}.")
    env = tables.table(table, "env", f"{where}.env")
    return EngineSettings(
        bin=tables.text(table["bin"], f"{where}.bin") if "bin" in table else None,
        args=tables.texts(table.get("args", []), f"{where}.args"),
        model=tables.text(table["model"], f"{where}.model") if "model" in table else None,
        env={
            tables.variable(key, f"{where}.env"): tables.text(value, f"{where}.env.{key}") for key, value in env.items()
        },
        account=account(table["account"], f"{where}.account") if "account" in table else None,
    )


def _members(value: object, name: str) -> tuple[str, ...]:
    members = tables.texts(value, f"classes.{name}")
    if not members:
        raise SettingsError(f"config.toml: classes.{name} must name at least one engine")
    return members


def _durability(value: object, name: str) -> Durability:
    if not isinstance(value, str) or value not in tuple(Durability):
        raise SettingsError(f"config.toml: {name} must be {' or '.join(Durability)}")
    return Durability(value)
