"""The server around the pages: compression, headers, settings, and what a visitor is told when a page fails."""

import asyncio
import gzip
from pathlib import Path

import pytest
from builders import a_readout
from streamlit import config, file_util

from dashboard import serve, source, static_files
from dashboard.parts.palette import options
from store import Workspace

STATIC = Path(file_util.get_static_dir()) / "static"


def get(app: object, path: str, **headers: str) -> list[dict]:
    """The ASGI messages that answer a request."""
    sent: list[dict] = []
    asked = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": asked}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(app(scope, None, send))
    return sent


async def behind(scope: dict, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})


def test_scripts_are_sent_compressed_and_whole() -> None:
    file = next(STATIC.glob("js/index.*.js"))
    start, body = get(static_files.StaticFiles(behind), f"/static/js/{file.name}", accept_encoding="gzip, br")
    assert gzip.decompress(body["body"]) == file.read_bytes()
    assert dict(start["headers"])[b"content-type"].startswith(b"text/javascript")
    assert b"immutable" in dict(start["headers"])[b"cache-control"]


def test_fonts_are_not_compressed_twice() -> None:
    file = next(STATIC.glob("media/*.woff2"))
    start, body = get(static_files.StaticFiles(behind), f"/static/media/{file.name}", accept_encoding="gzip")
    assert body["body"] == file.read_bytes()
    assert b"content-encoding" not in dict(start["headers"])


@pytest.mark.parametrize(
    "path", ["/static/js/nothing.js", "/static/js/../../index.html", "/static/js/", "/", "/api/health"]
)
def test_all_else_is_handed_on(path: str) -> None:
    assert get(static_files.StaticFiles(behind), path, accept_encoding="gzip")[0]["status"] == 299


def test_who_cannot_unpack_or_wants_a_part_is_handed_on() -> None:
    path = f"/static/js/{next(STATIC.glob('js/index.*.js')).name}"
    for headers in ({}, {"accept_encoding": "gzip", "range": "bytes=0-9"}):
        assert get(static_files.StaticFiles(behind), path, **headers)[0]["status"] == 299


def test_every_answer_forbids_other_hosts() -> None:
    headers = dict(get(serve.SecurityHeaders(behind), "/")[0]["headers"])
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_every_setting_is_known_and_nothing_is_reported_home() -> None:
    assert set(options()) <= set(config._config_options_template)
    assert options()["browser.gatherUsageStats"] is False


def test_what_is_parsed_leaves_out_only_the_segments_of_earlier_looks_and_the_download_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, whole = Workspace.create(tmp_path / "shop"), a_readout(metrics=2, segments=3, looks=4)
    text, history = whole.split()
    workspace.registry.save_experiment("", id="trial", name="Trial")
    workspace.registry.save_look("trial", readout=text, segment_history=history, verdict="ship", lake_versions={})
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(workspace.path))
    saved = source.latest("trial")
    assert saved.readout.looks[-1] == whole.looks[-1]
    assert saved.readout.decision == whole.decision
    assert [len(look.effects) for look in saved.readout.looks] == [2, 2, 2, 8]
    assert source.whole(saved.look_id) == whole


def test_a_folder_that_is_no_workspace_does_not_keep_the_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(serve.WORKSPACE, str(tmp_path))
    serve._open_latest_looks()
