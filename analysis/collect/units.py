"""Units: who is in which arm since when, with segments and covariates, as dense arrays."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.collect.files import Rows, array, arrow, literal, odd, quote
from analysis.errors import SourceError
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.variables import SIZE, Variable
from store.errors import did_you_mean

Ints = NDArray[np.int64]
NONE = "(none)"
LEVELS = 1000
# Squares of larger numbers are beyond what a double can hold.
LARGEST = 1e150
MOST_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class Labels:
    """A text column as codes into its distinct texts, which are sorted unless they are clusters."""

    names: tuple[str, ...]
    codes: NDArray[Any]

    @classmethod
    def of(cls, column: Any) -> "Labels":
        """The labels of a column that `_coded` made, without null."""
        return cls(
            tuple(column.chunk(0).dictionary.to_pylist()), np.concatenate([array(c.indices) for c in column.chunks])
        )

    def take(self, rows: NDArray[Any]) -> "Labels":
        """The labels of some rows, without the names that do not occur in them."""
        codes = self.codes[rows]
        used = np.flatnonzero(np.bincount(codes, minlength=len(self.names)))
        place = np.zeros(len(self.names), np.int32)
        place[used] = np.arange(len(used))
        return Labels(tuple(self.names[k] for k in used), place[codes])


@dataclass(frozen=True, slots=True)
class Units:
    """The n units that count: in a listed arm and, unless crossovers stay in their first, seen in no other.

    Attributes:
        ids: whole numbers, or an Arrow array of texts; empty for a table, whose events are in its columns.
        arm: index into the experiment's arms.
        first: microseconds of first exposure; None for a table without time.
        segments: labels by dimension.
        columns: values of variables that are columns, and of their companions that mark missing values.
        clusters: the cluster of each unit's first exposure, where clusters were randomised.
        left_out: units, or clusters, of arms that the experiment does not list.
        crossed: first exposures of the units, or clusters, seen in two arms, by the listed arm that each was in first.
        latest: last exposure of any unit that counts.
        last_exposure: last exposure in the data.
    """

    ids: Any
    arm: NDArray[np.int32]
    first: Ints | None
    segments: dict[str, Labels]
    columns: dict[Variable, Array]
    left_out: dict[str, int]
    clusters: Labels | None = None
    crossed: tuple[Ints, ...] = ()
    latest: int | None = None
    last_exposure: int | None = None

    def __len__(self) -> int:
        return len(self.arm)


def read_table(experiment: Experiment, rows: Rows) -> Units:
    """The units of a table with one row a unit."""
    time = experiment.source.time
    unit = rows.text(experiment.unit, "the unit")
    data = _fetch(experiment, rows, time, unit)
    _refuse_duplicates(rows, unit, experiment.unit)
    outcomes = {variable for metric in experiment.metrics for variable in metric.outcome.variables}
    for variable in column_variables(experiment):
        if variable in outcomes:
            _refuse_unknown(rows, variable)
    first, labels, clusters = array(data["time"]) if time else None, Labels.of(data["arm"]), _clusters(data)
    if clusters is None:
        arm, left_out = _arms(experiment, rows, labels, None)
        crossed: tuple[Ints, ...] = ()
    else:
        clock = np.zeros(len(labels.codes), np.int64) if first is None else first
        arm, left_out, crossed = _arms_of_clusters(experiment, rows, data, labels, clusters, clock)
    counted = np.flatnonzero(arm >= 0)
    last = None if first is None else int(first.max())
    return Units(
        ids=np.zeros(0, np.int64),
        arm=arm[counted],
        first=None if first is None else first[counted],
        segments=_segments(experiment, rows, data, counted),
        columns=_columns(experiment, rows, data, counted),
        left_out=left_out,
        clusters=clusters and clusters.take(counted),
        crossed=crossed,
        latest=None if first is None else int(first[counted].max()),
        last_exposure=last,
    )


def read_exposures(experiment: Experiment, rows: Rows, *, whole: bool) -> Units:
    """The units of exposures: first exposure counts, and what was seen in two arms is counted and may be left out.

    Of several first exposures at the same instant, the one that is first in the order of arm, segments and covariates.

    Args:
        whole: unit ids are whole numbers here and in the events, and need no text.
    """
    clock = experiment.source.time or "time"
    unit = rows.need(experiment.unit, "the unit") if whole else rows.text(experiment.unit, "the unit")
    data = _fetch(experiment, rows, clock, unit)
    time = array(data["time"])
    ids, unit_of = _dense(data["unit"], whole)
    first = _first_times(time, unit_of, len(ids))
    labels = Labels.of(data["arm"])
    row = _first_rows(experiment, data, labels, unit_of, time, first)
    clusters = _clusters(data)
    if clusters is None:
        arm, left_out, crossed = _assigned(experiment, rows, labels, unit_of, first, row)
    else:
        arm, left_out, crossed = _arms_of_clusters(experiment, rows, data, labels, clusters, time)
        arm = arm[row]
    counted = np.flatnonzero(arm >= 0)
    included = np.zeros(len(ids), bool)
    included[counted] = True
    return Units(
        ids=ids[counted] if whole else ids.take(arrow(counted)),
        arm=arm[counted],
        first=first[counted],
        segments=_segments(experiment, rows, data, row[counted]),
        columns=_columns(experiment, rows, data, row[counted]),
        left_out=left_out,
        clusters=clusters and clusters.take(row[counted]),
        crossed=crossed,
        latest=int(time[included[unit_of]].max()),
        last_exposure=int(time.max()),
    )


def column_variables(experiment: Experiment) -> tuple[Variable, ...]:
    """The variables that are columns of the units' own rows."""
    return tuple(v for v in experiment.scanned if v.aggregation is None and v != SIZE)


