"""What is remembered of a day's budgets: what is shut, for whoever looks; what a person lets go on all the same.

The first lies in `.aq/` and can be told again from the journals; the second is the person's, beside the lanes.
"""

import json
import os
import time
from collections.abc import Collection
from typing import Any

from agent_queue.core.allowance import ALL, Shut
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.records import read_object

RESUMED = "budgets.resumed"


class AllowanceFolder:
    """The two files."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._shut = f"{layout.own}/budgets.json"
        self._resumed = f"{layout.root}/lanes/{RESUMED}"
        self._disk = disk

    def show(self, found: Shut, day: str, until: float) -> None:
        """Leave what is shut where `aq status` finds it; nothing where nothing is."""
        if not any(found):
            self._disk.remove(self._shut)
            return
        record = {"day": day, "until": until, "engines": found.engines, "profiles": found.profiles}
        self._disk.put(self._shut, json.dumps(record).encode(), durable=False)

    def shown(self) -> tuple[Shut, float]:
        """What is shut, and until when, epoch seconds. Costs nothing where nothing is."""
        record = read_object(self._shut) if os.path.exists(self._shut) else None
        if record is None or not time.time() < _number(record.get("until")):
            return Shut(), 0.0
        resumed = self.resumed(str(record.get("day")))
        engines = {name: why for name, why in _texts(record.get("engines")).items() if name not in resumed}
        profiles = {} if ALL in resumed else _texts(record.get("profiles"))
        return Shut(engines, profiles), _number(record["until"])

    def resumed(self, day: str) -> Collection[str]:
        """The names that a person lets go on for this day."""
        record = read_object(self._resumed) or {}
        names = record.get("names")
        return frozenset(map(str, names)) if record.get("day") == day and isinstance(names, list) else frozenset()

    def resume(self, engine: str | None) -> None:
        """Let an engine, or with None all of them, go on past the day's budget."""
        record = read_object(self._shut)
        if record is None:
            return
        day = str(record.get("day"))
        names = {engine} if engine else {ALL, *_texts(record.get("engines"))}
        told = {"day": day, "names": sorted({*self.resumed(day), *names})}
        self._disk.put(self._resumed, json.dumps(told).encode())


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(why) for name, why in value.items()} if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
