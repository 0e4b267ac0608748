"""The command line: one verb per job, each a few lines that call a room."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.commands import add_to
from recsys.options import WorkspaceOption

if TYPE_CHECKING:
    from analysis import Experiment
    from store import Workspace
    from store.registry import DecisionRecord

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Holdout: experiments, monitors and a recommender for a game and community shop.",
)

add_to(app)


@app.command()
def init(
    folder: Path, name: Annotated[str | None, typer.Option(help="Its name; the folder's name if left out.")] = None
) -> None:
    """Make FOLDER a workspace."""
    from store import Workspace

    workspace = Workspace.create(folder, name=name or folder.resolve().name)
    typer.echo(f"{workspace.path} is a workspace. Next: holdout import TABLE FILE… --workspace {folder}")


@app.command("import")
def import_(table: str, files: list[Path], workspace: WorkspaceOption = Path(".")) -> None:
    """Import FILES (CSV, Parquet, JSON lines, Arrow) into the fact table TABLE; `holdout tables` lists those."""
    from store import Workspace
    from store.ingest import import_files

    report = import_files(Workspace.open(workspace), table, files, progress=_count_rows)
    typer.echo(report.summary())
    if report.quarantined and not report.rows:
        raise typer.Exit(1)


@app.command()
def tables(table: Annotated[str | None, typer.Argument(help="Show the columns of this fact table.")] = None) -> None:
    """List the fact tables that `import` fills, or the columns of one."""
    from store.contract import known_tables, load_contract

    for name in [table] if table else known_tables():
        contract = load_contract(name)
        typer.echo(f"{name}: {contract.description}")
        for column in contract.columns if table else ():
            needed = "needed" if column.required else "may be empty"
            typer.echo(f"  {column.name:<16} {column.type:<10} {needed:<13} {column.description}")


@app.command()
def readout(
    file: Path,
    json: Annotated[bool, typer.Option("--json", help="Print the whole readout as JSON.")] = False,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Needed only where the source is the lake.")
    ] = None,
) -> None:
    """Read the experiment that FILE states; no workspace is needed for its own files."""
    import analysis
    from analysis.readout.report import as_text

    experiment = analysis.load_experiment(file)
    result = analysis.read(experiment, _open(workspace) if workspace else _around(experiment), sensitivity=True)
    typer.echo(result.to_json(indent=2) if json else as_text(result))


@app.command()
def plan(
    file: Path,
    effect: Annotated[
        float | None, typer.Option(min=0.0001, max=10, help="The relative lift that would matter, 0.02 for 2 %.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="How long units are to come.")] = None,
    power: Annotated[float, typer.Option(min=0.5, max=0.99, help="The power to plan for.")] = 0.8,
    traffic: Annotated[float, typer.Option(min=0.001, max=1, help="The share of those who come that takes part.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Needed only where the source is the lake.")
    ] = None,
) -> None:
    """Say, from the past, what the experiment of FILE can show and how long it takes."""
    import analysis
    from analysis.planning.report import as_text

    experiment = analysis.load_experiment(file)
    opened = _open(workspace) if workspace else _around(experiment)
    result = analysis.plan(
        experiment, opened, effect=effect, days=days, target=power, traffic=traffic, progress=_progress
    )
    typer.echo(result.to_json(indent=2) if json else as_text(result))


def _around(experiment: Experiment) -> Workspace | None:
    """The workspace that an experiment on the lake lies in; others need none."""
    from store import Workspace

    return Workspace.find(experiment.file.parent) if experiment.source.kind == "lake" else None


@app.command()
def refresh(workspace: WorkspaceOption = Path(".")) -> None:
    """Read every experiment of the workspace and save a look of each."""
    from analysis.errors import AnalysisError
    from store.errors import AssignmentError

    opened = _open(workspace)
    files = sorted(opened.experiments.glob("*.toml"))
    if not files:
        typer.echo(f"No experiments yet. Put a TOML file into {opened.experiments} and run this again.")
    by_id: dict[str, Path] = {}
    failed = 0
    for file in files:
        try:
            typer.echo(f"{file.stem}: {_refresh_one(opened, file, by_id)}")
        except (AnalysisError, AssignmentError) as error:
            failed += 1
            typer.echo(f"{file.stem}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _refresh_one(workspace: Workspace, file: Path, by_id: dict[str, Path]) -> str:
    """Saves a look of one experiment, and says its verdict and the look's id."""
    import analysis
    from analysis.looks import take_look

    experiment = analysis.load_experiment(file)
    if by_id.setdefault(experiment.id, file) != file:
        raise experiment.error("experiment", "id", f"{experiment.id!r} is also the id of {by_id[experiment.id].name}.")
    saved, moved = take_look(workspace, file, datetime.now(UTC))
    if moved:
        typer.echo(
            f"{file}: {', '.join(moved)} changed while {experiment.id!r} runs, which moves units to other "
            "arms or out of it. Put the old back, or start a new experiment with its own id.",
            err=True,
        )
    return f"{saved.verdict} (look {saved.id})"


