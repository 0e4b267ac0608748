"""The same scan as plain, engine-neutral Ibis expressions: slow, and easy to believe.

It is the reference that the fast local path is tested against. It joins every unit with every look, which the fast path
must never do. It trusts that the facts are well formed: the fast path is the one that refuses.
"""

import operator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.collect.facts import facts_of
from analysis.collect.files import Files
from analysis.collect.plain_quantiles import plain_quantiles
from analysis.collect.units import NONE, column_variables, missing
from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.metrics.metric import Array
from analysis.metrics.quantile import Quantile
from analysis.moments import Moments
from analysis.readout import Segment
from analysis.variables import SIZE, Variable

if TYPE_CHECKING:
    from ibis.expr.types import BooleanValue, Column, NumericValue, Table

    from store import Workspace

INSTANT = "timestamp('UTC', 6)"


def collect_plain(experiment: Experiment, workspace: "Workspace | None" = None) -> Collected:
    """What `collect` returns for a table, exposures and events, or the lake, at daily looks."""
    import ibis

    engine = ibis.duckdb.connect()
    with Files(con=engine.con) as files:
        facts = facts_of(experiment, workspace, files)
        exposures = _kept(_exposures(experiment, engine.table(facts.units.name)))
        dated = facts.events is not None and facts.events.are_dates(experiment.source.time or "time")
        events = _kept(_events(experiment, engine.table(facts.events.name), dated)) if facts.events else None
        return collect_tables(experiment, exposures, events)


def collect_tables(experiment: Experiment, exposures: "Table", events: "Table | None") -> Collected:
    """Moments of exposures (unit, arm, time?, cluster?, segment_k, value_k) and events (unit, time, dated, …)."""
    timed, key = "time" in exposures.columns, "cluster" if experiment.cluster else "unit"
    seen = exposures.group_by(key).agg(arms=exposures.arm.nunique())
    firsts = _kept(_first_of(exposures, key).join(seen, key))
    alone = firsts.filter(firsts.arms == 1) if experiment.crossovers == "exclude" else firsts
    assigned = alone.filter(alone.arm.isin(experiment.arms)).select(key, "arm")
    units = _kept(_first_of(exposures, "unit").drop("arm").join(assigned, key))
    ends = _ends(exposures, units, events) if timed else (None,)
    unknown = _companions(experiment, units)
    variables = (*experiment.variables, *unknown)
    beside = tuple(v for v in experiment.scanned if v not in experiment.variables and v.aggregation != "each")
    scanned = (*variables, *beside)
    values = _kept(_values(experiment, units, events, ends, scanned))
    caps = _caps(values.filter(values.look == len(ends) - 1), scanned)
    rows = _rows(experiment, values, events, scanned)
    values = values.mutate(
        **{f"v{variables.index(v)}": _least(values[f"v{variables.index(v)}"], c) for v, c in caps.items()}
    )
    last = _kept(values.filter(values.look == len(ends) - 1))
    if experiment.cluster:
        values = _sums(values, len(variables))
    segments, moments = _moments(experiment, _kept(values), variables, len(ends))
    others = alone.filter(~alone.arm.isin(experiment.arms)).arm.value_counts(name="units").to_pyarrow().to_pylist()
    crossed, arms = firsts.filter(firsts.arms > 1), experiment.arms
    return Collected(
        arms=experiment.arms,
        segments=segments,
        looks=ends,
        moments=moments,
        crossed=np.array([_by_first_arm(crossed, arms, end) for end in ends]),
        left_out={row["arm"]: row["units"] for row in others},
        last_exposure=_latest(exposures) if timed else None,
        last_event=_latest(events) if events is not None else None,
        caps={variable.name: cap for variable, cap in caps.items()},
        inside=_moments(replace(experiment, cluster=None, segments=()), last.mutate(look=0), variables, 1)[1][0, 0]
        if experiment.cluster
        else None,
        quantiles={m.id: plain_quantiles(experiment, m, t, segments, len(ends)) for m, t in rows.items()},
        nonnegative=_nonnegative(last, variables),
    )


