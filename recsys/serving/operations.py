"""The routes, declared once: the router and /openapi.json are made of this list."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from recsys.serving import declarations, problem

SAID = {
    200: "Done.",
    202: "Kept: the events are on the disk.",
    400: "The body is not JSON.",
    401: "A key is missing or not known.",
    408: "The body did not arrive in time.",
    413: "The body is too long.",
    415: "The body is not called JSON.",
    422: "A field is wrong; `pointer` says which.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "Not able to answer now.",
}
ANY = (401, 429, 503)
OF_A_BODY = (400, 408, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route with one method.

    Attributes:
        name: of the handler, and the operationId.
        body: schema of what is sent, None for GET.
        answers: schema by status; a schema of None is text.
        guarded: False for what anybody may read without a key.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, dict[str, Any] | None]
    body: dict[str, Any] | None = None
    guarded: bool = True


@cache
def operations() -> tuple[Operation, ...]:
    return (
        Operation(
            "recommend",
            "POST",
            "/v1/recommend",
            "The items to show a person on a surface; what is answered is logged with its propensities.",
            {200: declarations.SLATE},
            declarations.recommend(),
        ),
        Operation(
            "target",
            "POST",
            "/v1/target",
            "The offer to make a person now, if any.",
            {200: declarations.OFFER},
            declarations.TARGET,
        ),
        Operation(
            "events",
            "POST",
            "/v1/events",
            "Log what people did. An event_id that was sent before is not kept twice, so a retry is safe.",
            {202: declarations.ACCEPTED},
            declarations.events(),
        ),
        Operation(
            "health",
            "GET",
            "/v1/health",
            "Whether the server lives and can answer.",
            {200: declarations.HEALTH, 503: declarations.HEALTH},
            guarded=False,
        ),
        Operation("metrics", "GET", "/metrics", "Counts and times for Prometheus.", {200: None}),
        Operation("openapi", "GET", "/openapi.json", "This document.", {200: {"type": "object"}}, guarded=False),
    )


def document(keyed: bool = False) -> dict[str, Any]:
    """The OpenAPI 3.1 document; `keyed` where a key is asked for."""
    paths: dict[str, Any] = {}
    for each in operations():
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, keyed)
    components: dict[str, Any] = {"schemas": {"Problem": declarations.PROBLEM}}
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdout", "version": "1", "description": "Recommend, target, and log what people did."},
        "paths": paths,
        "components": components,
    }


def _operation(each: Operation, keyed: bool) -> dict[str, Any]:
    refused = {*(ANY if each.guarded else ()), *(OF_A_BODY if each.body else ())} - ({401} if not keyed else set())
    made: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "responses": {
            **{str(status): _answer(status, schema) for status, schema in each.answers.items()},
            **{str(status): _refusal(status) for status in sorted(refused - each.answers.keys())},
        },
    }
    if each.body:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": each.body}}}
    if keyed and each.guarded:
        made["security"] = [{"key": []}]
    return made


def _answer(status: int, schema: dict[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        return {"description": SAID[status], "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"description": SAID[status], "content": {"application/json": {"schema": schema}}}


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": SAID[status], "content": {problem.CONTENT_TYPE: {"schema": schema}}}
