"""The engine's verbs of the command line; each loads its part of the engine only when it is called."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="HOLDOUT_WORKSPACE", help="The workspace folder.")
]


def add_to(app: typer.Typer) -> None:
    """Make the verbs of this module and of training commands of `app`."""
    from recsys.evaluation.command import evaluate
    from recsys.training.command import add_to as add_training

    add_training(app)
    for verb in (evaluate, serve, policies):
        app.command()(verb)


def serve(
    workspace: WorkspaceOption = Path("."),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8502,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Answer recommend, target and event requests over HTTP until stopped (docs/serving.md)."""
    from recsys.serving.command import serve as answer_requests
    from store import Workspace

    answer_requests(Workspace.open(workspace), host=host, port=port)


def policies(
    asked: Annotated[list[str], typer.Argument(help="uniform, epsilon=0.01; any number of them.")],
    surface: Annotated[str | None, typer.Option(help="One surface; all that were logged if left out.")] = None,
    reward: Annotated[str, typer.Option(help="click, purchase, revenue or margin.")] = "click",
    logged_epsilon: Annotated[
        float | None,
        typer.Option(help="The share of uniform draws that the logged policy had; the engine's own is known."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Say what policies that never acted would have earned, from the log of the one that did (docs/off-policy.md)."""
    from recsys.offpolicy.command import as_json
    from recsys.offpolicy.command import policies as evaluate
    from recsys.offpolicy.report import as_text
    from store import Workspace

    opened = Workspace.open(workspace)
    found = evaluate(opened, asked, surface=surface, reward=reward, logged_epsilon=logged_epsilon)
    typer.echo(as_json(found) if json else "\n\n".join(as_text(report) for report in found))