def _rows(
    experiment: Experiment, values: "Table", events: "Table | None", scanned: tuple[Variable, ...]
) -> dict[Quantile, "Table"]:
    """For each quantile metric a row for each look and row in it: unit (or cluster), arm, segment_k, value."""
    rows = {}
    for metric in experiment.metrics:
        if isinstance(metric, Quantile):
            variable = metric.outcome.numerator
            if variable.aggregation is None:
                found = values.mutate(value=values[f"v{scanned.index(variable)}"])
            elif events is None:
                found = values.mutate(value=0.0).limit(0)
            else:
                both = _both(values, events)
                found = both.filter(_counts(both, variable)).mutate(value=both[str(variable.value)].cast("float64"))
                found = found.filter(found.value.notnull())
            names = [c for c in values.columns if c.startswith("segment")]
            together = found["cluster" if experiment.cluster else "unit"]
            rows[metric] = _kept(found.select("look", "arm", *names, "value", unit=together))
    return rows


def _both(present: "Table", events: "Table") -> "Table":
    """The events before each look of the units that are in by then, with the units' columns."""
    there = {c: present[c] for c in present.columns if c not in events.columns or c in ("unit", "time", "arm")}
    events = events.rename(holdout_unit="unit", holdout_time="time")
    events = events.drop(*(c for c in events.columns if c in there))
    present = present.select(**there)
    return present.join(events, [present.unit == events.holdout_unit, events.holdout_time < present.end])


def _first_of(exposures: "Table", key: str) -> "Table":
    """The first row of each unit or cluster; of several at one time, the first by arm, segments and covariates."""
    import ibis

    order = [c for c in exposures.columns if c not in ("unit", "cluster")]
    order = sorted(order, key=lambda c: (c != "time", c != "arm", not c.startswith("segment"), c))
    ranked = exposures.mutate(rank=ibis.row_number().over(group_by=key, order_by=order))
    return _kept(ranked.filter(ranked["rank"] == 0).drop("rank"))


def _sums(values: "Table", p: int) -> "Table":
    """Each cluster at each look: the sums of its units' variables."""
    same = {c: values[c].min() for c in values.columns if c == "arm" or c.startswith("segment")}
    return values.group_by("look", "cluster").agg(**same, **{f"v{k}": values[f"v{k}"].sum() for k in range(p)})


def _by_first_arm(crossed: "Table", arms: tuple[str, ...], end: Any) -> list[float]:
    """How many of the crossed units were seen before `end`, by the arm that they were in first."""
    crossed = crossed if end is None else crossed.filter(crossed.time < end)
    return [float(crossed.filter(crossed.arm == arm).count().execute()) for arm in arms]


def _nonnegative(values: "Table", variables: tuple[Variable, ...]) -> frozenset[Variable]:
    return frozenset(v for k, v in enumerate(variables) if values[f"v{k}"].min().execute() >= 0)


def _kept(table: "Table") -> "Table":
    """The table, computed once."""
    from ibis.util import gen_name

    return table.get_backend().create_table(gen_name("holdout"), table, temp=True)


def _exposures(experiment: Experiment, table: "Table") -> "Table":
    columns = {"unit": _text(table[experiment.unit]), "arm": _text(table[experiment.arm])}
    clock = experiment.source.time
    columns |= {"time": table[clock].cast(INSTANT)} if clock else {}
    columns |= {"cluster": _text(table[experiment.cluster])} if experiment.cluster else {}
    columns |= {f"segment_{k}": _text(table[name]).fill_null(NONE) for k, name in enumerate(experiment.segments)}
    for k, variable in enumerate(column_variables(experiment)):
        number = table[str(variable.value)].cast("float64")
        # By its text: of Parquet whose statistics leave out nan, DuckDB 2.0 takes isnan to be false.
        columns[f"value_{k}"] = (number.cast("string") == "nan").ifelse(None, number)
    return table.select(**columns)


def _events(experiment: Experiment, table: "Table", dated: bool) -> "Table":
    clock = experiment.source.time or "time"
    return table.mutate(unit=_text(table[experiment.unit]), time=table[clock].cast(INSTANT), dated=dated)


def _text(column: "Column") -> "Column":
    return column.cast("int64").cast("string") if column.type().is_floating() else column.cast("string")


