"""Experiments as code: the design that a TOML file states, validated before any data is read."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from analysis.errors import ExperimentError
from analysis.grammar.inference import USUAL_PRIOR, parse_group_sequential, parse_prior
from analysis.grammar.metric import parse_metric
from analysis.grammar.past import USUAL_WINDOW, PastWindow, parse_past_window
from analysis.metrics import Metric
from analysis.readout import GroupSequentialPlan, Prior
from analysis.variables import SIZE, Variable
from store.toml_reader import Reader

Inference = Literal["confidence_sequence", "group_sequential", "fixed", "bayesian"]
Adjustment = Literal["pooled", "lin"]
INFERENCES: tuple[Inference, ...] = ("confidence_sequence", "group_sequential", "fixed", "bayesian")
ADJUSTMENTS: tuple[Adjustment, ...] = ("pooled", "lin")
Crossovers = Literal["exclude", "first"]
CROSSOVERS: tuple[Crossovers, ...] = ("exclude", "first")
# Rules that need the number of units planned before the start, and what for.
PLANNED = {
    "confidence_sequence": "a confidence sequence is tuned to",
    "group_sequential": "a group sequential design spends its error along",
}
SourceKind = Literal["table", "events", "moments", "lake"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the facts are: a table of units, exposures and events, summary statistics, or the workspace's lake.

    `query` is a SELECT over a table called `source` that shapes the rows of `table`, or of `exposures`, first.
    `exclude` are the columns and values, as text, of those units of the lake that are left out.
    """

    kind: SourceKind
    table: Path | None = None
    exposures: Path | None = None
    events: Path | None = None
    moments: Path | None = None
    time: str | None = None
    query: str | None = None
    exclude: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def path(self) -> Path | None:
        """The file that holds the units (or their summary); None for the lake."""
        return self.table or self.exposures or self.moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The design of one experiment. `shares` maps each arm to its planned weight, control included.

    Where `cluster` names the column that was randomised, `metrics` are ratios of sums over clusters, and clusters are
    what is planned and counted. `crossovers` says whether those seen in two arms are left out or stay in their first.
    """

    id: str
    name: str
    unit: str
    arm: str
    control: str
    shares: Mapping[str, float] = field(hash=False)
    alpha: float
    inference: Inference
    planned_units: int | None
    segments: tuple[str, ...]
    source: Source
    metrics: tuple[Metric, ...]
    adjustment: Adjustment
    file: Path
    cluster: str | None = None
    crossovers: Crossovers = "exclude"
    group_sequential: GroupSequentialPlan | None = None
    prior: Prior = USUAL_PRIOR
    past: PastWindow = USUAL_WINDOW
    owner: str | None = None
    description: str | None = None
    end: date | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """Control first, then the treatments in the order of the file."""
        return (self.control, *(arm for arm in self.shares if arm != self.control))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The distinct variables of all metrics, in order of first use; of clusters, their size first."""
        size = (SIZE,) if self.cluster else ()
        return tuple(dict.fromkeys((*size, *(v for metric in self.metrics for v in metric.variables))))

    @property
    def scanned(self) -> tuple[Variable, ...]:
        """What a scan reads: `variables`, the rows of quantiles, and what caps are quantiles of."""
        rows = (metric.outcome.numerator for metric in self.metrics if not metric.additive)
        yardsticks = (variable.yardstick for variable in self.variables)
        return tuple(dict.fromkeys((*self.variables, *rows, *filter(None, yardsticks))))

    @property
    def randomised(self) -> str:
        """What was randomised, as a word for people."""
        return "clusters" if self.cluster else "units"

    def error(self, table: str, key: str, problem: str) -> ExperimentError:
        """An error about this file that was found only once the data was seen."""
        return ExperimentError(f"{self.file}: [{table}] {key}: {problem}")


