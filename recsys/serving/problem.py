"""Errors as JSON that names the field (RFC 9457, application/problem+json)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is an error; `pointer` is where in the body, if it is about a field."""

    def __init__(
        self, status: int, detail: str, *, pointer: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.pointer, self.headers = status, detail, pointer, headers

    def response(self) -> Response:
        return Response(self.body(), self.status, dict(self.headers or {}), CONTENT_TYPE)

    def body(self) -> bytes:
        content = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.pointer is not None:
            content["pointer"] = self.pointer
        return json.dumps(content).encode()
