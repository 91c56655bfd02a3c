"""Judging what a machine and a queue on it are like: what is fine, what is not, and what mends it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from shlex import quote
from typing import Any

from agent_queue.core.capabilities import version
from agent_queue.core.settings import Durability
from agent_queue.flow.choose_engine import find_program
from agent_queue.flow.tools import Tools

OLDEST_GIT = (2, 36)
LITTLE_SPACE, TOO_LITTLE_SPACE = 2 << 30, 100 << 20
FEW_INODES = 10_000
FEW_WATCHES, FEW_INSTANCES = 1_024, 16
MANY_LOCKS = 10_000
SLOW_WRITE_MS = 50.0
SHOWN = 3

Facts = Mapping[str, Any]


class Level(StrEnum):
    """`warn`: it works, and something is worth knowing. `fail`: jobs will fail or be at risk."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` is the command or setting that mends it."""

    about: str
    level: Level
    text: str
    fix: str = ""


def examine(machine: Facts, queue: Facts, engines: list[dict[str, Any]], settings: Facts) -> list[Finding]:
    """Everything that was looked at: the machine, the queue, the settings, the engines."""
    found = [*_machine(machine), *_place(queue)]
    if not queue["missing"]:
        found += [*_machinery(queue, machine), *_contents(queue)]
    return [*found, *_settings(settings), *_engines(engines)]


def engines_of(tools: Tools, names: list[str], wanted: set[str]) -> list[dict[str, Any]]:
    """Each known engine, and its program where it is here. `wanted` are those that a job or the settings name."""
    rows = []
    for name in dict.fromkeys((*names, *sorted(wanted))):
        engine = tools.engine(name)
        program = find_program(name, engine, tools) if engine else None
        hint = engine.hint if engine else f"no engine is called {name}; `aq lint` suggests a name"
        rows.append({"engine": name, "program": program, "version": None, "hint": hint, "wanted": name in wanted})
    return rows


def _machine(facts: Facts) -> Iterator[Finding]:
    yield Finding("machine", Level.OK, f"python {facts['python']} on {facts['system']}")
    git = facts["git"]
    fix = "install git 2.36 or newer"
    if not git:
        yield Finding("machine", Level.FAIL, "git is not installed: no worktree, no branch, no checkpoint", fix)
    elif version(git)[:2] < OLDEST_GIT:
        yield Finding("machine", Level.FAIL, f"git {git} is too old to flush what it commits", fix)
    else:
        yield Finding("machine", Level.OK, f"git {git}")
    if facts["pidfd"]:
        yield Finding("machine", Level.OK, "pidfd: the end of an agent is known at once")
    else:
        yield Finding("machine", Level.OK, "no pidfd: agents are looked at five times a second instead")


def _place(facts: Facts) -> Iterator[Finding]:
    root, missing = facts["root"], facts["missing"]
    if not facts["is_queue"]:
        yield Finding("queue", Level.FAIL, f"no queue at {root}", "aq init, or name another with --root")
    elif missing:
        fix = f"mkdir -p {' '.join(map(quote, missing))}"
        yield Finding("queue", Level.FAIL, f"folders are missing: {some(missing)}", fix)
    else:
        yield from _permissions(facts)
    kind = facts["file_system"] or "a file system of unknown kind"
    if facts["network"]:
        fix = "move the queue to a local disk: --root or AGENT_QUEUE_ROOT"
        yield Finding("queue", Level.FAIL, f"{kind}: its locks and renames cannot be relied on", fix)
    elif kind in ("tmpfs", "ramfs"):
        fix = "keep a queue that matters on a disk: --root or AGENT_QUEUE_ROOT"
        yield Finding("queue", Level.WARN, f"{kind}: all of it is gone after a reboot", fix)
    else:
        yield Finding("queue", Level.OK, f"on {kind}")
    yield from _space(facts)


def _permissions(facts: Facts) -> Iterator[Finding]:
    root = facts["root"]
    if not facts["mine"]:
        yield Finding("queue", Level.FAIL, f"{root} belongs to another user", f"chown -R $(id -un) {quote(root)}")
    elif facts["mode"] & 0o077:
        text = f"{root} can be read by others (mode {facts['mode']:o}): prompts and logs may hold secrets"
        yield Finding("queue", Level.WARN, text, f"chmod 700 {quote(root)}")
    else:
        yield Finding("queue", Level.OK, f"{root}, for you alone")


def _space(facts: Facts) -> Iterator[Finding]:
    free, inodes = facts["free_bytes"], facts["free_inodes"]
    level = Level.FAIL if free < TOO_LITTLE_SPACE else Level.WARN if free < LITTLE_SPACE else Level.OK
    fix = "free some space; `aq clean` puts away what finished jobs left" if level is not Level.OK else ""
    yield Finding("queue", level, f"{free / (1 << 30):.1f} GiB free", fix)
    if inodes is not None and inodes < FEW_INODES:
        yield Finding("queue", Level.WARN, f"{inodes} inodes free: no more files soon", "remove some files; aq clean")


