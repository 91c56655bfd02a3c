"""The supervisor as a service of the user's systemd: the unit's text, and the calls of systemctl.

Other systems have no such service here; whoever asks for it there is told so.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_queue.core.errors import EXIT_UNAVAILABLE, AqError
from agent_queue.system.files import Disk

WATCHDOG_S = 120
LIMIT_S = 60.0

UNIT = """\
# Written by `aq service install`; it is written anew by the next one.
[Unit]
Description=agent-queue, {root}
After=network-online.target

[Service]
Type=notify
ExecStart={command}
Environment={path}
# SIGHUP leaves running agents to the next start, which adopts them; they are not to be killed with the supervisor.
KillMode=process
KillSignal=SIGHUP
SuccessExitStatus=130
OOMPolicy=continue
# From systemd 254 on: every agent gets a cgroup of its own beside that of the supervisor.
Delegate=memory pids
DelegateSubgroup=supervisor
WatchdogSec={watchdog}
TimeoutStopSec=120
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=78

[Install]
WantedBy=default.target
"""


class ServiceError(AqError):
    """There is no service manager to ask, or it refused."""

    exit_code = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Service:
    """The service of one queue. `environment` is that of the person who asks."""

    root: str
    is_default_root: bool
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """Every queue has a service of its own."""
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]
        return "agent-queue.service" if self.is_default_root else f"agent-queue-{mark}.service"

    @property
    def path(self) -> str:
        """Where the unit lies."""
        folder = self.environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        return f"{folder}/systemd/user/{self.name}"

    def unit(self) -> str:
        """The unit's text. PATH is the person's own: the agent programs are looked for there."""
        command = " ".join(map(quoted, (sys.executable, "-m", "agent_queue", "--root", self.root, "run")))
        path = quoted(f"PATH={self.environment.get('PATH', os.defpath)}")
        return UNIT.format(root=self.root.replace("%", "%%"), command=command, path=path, watchdog=WATCHDOG_S)

    def install(self) -> list[str]:
        """Write the unit, enable and start it; what else a person may want to do."""
        self._reach()
        folder = os.path.dirname(self.path)
        disk = Disk(folder, durable=False)
        disk.folder(folder, durable=False)
        disk.put(self.path, self.unit().encode(errors="surrogateescape"), durable=False)
        self._systemctl("daemon-reload")
        self._systemctl("enable", self.name)
        self._systemctl("restart", self.name)
        return [] if self._lingers() else ["`loginctl enable-linger` keeps it running while you are logged out"]

    def uninstall(self) -> bool:
        """Stop it, with its agents running on, and remove the unit; False when there was none."""
        self._reach()
        if not os.path.exists(self.path):
            return False
        self._systemctl("disable", "--now", self.name)
        Disk(os.path.dirname(self.path), durable=False).remove(self.path)
        self._systemctl("daemon-reload")
        return True

    def state(self) -> dict[str, str | bool]:
        """How it stands: whether it is installed, and what systemd says of it."""
        self._reach()
        done = _run(
            ("systemctl", "--user", "show", self.name, "--property", "ActiveState,UnitFileState,MainPID,Result")
        )
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        return {"unit": self.path, "installed": os.path.exists(self.path), "active": told.get("ActiveState", "unknown"),
                "enabled": told.get("UnitFileState", ""), "pid": told.get("MainPID", "0"),
                "result": told.get("Result", "")}  # fmt: skip

    def _reach(self) -> None:
        if not sys.platform.startswith("linux"):
            hint = "have launchd, or whatever starts your programs, call `aq run`; a SIGHUP leaves its agents running"
            raise ServiceError("aq installs itself with systemd only, which this system does not have", hint=hint)
        done = _run(("systemctl", "--user", "show-environment"))
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            hint = "log in to a session that has one, or run `aq run` in tmux or the like"
            raise ServiceError(f"the user's systemd cannot be reached: {why}", hint=hint)

    def _systemctl(self, *arguments: str) -> None:
        done = _run(("systemctl", "--user", *arguments))
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            hint = f"`systemctl --user status {self.name}` and `journalctl --user -u {self.name}` say more"
            raise ServiceError(f"systemctl {' '.join(arguments)}: {why}", hint=hint)

    def _lingers(self) -> bool:
        done = _run(("loginctl", "show-user", str(os.geteuid()), "--property", "Linger"))
        return done.stdout.strip() != "Linger=no"


def quoted(text: str) -> str:
    """A word of a unit file: in quotes, with what systemd would expand taken literally."""
    for sign, instead in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        text = text.replace(sign, instead)
    return f'"{text}"'


def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=LIMIT_S,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, "", f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"{argv[0]} does not answer")
