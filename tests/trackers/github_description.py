"""Holds requests and answers to GitHub's own description. A program of its own: openapi-core lives elsewhere.

Called with the description's path; stdin is a list of exchanges, stdout the problems, one JSON list.
"""

import json
import sys
from typing import Any

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

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


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        api = OpenAPI.from_dict(slice_of(json.load(file)))
    problems = []
    for exchange in json.load(sys.stdin):
        path, _, query = exchange["path"].partition("?")
        arguments = dict(part.split("=") for part in query.split("&") if part)
        data = None if exchange["body"] is None else json.dumps(exchange["body"]).encode()
        request = MockRequest(
            BASE, exchange["method"].lower(), path, args=arguments, headers=exchange["headers"], data=data,
            content_type="application/json",
        )  # fmt: skip
        try:
            api.validate_request(request)
        except OpenAPIError as error:
            problems.append(f"{exchange['method']} {exchange['path']}: {str(error.__cause__ or error)[:300]}")
    json.dump(problems, sys.stdout)


if __name__ == "__main__":
    main()
