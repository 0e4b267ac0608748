"""Streamlit's own scripts and fonts, compressed once and kept in memory.

Streamlit reads them from disk for every visitor and sends them uncompressed: 9 MB for a page with a chart. Their
names carry a hash of their content, so what is kept can never be stale.
"""

import gzip
import mimetypes
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.responses import Response
from streamlit import file_util

NAME = re.compile(r"/(static/(?:js|css|media)/[\w.-]+)")
COMPRESSED = (".js", ".css", ".svg", ".json")


def warm() -> None:
    """Compresses what every first visit asks for, and the largest file of all, before anybody does."""
    root = Path(file_util.get_static_dir())
    for name in NAME.findall((root / "index.html").read_text("utf-8")):
        _response(name)
    for file in root.glob("static/js/PlotlyChart*.js"):
        _response(str(file.relative_to(root)))


class StaticFiles:
    """Answers requests for static files by itself and hands on all others."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = None
        if scope["type"] == "http" and scope["method"] == "GET" and (name := NAME.fullmatch(scope["path"])):
            headers = dict(scope["headers"])
            if b"range" not in headers and b"gzip" in headers.get(b"accept-encoding", b""):
                answer = _response(name[1])
        await (answer or self.app)(scope, receive, send)


@lru_cache(maxsize=512)
def _response(name: str) -> Response | None:
    """The whole answer for one file; None where Streamlit has no such file."""
    try:
        body = Path(file_util.get_static_dir(), name).read_bytes()
    except OSError:
        return None
    headers = {"Cache-Control": "public, immutable, max-age=31536000", "Vary": "Accept-Encoding"}
    if name.endswith(COMPRESSED):
        body, headers["Content-Encoding"] = gzip.compress(body, 6), "gzip"
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    return Response(body, headers=headers, media_type=kind or "application/octet-stream")
