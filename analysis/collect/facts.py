"""Where an experiment's rows are: its files, or the lake of a workspace."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.collect.files import Files, Rows, literal, quote, translated
from analysis.errors import SourceError
from analysis.experiment import Experiment

if TYPE_CHECKING:
    from store import Workspace


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows that name units (a table or exposures), and the events, if there are any."""

    units: Rows
    events: Rows | None = None


def facts_of(experiment: Experiment, workspace: "Workspace | None", files: Files) -> Facts:
    """Opens the source of an experiment.

    Raises:
        SourceError: if a file is not there, is empty, or cannot be read.
    """
    source = experiment.source
    if source.kind == "lake":
        return _lake(experiment, workspace, files)
    texts = tuple(name for name in (experiment.unit, source.time, experiment.cluster) if name)
    if source.kind == "table":
        assert source.table is not None
        return Facts(files.open(source.table, "units", texts, source.query))
    assert source.exposures is not None and source.events is not None
    return Facts(files.open(source.exposures, "units", texts, source.query), files.open(source.events, "events", texts))


def _lake(experiment: Experiment, workspace: "Workspace | None", files: Files) -> Facts:
    if workspace is None:
        raise SourceError(
            f"{experiment.file}: [source] lake = true needs a workspace; give --workspace DIR, or put the file in one."
        )
    label = f"lake of {workspace.path}"
    exposures = view(files, workspace, "exposures")
    if exposures is None:
        raise SourceError(f"{label}: table exposures is empty; import exposures first.")
    exposures.need(experiment.unit, "the unit")
    more, join = people(files, workspace, exposures.types, f"CAST(exposures.{quote(experiment.unit)} AS VARCHAR)")
    with translated(label):
        files.con.execute(
            f"CREATE VIEW everyone AS SELECT exposures.*{more} FROM exposures{join} "
            f"WHERE exposures.experiment_id = {literal(experiment.id)}"
        )
    everyone = files.view("everyone", f"{label}, table exposures")
    kept = "".join(
        f" AND {everyone.text(column, 'a column to exclude by')} IS DISTINCT FROM {literal(value)}"
        for column, values in experiment.source.exclude
        for value in values
    )
    with translated(label):
        files.con.execute(f"CREATE VIEW units AS SELECT * FROM everyone WHERE true{kept}")
    units = files.view("units", f"{label}, table exposures")
    if not files.con.execute("SELECT 1 FROM units LIMIT 1").fetchall():
        found = files.con.execute("SELECT DISTINCT experiment_id FROM exposures ORDER BY 1 LIMIT 20").fetchall()
        raise SourceError(
            f"{label}: table exposures has no row of experiment {experiment.id!r}. Found: "
            f"{', '.join(str(name) for (name,) in found)}."
        )
    return Facts(units, view(files, workspace, "events"))


def people(files: Files, workspace: "Workspace", taken: Collection[str], person: str) -> tuple[str, str]:
    """What the lake knows of people, beside the columns that are `taken`: columns and joins, as SQL.

    Args:
        person: whom to join, as SQL.
    """
    users, communities = view(files, workspace, "users"), view(files, workspace, "communities")
    known = [c for c in users.types if c not in taken and c != "user_id"] if users else []
    columns = "".join(f", users.{quote(column)}" for column in known)
    joins = f" LEFT JOIN users ON {person} = users.user_id" if known else ""
    if communities and "community" not in (*taken, *known):
        # Who came after the communities were made has no friend in one.
        columns += f", coalesce(communities.community, {person}) AS community"
        joins += f" LEFT JOIN communities ON {person} = communities.user_id"
    return columns, joins


def view(files: Files, workspace: "Workspace", table: str) -> Rows | None:
    """A view of a lake table; None if it is empty."""
    paths = workspace.lake.files(table)
    if not paths:
        return None
    listed = ", ".join(literal(path) for path in paths)
    label = f"lake of {workspace.path}, table {table}"
    with translated(label):
        files.con.execute(
            f"CREATE OR REPLACE VIEW {quote(table)} AS SELECT * FROM read_parquet([{listed}], union_by_name = true)"
        )
    here = all(Path(path).is_file() for path in paths)
    return files.view(table, label, tuple(paths) if here else ())
