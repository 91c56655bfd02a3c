"""The real `aq` with an items service on loopback, and agents that are shell scripts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance.conftest import Agent, Aq, agent, aq, git, queue, repo  # noqa: F401 - fixtures

from .items_server import PRODUCT, TOKEN, ItemsService, serving


@pytest.fixture
def service() -> Iterator[ItemsService]:
    with serving(ItemsService()) as found:
        found.put()
        yield found


@dataclass
class Round:
    """A queue at a tracker."""

    aq: Aq
    queue: Path
    service: ItemsService

    def auto(self) -> None:
        self.aq.env["AQ_TRACKER_AUTO"] = "1"

    def taken(self, item: str = "T-1") -> str:
        """The job that is made of an item."""
        return self.aq("from-tracker", item).out.strip().removesuffix(".md")

    def stage(self, job: str) -> str:
        (found,) = self.queue.glob(f"*/{job}.md")
        return found.parent.name

    def journal(self, job: str) -> str:
        return (self.queue / "journal" / f"{job}.jsonl").read_text()

    def waiting(self) -> list[str]:
        return sorted(path.stem for path in (self.queue / "outbox").glob("*.json"))

    def status(self, job: str) -> dict[str, Any]:
        (found,) = [one for one in self.aq("status", "--json").json()["jobs"] if one["id"] == job]
        return dict(found)

    def shipped(self, item: str = "T-1") -> str:
        """A job of an item, taken all the way by hand."""
        job = self.taken(item)
        self.aq("run", "--once")
        self.aq("promote", job)
        self.aq("ship", job)
        return job

    def shipped_without_news(self, item: str = "T-1") -> str:
        """The same by processes that tell nothing."""
        auto = self.aq.env.pop("AQ_TRACKER_AUTO", None)
        cursor = self.queue / "outbox" / ".cursor"
        kept = cursor.read_bytes() if cursor.exists() else None
        job = self.shipped(item)
        if kept is not None:
            cursor.write_bytes(kept)
        if auto is not None:
            self.auto()
        return job


@pytest.fixture
def round_trip(aq: Aq, queue: Path, service: ItemsService, agent: Agent) -> Round:  # noqa: F811
    aq.env.update(
        AQ_TRACKER_API=service.url, AQ_TRACKER_TOKEN=TOKEN, AQ_PRODUCT_ID=PRODUCT, AGENT_QUEUE_ENGINE="claude"
    )
    return Round(aq, queue, service)
