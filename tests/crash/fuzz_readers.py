"""Inputs that one call reads: job files, output of agent programs, configuration, items of trackers."""

import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.test_engines import ENGINES, OUTCOMES, recording
from trackers.test_fuzz import LEGAL, MAY_BE_SET
from unit.test_frontmatter import HEADS
from unit.test_label_map import read
from unit.test_manifest import MESSAGES
from unit.test_manifest import WHOLE as WHOLE_JOB
from unit.test_settings import WHOLE as WHOLE_SETTINGS

from agent_queue.core.errors import AqError, ManifestError, SettingsError
from agent_queue.core.frontmatter import decode
from agent_queue.core.history import STATE_KEYS
from agent_queue.core.item import Item
from agent_queue.core.label_map import body, frontmatter, job_text, mapped
from agent_queue.core.manifest import EMPTY, Manifest, add_keys, parse, render
from agent_queue.core.outcome import Broke, Done, Held, Refused
from agent_queue.core.sanitise import clean
from agent_queue.core.settings import Settings, settings
from agent_queue.ports import Engine
from agent_queue.testing.engine_contract import GARBAGE, NOW, Reading, ended

from .fuzz_kinds import Tried, tried
from .noise import damaged, noise, pieced, shuffled

PLACED = re.compile(r"x\.md:[1-9][0-9]*:[1-9][0-9]*: .*[^\s]")
YAML = [
    b"---\n", b"---", b"...\n", b"\r\n", b"\n", b"\t", b"  ", b": ", b"- ", b"? ", b"&a ", b"*a", b"!!str ", b"!",
    b"|\n", b">-\n", b"[", b"]", b"{", b"}", b",", b"#", b"'", b'"', b"\\u2028", b"\\x", b"\\ud800", b"%YAML 1.1\n",
    b"<<: ", b"~", b"null", b"no", b"12:30", b"1e999", b"9" * 400, b"0x", b"0o9", b".nan", b"-", b"\0", b"\x07",
    b"\x7f", b"\x85", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80",
    b"engine: claude\n", b"retry:\n", b"budget: {usd: ", b"[" * 30, b"{a: " * 30, b"90s", b"cwd:", b"@", b"`",
]  # fmt: skip
GOOD = [WHOLE_JOB.encode(), *(f"---\n{head}\n---\n".encode() for head in HEADS)]
BAD = list(MESSAGES)


def manifests(dice: random.Random, folder: Path) -> Iterator[Tried]:
    """A job, or one error with the place of each problem. A job that is taken reads back as itself."""
    while True:
        made = noise(dice)
        yield tried(dice.choice([made, b"---\n" + made + b"\n---\n"]), _manifest)
        yield tried(b"---\n" + pieced(dice, YAML) + b"\n---\nbody", _manifest)
        yield tried(damaged(dice, dice.choice(dice.choice([GOOD, GOOD, BAD]))[:2_000], YAML), _manifest)


def _manifest(data: bytes) -> tuple[bool, list[str]]:
    try:
        job = parse(data, "x.md")
    except ManifestError as error:
        unplaced = [line for line in str(error).splitlines() if not PLACED.fullmatch(line)]
        return False, [f"without a place: {line}" for line in unplaced]
    text, found = decode(data), []
    if not text.endswith(job.body):
        found.append("its body is not what it ends with")
    if parse(render(job.manifest, job.body).encode(), "x.md").manifest != job.manifest:
        found.append("written out, it reads as another")
    longer = parse(add_keys(text, {"cwd": "/here"}).encode(), "x.md")
    if longer.manifest != Manifest(cwd="/here", origins={"cwd": "job"}).under(job.manifest) or longer.body != job.body:
        found.append("with a key more, it reads as another")
    return True, found


LOGS = {name: [recording(case).log for case in OUTCOMES if case.startswith(f"{name}/")] for name in ENGINES}
JSON = [
    b'{"type":"result","subtype":"success","is_error":false}\n', b'{"type":"error"}\n', b"null", b"1e999", b'"', b"{",
    b"}", b"[", b"]", b",", b":", b"\n", b"\\ud800", b"-1", b"9" * 400, b"[" * 2_000, b'{"a":' * 2_000, b"\xff", b"\0",
    b"true", b"\x1b[2J", b"usage limit, try again in 9999999999 days\n", b'"usage":{"input_tokens":-5}',
    *(line for line in GARBAGE if len(line) < 200),
]  # fmt: skip
MOST_OUTPUT = 12_000


def engine_lines(dice: random.Random, folder: Path) -> Iterator[Tried]:
    """Output is read to the same end however it is cut, no figure is no number, and no failed program is done."""
    while True:
        for name, engine in ENGINES.items():
            lines = dice.choice(LOGS[name] or [b"".join(GARBAGE)])[-MOST_OUTPUT:].splitlines(keepends=True)
            data = b"".join(shuffled(dice, lines))
            data = damaged(dice, data, JSON) if dice.random() < 0.7 else data
            size, code = dice.randrange(1, 400), dice.choice((0, 0, 1, 97, None))

            def read(data: bytes, engine: Engine = engine, size: int = size, code: int | None = code) -> Any:
                return _output(engine, data, size, code)

            yield tried(data, read)


