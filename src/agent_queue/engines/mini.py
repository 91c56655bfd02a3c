"""mini-SWE-agent (`mini`), PyPI mini-swe-agent; the facts are of 2.4.6."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent_queue.core.outcome import Broke, Failure, Outcome
from agent_queue.core.usage import Call, Provenance
from agent_queue.engines import refusals
from agent_queue.engines.providers import BASES, KEYS
from agent_queue.engines.stream import PlainReader, event_in
from agent_queue.engines.tally import Tally, tokens
from agent_queue.engines.untrusted import Json, amount, count, get, identifier, items, plain, readable, text_of, words
from agent_queue.ports import Assignment, Command, Ending, Event, Host, Place, Reader, StopWay

_TRAJECTORY = "mini-trajectory.json"
_TASK = "mini-task.yaml"
_LAUNCH = """\
(
umask 077
{ printf 'run:\\n  task: |2\\n' && tr -d '\\000-\\010\\013-\\037\\177' < "$1" | sed 's/^/    /'; } > "$2"
) || exit
shift 2
exec "$0" "$@"
"""
"""It takes its task as an argument, or in a file of its own form. Control characters have no place in that."""
_STEP = re.compile(r"mini-swe-agent \(step (\d+), \$[\d.]+\):")
_LIMITS = {"LimitsExceeded": "its limit of cost or steps was reached", "TimeExceeded": "its limit of time was reached"}


class Mini:
    name = "mini"
    programs: tuple[str, ...] = ("mini",)
    bin_variable = "MINI_BIN"
    environment: tuple[str, ...] = ("MSWEA_*", "LITELLM_*", *KEYS, *BASES)
    stop = StopWay()
    silent = False
    script = False
    live: tuple[str, ...] = ("usd", "tokens", "turns")
    caps: tuple[str, ...] = ("usd", "turns")
    hint = "uv tool install --with mcp mini-swe-agent, then set the API key of a provider"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """Its own cap of 3 USD gives way to the job's budget.

        Without `yolo` it asks before each command, and nobody answers: it has no narrow mode. A model whose price it
        does not know would end it, were it not told to go on.
        """
        manifest, task = assignment.manifest, f"{assignment.folder}/{_TASK}"
        argv = ["/bin/sh", "-c", _LAUNCH, assignment.program, assignment.prompt_file, task]
        argv += ["-c", "mini.yaml", "-c", task, *(["-y"] if manifest.yolo else []), "--exit-immediately"]
        argv += ["-m", assignment.model] if assignment.model else []
        argv += ["-l", str(manifest.budget.usd or 0), "-o", f"{assignment.folder}/{_TRAJECTORY}"]
        argv += ["-c", f"agent.step_limit={manifest.budget.turns}"] if manifest.budget.turns else []
        env = {"MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "1", "MSWEA_COST_TRACKING": "ignore_errors"}
        return Command(argv=(*argv, *assignment.args), env={**env, "PYTHONUNBUFFERED": "1"})

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:  # noqa: ARG002
        """It cannot go on with a conversation by name."""
        return ()

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Its trajectory, written anew after each step."""
        return (plain(f"{assignment.folder}/{_TRAJECTORY}"),)

    def reader(self) -> Reader:
        return MiniReader()


class MiniReader(PlainReader):
    def __init__(self) -> None:
        super().__init__(judged_by_words=True)
        self._steps: int | None = None
        self._last_words: list[str] | None = None
        """What stands below `Exit:`."""
        self._trajectory: Json = {}

    def facts(self) -> dict[str, Any]:
        """By the trajectory; the last step of a killed run is not in it yet. The output tells no more than steps."""
        calls = self.calls()
        stats = get(self._trajectory, "info", "model_stats")
        model = identifier(self._trajectory, "info", "config", "model", "model_name")
        known = {
            "model": model, "turns": count(stats, "api_calls") or self._steps,
            "cost_usd": amount(stats, "instance_cost") or None,
            "tool_calls": sum(len(items(message, "tool_calls")) for message in self._messages()) or None,
        }  # fmt: skip
        found = {key: value for key, value in known.items() if value is not None}
        if not self._trajectory:
            return found
        usage = Provenance.EXACT if self._status() else Provenance.ESTIMATED
        return {**found, **tokens(calls), "usage": usage.value} if calls or self._status() else found

    def calls(self) -> Sequence[Call]:
        tally = Tally()
        for message in self._messages():
            answer = get(message, "extra", "response")
            if isinstance(get(answer, "usage"), dict):
                tally.add(_call(words(answer, "model"), get(answer, "usage")), words(answer, "id"))
        return tally.calls()

    def sidecar(self, name: str, data: bytes) -> None:  # noqa: ARG002 - there is but one
        self._trajectory = event_in(data) or {}

    def ending(self, ending: Ending) -> Outcome:
        judged = super().ending(ending)
        status, told = self._status(), self._last_words or []
        status = status or next((name for name in (*_LIMITS, "RepeatedFormatError") if name in told[:1]), "")
        if status in _LIMITS:
            kind = Failure.MAX_TURNS if self._out_of_steps() else Failure.BUDGET
            return Broke(kind=kind, reason=_LIMITS[status])
        if status == "EOFError" or (not ending.exit.clean and any("EOFError" in line for line in self._last)):
            return Broke(kind=Failure.NO_PERMISSION, reason="it asks before each command, and nobody answers")
        if status in ("", "Submitted") or (status and isinstance(judged, Broke) and not self._trajectory):
            return judged
        return refusals.broke(self._why() or status)

    def _status(self) -> str:
        return words(self._trajectory, "info", "exit_status")

    def _why(self) -> str:
        return words((self._messages() or [{}])[-1], "content")

    def _out_of_steps(self) -> bool:
        limit = count(self._trajectory, "info", "config", "agent", "step_limit")
        return bool(limit) and count(self._trajectory, "info", "model_stats", "api_calls") >= limit

    def _messages(self) -> list[Json]:
        return items(self._trajectory, "messages")

    def _text(self, line: bytes) -> list[Event]:
        events = super()._text(line)
        text = readable(text_of(line))
        step = _STEP.match(text)
        if step:
            self._steps, self._last_words = int(step[1]), None
        elif text == "Exit:":
            self._last_words = []
        elif self._last_words is not None and text:
            self._last_words.append(text)
        return events


def _call(model: str, used: object) -> Call:
    """As litellm tells it: all input, cache reads and writes in it; where it says how many differs by provider."""
    details = get(used, "prompt_tokens_details")
    written = count(used, "cache_creation_input_tokens") or count(details, "cache_creation_tokens")
    return Call(
        model=model, tokens_in=count(used, "prompt_tokens"), tokens_written=written,
        tokens_cached=count(details, "cached_tokens") or count(used, "cache_read_input_tokens"),
        tokens_out=count(used, "completion_tokens"),
    )  # fmt: skip
