"""Saving a workspace now and then while its agent works in it, so that an `rm -rf` of the agent's costs a minute."""

from dataclasses import dataclass

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId
from agent_queue.flow.tools import Deed, Steps, Tools
from agent_queue.ports import Place

PACE = 100
"""A beat comes no sooner than after so many times what the last one took: they cost a hundredth of the time."""


@dataclass(slots=True)
class Beats:
    """When the next one is due, monotonic seconds; None for never."""

    job: JobId
    place: Place
    every_s: float
    due: float | None
    complained: bool = False

    def wait_s(self, now: float) -> float | None:
        """How long until it is due."""
        return None if self.due is None else max(self.due - now, 0.0)


def beats(job: JobId, place: Place, tools: Tools) -> Beats:
    """The beats of a workspace, from now on: none outside of git, where nothing can be saved beside the files."""
    every = tools.settings.run.checkpoint_every_s
    if every is None or place.branch is None:
        return Beats(job, place, 0.0, None)
    return Beats(job, place, every, tools.clock.monotonic() + every)


def beat(self: Beats, tools: Tools) -> Steps[None]:
    """Save the workspace if it is due. One that cannot be saved is said once; the end of the run tries again."""
    began = tools.clock.monotonic()
    if self.due is None or began < self.due:
        return
    try:
        yield Deed(lambda: tools.workspaces.beat(self.job, self.place))
    except (AqError, OSError) as error:
        if not self.complained:
            tools.tell(f"{self.job}: its work could not be saved while it runs: {error}")
        self.complained = True
    now = tools.clock.monotonic()
    self.due = now + max(self.every_s, PACE * (now - began))
