"""The engine's verbs of the command line: each lies in the `command` of its room and loads it when called."""

import typer

from recsys.evaluation.command import evaluate
from recsys.offpolicy.command import policies
from recsys.serving.command import serve
from recsys.training.command import add_to as add_training


def add_to(app: typer.Typer) -> None:
    """Make the engine's verbs commands of `app`."""
    add_training(app)
    for verb in (evaluate, serve, policies):
        app.command()(verb)
