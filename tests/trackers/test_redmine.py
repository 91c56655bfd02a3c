"""Debian's own Redmine on loopback. Behind `make test-redmine`: it takes half a gigabyte and a minute."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance.conftest import Agent, Aq, wait_for

from agent_queue.core.tracker_settings import TrackerSettings
from agent_queue.ports_tracker import Means, Tracker
from agent_queue.system.http import HttpTransport
from agent_queue.system.shelf import FolderShelf
from agent_queue.testing.tracker_contract import LABEL, TITLE, TrackerContract
from agent_queue.trackers.redmine import Redmine as RedmineTracker

from .faulty import faulty
from .real import Real, RealRoundTrips

ENVIRONMENT = dict(os.environ)
PROGRAM = Path("/usr/share/redmine")
DATABASE = Path("/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default")
SEED = """
Setting.rest_api_enabled = '1'
admin = User.find_by_login('admin')
admin.must_change_passwd = false
admin.save!(validate: false)
Token.where(user_id: admin.id, action: 'api').delete_all
Token.create!(user: admin, action: 'api')
project = Project.find_or_initialize_by(identifier: 'aq')
project.name = 'aq'
project.trackers = Tracker.all
project.enabled_module_names = ['issue_tracking']
project.save!
puts "KEY=#{admin.api_key}"
"""

pytestmark = pytest.mark.skipif(
    "AQ_TEST_REDMINE" not in ENVIRONMENT, reason="a real Redmine is tried by `make test-redmine` alone"
)


@dataclass
class Redmine:
    """Its REST interface, as a person would use it."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Redmine-API-Key": self.key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def create(self, **said: Any) -> str:
        return str(self.call("POST", "/issues.json", {"issue": {"project_id": "aq", **said}})["issue"]["id"])

    def issue(self, item: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/issues/{item}.json?include=journals")["issue"])

    def comments(self, item: str) -> list[str]:
        return [entry["notes"] for entry in self.issue(item)["journals"] if entry.get("notes")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redmine]:
    """A copy of the program and of its empty database, so that the machine's own one stays as it is."""
    assert PROGRAM.is_dir(), "redmine is not installed: apt-get install redmine redmine-sqlite ruby-webrick"
    folder = tmp_path_factory.mktemp("redmine")
    tree, database = folder / "tree", folder / "db.sqlite3"
    shutil.copytree(PROGRAM, tree, symlinks=True)
    lock = (tree / "Gemfile.lock").resolve().read_bytes()
    (tree / "Gemfile.lock").unlink()
    (tree / "Gemfile.lock").write_bytes(lock)
    (tree / "Gemfile.local").write_text("gem 'webrick'\n")
    shutil.copy(DATABASE, database)
    (folder / "seed.rb").write_text(SEED)
    environment = {
        **ENVIRONMENT, "RAILS_ENV": "production", "REDMINE_INSTANCE": "default", "X_DEBIAN_SITEID": "default",
        "HOME": str(folder), "DATABASE_URL": f"sqlite3:{database}",
    }  # fmt: skip
    seeded = subprocess.run(
        ["bundle", "exec", "rails", "runner", str(folder / "seed.rb")], cwd=tree, env=environment, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    key = re.search(r"^KEY=(\w+)$", seeded.stdout, re.MULTILINE)
    assert key, seeded.stderr[-2000:]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["bundle", "exec", "rails", "server", "-u", "webrick", "-b", "127.0.0.1", "-p", str(port), "-P"]
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([*command, str(folder / "pid")], cwd=tree, env=environment, stdout=out, stderr=out)
    try:
        found = Redmine(f"http://127.0.0.1:{port}", key[1])

        def ready() -> bool:
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                return bool(found.call("GET", "/issue_statuses.json"))
            except (OSError, urllib.error.HTTPError):
                return False

        wait_for(ready, "Redmine", seconds=120)
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def real(server: Redmine, aq: Aq, queue: Path, agent: Agent) -> Iterator[Real]:
    with faulty(server.url) as between:
        (queue / "config.toml").write_text(f'[tracker]\nkind = "redmine"\nurl = "{between.url}"\n')
        aq.env.update(AQ_TRACKER_TOKEN=server.key, AGENT_QUEUE_ENGINE="claude")
        item = server.create(subject="Fix the login", description="It fails.\n\nAlways.", priority_id=4)
        yield Real(
            aq=aq, queue=queue, item=item, key=f"redmine:{item}", between=between, done="Resolved", failed="Rejected",
            started="In Progress", status=lambda: str(server.issue(item)["status"]["name"]),
            comments=lambda: server.comments(item), body="# Fix the login\n\nIt fails.\n\nAlways.\n",
            priority="critical",
        )  # fmt: skip


class TestRedmineContract(TrackerContract):
    """What every tracker must keep to, on a real one."""

    @pytest.fixture(autouse=True)
    def _server(self, server: Redmine) -> None:
        self.server = server

    def tracker(self) -> Tracker:
        said = TrackerSettings(url=self.server.url, project="aq")
        return RedmineTracker(said, Means(transport=HttpTransport, shelf=FolderShelf, secret=self.server.key))

    def create(self) -> str:
        path = "/projects/aq/issue_categories.json"
        found = [one["id"] for one in self.server.call("GET", path)["issue_categories"] if one["name"] == LABEL]
        made = found or [self.server.call("POST", path, {"issue_category": {"name": LABEL}})["issue_category"]["id"]]
        return self.server.create(subject=TITLE, category_id=made[0])


class TestRedmine(RealRoundTrips):
    """All of it, on a real one."""

    def test_query(self, real: Real, server: Redmine) -> None:
        made = server.call("POST", "/projects/aq/issue_categories.json", {"issue_category": {"name": real.item}})
        server.call("PUT", f"/issues/{real.item}.json", {"issue": {"category_id": made["issue_category"]["id"]}})
        (name,) = real.aq("from-tracker", "--query", real.item).lines
        assert f"tracker-item: {real.key}\n" in (real.queue / "inbox" / name).read_text()
