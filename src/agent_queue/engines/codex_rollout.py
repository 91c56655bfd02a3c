"""The files in which codex keeps its threads: the one of a run, and those of the helpers that it had work for it."""

from collections.abc import Sequence

from agent_queue.core.usage import Call
from agent_queue.engines.stream import event_in
from agent_queue.engines.tally import Tally
from agent_queue.engines.untrusted import Json, count, get, identifier, words

_TELLING = (b'"session_meta"', b'"token_usage_record"', b'"task_started"', b'"token_count"', b'"turn_context"',
            b'_output"')  # fmt: skip
_HEAD = 200
"""A line of a rollout names its kind within so many bytes."""


class Rollout:
    """One file, of which the last turn counts. Records of usage come after each answer, so that they outlive a kill.

    Programs before these records wrote running totals only, when a tool was done.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.thread = self.root = ""
        """Whose file it is; and the run's own turn, which a helper's turns name too."""
        self.model: str | None = None
        self.begun = self.helps = self.subscribed = self.by_answer = False
        """It `helps`: another thread began this one."""
        self.calls: Sequence[Call] = ()
        """Those of the last turn, of a helper those of all its turns for the same run."""
        self.asking = True
        """The model had not answered yet when the file ends; no tool runs then."""
        self._answers = Tally()
        self._before: Json = {}
        self._now: Json = {}
        for line in data.splitlines():
            event = event_in(line) if any(sign in line[:_HEAD] for sign in _TELLING) else None
            if event is not None:
                self._read(event, get(event, "payload"))
        self._count()

    def _read(self, event: Json, payload: object) -> None:
        kind = words(payload, "type") if words(event, "type") == "event_msg" else words(event, "type")
        root = words(payload, "root_turn_id") or words(payload, "turn_id")
        if kind == "session_meta":
            self.thread = self.thread or words(payload, "id")
            self.helps |= bool(words(payload, "parent_thread_id"))
        elif kind == "task_started":
            if root != self.root or not root:
                self._answers.clear()
                self._before = self._now
            self.begun, self.asking, self.root = True, True, root
        elif kind == "token_usage_record":
            # A file that begins with a copy of another thread's past holds that one's records, too.
            copied = self.thread and words(payload, "thread_id") not in (self.thread, "")
            if root in (self.root, "") and not copied:
                self.asking = False
                self._answers.add(call_of(self.model or "", get(payload, "usage")), words(payload, "response_id"))
        elif kind == "turn_context":
            self.model = identifier(payload, "model") or self.model
        elif kind == "token_count":
            told = get(payload, "info", "total_token_usage")
            self._now = told if isinstance(told, dict) else self._now
            self.subscribed |= bool(words(payload, "rate_limits", "plan_type"))
        elif words(payload, "type").endswith("_output"):
            self.asking = True

    def _count(self) -> None:
        answers, before, now = self._answers.calls(), self._before, self._now
        self.by_answer = bool(answers) or count(now, "input_tokens") == count(before, "input_tokens")
        since = {key: count(now, key) - count(before, key) for key in now}
        self.calls = answers or ([call_of(self.model or "", since)] if count(since, "input_tokens") else ())


def call_of(model: str, used: object, times: int = 1) -> Call:
    """What codex calls input holds what came from a cache, and output the reasoning."""
    return Call(
        model=model, tokens_in=count(used, "input_tokens"), tokens_cached=count(used, "cached_input_tokens"),
        tokens_written=count(used, "cache_write_input_tokens"), tokens_out=count(used, "output_tokens"), times=times,
    )  # fmt: skip