@app.command()
def assign(
    experiment: str,
    units: list[str],
    workspace: WorkspaceOption = Path("."),
    at: Annotated[str | None, typer.Option(help="A time such as 2026-01-05T12:00:00Z; now if left out.")] = None,
) -> None:
    """Print the arm of each of UNITS in EXPERIMENT (its id)."""
    from store import AssignmentError, load_assignments
    from store.errors import did_you_mean

    opened = _open(workspace)
    assignments = load_assignments(opened)
    if experiment not in assignments:
        known = did_you_mean(experiment, assignments)
        raise AssignmentError(f"no file in {opened.experiments} assigns experiment {experiment!r}.{known}")
    for unit, arm in zip(units, assignments[experiment].arms(units, _time(at)), strict=True):
        typer.echo(f"{unit}\t{arm or 'not in the experiment'}")


def _time(text: str | None) -> datetime:
    """A time in ISO 8601, UTC unless it carries an offset; now for None."""
    try:
        time = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write 2026-01-05T12:00:00Z.", param_hint="--at") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@app.command()
def recompute(look: int, workspace: WorkspaceOption = Path(".")) -> None:
    """Read the experiment of a saved LOOK again, on the facts as they were, and say whether anything differs."""
    from analysis.looks import recomputes

    opened = _open(workspace)
    saved, same = opened.registry.look(look), recomputes(opened, look)
    said = "the same readout, to the last digit." if same else "the readout differs; was the experiment file changed?"
    typer.echo(f"Look {look} of {saved.experiment_id}, taken {saved.taken_at:%d %b %Y %H:%M} UTC: {said}")
    if not same:
        raise typer.Exit(1)


@app.command()
def trust(
    experiment: Annotated[str, typer.Argument(help="Its TOML file, or its id in the workspace.")],
    runs: Annotated[int, typer.Option(min=1, help="How often the arms are drawn.")] = 1000,
    json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Needed where the source is the lake, and for an id.")
    ] = None,
) -> None:
    """Count the error rates of EXPERIMENT's readout on its own units before it began, arms drawn again and again."""
    import numpy as np

    from analysis import load_experiment
    from analysis.looks import registered
    from analysis.trust import trust as count_errors
    from analysis.trust.report import as_text

    if experiment.endswith(".toml"):
        read = load_experiment(experiment)
        opened = _open(workspace) if workspace else _around(read)
    else:
        opened = _open(workspace or Path("."))
        read = registered(opened, experiment)
    versions = opened.lake.versions() if opened else {}
    found = count_errors(
        read,
        opened.at(versions) if opened else None,
        runs=runs,
        rng=np.random.default_rng(0),
        progress=lambda so_far: _progress(f"{so_far.runs:,} of {runs:,} runs"),
    )
    if opened and any(known.id == read.id for known in opened.registry.experiments()):
        opened.registry.save_trust(read.id, found.to_json(), lake_versions=versions)
    typer.echo(found.to_json(indent=2) if json else as_text(found))


