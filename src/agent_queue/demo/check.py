"""Whether the demonstration ended as the story says. Every line here can fail."""

import os
from pathlib import Path

from agent_queue.core.errors import AqError
from agent_queue.demo.stage import Theatre
from agent_queue.demo.story import SCENES, Scene


def problems(theatre: Theatre, base: str) -> list[str]:
    """What is not as the story says, in words; nothing when all is. `base` is where main stood at the start."""
    found = [problem for scene in SCENES for problem in _of_job(theatre, scene)]
    if theatre.git("rev-parse", "main").strip() != base or theatre.git("status", "--porcelain"):
        found.append("the repository's own branch or checkout was touched")
    left = survivors(theatre.mark)
    if left:
        found.append(f"processes were left behind: {left}")
    return found


def _of_job(theatre: Theatre, scene: Scene) -> list[str]:
    if scene.name not in theatre.ids:
        return [f"{scene.name}: never came into the queue"]
    job = theatre.job(scene.name)
    state = job["state"]
    wanted = {"stage": scene.stage, "result": scene.result, "attempts": scene.attempts}
    there = {"stage": job["stage"], "result": state.get("result"), "attempts": state.get("attempts")}
    found = [f"{scene.name}: {key} is {there[key]}, not {wanted[key]}" for key in wanted if wanted[key] != there[key]]
    for path, text in scene.contains.items():
        try:
            there_text = theatre.git("show", f"{state.get('wip_branch')}:{path}")
        except AqError as error:
            found.append(f"{scene.name}: {path} is not on its branch: {error}")
            continue
        if text not in there_text:
            found.append(f"{scene.name}: {path} on its branch does not say '{text}'")
    if scene.after:
        earlier = theatre.job(scene.after)["state"]
        if not float(state.get("started_at") or 0) >= float(earlier.get("ended_at") or "inf"):
            found.append(f"{scene.name} did not wait for {scene.after}")
    return found


def survivors(mark: str) -> list[int]:
    """Processes that carry the demonstration's mark in their environment, ourselves never; Linux alone can tell."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            carried = f"AQ_DEMO={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if carried and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