def _output(engine: Engine, data: bytes, size: int, code: int | None) -> tuple[bool, list[str]]:
    exit_ = ended(signal=9) if code is None else ended(code)
    whole = Reading(engine.reader(), data, None, exit_)
    found = [] if Reading(engine.reader(), data, size, exit_).same_as(whole) else [f"in pieces of {size} it tells more"]
    if not isinstance(whole.outcome, Done | Broke | Held | Refused):
        found.append(f"it ended as {whole.outcome!r}")
    if isinstance(whole.outcome, Done) and code != 0:
        found.append(f"{engine.name} failed with {code}, and was taken for done")
    if isinstance(whole.outcome, Held) and not 0 <= (whole.outcome.until - NOW).days < 400:
        found.append(f"it is held until {whole.outcome.until}")
    if isinstance(whole.outcome, Broke) and (not whole.outcome.reason or "\n" in whole.outcome.reason):
        found.append(f"its reason is {whole.outcome.reason!r}")
    found += _facts(whole.facts)
    found += [f"an event says {event.text!r}" for event in whole.events
              if not event.text.strip() or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", event.text)]  # fmt: skip
    reader = engine.reader()
    for name in ("/some/usage.json", "/some/events.jsonl"):
        reader.sidecar(name, data)
    return isinstance(whole.outcome, Done), found + _facts(reader.facts())


def _facts(facts: Mapping[str, Any]) -> list[str]:
    found = [f"it tells of {key}" for key in set(facts) - set(STATE_KEYS)]
    numbers = {key: value for key, value in facts.items() if isinstance(value, int | float)}
    found += [f"{key} is {value}" for key, value in numbers.items() if not math.isfinite(value) or value < 0]
    return found + ([] if json.loads(json.dumps(facts)) == dict(facts) else ["its facts are not plain JSON"])


TABLES: dict[str, dict[str, str]] = {
    "defaults": {"engine": '"codex"', "verify": '["make"]', "retry": '{max = 2, on = ["timeout"]}', "yolo": "true",
                 "budget": "{usd = 2.5}", "timeout": '"45m"', "lock": '["a"]', "priority": '"high"', "ship": '"auto"'},
    "run": {"slots": "3", "max_recoveries": "3", "max_hold": '"5h"', "breaker": "3", "stall_after": '"5m"',
            "stall_stop": '"off"', "stop_grace": '"3s"', "durability": '"fast"', "checkpoint_every": '"90s"'},
    "workspace": {"refs": '["feat/*"]', "copy": '[".env"]', "link": '["a"]', "setup": '"make"',
                  "setup_timeout": '"5m"'},
    "engines.claude": {"bin": '"claude"', "args": '["-v"]', "model": '"opus"', "account": '"work"'},
    "engines.claude.env": {"PATH": '"/bin"', "X": '"1"'}, "classes": {"mine": '["codex", "claude"]'},
    "lanes.codex": {"hours": '"22:00-06:00"'},
    "limits": {"memory": '"2GB"', "free_memory": '"512MB"', "free_disk": '"1GB"', "load": "4", "log": '"20MB"'},
    "env": {"pass": '["GH_TOKEN", "AWS_*"]'}, 'prices."m"': {"input": "1.5", "output": "3"},
    "budgets": {"daily_usd": "5"}, "budgets.engines.claude": {"daily_usd": "2"},
    "tracker": {"query": '"aq"', "url": '"https://tracker.example.org"', "allow_authors": '["me"]'},
    "notify": {"command": '"cat"'}, "nothing": {"x": "1"},
}  # fmt: skip
"""Every table, with values that are right."""
VALUES = (
    "0", "1", "-1", "3", "1e400", "nan", "inf", "99999999999999999999", "0.5", "true", '""', '"off"', '"5m"', '"-5m"',
    '"22:00-06:00"', '"25:00-1"', '"full"', '"fast"', '"2GB"', '"90%"', "[]", '[""]', '["a"]', '["../up"]', '["/etc"]',
    '["LD_PRELOAD"]', '["A B"]', "{}", '{A = "b"}', '{"a\\nb" = 1}', "2026-01-01", '"\\u0000"', '"a\\nb"', "[[1]]",
    '"\\U0001F600"', '"' + "a" * 5000 + '"',
)  # fmt: skip
TOML = [b"[", b"]", b"=", b'"', b"'", b"\n", b"#", b"[[", b'"""', b"\\", b".", b"\xff", b"\0", b"1e999", b"\xc3\x28",
        *(f"\n[{table}]\n".encode() for table in TABLES)]  # fmt: skip


def every_value(folder: Path) -> Iterator[Tried]:
    """Each key with each value that may be wrong for it, beside others of its table that are right."""
    path = str(folder / "config.toml")
    for table, keys in TABLES.items():
        for key in keys:
            for value in VALUES:
                text = "".join(f"{name} = {told}\n" for name, told in {**keys, key: value}.items())
                yield tried(f"[{table}]\n{text}".encode(), lambda data: _configuration(path, data))


def configurations(dice: random.Random, folder: Path) -> Iterator[Tried]:
    """Settings within their bounds, or one error that names the file and the key."""
    path = str(folder / "config.toml")
    while True:
        yield tried(damaged(dice, WHOLE_SETTINGS.encode(), TOML), lambda data: _configuration(path, data))
        for _ in range(3):
            yield tried(_tables(dice).encode(), lambda data: _configuration(path, data))


def _tables(dice: random.Random) -> str:
    """A few tables with values that are right, and every other time one that is not."""
    chosen = dice.sample(list(TABLES), dice.randrange(1, 4))
    said = {table: dict(dice.sample(sorted(TABLES[table].items()), dice.randrange(1, len(TABLES[table]) + 1)))
            for table in chosen}  # fmt: skip
    if dice.random() < 0.7:
        keys = said[dice.choice(chosen)]
        keys[dice.choice([*keys, *keys, "slots"])] = dice.choice(VALUES)
    return "".join(
        f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for table, keys in said.items()
    )


def _configuration(path: str, data: bytes) -> tuple[bool, list[str]]:
    from agent_queue.system.settings_files import read as read_file

    Path(path).write_bytes(data)
    try:
        found = settings(read_file(path), {})
    except SettingsError as error:
        said = str(error)
        return False, [] if "config.toml" in said else [f"it does not say where: {said!r}"]
    return True, list(_out_of_bounds(found))


def _out_of_bounds(found: Settings) -> Iterator[str]:
    run = found.run
    if run.slots < 1 or run.max_recoveries < 0 or run.breaker < 0:
        yield f"counts are {run}"
    times = (run.stall_after_s, run.stall_stop_s, run.stop_grace_s, run.checkpoint_every_s, run.max_hold_s,
             found.workspace.setup_timeout_s)  # fmt: skip
    yield from (f"a time is {time}" for time in times if time is not None and not 0 <= time < math.inf)
    names: Sequence[str] = [*found.env_pass, *(name for engine in found.engines.values() for name in engine.env)]
    yield from (f"a variable is called {name!r}" for name in names if not re.fullmatch(r"[A-Za-z_][\w*]*", name))
    globs = (*found.workspace.copy, *found.workspace.link)
    yield from (f"{glob!r} leads out of the repository" for glob in globs if glob.startswith("/") or ".." in glob)


LABELS = [b"engine", b"cwd", b"yolo", b"args", b"env", b"verify", b"profile", b"priority", b"kind", b":", b"/", b"::"]


def items(dice: random.Random, folder: Path) -> Iterator[Tried]:
    """An item makes a job file that sets nothing but what a tracker may, or an error in words."""
    while True:
        made = {key: _value(dice, 3) for key in ("id", "title", "description", "status", "priority", "labels", "author")
                if dice.random() < 0.8}  # fmt: skip
        if dice.random() < 0.7:
            made |= {"title": _text(dice), "description": _text(dice), "labels": [_label(dice) for _ in range(3)]}
        yield tried(json.dumps(made).encode(), _item)


def _text(dice: random.Random) -> str:
    return pieced(dice, [*YAML, b"<!--", b"-->", b"`", b"\n---\n", b"engine: shell\n"]).decode(errors="replace")


def _label(dice: random.Random) -> str:
    return pieced(dice, LABELS, 5).decode() + _text(dice)[:20]


def _value(dice: random.Random, depth: int) -> Any:
    """Any JSON."""
    if depth and dice.random() < 0.4:
        inner = [_value(dice, depth - 1) for _ in range(dice.randrange(4))]
        return inner if dice.random() < 0.5 else {_text(dice)[:8]: each for each in inner}
    return dice.choice((None, True, 0, -1, 1e308, 2**70, "", _text(dice)))


def _item(data: bytes) -> tuple[bool, list[str]]:
    try:
        item = read(json.loads(data))
    except AqError:
        return False, []
    title, text = clean(item.title), clean(item.text)
    values = {key: getattr(item, key) for key in Item.__dataclass_fields__}
    item = Item(**{**values, "title": title.text, "text": text.text})
    made = parse(job_text(frontmatter(item, mapped(item, LEGAL), EMPTY, EMPTY), body(item)).encode(), "T-1.md")
    found = [f"it set {key}" for key in set(made.manifest.origins) - MAY_BE_SET]
    if made.manifest.yolo is not False or made.manifest.profile not in (None, *LEGAL["profile"]):
        found.append(f"it set {made.manifest}")
    return True, found + ([] if made.body == body(item) else ["the body is another"])