def _settings(facts: Facts) -> Iterator[Finding]:
    if facts["problem"]:
        yield Finding("settings", Level.FAIL, facts["problem"], facts["fix"] or "mend config.toml or the environment")
    elif facts["durability"] is Durability.FAST:
        text = "durability is fast: a power cut may lose jobs that were acknowledged"
        yield Finding("settings", Level.WARN, text, 'durability = "full" under [run] in config.toml')
    else:
        yield Finding("settings", Level.OK, "durability is full: what is acknowledged is on the disk")
    for where, complaint in facts["odd"].items():
        yield Finding("settings", Level.WARN, f"config.toml: {where}: {complaint}", "mend the name, or remove it")


def _machinery(facts: Facts, machine: Facts) -> Iterator[Finding]:
    """Whether the disk and the kernel do what the queue needs of them, tried out in its own folder."""
    if facts["write_problem"]:
        fix = "look at the disk and at who owns the folder; nothing is safe until a write works"
        yield Finding("queue", Level.FAIL, facts["write_problem"], fix)
    elif facts["write_ms"] > SLOW_WRITE_MS:
        text = f"a durable write takes {facts['write_ms']:.0f} ms: few short jobs a second"
        yield Finding("queue", Level.WARN, text, 'use a faster disk, or durability = "fast" for a scratch queue')
    else:
        yield Finding("queue", Level.OK, f"a durable write takes {facts['write_ms']:.1f} ms")
    if facts["exchange"] is not None:
        how = "renames never overwrite, and two files swap in one step"
        yield Finding(
            "queue", Level.OK, how if facts["exchange"] else "no swap of two files here: links are used instead"
        )
    if facts["watch"]:
        fix = "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536"
        yield Finding("queue", Level.FAIL, f"folders cannot be watched: {facts['watch']}", fix)
    else:
        yield from _watches(machine)


def _watches(machine: Facts) -> Iterator[Finding]:
    watches, instances = machine["max_user_watches"], machine["max_user_instances"]
    if watches is None or instances is None:
        yield Finding("queue", Level.OK, "folders are watched")
    elif watches < FEW_WATCHES or instances < FEW_INSTANCES:
        text = f"inotify allows {instances} watchers and {watches} watches: other programs may use them up"
        fix = "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536"
        yield Finding("queue", Level.WARN, text, fix)
    else:
        yield Finding("queue", Level.OK, f"folders are watched (inotify, {watches} watches allowed)")


def _contents(facts: Facts) -> Iterator[Finding]:
    left = facts["left"]
    if facts["supervisor"] is not None:
        yield Finding("queue", Level.OK, f"a supervisor runs (pid {facts['supervisor']})")
    elif left:
        text = f"no supervisor runs, and {len(left)} job{'s' if len(left) > 1 else ''} in work: {some(left)}"
        yield Finding("queue", Level.WARN, text, "aq run goes on with them; aq recover settles what has ended")
    else:
        died = "; the last one did not end by itself" if facts["supervisor_died"] else ""
        yield Finding("queue", Level.OK, f"no supervisor runs{died}", "aq run starts one")
    if facts["skipped"]:
        lines = sum(facts["skipped"].values())
        text = (
            f"{lines} line{'s' if lines > 1 else ''} that cannot be read, passed over: {some(list(facts['skipped']))}"
        )
        yield Finding(
            "queue", Level.WARN, text, "a crash tears a last line, and nothing is lost by it; else see who wrote it"
        )
    else:
        read, there = facts["journals_read"], facts["journals"]
        which = f"{there} journals" if read == there else f"the latest {read} of {there} journals"
        yield Finding("queue", Level.OK, f"{which}: every line can be read")
    if facts["stale"]:
        text = f"{len(facts['stale'])} left-over file{'s' if len(facts['stale']) > 1 else ''} in .aq/tmp"
        fix = (
            f"rm {quote(facts['stale'][0])}"
            if len(facts["stale"]) == 1
            else f"find {quote(facts['root'] + '/.aq/tmp')} -type f -mmin +60 -delete"
        )
        yield Finding("queue", Level.WARN, text, fix)
    if facts["idle_locks"] > MANY_LOCKS:
        text = f"{facts['idle_locks']} lock files of finished jobs"
        yield Finding("queue", Level.WARN, text, "aq clean removes them")
    else:
        yield Finding("queue", Level.OK, f"{facts['idle_locks']} lock files of finished jobs, held by nobody")


def _engines(engines: list[dict[str, Any]]) -> Iterator[Finding]:
    if engines and not any(row["program"] and row["version"] is not None for row in engines):
        yield Finding("engines", Level.WARN, "no coding agent was found here", "install one of these, and log in once")
    for row in engines:
        about = row["engine"]
        if row["program"] is None:
            level, why = (Level.FAIL, ", and is asked for") if row["wanted"] else (Level.OK, "")
            yield Finding("engines", level, f"{about}: not here{why}", row["hint"])
        elif row["version"] == "":
            text = f"{about}: {row['program']} says nothing for --version"
            yield Finding("engines", Level.WARN, text, f"run `{row['program']} --version` and see")
        else:
            yield Finding("engines", Level.OK, f"{about}: {' '.join(filter(None, (row['version'], row['program'])))}")


def some(names: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
