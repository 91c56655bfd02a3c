"""What the end of a run means for the lane of its engine, and so for the job."""

from agent_queue.core.job import Stage
from agent_queue.core.outcome import Outcome
from agent_queue.flow.opened import opened_in
from agent_queue.flow.tools import Run, Tools, run_folder


def with_its_lane(run: Run, tools: Tools, outcome: Outcome) -> Outcome:
    """The same outcome, or a hold where the agent's engine is at fault. What is no agent's end changes no lane."""
    opened = opened_in(run_folder(tools, run.job)) if run.job.stage is Stage.BUILDING else None
    if opened is None:
        return outcome
    started_at = float(run.job.past.state.get("started_at") or 0.0)
    return tools.lanes.judge(opened.engine, run.id, outcome, started_at)
