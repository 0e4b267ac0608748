"""`holdout policies`."""

from pathlib import Path
from typing import Annotated

import typer

from recsys.options import WorkspaceOption


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
    from recsys.offpolicy.evaluation import evaluate_named
    from recsys.offpolicy.report import as_json, as_text
    from store import Workspace

    opened = Workspace.open(workspace)
    found = evaluate_named(opened, asked, surface=surface, reward=reward, logged_epsilon=logged_epsilon)
    typer.echo(as_json(found) if json else "\n\n".join(as_text(report) for report in found))