def load_experiment(file: str | Path) -> Experiment:
    """The experiment that a TOML file states.

    Raises:
        ExperimentError: if the file cannot be read or any key is wrong; the message names table, key and remedy.
    """
    file = Path(file)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentError(f"{file}: there is no such file; check the path.") from None
    except IsADirectoryError:
        raise ExperimentError(f"{file}: is a folder, expected a TOML file such as {file}/experiment.toml.") from None
    except UnicodeDecodeError as wrong:
        raise ExperimentError(f"{file}: is not UTF-8 text (byte {wrong.start}); save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as wrong:
        raise ExperimentError(f"{file}: is not valid TOML: {wrong}.") from None
    return parse_experiment(content, file)


def parse_experiment(content: dict[str, Any], file: Path) -> Experiment:
    """The experiment in a parsed TOML document; `file` gives the folder that its paths start from."""
    whole = Reader(file, "file", content, ExperimentError)
    plan, source = whole.section("experiment"), _source(whole.section("source"), file.parent)
    methods = _Methods(whole)
    entries = whole.take("metrics", list, "one or more tables [[metrics]]")
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise whole.error("metrics", "holds no metric; add a table [[metrics]].")
    # Who is in which arm is the store's to say; a readout only lets the table stand.
    whole.section("assignment", None)
    whole.done()
    metrics = tuple(
        parse_metric(Reader(file, f"metrics {k + 1}", entry, ExperimentError), source.kind)
        for k, entry in enumerate(entries)
    )
    seen: set[str] = set()
    for metric in metrics:
        if metric.id in seen:
            raise whole.error("metrics", f"two metrics are called {metric.id!r}; give each its own id.")
        seen.add(metric.id)
    return _design(plan, file, source, metrics, methods)


def _design(plan: Reader, file: Path, source: Source, metrics: tuple[Metric, ...], methods: "_Methods") -> Experiment:
    id = plan.text("id", '"some_id"')
    shares = _shares(plan)
    control = _label(plan, plan.take("control", (str, int, bool), '"the control arm"'))
    if control not in shares:
        raise plan.error(
            "control", f"{control!r} is not in shares, which has {', '.join(map(repr, shares))}; add it there."
        )
    if len(shares) < 2:
        raise plan.error("shares", f"names one arm, {control!r}; add at least one treatment arm.")
    rate = "the error rate, below 0.5 (0.05 for 95 % intervals)"
    alpha = plan.number("alpha", rate, above=0, below=0.5, default=0.05)
    inference = plan.choice("inference", INFERENCES, "confidence_sequence")
    planned = plan.take("planned_units", int, "a whole number of units", None)
    if planned is not None and planned < 2:
        raise plan.error("planned_units", f"found {planned}, expected a whole number of units of 2 or more.")
    if inference != "group_sequential" and methods.group_sequential is not None:
        raise plan.error("inference", f"is {inference!r}, but there is a table [group_sequential]; leave one out.")
    cluster = plan.text("cluster", '"the column that was randomised"', None)
    experiment = Experiment(
        id=id,
        name=plan.text("name", default=id.replace("_", " ")),
        unit=plan.text("unit", '"the unit column"', "unit_id"),
        arm=plan.text("arm", '"the arm column"', "arm"),
        control=control,
        shares=MappingProxyType(shares),
        alpha=float(alpha),
        inference=inference,
        planned_units=planned,
        segments=plan.names("segments", 'a list of columns, ["channel"]', []),
        source=source,
        metrics=tuple(metric.over_clusters() for metric in metrics) if cluster else metrics,
        adjustment=plan.choice("adjustment", ADJUSTMENTS, "pooled"),
        file=file,
        cluster=cluster,
        crossovers=plan.choice("crossovers", CROSSOVERS, "exclude"),
        group_sequential=methods.group_sequential
        or (GroupSequentialPlan("obrien_fleming", None, ()) if inference == "group_sequential" else None),
        prior=methods.prior,
        past=methods.past,
        owner=plan.text("owner", default=None),
        description=plan.text("description", default=None),
        end=_end(plan),
    )
    plan.done()
    if inference in PLANNED and planned is None:
        raise plan.error(
            "planned_units",
            f"is missing; {PLANNED[inference]} the number of units planned before the start. "
            'Write planned_units = 40000, or inference = "fixed".',
        )
    for column in experiment.segments:
        if column in (experiment.unit, experiment.arm):
            raise plan.error("segments", f"{column!r} is the unit or arm column; name a column known before exposure.")
    if cluster and source.kind == "moments":
        raise plan.error("cluster", f"is {cluster!r}, but a moments source holds no rows to sum up; leave it out.")
    if cluster in (experiment.unit, experiment.arm):
        raise plan.error("cluster", f"{cluster!r} is the unit or arm column; name the column that holds many units.")
    if experiment.crossovers == "first" and source.time is None:
        raise plan.error("crossovers", 'is "first", but [source] has no times, so nobody knows which arm was first.')
    return experiment


class _Methods:
    """The optional tables: how intervals are made, and what a plan is made from."""

    def __init__(self, whole: Reader) -> None:
        group, prior, past = (whole.section(name, None) for name in ("group_sequential", "bayesian", "plan"))
        self.group_sequential = parse_group_sequential(group) if group else None
        self.prior = parse_prior(prior) if prior else USUAL_PRIOR
        self.past = parse_past_window(past) if past else USUAL_WINDOW


def _end(plan: Reader) -> date | None:
    end = plan.take("end", (date, datetime), "a date, 2026-11-17: the first day without exposures", None)
    return end.date() if isinstance(end, datetime) else end


def _label(plan: Reader, value: str | int | bool) -> str:
    if value == "":
        raise plan.error("control", "is empty; write the name of the control arm.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shares(plan: Reader) -> dict[str, float]:
    shares = plan.take("shares", dict, '{ "control" = 1, "treatment" = 1 }')
    for arm, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < float("inf"):
            raise plan.error(
                "shares", f"the share of {arm!r} is {share!r}, expected a number above 0; leave out unused arms."
            )
    return {arm: float(share) for arm, share in shares.items()}


def _exclude(table: Reader) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns and the values of units that are left out, such as those that a fault has touched."""
    what = '{ platform = ["phone"] }'
    given = table.take("exclude", dict, what, {})
    for column, values in given.items():
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise table.error("exclude", f"{column} = {values!r}, expected a list of texts, as in {what}.")
    return tuple((column, tuple(values)) for column, values in given.items())


def _source(table: Reader, folder: Path) -> Source:
    def path(key: str) -> Path | None:
        name = table.text(key, '"file.csv" or "file.parquet"', None)
        return None if name is None else folder / name

    lake = table.take("lake", bool, "true", False)
    files = {key: path(key) for key in ("table", "exposures", "events", "moments")}
    time = table.text("time", '"the time column"', None)
    query = table.text("query", '"SELECT … FROM source"', None)
    exclude = _exclude(table)
    table.done()
    given = {key for key, value in files.items() if value is not None} | ({"lake"} if lake else set())
    if given == {"exposures", "events"}:
        return Source("events", exposures=files["exposures"], events=files["events"], time=time or "time", query=query)
    if given not in ({"table"}, {"moments"}, {"lake"}):
        found = f"found {', '.join(sorted(given))}" if given else "found none"
        raise table.error(None, f"{found}; give one of: table; exposures and events together; moments; lake = true.")
    if lake and (time or query):
        raise table.error("query" if query else "time", "is not used with lake = true; leave it out.")
    if lake:
        return Source("lake", time="time", exclude=exclude)
    if exclude:
        raise table.error("exclude", "works with lake = true only; leave rows of a file out with `query`.")
    return Source(
        "table" if files["table"] else "moments", table=files["table"], moments=files["moments"], time=time, query=query
    )
