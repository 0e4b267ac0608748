"""`holdout serve`."""

from pathlib import Path
from typing import Annotated

import typer

from recsys.options import WorkspaceOption


def serve(
    workspace: WorkspaceOption = Path("."),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8502,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Answer recommend, target and event requests over HTTP until stopped (docs/serving.md)."""
    from recsys.serving.process import serve as answer_requests
    from store import Workspace

    answer_requests(Workspace.open(workspace), host=host, port=port)
