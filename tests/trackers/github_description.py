"""Holds requests and answers to GitHub's own description. A program of its own: openapi-core lives elsewhere.

Called with the description's path and `check`: stdin is a list of exchanges, stdout the problems, one JSON list. With
`examples` it prints the answers that the description shows.
"""

import json
import sys
from typing import Any

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

BASE = "https://api.github.com"


def slice_of(description: dict[str, Any]) -> dict[str, Any]:
    """The paths that are used, with what they refer to: all of it takes a minute to read."""
    wanted = ("/repos/{owner}/{repo}/issues", "/user", "/repos/{owner}/{repo}")
    paths = {
        path: said for path, said in description["paths"].items()
        if path in wanted or path.startswith("/repos/{owner}/{repo}/issues/{issue_number}")
    }  # fmt: skip
    components: dict[str, dict[str, Any]] = {}
    needed: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/components/") and reference not in needed:
                needed.add(reference)
                _, _, section, name = reference.split("/", 3)
                found = description["components"][section][name]
                components.setdefault(section, {})[name] = found
                walk(found)
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(paths)
    kept = {key: value for key, value in description.items() if key not in ("paths", "components", "webhooks")}
    kept = {key: value for key, value in kept.items() if key != "x-webhooks"}
    return {**kept, "paths": paths, "components": components}


def examples(description: dict[str, Any]) -> dict[str, list[Any]]:
    """What the description shows as good answers, by method and path."""
    found: dict[str, list[Any]] = {}

    def followed(value: Any) -> Any:
        while isinstance(value, dict) and (value.keys() & {"$ref", "value"}):
            named = value.get("$ref", "").rpartition("/")[2]
            value = description["components"]["examples"][named] if named else value["value"]
        return value

    for path, said in description["paths"].items():
        for method, operation in said.items():
            answers = operation["responses"].items() if isinstance(operation, dict) else ()
            for status, answer in answers:
                shown = answer.get("content", {}).get("application/json", {}).get("examples", {})
                if status.startswith("2"):
                    found.setdefault(f"{method.upper()} {path}", []).extend(map(followed, shown.values()))
    return found


def problem(api: OpenAPI, exchange: dict[str, Any]) -> str:
    """What the description says against a request, or against its answer where there is one; '' for nothing."""
    path, _, query = exchange["path"].partition("?")
    arguments = dict(part.split("=") for part in query.split("&") if part)
    data = None if exchange["body"] is None else json.dumps(exchange["body"]).encode()
    request = MockRequest(
        BASE, exchange["method"].lower(), path, args=arguments, headers=exchange["headers"], data=data,
        content_type="application/json",
    )  # fmt: skip
    what = "request"
    try:
        api.validate_request(request)
        if exchange["status"]:
            what = f"answer {exchange['status']}"
            api.validate_response(request, MockResponse(exchange["answer"].encode(), status_code=exchange["status"]))
    except OpenAPIError as error:
        cause = error.__cause__ or error
        why = [one.message[:200] for one in getattr(cause, "schema_errors", ())] or [str(cause)[:300]]
        return f"{exchange['method']} {exchange['path']}: {what}: {'; '.join(why)}"
    return ""


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        description = slice_of(json.load(file))
    if sys.argv[2] == "examples":
        json.dump(examples(description), sys.stdout)
        return
    api = OpenAPI.from_dict(description)
    json.dump([found for exchange in json.load(sys.stdin) if (found := problem(api, exchange))], sys.stdout)


if __name__ == "__main__":
    main()
