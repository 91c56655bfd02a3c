"""What a person may set about the tracker: the table `[tracker]`, and the environment, which beats it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_queue.core.errors import SettingsError
from agent_queue.core.fields import FALSE, TRUE
from agent_queue.core.manifest import EMPTY, Manifest
from agent_queue.core.tables import flag, known, table, text, texts, variable

ITEMS = "items"
TOKEN_ENV = "AQ_TRACKER_TOKEN"  # noqa: S105 - a variable's name
STATUS_VARIABLES = {
    "in_progress": "AQ_TRACKER_STATUS_INPROGRESS",
    "done": "AQ_TRACKER_STATUS_DONE",
    "failed": "AQ_TRACKER_STATUS_FAILED",
}
_ADDRESS = re.compile(r"https?://(?P<host>[^/\s?#]+)[^\s]*", re.IGNORECASE)
PATHS = ("item", "comments", "query")

Defaults = Callable[[Mapping[str, Any], str], Manifest]
"""Types a table of manifest keys; the second argument is its dotted name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """One tracker. '' and None where nobody said anything: the tracker's own default holds."""

    kind: str = ITEMS
    """`items`, `github`, `linear`, `redmine`, `roundup`, `file`, an entry point's name, or `module:Class`."""
    url: str = ""
    project: str = ""
    """What bare ids and queries are about: owner/repo, a project's identifier, a team's key."""
    folder: str = ""
    user: str = ""
    product: str = ""
    token_env: str = TOKEN_ENV
    """The name of the variable that holds the token; its value is in no setting."""
    command: str = ""
    """A program that carries all requests instead of HTTP."""
    auto: bool = False
    cwd: str = ""
    query: str = ""
    """The label that `run --pull` takes items by."""
    allow_authors: tuple[str, ...] = ()
    require_label: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    """What the tracker calls `in_progress`, `done` and `failed`."""
    defaults: Manifest = EMPTY
    types: Mapping[str, Manifest] = field(default_factory=dict)


NO_TRACKER = TrackerSettings()


def tracker_settings(above: Mapping[str, Any], environment: Mapping[str, str], defaults: Defaults) -> TrackerSettings:
    """Type the table `[tracker]` of the whole configuration.

    Raises:
        SettingsError: an unknown key, or a value of the wrong kind, with its dotted name.
    """
    given = table(above, "tracker", "tracker")
    known(given, (*_READERS, "paths", "statuses", "defaults", "types"), "tracker.")
    values = {key: read(given[key], f"tracker.{key}") for key, read in _READERS.items() if key in given}
    types = table(given, "types", "tracker.types")
    return TrackerSettings(
        **{**values, **_from_environment(environment)},
        paths=_paths(table(given, "paths", "tracker.paths")),
        statuses=_statuses(table(given, "statuses", "tracker.statuses"), environment),
        defaults=defaults(table(given, "defaults", "tracker.defaults"), "tracker.defaults"),
        types={
            name.casefold(): defaults(table(types, name, f"tracker.types.{name}"), f"tracker.types.{name}")
            for name in types
        },
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {
        "url": ("AQ_TRACKER_API", address), "command": ("AQ_TRACKER_API_CMD", text),
        "product": ("AQ_PRODUCT_ID", text), "cwd": ("AQ_TRACKER_CWD", text), "auto": ("AQ_TRACKER_AUTO", _switch),
    }  # fmt: skip
    return {
        key: read(environment[name].strip(), name)
        for key, (name, read) in variables.items()
        if environment.get(name, "").strip()
    }


def address(value: object, name: str) -> str:
    """An http address without a slash at its end.

    Raises:
        SettingsError: it is none, or it holds a password, which would be shown in messages.
    """
    found = text(value, name).strip()
    place = f"config.toml: {name}" if "." in name else name  # else it is a variable of the environment
    if not (parts := _ADDRESS.fullmatch(found)):
        raise SettingsError(f"{place} must be an address such as https://tracker.example.org, not {found!r}")
    if "@" in parts["host"] or set("?#") & set(found):
        raise SettingsError(f"{place} may hold no password, query or fragment", hint="tokens go into the environment")
    return found.rstrip("/")


def _switch(value: str, name: str) -> bool:
    word = value.casefold()
    if word in TRUE or word == "1":
        return True
    if word in FALSE or word == "0":
        return False
    raise SettingsError(f"{name} must be 1 or 0, not {value!r}")


def _token_variable(value: object, name: str) -> str:
    found = variable(text(value, name), name)
    if found.endswith("*"):
        raise SettingsError(f"config.toml: {name} must name one variable")
    return found


def _paths(given: Mapping[str, Any]) -> dict[str, str]:
    known(given, PATHS, "tracker.paths.")
    found = {key: text(value, f"tracker.paths.{key}") for key, value in given.items()}
    for key, value in found.items():
        if not value.startswith("/") or (key != "query" and "{id}" not in value):
            hint = 'as in item = "/api/items/{id}"'
            raise SettingsError(f"config.toml: tracker.paths.{key} must begin with / and hold {{id}}", hint=hint)
    return found


def _statuses(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    known(given, STATUS_VARIABLES, "tracker.statuses.")
    found = {key: text(value, f"tracker.statuses.{key}") for key, value in given.items()}
    said = {key: environment.get(name, "").strip() for key, name in STATUS_VARIABLES.items()}
    return {**found, **{key: value for key, value in said.items() if value}}


_READERS: Mapping[str, Callable[[object, str], Any]] = {
    "kind": text, "url": address, "project": text, "folder": text, "user": text, "product": text,
    "token_env": _token_variable, "command": text, "auto": flag, "cwd": text, "query": text,
    "allow_authors": texts, "require_label": text,
}  # fmt: skip
