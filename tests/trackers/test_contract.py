"""Every adapter under the contract that outsiders use: the folder, the items interface, GitHub in small."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.ports_tracker import Means, Tracker
from agent_queue.system.http import HttpTransport
from agent_queue.system.shelf import FolderShelf
from agent_queue.testing.tracker_contract import LABEL, TITLE, TrackerContract
from agent_queue.trackers.file import FolderOfItems
from agent_queue.trackers.github import GitHub
from agent_queue.trackers.items import Items

from .github_service import GitHubService
from .items_server import PRODUCT, TOKEN, ItemsService, serving


class TestFile(TrackerContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.count = 0

    def tracker(self) -> Tracker:
        return FolderOfItems(TrackerSettings(folder=str(self.folder)), means())

    def create(self) -> str:
        self.count += 1
        said = {"title": TITLE, "labels": [LABEL], "mine": {"kept": True}}
        (self.folder / f"T-{self.count}.json").write_text(json.dumps(said))
        return f"T-{self.count}"

    def test_what_else_stands_in_a_file_is_kept(self) -> None:
        item = self.create()
        self.tracker().set_status(item, "done")
        self.tracker().add_comment(item, "a")
        assert json.loads((self.folder / f"{item}.json").read_text()) == {
            "title": TITLE, "labels": [LABEL], "mine": {"kept": True}, "status": "done", "comments": ["a"],
        }  # fmt: skip


class TestItems(TrackerContract):
    @pytest.fixture(autouse=True)
    def _service(self) -> Iterator[None]:
        with serving(ItemsService()) as self.service:
            yield

    def tracker(self) -> Tracker:
        return Items(TrackerSettings(url=self.service.url, product=PRODUCT), means(TOKEN))

    def create(self) -> str:
        name = f"T-{len(self.service.items)}"
        self.service.put(name, title=TITLE, labels=[LABEL])
        return name


class TestGitHub(TrackerContract):
    @pytest.fixture(autouse=True)
    def _service(self) -> None:
        self.service = GitHubService()

    def tracker(self) -> Tracker:
        carried: Any = lambda base: self.service  # noqa: E731
        return GitHub(TrackerSettings(project="o/r"), Means(transport=carried, shelf=carried, secret=TOKEN))

    def create(self) -> str:
        return self.service.create(TITLE, LABEL)

    def test_the_finer_status_is_a_label(self) -> None:
        item = self.create()
        self.tracker().set_status(item, "in_progress")
        self.tracker().set_status(item, "wont_fix")
        issue = self.service.issues[int(item)]
        assert (issue["state"], issue["state_reason"]) == ("closed", "not_planned")
        assert [label["name"] for label in issue["labels"]] == [LABEL, "aq:wont_fix"]


def means(secret: str = "") -> Means:
    return Means(transport=HttpTransport, shelf=FolderShelf, secret=secret)
