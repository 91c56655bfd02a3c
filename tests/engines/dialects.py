"""Four wire formats of model services: what a request offers, and how an answer or a refusal is worded.

Anthropic Messages, OpenAI Responses and Chat Completions, Gemini generateContent; whole, or as server-sent events.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

REFUSALS: dict[str, tuple[tuple[int, str, str], tuple[int, str, str | None, str], tuple[int, str, str]]] = {
    # mode: Anthropic (code, type, message), OpenAI (code, type, code, message), Gemini (code, status, message)
    "bad_key": ((401, "authentication_error", "invalid x-api-key"),
                (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: dummy."),
                (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
    "usage_limit": ((429, "rate_limit_error", "This request would exceed your account's rate limit."),
                    (429, "usage_limit_reached", None, "The usage limit has been reached"),
                    (429, "RESOURCE_EXHAUSTED", "You have exhausted your daily quota on this model.")),
    "rate_limited": ((429, "rate_limit_error", "This request would exceed your rate limit of 30,000 tokens a minute."),
                     (429, "tokens", "rate_limit_exceeded", "Rate limit reached on tokens per min (TPM): Limit 30000."),
                     (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 1s.")),
    "overloaded": ((529, "overloaded_error", "Overloaded"),
                   (503, "server_error", "server_is_overloaded", "The server is currently overloaded."),
                   (503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    "err500": ((500, "api_error", "Internal server error"),
               (500, "server_error", None, "The server had an error while processing your request."),
               (500, "INTERNAL", "An internal error has occurred.")),
    "context": ((400, "invalid_request_error", "prompt is too long: 214521 tokens > 200000 maximum"),
                (400, "invalid_request_error", "context_length_exceeded", "Your input exceeds the context window."),
                (400, "INVALID_ARGUMENT", "The input token count (1163532) exceeds the maximum number of tokens.")),
    "credit": ((400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
               (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, check your plan."),
               (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan.")),
    "not_found": ((404, "not_found_error", "no such path"),
                  (404, "invalid_request_error", "unknown_url", "no such path"),
                  (404, "NOT_FOUND", "no such path")),
}  # fmt: skip


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer. `fresh` holds neither cache reads nor writes; `output` includes `reasoning`."""

    fresh: int
    cached: int
    written: int
    output: int
    reasoning: int

    @property
    def input(self) -> int:
        return self.fresh + self.cached + self.written


@dataclass(frozen=True)
class Turn:
    """What the model says next, and the tool that it calls: its name, and JSON or source text for it."""

    text: str
    tool: str = ""
    arguments: Any = None


SIDE = Usage(500, 0, 0, 5, 0)


class Dialect(Protocol):
    """One wire format. Tools are given as JSON Schemas by name, None for a tool that takes source text."""

    messages: str
    """The key under which a request holds the conversation."""

    def tools(self, body: Json) -> dict[str, Json | None]: ...
    def usage(self, number: int) -> Usage:
        """What the run's main answer of this number costs. Every number differs, so that none can hide another."""

    def whole(self, model: str, turn: Turn, usage: Usage) -> Json: ...
    def events(self, whole: Json, text: list[str]) -> Iterator[Json | str]: ...
    def refusal(self, mode: str, reset: int) -> tuple[int, Json, dict[str, str]]: ...


