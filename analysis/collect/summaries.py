"""Moments from summary statistics: counts, means and variances by look, in one of two layouts.

Wide, as in the ASOS Digital Experiments data set: one row for (variant, metric, time) with `count_c`, `count_t`,
`mean_c`, `mean_t`, `variance_c`, `variance_t`; the column that `arm` names (usually `variant_id`) holds the treatment,
and every row repeats the control. Long: one row for (arm, metric, time) with `count`, `mean`, `variance`, and the
columns that `segments` names, empty for all units.

In both, `metric_id` or `metric` holds a metric's `value`; `experiment_id`, if there is one, picks this experiment's
rows; time (`time`, `time_since_start`, or what [source] says) is a time or a number of days, and may be absent.
A variance is the sample variance (n - 1). Cross-products of two metrics are not in such a file, and are nan.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from analysis.collect.files import NUMBERS, Files, Rows, literal
from analysis.collected import Collected
from analysis.errors import SourceError
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.readout import Segment
from store.errors import did_you_mean

TIMES = ("time", "time_since_start")
METRICS = ("metric", "metric_id")
SUMMARY = ("count", "mean", "variance")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a summary file is which; `sides` are the endings of its columns of numbers."""

    arm: str
    metric: str
    time: str | None
    elapsed: bool
    segments: tuple[str, ...]
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """One arm's count, mean and variance of one metric at one time, overall or in a segment."""

    time: float | None
    segment: Segment | None
    arm: str
    metric: str
    count: float
    mean: float
    variance: float

    def __str__(self) -> str:
        inside = f", {self.segment.dimension} {self.segment.value!r}" if self.segment else ""
        return f"arm {self.arm!r}, metric {self.metric!r}{inside} at time {self.time}"


def collect_summaries(experiment: Experiment, looks: str = "daily") -> Collected:
    """Moments of a summary file; looks are instants, or time since start, as the file says.

    Raises:
        SourceError: if the file cannot be used, or two rows say different things of the same arm and look.
        ExperimentError: if a metric needs more than a mean and a variance.
    """
    for k, metric in enumerate(experiment.metrics):
        needs = "kind" if metric.outcome.denominator else "cap" if metric.outcome.numerator.cap else None
        if needs:
            raise experiment.error(f"metrics {k + 1}", needs, "needs rows of units, and a moments source has none.")
    assert experiment.source.moments is not None
    with Files() as files:
        rows = files.open(experiment.source.moments, "moments", (), experiment.source.query)
        layout = _layout(experiment, rows)
        summaries = _read(experiment, rows, layout)
    times: list[float | None] = sorted({s.time for s in summaries}, key=lambda time: time or 0.0)
    times = times if looks == "daily" else times[-1:]
    found = {s.segment for s in summaries if s.segment}
    segments = (None, *sorted(found, key=lambda s: (experiment.segments.index(s.dimension), s.value)))
    ends = tuple(_look(time, layout.elapsed) for time in times)
    last = ends[-1] if isinstance(ends[-1], datetime) else None
    moments = _moments(experiment, rows.label, _cells(rows.label, summaries), times, segments)
    _refuse_kinds(experiment, summaries)
    return Collected(
        arms=experiment.arms,
        segments=segments,
        looks=ends,
        moments=moments,
        crossed=np.zeros((len(times), len(experiment.arms))),
        left_out={},
        last_exposure=last,
        last_event=last,
        caps={},
    )


def _refuse_kinds(experiment: Experiment, summaries: list[Summary]) -> None:
    for k, metric in enumerate(experiment.metrics):
        means = [s.mean for s in summaries if s.metric == str(metric.outcome.numerator.value) and s.count]
        problem = metric.refuse_values(min(means), max(means), True) if means else None
        if problem:
            raise experiment.error(f"metrics {k + 1}", "kind", f"{metric.id!r}: {problem}.")


def _look(time: float | None, elapsed: bool) -> datetime | timedelta | None:
    if time is None:
        return None
    return timedelta(days=time) if elapsed else EPOCH + timedelta(microseconds=time)


def _layout(experiment: Experiment, rows: Rows) -> Layout:
    wide = "mean_c" in rows.types or "count_c" in rows.types
    if wide and experiment.segments:
        raise experiment.error("experiment", "segments", "cannot be had from a file of pairs of arms; leave it out.")
    time = experiment.source.time or next((name for name in TIMES if name in rows.types), None)
    arm = "variant_id" if wide and experiment.arm not in rows.types else experiment.arm
    return Layout(
        arm=arm,
        metric=next((name for name in METRICS if name in rows.types), METRICS[0]),
        time=time,
        elapsed=time in rows.types and rows.type(str(time)) in NUMBERS,
        segments=experiment.segments,
        sides=("_c", "_t") if wide else ("",),
    )


