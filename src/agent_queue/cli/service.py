"""aq service"""

import click

from agent_queue.cli.options import emit, json_option
from agent_queue.wiring import opened


@click.command()
@click.argument("what", type=click.Choice(["install", "status", "uninstall"]))
@json_option
@click.pass_obj
def command(root: str | None, *, what: str, as_json: bool) -> None:
    """Run this queue as a service of your systemd: it starts with your session, and after a crash.

    When it is stopped or restarted, running agents run on and the next start adopts them.
    """
    service = opened(root).service
    if what == "install":
        hints = service.install()
        emit(as_json, {"installed": True, "unit": service.path},
             [f"installed and started: {service.name}", f"  {service.path}", *hints])  # fmt: skip
    elif what == "uninstall":
        was = service.uninstall()
        told = "removed; agents that run are left to the next `aq run`" if was else "it is not installed"
        emit(as_json, {"installed": False, "unit": service.path}, [told])
    else:
        state = service.state()
        told = f"{service.name}: {state['active']}" if state["installed"] else "not installed"
        pid = f", pid {state['pid']}" if state["pid"] != "0" else ""
        emit(as_json, dict(state), [f"{told}{pid}", *([f"  {service.path}"] if state["installed"] else [])])
