"""docs/reference/failures.md: the failure classes, the results, the reasons to stop."""

import ast
from datetime import UTC, datetime
from enum import StrEnum

from agent_queue.core.job import Result
from agent_queue.core.lanes import CAUSES
from agent_queue.core.outcome import FAILURES, Broke, Failure, Fault, Refused, StopReason, of_stop
from pages.source import nodes, same, table

RESULTS = {
    Result.REVIEW: "the agent ended well; the work waits for its verify or for a person",
    Result.TESTING: "verify passed, or a person promoted it; it waits for `aq ship`",
    Result.SHIPPED: "let out",
    Result.CRASH: "the agent broke, in one of the ways named above",
    Result.VERIFY_FAILED: "a verify command failed",
    Result.TIMEOUT: "`timeout` or `verify-timeout` passed",
    Result.BUDGET_EXCEEDED: "a budget was used up",
    Result.STALLED: "silent for longer than `stall_stop`",
    Result.SETUP_FAILED: "the workspace could not be made ready, or the work could not be saved",
    Result.CONTEXT: "the conversation outgrew the model's context",
    Result.MAX_TURNS: "the agent reached its limit of turns",
    Result.REJECTED: "a person said `aq reject`",
    Result.CANCELLED: "a person said `aq cancel`, or dragged the file away",
    Result.CAPABILITY_MISMATCH: "the host does not offer what `capabilities` asks for",
    Result.NO_ENGINE: "no adapter, or its program is not installed",
    Result.NO_PERMISSION: "tools were denied and nothing was changed; `yolo: true` allows them",
    Result.AUTH_FAILED: "the model service refused the key or log-in",
    Result.SCOPE_REFUSED: "a path outside `allowed-scope` was changed",
    Result.OUT_OF_MEMORY: "over the memory limit",
    Result.HELD_TOO_LONG: "held for longer than is allowed",
    Result.RETRIES_EXHAUSTED: "every retry was used",
    Result.RETRY: "passing: it broke, and waits in the inbox for its next attempt",
    Result.RECOVERED: "passing: the machine or aq died under it; back in the inbox, the death counted as a recovery",
    Result.HELD: "passing: not its own fault; back in the inbox, the attempt given back",
}
STOPS = {
    StopReason.TIMEOUT: "`timeout` or `verify-timeout` passed",
    StopReason.WALL: "`budget.wall` passed",
    StopReason.BUDGET: "another budget was used up",
    StopReason.STALLED: "silent for longer than `stall_stop`",
    StopReason.MEMORY: "over the memory limit",
    StopReason.CANCEL: "`aq cancel`",
    StopReason.SHUTDOWN: "`aq stop --now`, or a second Ctrl-C",
    StopReason.BY_HAND: "a person dragged the file out of `building/`",
    StopReason.TERMINATED: "somebody else told the shim to end, e.g. a shutdown of the machine",
}
FAULTS = {Fault.JOB: "the job's", Fault.LANE: "the model service's", Fault.MACHINE: "the machine's"}
DEFINED_IN = ("core/outcome.py", "core/job.py", "core/fields.py", "core/preface.py")
"""Where every member is named, whether or not anything leads to it."""


def page() -> str:
    same("results", RESULTS, Result)
    same("stop reasons", STOPS, StopReason)
    stops = used(StopReason)
    known = used(Failure) | {outcome.kind for stop in stops if isinstance(outcome := _outcome(stop), Broke)}
    results = used(Result) | {FAILURES[failure].result for failure in known}
    results |= {outcome.result for stop in stops if isinstance(outcome := _outcome(stop), Refused)}
    failures = [
        (f"`{name}`", rule.meaning + _note(name in known), FAULTS[rule.fault], _retried(name), f"`{rule.result}`")
        for name, rule in FAILURES.items()
    ]
    text = f"""# Failures, results and stops

## Failures: what a run can break of

{table(("failure, as `retry.on` names it", "meaning", "whose", "retried", "final result"), failures)}
A failure of the machine is retried whatever `retry` says, up to `max_recoveries` times (see
[configuration](configuration.md)): the job did not fail, but a job that kills the machine must end.
When retries were asked for and are used up, the result is `retries_exhausted` and the journal keeps the failure.

## Results: how a job's last run stands

{table(("result", "meaning"), ((f"`{result}`", text + _note(result in results)) for result, text in RESULTS.items()))}
## Stops: why a running agent was asked to end

The first reason is written to `stop.json` in the run's folder before any signal, and outranks whatever exit code the
agent then reports.

{table(("reason", "when"), ((f"`{stop}`", text + _note(stop in stops)) for stop, text in STOPS.items()))}
"""
    note = """
*Not produced yet*: the name is reserved, and nothing in this version leads to it. That note is computed from the
source.
"""
    return text + note if "Not produced" in text else text


def used(names: type[StrEnum]) -> set[StrEnum]:
    """The members that some code outside their definition refers to."""
    return {
        names[node.attr]
        for _, node in nodes(DEFINED_IN)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == names.__name__
        and node.attr in names.__members__
    }


def _outcome(stop: StrEnum) -> object:
    return of_stop(StopReason(stop), datetime(2000, 1, 1, tzinfo=UTC))


def _note(produced: bool) -> str:
    return "" if produced else ". *Not produced yet*"


def _retried(failure: Failure) -> str:
    rule = FAILURES[failure]
    if rule.fault is Fault.MACHINE:
        return "always, up to `max_recoveries`"
    if failure in CAUSES:
        return "held uncharged, see [lanes](../how-to/limits-and-lanes.md)"
    return "when `retry.on` names it" if rule.retriable else "never"
