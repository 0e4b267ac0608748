"""The engine's verbs of the command line: each lies in the `command` of its room and loads it when called."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="HOLDOUT_WORKSPACE", help="The workspace folder.")
]


def add_to(app: typer.Typer) -> None:
    """Make the engine's verbs commands of `app`."""
    from recsys.evaluation.command import evaluate
    from recsys.offpolicy.command import policies
    from recsys.serving.command import serve
    from recsys.training.command import add_to as add_training

    add_training(app)
    for verb in (evaluate, serve, policies):
        app.command()(verb)