class Anthropic:
    messages = "messages"

    def tools(self, body: Json) -> dict[str, Json | None]:
        probe = body.get("max_tokens") == 1
        return {} if probe else {tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools") or ()}

    def usage(self, number: int) -> Usage:
        return Usage(1000 + number, 20_000 + 10 * number, 300 + number, 40 + number, 0)

    def whole(self, model: str, turn: Turn, usage: Usage) -> Json:
        content: list[Json] = [{"type": "text", "text": turn.text}]
        if turn.tool:
            content += [{"type": "tool_use", "id": unique("toolu"), "name": turn.tool, "input": turn.arguments}]
        counted = {"input_tokens": usage.fresh, "cache_creation_input_tokens": usage.written,
                   "cache_read_input_tokens": usage.cached, "output_tokens": usage.output}  # fmt: skip
        return {"id": unique("msg"), "type": "message", "role": "assistant", "model": model, "content": content,
                "stop_reason": "tool_use" if turn.tool else "end_turn", "stop_sequence": None,
                "usage": counted}  # fmt: skip

    def events(self, whole: Json, text: list[str]) -> Iterator[Json | str]:
        begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
        yield {"type": "message_start", "message": begun}
        for index, block in enumerate(whole["content"]):
            spoken = block["type"] == "text"
            start = {**block, "text": ""} if spoken else {**block, "input": {}}
            yield {"type": "content_block_start", "index": index, "content_block": start}
            for piece in text if spoken else [json.dumps(block["input"])]:
                kind, key = ("text_delta", "text") if spoken else ("input_json_delta", "partial_json")
                yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}}
            yield {"type": "content_block_stop", "index": index}
        stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        yield {"type": "message_delta", "delta": stop, "usage": whole["usage"]}
        yield {"type": "message_stop"}

    def refusal(self, mode: str, reset: int) -> tuple[int, Json, dict[str, str]]:
        code, kind, message = REFUSALS[mode][0]
        limit = {"status": "rejected", "reset": str(reset), "representative-claim": "five_hour"}
        headers = {f"anthropic-ratelimit-unified-{key}": value for key, value in limit.items()}
        error = {"type": "error", "error": {"type": kind, "message": message}}
        return code, error, headers if mode == "usage_limit" else {}


class CountsReasoning:
    """A dialect that tells reasoning apart, and cache writes not."""

    def usage(self, number: int) -> Usage:
        return Usage(1000 + number, 20_000 + 10 * number, 0, 40 + number, 7 + number)


class OpenAi(CountsReasoning):
    """What Responses and Chat Completions share."""

    def refusal(self, mode: str, reset: int) -> tuple[int, Json, dict[str, str]]:
        code, kind, name, message = REFUSALS[mode][1]
        limit = {"plan_type": "plus", "resets_at": reset, "resets_in_seconds": reset - int(time.time())}
        error = {"message": message, "type": kind, "param": None, "code": name}
        wait = {"retry-after": "1"} if mode == "rate_limited" else {}
        return code, {"error": {**error, **(limit if mode == "usage_limit" else {})}}, wait


class Responses(OpenAi):
    messages = "input"

    def tools(self, body: Json) -> dict[str, Json | None]:
        offered = list(body.get("tools") or ())
        for item in body["input"]:
            if item.get("type") == "additional_tools":  # so Codex offers its tools to the models that it knows
                offered += [tool for group in item["tools"] for tool in group.get("tools", ())]
        for group in [tool for tool in offered if tool["type"] == "namespace"]:
            offered += [{**tool, "name": f"{group['name']}.{tool['name']}"} for tool in group["tools"]]
        return {tool["name"]: tool.get("parameters") for tool in offered if tool["type"] in ("function", "custom")}

    def whole(self, model: str, turn: Turn, usage: Usage) -> Json:
        text = {"type": "output_text", "text": turn.text, "annotations": []}
        output: list[Json] = [{"type": "message", "id": unique("msg"), "role": "assistant", "content": [text]}]
        if turn.tool:
            source = isinstance(turn.arguments, str)
            kind, given = ("custom_tool_call", "input") if source else ("function_call", "arguments")
            value = turn.arguments if source else json.dumps(turn.arguments)
            group, _, name = turn.tool.rpartition(".")
            named = {"name": name, **({"namespace": group} if group else {})}
            output += [{"type": kind, "id": unique("tool"), "call_id": unique("call"), **named, given: value}]
        counted = {"input_tokens": usage.input, "input_tokens_details": {"cached_tokens": usage.cached},
                   "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                   "total_tokens": usage.input + usage.output}  # fmt: skip
        return {"id": unique("resp"), "object": "response", "created_at": int(time.time()), "status": "completed",
                "model": model, "output": [{**item, "status": "completed"} for item in output],
                "usage": counted}  # fmt: skip

    def events(self, whole: Json, text: list[str]) -> Iterator[Json | str]:
        yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
        for index, item in enumerate(whole["output"]):
            spoken, at = item["type"] == "message", {"output_index": index, "item_id": item["id"], "content_index": 0}
            start = {**item, "status": "in_progress", **({"content": []} if spoken else {})}
            yield {"type": "response.output_item.added", "output_index": index, "item": start}
            if spoken:
                yield {"type": "response.content_part.added", **at, "part": {**item["content"][0], "text": ""}}
            for piece in text if spoken else ():
                yield {"type": "response.output_text.delta", **at, "delta": piece}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": "response.completed", "response": whole}


class Chat(OpenAi):
    messages = "messages"

    def tools(self, body: Json) -> dict[str, Json | None]:
        functions = [tool["function"] for tool in body.get("tools") or ()]
        return {function["name"]: function.get("parameters", {}) for function in functions}

    def whole(self, model: str, turn: Turn, usage: Usage) -> Json:
        message: Json = {"role": "assistant", "content": turn.text}
        if turn.tool:
            function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
            message["tool_calls"] = [{"index": 0, "id": unique("call"), "type": "function", "function": function}]
        counted = {"prompt_tokens": usage.input, "prompt_tokens_details": {"cached_tokens": usage.cached},
                   "completion_tokens": usage.output, "total_tokens": usage.input + usage.output,
                   "completion_tokens_details": {"reasoning_tokens": usage.reasoning}}  # fmt: skip
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if turn.tool else "stop"}
        return {"id": unique("chatcmpl"), "object": "chat.completion", "created": int(time.time()), "model": model,
                "choices": [choice], "usage": counted}  # fmt: skip

    def events(self, whole: Json, text: list[str]) -> Iterator[Json | str]:
        message, chunk = whole["choices"][0]["message"], {**whole, "object": "chat.completion.chunk", "usage": None}
        deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in text)]
        for delta in deltas:
            yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        last = {key: value for key, value in message.items() if key == "tool_calls"}
        yield {**chunk, "choices": [{"index": 0, "delta": last, "finish_reason": whole["choices"][0]["finish_reason"]}]}
        yield {**chunk, "choices": [], "usage": whole["usage"]}
        yield "[DONE]"


