"""One job as lines of text."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from agent_queue.cli.render import COLOURS, insights
from agent_queue.cli.screen import Screen, age, home, plain
from agent_queue.core.fields import LONGEST_S

Found = Mapping[str, Any]

LABEL = 13
QUIET = ("moved",)
"""Journal entries that say nothing to a person."""


def job_lines(found: Found, screen: Screen) -> Iterator[str]:
    """Every section that has something to say."""
    stage = found["stage"]
    yield f"{screen.paint(found['job'], 'bold')}  {screen.paint(stage, COLOURS.get(stage, ''))}"
    if found["title"]:
        yield plain(found["title"])
    for title, told in SECTIONS.items():
        lines = list(told(found, screen))
        if lines:
            yield ""
            yield screen.paint(title, "bold")
            yield from lines


def _problems(found: Found, screen: Screen) -> Iterator[str]:
    yield from (f"  {screen.paint(plain(line), 'red')}" for line in (found["invalid"] or "").splitlines())
    yield from (f"  {screen.paint(plain(line), 'yellow')}" for line in found["warnings"])
    yield from (f"  {screen.paint(f'out of scope: {plain(path)}', 'yellow')}" for path in found["outside_scope"])


def _why(found: Found, screen: Screen) -> Iterator[str]:
    outcome = found["outcome"]
    if not isinstance(outcome, dict) or found["stage"] == "building":
        return
    well = "its verify passed" if outcome.get("to") == "testing" else "the agent ended well"
    said = plain(str(outcome.get("reason") or "")) or (well if outcome.get("kind") == "done" else "")
    for number, line in enumerate(said.splitlines()):
        result = f"{outcome.get('result') or outcome.get('kind')}: " if number == 0 else ""
        yield f"  {screen.paint(result, COLOURS.get(found['stage'], ''))}{line}"


def _report(found: Found, screen: Screen) -> Iterator[str]:
    """The report of a failed job, its own title and reason left aside: they were told."""
    _, _, text = (found["report"] or "").partition("\n## ")
    for line in f"## {text}".splitlines() if text else ():
        if not line.startswith("|---"):
            yield f"  {screen.paint(plain(line), 'bold') if line.startswith('## ') else plain(line)}"


def _state(found: Found, screen: Screen) -> Iterator[str]:
    state = found["state"]
    if not state["run"]:
        yield _labelled("runs", "none yet")
        return
    last = f"{state.get('engine', '?')} {state.get('model') or ''}".rstrip()
    yield _labelled("runs", f"{state['run']}, the last with {last}")
    yield _labelled("took", insights({"insights": found["insights"], "attempts": state["attempts"]}))
    for label, key in (("started", "started_at"), ("ended", "ended_at"), ("not before", "next_eligible")):
        if state.get(key):
            yield _labelled(label, _time(float(state[key])))
    for label, key in (("exit", "exit"), ("verify exit", "verify_exit"), ("result", "result")):
        if state.get(key) is not None:
            yield _labelled(label, str(state[key]))
    if state.get("wip_branch"):
        ends = "..".join(str(state[key])[:12] for key in ("wip_base", "wip_commit") if state.get(key))
        yield _labelled("branch", f"{state['wip_branch']}  {screen.paint(ends, 'dim')}")


def _manifest(found: Found, screen: Screen) -> Iterator[str]:
    for key, said in found["manifest"].items():
        origin = screen.paint(said["origin"], "dim") if said["origin"] != "job" else ""
        yield _labelled(key, f"{plain(_value(said['value']))}  {origin}".rstrip())


def _files(found: Found, _: Screen) -> Iterator[str]:
    yield from (_labelled(name, home(path)) for name, path in found["files"].items())


def _saved(found: Found, _: Screen) -> Iterator[str]:
    for what, paths in found["saved"].items():
        yield f"  {SAVED.get(what, what)}"
        yield from (f"    {plain(' '.join(str(path).splitlines()))}" for path in paths)


def _dropped(found: Found, screen: Screen) -> Iterator[str]:
    names, line = found["dropped_environment"], " "
    for name in names:
        if len(line) + len(name) + 1 > screen.width:
            yield line
            line = " "
        line += f" {plain(name)}"
    if names:
        yield line
        yield screen.paint("  [env] pass in config.toml lets a job see one of them", "dim")


def _history(found: Found, screen: Screen) -> Iterator[str]:
    for entry in found["history"]:
        if entry.get("event") not in QUIET:
            yield f"  {screen.paint(_at(entry), 'dim')}  {plain(_event(entry))}"
    skipped = found["journal_lines_skipped"]
    if skipped:
        yield screen.paint(f"  {skipped} line{'s' if skipped > 1 else ''} of its journal could not be read", "yellow")


def _event(entry: Found) -> str:
    kind = str(entry.get("event", "?"))
    if kind in ("move", "moved_by_hand"):
        word = "by hand" if kind == "moved_by_hand" else str(entry.get("move", ""))
        kind = f"{entry.get('from')} -> {entry.get('to')}: {word}"
    facts = (told(entry[key]) for key, told in FACTS.items() if entry.get(key) is not None)
    return ", ".join([kind, *filter(None, facts)])


def _took(seconds: object) -> str:
    """A foreign line may say anything."""
    return f"took {age(seconds)}" if isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_S else ""


def _at(entry: Found) -> str:
    try:
        return _local(datetime.fromisoformat(str(entry.get("at"))))
    except ValueError:
        return " " * 19


def _time(seconds: float) -> str:
    when = datetime.fromtimestamp(seconds).astimezone()
    gone = (datetime.now().astimezone() - when).total_seconds()
    return f"{_local(when)}  ({age(abs(gone))} {'ago' if gone >= 0 else 'from now'})"


def _local(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{LABEL}} {text}"


SAVED = {
    "left_out": "left out of the commit, kept beside the run in kept/:", "not_saved": "in its workspace alone:",
    "nested": "repositories inside it, saved by themselves and kept beside the run in nested/:",
    "filters_off": "saved without the filter that its agent configured:",
    "ignored": "ignored by git, in its workspace alone:",
    "altered": "changed in the repository's configuration or hooks while it ran, and left so:",
    "settings_put_back": "changed in the repository's configuration while it ran, put back:",
    "rescued": "what its branch held before, and its agent took off it, is kept at:",
    "refs_put_back": "moved by its agent, put back:",
    "verify_changed": "changed by its verify, on refs/aq/snapshots alone:",
}  # fmt: skip
"""What happened to paths and refs that are not simply on the branch."""
FACTS: dict[str, Callable[[Any], str]] = {
    "result": str,
    "failure": lambda value: f"because of {value}",
    "engine": str,
    "run": lambda value: f"run {value}",
    "attempts": lambda value: f"attempt {value}" if value else "",
    "recoveries": lambda value: f"recovery {value}" if value else "",
    "exit": lambda value: f"exit {value}",
    "stop": lambda value: f"stopped: {value}",
    "duration_s": _took,
    "verify_exit": lambda value: f"exit {value}",
    "tracker_item": lambda value: f"item {value}",
    "tracker_echoed": lambda value: f"its item was told {value}",
    "files_changed": lambda value: f"{value} file{'' if value == 1 else 's'} changed",
}
"""What of a journal entry is told to people, and how."""
SECTIONS: dict[str, Callable[[Found, Screen], Iterator[str]]] = {
    "Problems": _problems, "Why": _why, "Report": _report, "State": _state, "Manifest": _manifest, "Files": _files,
    "Not on its branch": _saved,
    "History": _history, "Environment it did not see": _dropped,
}  # fmt: skip


def _value(value: object) -> str:
    """A manifest's value as a person would write it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
