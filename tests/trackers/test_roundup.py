"""A real Roundup, fetched from PyPI, with a tracker of its own: items come from it, outcomes go back."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from base64 import b64encode
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
from agent_queue.trackers.roundup import Roundup as RoundupTracker

from .faulty import faulty
from .real import Real, RealRoundTrips

VERSION = "2.6.0"
ENVIRONMENT = dict(os.environ)
PLACE = Path(tempfile.gettempdir()) / f"agent-queue-tests-{os.getuid()}" / f"roundup-{VERSION}"
"""Not in the cache of root, which the user that Roundup runs as may not read."""
DEMO = "import sys; sys.modules['pytest'] = sys; from roundup.scripts.roundup_demo import run; run()"
"""Under what it takes for its own tests it hashes a password in less rounds: each request takes 20 ms, and not 200."""


def python() -> str:
    """A Python that another user may run too."""
    system = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    return system if os.geteuid() == 0 and system else sys.executable


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder that holds Roundup; skips where it cannot be had."""
    if not (PLACE / "complete").exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        PLACE.parent.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PLACE), f"roundup=={VERSION}"],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"Roundup cannot be fetched from PyPI: {done.stderr[-300:]}")
        (PLACE / "complete").touch()
    return PLACE


@dataclass
class Roundup:
    """Its REST interface, as a person would use it."""

    url: str

    def call(self, method: str, path: str, body: Any = None, etag: str = "") -> Any:
        headers = {
            "Authorization": f"Basic {b64encode(b'admin:admin').decode()}", "X-Requested-With": "rest",
            "Origin": self.url.rsplit("/", 1)[0], "Referer": f"{self.url}/", "Content-Type": "application/json",
            "Accept": "application/json", **({"If-Match": etag} if etag else {}),
        }  # fmt: skip
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/rest/data{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["data"]

    def create(self, title: str, text: str) -> str:
        message = self.call("POST", "/msg", {"content": text})["id"]
        return str(self.call("POST", "/issue", {"title": title, "messages": [message], "priority": "urgent"})["id"])

    def status(self, item: str) -> str:
        found = self.call("GET", f"/issue/{item}?@verbose=3")["attributes"]["status"]
        return str(found["name"]) if found else ""

    def comments(self, item: str) -> list[str]:
        messages = self.call("GET", f"/issue/{item}?@verbose=3")["attributes"]["messages"]
        return [self.call("GET", f"/msg/{one['id']}?@verbose=3")["attributes"]["content"] for one in messages][1:]


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[Roundup]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="aq-roundup-") as folder:
        user: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        command = [python(), "-c", DEMO, "-B", "127.0.0.1", "-H", "127.0.0.1", "-b", "sqlite", "-t", "classic",
                   "-p", str(port), "./demo"]  # fmt: skip
        environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "PYTHONPATH": str(package), "LANG": "C.UTF-8",
                       "PYTEST_CURRENT_TEST": "roundup"}  # fmt: skip
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, **user)
        try:
            found = Roundup(f"http://127.0.0.1:{port}/demo")

            def ready() -> bool:
                if process.poll() is not None:
                    pytest.fail(f"Roundup ended: {log.read_text()[-2000:]}")
                try:
                    return bool(found.call("GET", "/status")["collection"])
                except (OSError, urllib.error.HTTPError):
                    return False

            wait_for(ready, "Roundup")
            yield found
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def real(server: Roundup, aq: Aq, queue: Path, agent: Agent) -> Iterator[Real]:
    with faulty(server.url) as between:
        (queue / "config.toml").write_text(f'[tracker]\nkind = "roundup"\nurl = "{between.url}/demo"\nuser = "admin"\n')
        aq.env.update(AQ_TRACKER_TOKEN="admin", AGENT_QUEUE_ENGINE="claude")
        item = server.create("Fix the login", "It fails.\n\nAlways.")
        yield Real(
            aq=aq, queue=queue, item=item, key=f"roundup:{item}", between=between, done="resolved",
            failed="deferred", started="in-progress", status=lambda: server.status(item),
            comments=lambda: server.comments(item), body="# Fix the login\n\nIt fails.\n\nAlways.\n", priority="high",
        )  # fmt: skip


class TestRoundupContract(TrackerContract):
    """What every tracker must keep to, on a real one."""

    @pytest.fixture(autouse=True)
    def _server(self, server: Roundup) -> None:
        self.server = server

    def tracker(self) -> Tracker:
        said = TrackerSettings(url=self.server.url, user="admin")
        return RoundupTracker(said, Means(transport=HttpTransport, shelf=FolderShelf, secret="admin"))

    def create(self) -> str:
        named = [
            one["id"] for one in self.server.call("GET", "/keyword?@verbose=2")["collection"] if one["name"] == LABEL
        ]
        keyword = named[0] if named else self.server.call("POST", "/keyword", {"name": LABEL})["id"]
        issue = {"title": TITLE, "messages": [self.server.call("POST", "/msg", {"content": "It fails."})["id"]]}
        return str(self.server.call("POST", "/issue", {**issue, "keyword": [keyword]})["id"])


class TestRoundup(RealRoundTrips):
    """All of it, on a real one."""

    def test_query(self, real: Real, server: Roundup) -> None:
        keyword = server.call("POST", "/keyword", {"name": f"aq-{real.item}"})["id"]
        etag = server.call("GET", f"/issue/{real.item}")["@etag"]
        server.call("PATCH", f"/issue/{real.item}", {"@op": "add", "keyword": [keyword]}, etag)
        server.create("Another", "Without the keyword.")
        (name,) = real.aq("from-tracker", "--query", f"aq-{real.item}").lines
        assert f"tracker-item: {real.key}\n" in (real.queue / "inbox" / name).read_text()