def _ends(exposures: "Table", units: "Table", events: "Table | None") -> tuple[datetime, ...]:
    """End of each UTC day, from the first exposure of a unit that counts to its last fact."""
    facts = [exposures.semi_join(units, "unit")] + ([] if events is None else [events.semi_join(units, "unit")])
    first = units.time.min().execute()
    last = max(moment for moment in map(_latest, facts) if moment is not None)
    day = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return tuple(day + timedelta(days=k + 1) for k in range((last - day).days + 1))


def _latest(table: "Table") -> datetime | None:
    rows = table.agg(last=table.time.max().cast("string")).to_pyarrow().to_pylist()
    return rows[0]["last"] and datetime.fromisoformat(rows[0]["last"]).astimezone(UTC)


def _companions(experiment: Experiment, units: "Table") -> tuple[Variable, ...]:
    columns = enumerate(column_variables(experiment))
    return tuple(missing(v) for k, v in columns if units[f"value_{k}"].isnull().any().execute())


def _values(
    experiment: Experiment,
    units: "Table",
    events: "Table | None",
    ends: tuple[Any, ...],
    variables: tuple[Variable, ...],
) -> "Table":
    """One row for each look and unit in it: arm, segment_k, and the variables as v0, v1, …"""
    import ibis

    looks = ibis.memtable({"look": list(range(len(ends))), "end": list(ends)}, schema={"look": "int64", "end": INSTANT})
    present = units.join(looks, units.time < looks.end) if ends[0] else units.cross_join(looks.drop("end"))
    columns = column_variables(experiment)
    fixed = {
        f"v{k}": present[f"value_{columns.index(v)}"].fill_null(0.0)
        if not v.missing
        else present[f"value_{columns.index(Variable(v.value))}"].isnull().cast("float64")
        for k, v in enumerate(variables)
        if v.aggregation is None and v != SIZE
    }
    fixed |= {f"v{k}": ibis.literal(1.0) for k, v in enumerate(variables) if v == SIZE}
    present = present.mutate(**fixed)
    if len(fixed) == len(variables):
        return present
    present = present.mutate(dated=ibis.literal(events is not None and bool(events.dated.any().execute())))
    over = {f"v{k}": _over(present, v).cast("float64") for k, v in enumerate(variables) if v.aggregation == "unit"}
    present = present.mutate(**over)
    moving = {f"v{k}": v for k, v in enumerate(variables) if v.aggregation is not None and f"v{k}" not in over}
    if events is None:
        return present.mutate(**{name: ibis.literal(0.0) for name in moving})
    both = _both(present.select("look", "unit", "end", "time"), events)
    totals = both.group_by("look", "unit").agg(**{name: _aggregate(both, v) for name, v in moving.items()})
    joined = present.left_join(totals, ["look", "unit"])
    return joined.mutate(**{name: joined[name].fill_null(0.0) for name in moving})


def _aggregate(both: "Table", variable: Variable) -> "NumericValue":
    """The aggregate of the unit's events that are in the window and fulfil the filters."""
    kept = _counts(both, variable)
    if variable.value is None:
        count = both.count(where=kept)
        return ((count > 0) if variable.aggregation == "any" else count).cast("float64")
    value = both[variable.value].cast("float64")
    if variable.aggregation == "any":
        return (both.count(where=kept & (value != 0)) > 0).cast("float64")
    return value.max(where=kept) if variable.aggregation == "max" else value.sum(where=kept)


def _counts(both: "Table", variable: Variable) -> "BooleanValue":
    """Whether an event is in the window and fulfils the filters."""
    kept = reduce(operator.and_, [_equals(both[c], wanted) for c, wanted in variable.where], _inside(both, variable))
    return kept & _over(both, variable) if variable.complete else kept


def _inside(both: "Table", variable: Variable) -> "BooleanValue":
    time, first, length = both.holdout_time, _first(both), _length(variable.days)
    if variable.pre:
        return (time < first) & (time >= first - length)
    late = time >= first + _length(variable.start)
    return late if variable.days is None else late & (time <= first + length)


def _over(units: "Table", variable: Variable) -> "BooleanValue":
    """Whether the unit's window has ended by the look."""
    return _first(units) + _length(variable.days) < units.end


def _first(units: "Table") -> "Any":
    return units.dated.ifelse(units.time.truncate("D"), units.time)


