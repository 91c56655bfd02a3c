"""What is looked at and put away once a run's work is saved: changes out of scope, and artifacts."""

from dataclasses import replace

from agent_queue.core.choices import Scope
from agent_queue.core.outcome import Broke, Done, Failure, Outcome
from agent_queue.flow.opened import to_json
from agent_queue.flow.tools import Deed, Run, Steps, Tools
from agent_queue.ports import Kept, Place, RunFolder

OUTSIDE = "outside.json"
"""Paths that the job changed outside of its `allowed-scope`."""
ARTIFACTS = "artifacts"
LISTED = 5


def look_over(run: Run, tools: Tools, folder: RunFolder, place: Place, kept: Kept) -> Steps[tuple[Kept, list[str]]]:
    """Collect the artifacts, and list what was changed out of scope; its number goes among the facts."""
    yield from collect(run, tools, folder, place)
    globs, commit = run.manifest.allowed_scope, kept.facts.get("wip_commit")
    if not globs or commit is None:
        return kept, []
    outside: list[str] = yield Deed(lambda: tools.workspaces.outside(place, str(commit), globs))
    if outside:
        folder.write(OUTSIDE, to_json(outside))
        tools.tell(f"{run.id}: changed {shown(outside)}, which is out of its scope")
    return replace(kept, facts={**kept.facts, "scope_warning": len(outside)}), outside


def in_scope(run: Run, outcome: Outcome, outside: list[str]) -> Outcome:
    """The outcome, unless the work ended well and may not pass the gate as it is."""
    if outside and run.manifest.scope is Scope.ENFORCE and isinstance(outcome, Done):
        allowed = ", ".join(run.manifest.allowed_scope)
        return Broke(kind=Failure.SCOPE, reason=f"it changed {shown(outside)}; it may change {allowed}")
    return outcome


def collect(run: Run, tools: Tools, folder: RunFolder, place: Place) -> Steps[None]:
    """Copy what matches the job's `artifacts` into the run folder, over what was copied before."""
    if not run.manifest.artifacts:
        return

    def copy() -> list[str]:
        problems = []
        for name, path in tools.workspaces.artifacts(place, run.manifest.artifacts):
            try:
                folder.copy(f"{ARTIFACTS}/{name}", path)
            except OSError as error:
                problems.append(f"{name}: {error.strerror}")
        return problems

    for problem in (yield Deed(copy)):
        tools.tell(f"{run.id}: this artifact could not be kept: {problem}")


def shown(paths: list[str]) -> str:
    return ", ".join(paths[:LISTED]) + (f" and {len(paths) - LISTED} more" if len(paths) > LISTED else "")
