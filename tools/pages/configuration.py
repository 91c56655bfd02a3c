"""docs/reference/configuration.md: config.toml and the environment."""

import re
from dataclasses import fields as fields_of

from agent_queue.core.engine_class import CLASSES
from agent_queue.core.fields import show_duration
from agent_queue.core.limits import NO_LIMITS, Limits, size
from agent_queue.core.settings import EngineSettings, RunSettings, Settings, WorkspaceSettings
from agent_queue.core.settings_lanes import LaneSettings
from agent_queue.ports import Engine
from agent_queue.system.host import INHERITED
from agent_queue.wiring import ENGINES, App
from pages.source import readers, same, strings, table

RUN = {
    "slots": "jobs at a time; `--slots` of `aq run` beats it",
    "stall_after": "mark an agent that showed no sign of life for this long; it runs on. Output, CPU time of its "
                   "processes and changes of files are signs of life",
    "stall_stop": "stop an agent that showed none for this long; `off` never does. Engines that may print nothing as "
                  "they work are never stopped by it",
    "stop_grace": "from the stop signal to SIGKILL",
    "checkpoint_every": "how often a workspace in git is saved while its agent works, to `refs/aq/snapshots/JOB`; less "
                        "often where that takes more than a hundredth of the time; `off` only saves it when a run ends",
    "max_recoveries": "how often a job may be run again after the machine or aq died under it",
    "max_hold": "how long a job may be held where nobody knows when that ends, e.g. credit used up; then it fails as "
                "`held_too_long`. A hold with a known reset waits for that, however long",
    "breaker": "jobs in a row that crash within a minute before their engine counts as broken: then one job at a time "
               "tries it, after growing pauses, and none fails; 0 for never",
    "durability": "`full` flushes every acknowledged change to the disk; `fast` leaves that to the kernel, for scratch "
                  "queues",
}  # fmt: skip
ENGINE = {
    "bin": "the program, by name or path", "args": "further arguments, before those of the job",
    "model": "model where a job names none", "env": "variables for this engine's agents",
    "account": "a name for the account in use: limits are remembered for each account by itself",
}  # fmt: skip
LIMITS = {
    "memory": "what the processes of one job may hold, as the sum of their proportional sets (PSS) or as "
              "their cgroup counts it; a job over it is stopped as `out_of_memory`",
    "free_memory": "no job starts with less memory than this available on the machine",
    "free_disk": "no job starts with less space than this free on the queue's disk",
    "load": "no job starts at a higher load (of the last minute, for each processor)",
    "log": "what the log of a run may take on the disk; its beginning and end are kept, a hole is made between them",
}  # fmt: skip
LANE = {"hours": 'when it starts jobs, local time, e.g. `"22:00-06:00"` to keep the day for yourself'}
WORKSPACE = {
    "copy": "globs below the repository: what of your checkout is copied into each new worktree, and into no commit, "
            "such as `['.env.local', 'certs']`; what is not there is passed over",
    "link": "the same by a symbolic link, for what is large and only read, such as `['node_modules', '.venv']`",
    "setup": "a command, or several in order, run by `/bin/sh -c` in each new worktree before its first agent: "
             "`['npm ci']`. What they make is in no commit. One that fails ends the run as `setup_failed`; "
             "`aq logs --setup JOB` has its output",
    "setup_timeout": "how long all of them may take",
    "refs": "patterns of branches that agents may create, move and delete besides their job's own, such as "
            "`['feat/*']`; a whole ref name, `refs/tags/v*`, is possible too",
}  # fmt: skip
TABLES = {"run": "`[run]`", "workspace": "`[workspace]`", "defaults": "`[defaults]`", "engines": "`[engines.NAME]`",
          "classes": "`[classes]`", "lanes": "`[lanes.NAME]`", "limits": "`[limits]`", "budgets": "`[budgets]`",
          "env_pass": "`[env]`", "prices": '`[prices."MODEL"]`', "tracker": "`[tracker]`",
          "notify": "`[notify]`"}  # fmt: skip
VARIABLES = {
    "AGENT_QUEUE_ROOT": "the queue's folder; `--root` beats it; else `$XDG_DATA_HOME/agent-queue`, else "
                        "`~/.local/share/agent-queue`",
    "AGENT_QUEUE_ENGINE": "`engine` of jobs that name none; beats `[defaults]`",
    "AGENT_QUEUE_VERIFY": "`verify` of jobs that have none; beats `[defaults]`",
    "AGENT_QUEUE_STALL_MIN": "`stall_after`, in minutes",
    "AGENT_QUEUE_PROFILES": "folders of profiles, separated as in PATH, between the queue's own and the shipped ones",
}  # fmt: skip


