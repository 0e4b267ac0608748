"""`holdout train` and `holdout models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.options import WorkspaceOption

if TYPE_CHECKING:
    from store.registry import ModelRecord


def add_to(app: typer.Typer) -> None:
    """Make the verbs of this module commands of `app`."""
    app.command()(train)
    models = typer.Typer(no_args_is_help=False, invoke_without_command=True, rich_markup_mode=None)
    models.callback()(list_models)
    models.command("use")(use)
    models.command("recalibrate")(recalibrate)
    models.command("renew")(renew)
    app.add_typer(models, name="models")


def train(
    workspace: WorkspaceOption = Path("."),
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    minutes: Annotated[float, typer.Option(min=0.01, help="Of CPU that the encoder may take.")] = 30.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run that did not end.")] = False,
    use: Annotated[bool, typer.Option(help="Let the new version serve at once.")] = True,
) -> None:
    """Train the engine on the facts as they are, and let it serve; under torchrun, on several processes."""
    from recsys.training.pipeline import train as run
    from store import Workspace

    made = run(Workspace.open(workspace), seed=seed, minutes=minutes, resume=resume, use=use, progress=_say)
    if made is not None:
        typer.echo(_line(made))


def list_models(context: typer.Context, workspace: WorkspaceOption = Path(".")) -> None:
    """List the trained engines, newest first; `models use VERSION` lets one of them serve."""
    from store import Workspace

    if context.invoked_subcommand is not None:
        return
    found = Workspace.open(workspace).registry.models()
    for made in found:
        typer.echo(_line(made))
    if not found:
        typer.echo("No models yet. Train one: holdout train")


def use(
    version: str,
    by: Annotated[str | None, typer.Option(help="Who asks for it.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Let VERSION serve from now on: the way to a new engine, and back to an old one."""
    from recsys.engine import MODEL
    from recsys.engine.bundle import check_folder
    from store import Workspace

    opened = Workspace.open(workspace)
    asked = opened.registry.model(MODEL, version)
    check_folder(opened.path / asked.artifact, version, asked.card.get("made_of", ()))
    before = opened.registry.serving_model(MODEL)
    made = opened.registry.use_model(MODEL, version, by=by, reason=reason)
    was = f", in place of {before.version}" if before and before.version != version else ""
    typer.echo(f"{made.name} {made.version} serves{was}.")


def recalibrate(
    days: Annotated[int, typer.Option(min=1, help="Of the log, the last ones.")] = 21,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Bend the chances of the engine that serves to what followed from its own slates; a new version serves then."""
    from recsys.training.recalibration import recalibrate as bend
    from store import Workspace

    made = bend(Workspace.open(workspace), days=days)
    typer.echo("The log says nothing better; nothing changed." if made is None else _line(made))


def renew(
    days: Annotated[int, typer.Option(min=1, help="Of the log, the last ones.")] = 28,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Let the ranker of the engine that serves learn anew from what was shown lately; the new version serves then."""
    from recsys.training.renewal import renew as learn
    from store import Workspace

    typer.echo(_line(learn(Workspace.open(workspace), days=days, progress=_say)))


def _line(made: "ModelRecord") -> str:
    recall = (made.metrics.get("encoder") or {}).get("recall@50")
    popular = (made.metrics.get("popularity") or {}).get("recall@50")
    told = "" if recall is None or popular is None else f", recall@50 {recall:.3f} (popularity {popular:.3f})"
    serves = "serves" if made.serving else "ready"
    facts = ", ".join(f"{table} v{version}" for table, version in sorted(made.lake_versions.items()))
    when = f"{made.created_at:%d %b %Y %H:%M} UTC"
    return f"{made.name} {made.version}: {serves}, {when}{told}; code {made.code_version}; facts: {facts}"


def _say(message: str) -> None:
    typer.echo(message, err=True)