def _length(days: float | None) -> "Any":
    import ibis

    return ibis.interval(microseconds=round((days or 0) * 86_400_000_000))


def _equals(column: "Column", wanted: Any) -> "BooleanValue":
    if column.type().is_string() or isinstance(wanted, str):
        return column.cast("string") == (str(wanted).lower() if isinstance(wanted, bool) else str(wanted))
    return column.cast("float64") == float(wanted)


def _caps(values: "Table", variables: tuple[Variable, ...]) -> dict[Variable, float]:
    caps = {}
    for k, variable in enumerate(variables):
        if variable.cap is not None and variable.cap.value is not None:
            caps[variable] = variable.cap.value
        elif variable.cap is not None:
            place = variables.index(variable.yardstick) if variable.yardstick else k
            caps[variable] = float(values[f"v{place}"].quantile(variable.cap.quantile).execute())
    return caps


def _least(value: "NumericValue", cap: float) -> "NumericValue":
    import ibis

    return ibis.least(value, cap)


def _residuals(gaps: "Table", size: int, p: int, by: list[str]) -> "Table":
    """Residuals e_k of the sums from their ratios to the sizes, and by how much more than once each counts.

    Source: as `analysis.collect.clusters.moments_of_sums`.
    """
    import ibis

    total = gaps.n * gaps[f"m{size}"]
    share = gaps[f"v{size}"] / total
    squares = (share * share).sum().over(ibis.window(group_by=by))
    more = (1 - 1 / gaps.n) / (1 - 2 * share + squares) - 1
    residuals = {f"e{k}": gaps[f"v{k}"] - gaps[f"v{size}"] * gaps[f"m{k}"] / gaps[f"m{size}"] for k in range(p)}
    return gaps.mutate(w=(gaps.n > 1).ifelse(more, 0.0), **residuals)


def _moments(
    experiment: Experiment, values: "Table", variables: tuple[Variable, ...], looks: int
) -> tuple[tuple[Segment | None, ...], Moments]:
    """Moments in cells (looks, segments, arms), in two passes: means first, then centred products."""
    import ibis

    p = len(variables)
    parts: list[tuple[Array, Array, Array]] = []
    segments: list[Segment | None] = []
    for level in (None, *(f"segment_{k}" for k in range(len(experiment.segments)))):
        values = values.mutate(level=ibis.literal("") if level is None else values[level])
        by = ["look", "level", "arm"]
        means = values.group_by(by).agg(n=values.count(), **{f"m{k}": values[f"v{k}"].mean() for k in range(p)})
        gaps = values.join(means, by)
        gaps = gaps.mutate(**{f"g{k}": gaps[f"v{k}"] - gaps[f"m{k}"] for k in range(p)})
        pairs = list(combinations_with_replacement(range(p), 2))
        products = {(i, j): gaps[f"g{i}"] * gaps[f"g{j}"] for i, j in pairs}
        if experiment.cluster:
            gaps = _residuals(gaps, variables.index(SIZE), p, by)
            products = {
                (i, j): gaps[f"g{i}"] * gaps[f"g{j}"] + gaps.w * gaps[f"e{i}"] * gaps[f"e{j}"] for i, j in pairs
            }
        sums = {f"c{i}_{j}": product.sum() for (i, j), product in products.items()}
        rows = gaps.group_by(by).agg(n=gaps.n.max(), **{f"m{k}": gaps[f"m{k}"].max() for k in range(p)}, **sums)
        table = rows.to_pyarrow().to_pylist()
        names = sorted({row["level"] for row in table})
        shape = (looks, len(names), len(experiment.arms))
        n, mean, cross = np.zeros(shape), np.zeros((*shape, p)), np.zeros((*shape, p, p))
        for row in table:
            cell = (row["look"], names.index(row["level"]), experiment.arms.index(row["arm"]))
            n[cell], mean[cell] = row["n"], [row[f"m{k}"] for k in range(p)]
            for i, j in pairs:
                cross[(*cell, i, j)] = cross[(*cell, j, i)] = row[f"c{i}_{j}"]
        parts.append((n, mean, cross))
        segments += [None if level is None else Segment(experiment.segments[int(level[8:])], name) for name in names]
    n, mean, cross = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    return tuple(segments), Moments(variables, n, mean, cross)