def page() -> str:
    same("settings", TABLES, (field.name for field in fields_of(Settings)))
    same("[run] keys", RUN, (field.name.removesuffix("_s") for field in fields_of(RunSettings)))
    same("[workspace] keys", WORKSPACE, (field.name.removesuffix("_s") for field in fields_of(WorkspaceSettings)))
    same("[engines] keys", ENGINE, (field.name for field in fields_of(EngineSettings)))
    same("[limits] keys", LIMITS, (field.name for field in fields_of(Limits)))
    same("[lanes] keys", LANE, (field.name for field in fields_of(LaneSettings)))
    found = {name for text in strings() for name in re.findall(r"AGENT_QUEUE_[A-Z_]+", text)}
    same("environment variables", VARIABLES, found)
    loaded = adapters()
    run = [(f"`{key}`", _default(key), text + _note(key)) for key, text in RUN.items()]
    return f"""# Configuration

`config.toml` in the queue's folder, then the environment, then flags: the later one wins. `aq init` writes a file to
edit; every line of it is optional. An unknown table or key, or a wrong value, is named, with exit code 78.

## `[run]`: how the supervisor runs jobs

{table(("key", "default", "meaning"), run)}
## `[defaults]`: keys of the [manifest](manifest.md) that a job file leaves out

```toml
[defaults]
engine = "claude"
verify = ["make test"]
retry = {{ max = 1, backoff = "5m", on = ["verify_failed"] }}
```

## `[workspace]`: where jobs work

{table(("key", "meaning"), ((f"`{key}`", text) for key, text in WORKSPACE.items()))}
## `[engines.NAME]`: one table for each engine you want to change

{table(("key", "meaning"), ((f"`{key}`", text) for key, text in ENGINE.items()))}
## `[classes]`: what `engine-class` may name

One line for each class: its engines, best first. A job takes the first that is installed and open; `prefers-engine`
reorders. A class of your own is one more line, and a line here beats the one shipped:

```toml
[classes]
{chr(10).join(f"{name} = {list(engines)}".replace("'", '"') for name, engines in CLASSES.items())}
```

## `[lanes.NAME]`: when an engine takes jobs

{table(("key", "meaning"), ((f"`{key}`", text) for key, text in LANE.items()))}
## `[budgets]`: what may be spent in a day

```toml
[budgets]
daily_usd = 50

[budgets.engines.claude]
daily_usd = 30

[budgets.profiles.reviewer]
daily_usd = 5
```

US dollars, by the day of local time, of all runs that ended then or are under way. Past it no further job starts, until
midnight or `aq resume`. Runs whose cost nobody knows are not counted.
## `[limits]`: what the machine must have left, and what a job may take

A job that may not start waits with the reason in `aq status`; each key takes `"off"`.

{table(("key", "default", "meaning"), ((f"`{key}`", _limit(key), text) for key, text in LIMITS.items()))}
## `[notify]`: hear of it while you are away

`command`, a line for `/bin/sh` or a list of program and arguments, gets one JSON object on its standard input.
See [run it as a service and hear of it](../how-to/run-as-a-service.md) for the events.

## `[env]`: what agents may see

`pass = ["GH_TOKEN"]` names further variables of the supervisor's environment; a trailing `*` matches any ending. What
the agent, and the verify after it, see without being asked: {", ".join(f"`{name}`" for name in INHERITED)};
`AQ_JOB_ID` and `AQ_RUN` of the run; and, the agent alone, the variables of its program named below and `AQ_PREFACE`, a
file that holds what stands before the body in its prompt. Everything else is
dropped; the names of what was are in `runs/JOB/RUN/dropped.json`.

## `[prices."MODEL"]`: what a model costs you

Where an agent program does not say what its run cost, list prices are taken from the tables of the package
genai-prices, call by call; nothing is fetched. What stands here goes before them, in USD per million tokens. A model
that neither knows has no cost; it is never taken for 0.

```toml
[prices."my-model"]
input = 2.0
output = 10.0
cached = 0.5   # input read from a cache; like `input` where it is left out
written = 2.5  # input written to one; the same
```

## `[tracker]`: where items become jobs

See [tracker](tracker.md), which also names its part of the environment.

## Environment

{table(("variable", "meaning"), ((f"`{name}`", text) for name, text in VARIABLES.items()))}
## Engines

{table(("engine", "program on PATH", "or named by", "how to get it"), engines(loaded))}
Variables of its own that an agent program sees:

{"".join(f"- `{name}`: {variables(engine)}" + chr(10) for name, engine in loaded)}"""


def adapters() -> list[tuple[str, Engine]]:
    app = App("/nowhere")
    loaded = [(name, engine) for name in ENGINES if (engine := app.engine(name)) is not None]
    same("engines", (name for name, _ in loaded), ENGINES)
    return loaded


def engines(loaded: list[tuple[str, Engine]]) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", ", ".join(f"`{program}`" for program in engine.programs), f"`{engine.bin_variable}`", engine.hint)
        for name, engine in loaded
    ]


def variables(engine: Engine) -> str:
    return ", ".join(f"`{variable}`" for variable in engine.environment) or "none"


def _default(key: str) -> str:
    defaults = {field.name.removesuffix("_s"): (field.name, field.default) for field in fields_of(RunSettings)}
    name, value = defaults[key]
    return "`off`" if value is None else f"`{show_duration(value) if name.endswith('_s') else value}`"


def _limit(key: str) -> str:
    value = getattr(NO_LIMITS, key)
    return "`off`" if value is None else f"`{size(value)}`"


def _note(key: str) -> str:
    name = next(field.name for field in fields_of(RunSettings) if field.name.removesuffix("_s") == key)
    return "" if readers("run", name) - {"core/settings.py"} else ". *Nothing acts on it yet*"