def _read(experiment: Experiment, rows: Rows, layout: Layout) -> list[Summary]:
    """The summaries of this experiment's arms and metrics."""
    columns: dict[str, str] = {
        "arm": rows.text(layout.arm, "the arm"),
        "metric": rows.text(layout.metric, "the metric"),
    }
    if layout.time is not None:
        read = rows.number if layout.elapsed else rows.instant
        columns["time"] = f"CAST({read(layout.time, 'the time')} AS DOUBLE)"
    for k, name in enumerate(layout.segments):
        columns[f"segment_{k}"] = rows.text(name, "a segment")
    for name in (what + side for what in SUMMARY for side in layout.sides):
        columns[name] = f"CAST({rows.number(name, 'a summary')} AS DOUBLE)"
    rows.refuse_holes((layout.arm, layout.metric), layout.time)
    whose = ""
    if "experiment_id" in rows.types:
        whose = f"WHERE {rows.text('experiment_id', 'the experiment')} = {literal(experiment.id)}"
    table = [row for batch in rows.stream(columns, whose) for row in batch.to_pylist()]
    if not table:
        raise SourceError(f"{rows.label}: column 'experiment_id' has no {experiment.id!r}; check the experiment's id.")
    metrics = {str(variable.value) for variable in experiment.variables}
    treatments = experiment.arms[len(layout.sides) - 1 :]
    _need(rows, layout.arm, treatments, {row["arm"] for row in table})
    _need(rows, layout.metric, metrics, {row["metric"] for row in table})
    kept = [row for row in table if row["metric"] in metrics and row["arm"] in treatments]
    return [summary for row in kept for summary in _summaries(experiment, layout, row)]


def _need(rows: Rows, column: str, wanted: Any, found: set[str]) -> None:
    for name in sorted(set(wanted) - found):
        hint = did_you_mean(name, found).replace("Known:", "Found:")
        raise SourceError(f"{rows.label}: column {column!r} has no {name!r}.{hint}")


def _summaries(experiment: Experiment, layout: Layout, row: dict[str, Any]) -> list[Summary]:
    """The one or two summaries of a row; none for a cross of two segments."""
    named = [(name, row[f"segment_{k}"]) for k, name in enumerate(layout.segments)]
    inside = [Segment(name, value) for name, value in named if value is not None]
    if len(inside) > 1:
        return []
    segment = inside[0] if inside else None
    arms = {"": row["arm"], "_c": experiment.control, "_t": row["arm"]}
    return [
        Summary(row.get("time"), segment, arms[side], row["metric"], *(_number(row[what + side]) for what in SUMMARY))
        for side in layout.sides
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _cells(label: str, summaries: list[Summary]) -> dict[tuple[Any, ...], Summary]:
    """The summaries by (time, segment, arm, metric), each plausible and told once."""
    cells: dict[tuple[Any, ...], Summary] = {}
    for s in summaries:
        if not 0 <= s.count < np.inf or (not np.isfinite(s.mean) and s.count > 0) or s.variance < 0:
            raise SourceError(
                f"{label}: {s} has count {s.count:g}, mean {s.mean:g}, variance {s.variance:g}; count and variance "
                "must be 0 or more, a mean must be a number."
            )
        known = cells.setdefault((s.time, s.segment, s.arm, s.metric), s)
        first, again = ((t.count, t.mean, t.variance) for t in (known, s))
        if not np.array_equal(first, again, equal_nan=True):
            raise SourceError(
                f"{label}: {s} is told twice, with (count, mean, variance) {first} and {again}; keep one."
            )
    return cells


def _moments(
    experiment: Experiment,
    label: str,
    cells: dict[tuple[Any, ...], Summary],
    times: list[float | None],
    segments: tuple[Segment | None, ...],
) -> Moments:
    """Moments in cells (looks, segments, arms); a cell without any row has 0 units."""
    p = len(experiment.variables)
    shape = (len(times), len(segments), len(experiment.arms))
    n: Array = np.zeros(shape)
    mean, cross = np.zeros((*shape, p)), np.zeros((*shape, p, p))
    for cell in np.ndindex(shape):
        at = (times[cell[0]], segments[cell[1]], experiment.arms[cell[2]])
        here = [cells.get((*at, str(variable.value))) for variable in experiment.variables]
        counts = {s.count for s in here if s}
        if len(counts) > 1:
            told = next(s for s in here if s)
            raise SourceError(
                f"{label}: {told} and others have different counts, {sorted(counts)}; units must be the same."
            )
        if counts:
            n[cell] = counts.pop()
            mean[cell] = [s.mean if s else np.nan for s in here]
            cross[cell] = np.nan
            cross[cell][np.diag_indices(p)] = [s.variance * max(s.count - 1, 0) if s else np.nan for s in here]
    return Moments(experiment.variables, n, mean, cross)