DETAILS: dict[str, list[tuple[str, Json]]] = {
    "usage_limit": [("QuotaFailure", {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]})],
    "rate_limited": [("QuotaFailure", {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}),
                     ("RetryInfo", {"retryDelay": "1s"})],
}  # fmt: skip
"""By these its client knows a day's limit, for which it does not wait, from a minute's."""


class Gemini(CountsReasoning):
    messages = "contents"

    def tools(self, body: Json) -> dict[str, Json | None]:
        functions = [function for tool in body.get("tools") or () for function in tool.get("functionDeclarations", ())]
        return {one["name"]: one.get("parametersJsonSchema") or one.get("parameters", {}) for one in functions}

    def whole(self, model: str, turn: Turn, usage: Usage) -> Json:
        said: list[Json] = [{"text": turn.text}]
        said += [{"functionCall": {"name": turn.tool, "args": turn.arguments}}] if turn.tool else []
        counted = {"promptTokenCount": usage.input, "cachedContentTokenCount": usage.cached,
                   "candidatesTokenCount": usage.output - usage.reasoning, "thoughtsTokenCount": usage.reasoning,
                   "totalTokenCount": usage.input + usage.output}  # fmt: skip
        candidate = {"index": 0, "content": {"role": "model", "parts": said}, "finishReason": "STOP"}
        named = {"responseId": unique("resp"), "modelVersion": model}
        return {**named, "usageMetadata": counted, "candidates": [candidate]}

    def events(self, whole: Json, text: list[str]) -> Iterator[Json | str]:
        call = whole["candidates"][0]["content"]["parts"][1:]
        for part in [*({"text": piece} for piece in text), *call]:
            content = {"role": "model", "parts": [part]}
            yield {**whole, "usageMetadata": None, "candidates": [{"index": 0, "content": content}]}
        yield {**whole, "candidates": [{"index": 0, "content": {"role": "model", "parts": []}, "finishReason": "STOP"}]}

    def refusal(self, mode: str, reset: int) -> tuple[int, Json, dict[str, str]]:
        code, status, message = REFUSALS[mode][2]
        details = [{"@type": f"type.googleapis.com/google.rpc.{kind}", **told} for kind, told in DETAILS.get(mode, ())]
        error = {"code": code, "status": status, "message": message}
        return code, {"error": {**error, **({"details": details} if details else {})}}, {}


ROUTES: tuple[tuple[str, Dialect], ...] = (
    (r"/messages$", Anthropic()), (r"/responses$", Responses()), (r"/chat/completions$", Chat()),
    (r"/models/([^:/]+):(?:g|streamG)enerateContent$", Gemini()),
)  # fmt: skip


def unique(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:20]}"