def missing(variable: Variable) -> Variable:
    """The 0/1 companion of a covariate that is unknown for some units."""
    return replace(variable, missing=True)


def value_sql(rows: Rows, variable: Variable) -> str:
    """A column variable as SQL of a DOUBLE that is nan where unknown."""
    number = rows.number(str(variable.value), f"a value of {variable.name!r}")
    return f"coalesce(CAST({number} AS DOUBLE), 'nan'::DOUBLE)"


def _refuse_duplicates(rows: Rows, unit: str, column: str) -> None:
    found = rows.con.execute(
        f"SELECT {unit}, count(*) FROM {quote(rows.name)} GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    if found:
        name, count = found[0]
        many = "1 unit has" if len(found) == 1 else f"{len(found)} units have"
        raise SourceError(
            f"{rows.label}: {many} more than one row, such as {column} = {name!r} with {count}; a table has one row "
            "a unit. Group or filter the rows with `query`, or give exposures and events."
        )


def _refuse_unknown(rows: Rows, variable: Variable) -> None:
    rows.refuse(
        odd(value_sql(rows, variable), "nan"),
        str(variable.value),
        "has no number",
        "an outcome must be known for every unit: fill in those rows, or remove them with `query`",
    )


def _fetch(experiment: Experiment, rows: Rows, time: str | None, unit: str) -> Any:
    """An Arrow table with unit, arm, time, cluster, segment_k and value_k, in which who, where and when are known."""
    arm = rows.text(experiment.arm, "the arm")
    columns = {"unit": unit, "arm": _coded(rows, experiment.arm, arm)}
    columns |= {"time": rows.instant(time, "the time")} if time else {}
    columns |= {"cluster": rows.text(experiment.cluster, "the cluster")} if experiment.cluster else {}
    for k, name in enumerate(experiment.segments):
        columns[f"segment_{k}"] = _coded(rows, name, f"coalesce({rows.text(name, 'a segment')}, {literal(NONE)})")
    columns |= {f"value_{k}": value_sql(rows, v) for k, v in enumerate(column_variables(experiment))}
    data = rows.fetch(columns)
    if any(data[name].null_count for name in ("unit", "arm", "time", "cluster") if name in columns):
        rows.refuse_holes((experiment.unit, experiment.arm, *filter(None, [experiment.cluster])), time)
    return data


def _coded(rows: Rows, column: str, text: str) -> str:
    """SQL of a text as a code into its sorted distinct values, which are far smaller to hand over."""
    found = rows.con.execute(f"SELECT DISTINCT {text} FROM {quote(rows.name)} LIMIT {MOST_TEXTS + 1}").fetchall()
    names = sorted(name for (name,) in found if name is not None)
    if len(found) > MOST_TEXTS:
        raise SourceError(
            f"{rows.label}: column {column!r} has more than {MOST_TEXTS} values, such as {names[0]!r}; an arm or a "
            "segment has few. Name another column, or group the values with `query`."
        )
    return f"CAST({text} AS ENUM({', '.join(map(literal, names)) or literal(NONE)}))"


def _dense(column: Any, whole: bool) -> tuple[Any, NDArray[Any]]:
    """Distinct unit ids, and for each row the index of its unit among them."""
    if not whole:
        coded = column.combine_chunks().dictionary_encode()
        return coded.dictionary, array(coded.indices)
    units = array(column).astype(np.int64, copy=False)
    low, span = int(units.min()), int(units.max()) - int(units.min()) + 1
    if span > 8 * len(units) + (1 << 20):
        return np.unique(units, return_inverse=True)
    seen = np.zeros(span, bool)
    seen[units - low] = True
    ids = np.flatnonzero(seen)
    if len(ids) == span:
        return ids + low, units - low
    place = np.zeros(span, np.int64)
    place[ids] = np.arange(len(ids))
    return ids + low, place[units - low]


def _crossed(arm: NDArray[np.int32], unit_of: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """Which units were seen in two arms or more, listed or not."""
    some = np.zeros(n, np.int32)
    some[unit_of] = arm
    crossed = np.zeros(n, bool)
    crossed[unit_of[some[unit_of] != arm]] = True
    return crossed


def _first_times(time: Ints, unit_of: NDArray[Any], n: int) -> Ints:
    first = np.full(n, np.iinfo(np.int64).max)
    if (time[1:] >= time[:-1]).all():
        # Logs are mostly in order of time; of repeated places the last that is written stays, so write backwards.
        first[unit_of[::-1]] = time[::-1]
    else:
        np.minimum.at(first, unit_of, time)
    return first


def _clusters(data: Any) -> Labels | None:
    """The cluster of each row; None where units were randomised."""
    if "cluster" not in data.column_names:
        return None
    names, codes = _dense(data["cluster"], whole=False)
    return Labels(tuple(names.to_pylist()), codes)


def _arms_of_clusters(
    experiment: Experiment, rows: Rows, data: Any, labels: Labels, clusters: Labels, time: Ints
) -> tuple[NDArray[np.int32], dict[str, int], tuple[Ints, ...]]:
    """What `_assigned` says of clusters, the arm of each row's cluster first."""
    first = _first_times(time, clusters.codes, len(clusters.names))
    row = _first_rows(experiment, data, labels, clusters.codes, time, first)
    arm, left_out, crossed = _assigned(experiment, rows, labels, clusters.codes, first, row)
    return arm[clusters.codes], left_out, crossed


def _assigned(
    experiment: Experiment, rows: Rows, labels: Labels, key: NDArray[Any], first: Ints, row: Ints
) -> tuple[NDArray[np.int32], dict[str, int], tuple[Ints, ...]]:
    """Index of the arm of each unit or cluster (-1 if it does not count), how many other arms have, and crossovers.

    Args:
        labels: the arm of each row.
        key: the unit or cluster of each row.
        first, row: of each unit or cluster, its first exposure.
    """
    crossed, first_arms = _crossed(labels.codes, key, len(first)), Labels(labels.names, labels.codes[row])
    arm, left_out = _arms(experiment, rows, first_arms, crossed if experiment.crossovers == "exclude" else None)
    times = (first[crossed & (first_arms.codes == _code(labels, name))] for name in experiment.arms)
    return arm, left_out, tuple(times)


def _code(labels: Labels, name: str) -> int:
    return labels.names.index(name) if name in labels.names else -1


def _first_rows(
    experiment: Experiment, data: Any, arms: Labels, unit_of: NDArray[Any], time: Ints, first: Ints
) -> Ints:
    """For each unit the row of its first exposure; of several, the first by arm, segments and covariates."""
    firsts = np.flatnonzero(time == first[unit_of])
    row = np.zeros(len(first), np.int64)
    row[unit_of[firsts]] = firsts
    if len(firsts) > len(row):
        double = np.bincount(unit_of[firsts], minlength=len(row)) > 1
        tied = firsts[double[unit_of[firsts]]]
        segments = [Labels.of(data[f"segment_{k}"]).codes[tied] for k in range(len(experiment.segments))]
        values = [array(data[f"value_{k}"].take(arrow(tied))) for k in range(len(column_variables(experiment)))]
        best = tied[np.lexsort((*reversed(values), *reversed(segments), arms.codes[tied]))[::-1]]
        row[unit_of[best]] = best
    return row


def _arms(
    experiment: Experiment, rows: Rows, found: Labels, crossed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], dict[str, int]]:
    """Index of each unit's or cluster's arm (-1 if it does not count), and how many other arms have."""
    listed = np.array(
        [experiment.arms.index(name) if name in experiment.arms else -1 for name in found.names], np.int32
    )
    arm = listed[found.codes]
    alone = np.ones(len(arm), bool) if crossed is None else ~crossed
    units = np.bincount(found.codes[alone], minlength=len(found.names))
    here = np.bincount(arm[alone & (arm >= 0)], minlength=len(experiment.arms))
    for name, count in zip(experiment.arms, here, strict=True):
        if not count:
            noun = experiment.randomised[:-1]
            if name in found.names:
                raise SourceError(
                    f"{rows.label}: every {noun} of arm {name!r} is in another arm too, so that none can be counted; "
                    f"check that column {experiment.cluster or experiment.unit!r} is what was randomised."
                )
            hint = did_you_mean(name, found.names).replace("Known:", "Found:")
            raise SourceError(f"{rows.label}: no {noun} is in arm {name!r} of column {experiment.arm!r}.{hint}")
    left_out = {name: int(units[k]) for k, name in enumerate(found.names) if listed[k] < 0 and units[k]}
    alike = {arm.strip().casefold(): arm for arm in experiment.arms}
    for name, count in left_out.items():
        if name.strip().casefold() in alike:
            raise SourceError(
                f"{rows.label}: {count:,} {experiment.randomised} have the arm {name!r} in column {experiment.arm!r}, "
                f"which the experiment does not list, but {alike[name.strip().casefold()]!r} it does. Write both "
                "alike, or give it a share."
            )
    return np.where(alone, arm, -1).astype(np.int32), left_out


def _segments(experiment: Experiment, rows: Rows, data: Any, row: NDArray[Any]) -> dict[str, Labels]:
    segments = {}
    for k, dimension in enumerate(experiment.segments):
        labels = Labels.of(data[f"segment_{k}"]).take(row)
        if len(labels.names) > LEVELS:
            raise SourceError(
                f"{rows.label}: segment {dimension!r} has {len(labels.names)} values, expected at most {LEVELS}; "
                "group them, or leave it out of segments."
            )
        segments[dimension] = labels
    return segments


def _columns(experiment: Experiment, rows: Rows, data: Any, row: NDArray[Any]) -> dict[Variable, Array]:
    columns: dict[Variable, Array] = {}
    companions: dict[Variable, Array] = {}
    for k, variable in enumerate(column_variables(experiment)):
        values = array(data[f"value_{k}"])[row]
        unknown = np.isnan(values)
        if (np.abs(values) > LARGEST).any():
            sql = value_sql(rows, variable)
            bad = f"abs({sql}) > {LARGEST!r} AND CAST({sql} AS VARCHAR) <> 'nan'"
            rows.refuse(bad, str(variable.value), "is infinite or too large to square", "correct those rows")
        columns[variable] = np.where(unknown, 0.0, values)
        if unknown.any():
            companions[missing(variable)] = unknown.astype(float)
    sizes = {SIZE: np.ones(len(row))} if experiment.cluster else {}
    return sizes | columns | companions


def all_variables(experiment: Experiment, units: Units) -> tuple[Variable, ...]:
    """The experiment's variables, and then the companions that mark missing covariates."""
    return (*experiment.variables, *(v for v in units.columns if v.missing))