@app.command()
def report(
    experiment: str,
    look: Annotated[int | None, typer.Option(help="The look to report; the latest if left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file; EXPERIMENT-look-N.html if left out.")] = None,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Write a saved look of EXPERIMENT as one HTML file that needs nothing else."""
    from analysis.readout import Readout
    from analysis.trust import Trust
    from dashboard.report.document import report as document

    registry = _open(workspace).registry
    saved = registry.look_of(experiment, look)
    file = out or Path(f"{experiment}-look-{saved.id}.html")
    proof, decisions = registry.latest_trust(experiment), registry.decisions(experiment)
    trust = Trust.from_json(proof.result) if proof else None
    html = document(Readout.from_json(saved.readout or ""), saved.id, saved.taken_at, decisions, trust)
    file.write_text(html, encoding="utf-8")
    typer.echo(f"{file} is written.")


@app.command()
def decide(
    experiment: str,
    verdict: Annotated[str, typer.Argument(help="ship, keep_running, stop or review.")],
    reason: Annotated[str, typer.Option(help="Why; kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
    look: Annotated[int | None, typer.Option(help="The look decided on; the latest if left out.")] = None,
    override: Annotated[bool, typer.Option("--override", help="Decide although the look is blocked.")] = False,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Record what a person decided on EXPERIMENT; a later decision supersedes it, nothing erases it."""
    registry = _open(workspace).registry
    on = registry.look_of(experiment, look)
    made = registry.decide(experiment, on.id, verdict, reason=reason, decided_by=by, override=override)
    typer.echo(_decision_line(made))


@app.command()
def outcome(
    decision: int,
    text: str,
    by: Annotated[str, typer.Option(help="Who says so.")],
    look: Annotated[int | None, typer.Option(help="The look that shows it.")] = None,
    estimate: Annotated[float | None, typer.Option(help="The lift as it turned out; 0.02 is +2 %.")] = None,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Record in TEXT what became of DECISION."""
    _open(workspace).registry.record_outcome(decision, text, recorded_by=by, look_id=look, estimate=estimate)
    typer.echo(f"Kept beside decision {decision}.")


@app.command()
def decisions(
    experiment: Annotated[str | None, typer.Argument(help="Only those on this experiment.")] = None,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """List what was decided, newest first, and what became of it."""
    registry = _open(workspace).registry
    for made in registry.decisions(registry.experiment(experiment).id if experiment else None):
        typer.echo(_decision_line(made))
        for seen in made.outcomes:
            lift = "" if seen.estimate is None else f" ({seen.estimate:+.2%})"
            typer.echo(f"  {seen.recorded_at:%d %b %Y}, {seen.recorded_by}: {seen.what}{lift}")


def _decision_line(made: DecisionRecord) -> str:
    override = ", overridden" if made.override else ""
    later = f"; superseded by {made.superseded_by}" if made.superseded_by else ""
    return (
        f"{made.id}: {made.experiment_id}: {made.verdict} (look {made.look_id} said {made.recommended}{override}), "
        f"{made.decided_by} on {made.decided_at:%d %b %Y %H:%M} UTC: {made.reason}{later}"
    )


@app.command()
def quarantine(
    table: Annotated[str | None, typer.Argument(help="Only rows that were meant for this fact table.")] = None,
    rows: Annotated[int, typer.Option(help="At most so many rows.")] = 20,
    workspace: WorkspaceOption = Path("."),
) -> None:
    """Show rows that imports refused, with file, line, reason and the row as it was."""
    bad = _open(workspace).lake.table("quarantine")
    bad = bad.filter(bad["table"] == table) if table else bad
    typer.echo(f"{bad.count().to_pyarrow().as_py():,} rows in quarantine")
    for row in bad.order_by(["file", "row"]).limit(rows).to_pyarrow().to_pylist():
        typer.echo(f"{row['table']}: {row['file']} row {row['row']}: {row['reason']}: {row['raw']}")


@app.command()
def communities(
    workspace: WorkspaceOption = Path("."),
    largest: Annotated[int, typer.Option(help="At most so many people in a community.")] = 200,
    output: Annotated[Path, typer.Option(help="The CSV to write: user_id, community.")] = Path("communities.csv"),
) -> None:
    """Find communities of friends, to randomise as a whole, and write them to a CSV that `import communities` takes."""
    from analysis.network.people import communities_of

    found = communities_of(_open(workspace), largest)
    found.write(output)
    typer.echo(f"{found.summary()}\n{output} is written. Next: holdout import communities {output}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument()] = Path("demo"),
    people: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="How many people the shop has.")] = 10_000,
    days: Annotated[int, typer.Option(min=42, max=730, help="How long it is open; experiments run in the end.")] = 120,
    train: Annotated[float, typer.Option(min=0, help="Most CPU minutes for its encoder; 0: no engine.")] = 5.0,
) -> None:
    """Build the demo shop in FOLDER and read its experiments; a finished one is left as it is."""
    from recsys.world import TrainedEngine, build

    engine = TrainedEngine(train, _progress) if train else None
    build(folder, people=people, days=days, engine=engine, progress=_progress)
    registry = _open(folder).registry
    if not all(registry.latest_look(experiment.id) for experiment in registry.experiments()):
        refresh(folder)


@app.command()
def dashboard(
    workspace: WorkspaceOption = Path("."),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the dashboard on a workspace."""
    from dashboard.serve import run

    run(_open(workspace).path, port=port, host=host)


def _open(folder: Path) -> Workspace:
    from store import Workspace

    return Workspace.open(folder)


def _progress(message: str) -> None:
    typer.echo(message, err=True)


def _count_rows(file: Path, rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{file}: {rows:,} rows", err=True, nl=False)


def main() -> None:
    """Runs the command line; a mistake of the caller ends in one clear line, not a traceback."""
    from analysis.errors import AnalysisError
    from store.errors import StoreError

    try:
        app(standalone_mode=True)
    except (AnalysisError, StoreError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
