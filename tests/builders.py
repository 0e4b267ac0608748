"""Small values for tests, each in one line."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.collect.ranks import Ranked, quantile_cells
from analysis.collected import Collected
from analysis.experiment import Experiment, Source
from analysis.metrics import KINDS, Metric, Quantity
from analysis.metrics.quantile import Quantile
from analysis.moments import Moments
from analysis.quantiles import QuantileCells
from analysis.readout import (
    Adjustment,
    Alternative,
    Arms,
    Decision,
    Design,
    Effect,
    EffectPair,
    Estimate,
    Family,
    Interval,
    Look,
    MetricPlan,
    Posterior,
    Readout,
    Segment,
    Split,
)
from analysis.variables import Variable


def a_quantity(*columns: str) -> Quantity:
    """A mean of one column, or a ratio of two."""
    return Quantity(*map(Variable, columns))


def a_metric(
    *columns: str, kind: str = "mean", covariates: tuple[Any, ...] = (), role: str = "primary", **more: Any
) -> Metric:
    """A metric over plain columns; each covariate is a column or a (numerator, denominator) pair; a quantile is 0.5."""
    pairs = tuple(a_quantity(*((c,) if isinstance(c, str) else c)) for c in covariates)
    more = {**({} if KINDS[kind].additive else {"quantile": 0.5}), **more}
    settings = {"id": columns[0], "name": columns[0].capitalize(), "direction": "increase", "role": role, **more}
    return KINDS[kind](outcome=a_quantity(*columns), covariates=pairs, **settings)


def moments_of(**columns: Any) -> Moments:
    """Moments of named columns of equal length."""
    return Moments.of(np.column_stack([np.asarray(c, float) for c in columns.values()]), tuple(map(Variable, columns)))


def stack(cells: list[list[list[Moments]]]) -> Moments:
    """Moments over (looks, segments, arms) from nested lists."""
    flat = [arm for look in cells for segment in look for arm in segment]
    return Moments.stack(flat, len(cells), len(cells[0]), len(cells[0][0]))


def quantiles_of(metric: Metric, arms: list[Any]) -> dict[str, QuantileCells]:
    """What a scan would say of a quantile at one look, from each arm's rows, shape (rows of each unit, units)."""
    if not isinstance(metric, Quantile):
        return {}
    rows = np.hstack(arms)
    unit = np.tile(np.arange(rows.shape[1]), len(rows))
    ranked = Ranked.of(unit, rows.ravel(), np.zeros(rows.size, np.uint16), alone=len(rows) == 1)
    of = np.repeat(np.arange(len(arms)), [arm.shape[1] for arm in arms])
    return {metric.id: quantile_cells(ranked, (metric.quantile,), 1, of, len(arms), [])[0]}


def an_experiment(*metrics: Metric, **more: Any) -> Experiment:
    """An experiment of control "a" and treatment "b" with these metrics."""
    settings: dict[str, Any] = {
        "id": "trial", "name": "Trial", "unit": "unit", "arm": "arm", "control": "a",
        "shares": MappingProxyType({"a": 1.0, "b": 1.0}), "alpha": 0.05, "inference": "fixed", "planned_units": None,
        "segments": (), "source": Source("table", table=Path("trial.csv")), "adjustment": "pooled",
        "file": Path("trial.toml"),
    }  # fmt: skip
    return Experiment(metrics=metrics or (a_metric("y"),), **{**settings, **more})


def collected_of(running: list[list[Moments]], arms: tuple[str, ...] = ("a", "b"), **more: Any) -> Collected:
    """What a scan would return for one overall segment: Moments by look and arm."""
    settings: dict[str, Any] = {
        "arms": arms, "segments": (None,), "looks": (None,) * len(running), "moments": stack([[look] for look in running]),
        "crossed": np.zeros((len(running), len(arms))), "left_out": {}, "last_exposure": None, "last_event": None, "caps": {},
    }  # fmt: skip
    return Collected(**{**settings, **more})


def a_readout(*, metrics: int, segments: int, looks: int) -> Readout:
    """A readout with every kind of number filled in; none of them means anything."""
    rng = np.random.default_rng(3)

    def estimate() -> Estimate:
        value, error = rng.normal(0, 0.01), rng.uniform(0.004, 0.02)
        return Estimate(float(value), float(error), float(value - 2 * error), float(value + 2 * error))

    def effect(metric: str, segment: Segment | None) -> Effect:
        means, overall = Arms(*rng.normal(10, 1, 2).tolist()), segment is None
        return Effect(
            metric=metric, role="secondary", arm="b", control="a", segment=segment, n=Arms(12_345, 12_346), means=means,
            adjustment=Adjustment("pooled", ("history",), ((rng.random(),),), means), absolute=estimate(),
            relative=estimate(), unadjusted=EffectPair(estimate(), estimate()), p_value=rng.random(),
            interval=Interval("confidence_sequence", 0.95), variance_reduction=rng.random(), reading="unclear",
            covariance=tuple(rng.random(3).tolist()), dof=1e4, simultaneous=None if overall else estimate(),
            alternatives=tuple(Alternative(rule, estimate()) for rule in ("fixed", "group_sequential")) if overall else (),
            family=Family("secondary", "benjamini_hochberg", metrics, rng.random(), estimate()) if overall else None,
            posterior=Posterior(*rng.random(7).tolist()) if overall else None,
        )  # fmt: skip

    groups = [Segment("country", f"c{s}") for s in range(segments)]
    plans = tuple(
        MetricPlan(f"m{m}", f"M {m}", "mean", "secondary", "increase", None, "", 1.0, ("history",))
        for m in range(metrics)
    )
    done = tuple(
        Look(
            time=f"2025-01-{k + 1:02}T00:00:00+00:00", units={"a": 1000 * k, "b": 1000 * k}, checks=(),
            effects=tuple(effect(plan.id, group) for plan in plans for group in (None, *groups)),
            splits=tuple(Split(group, {"a": 100, "b": 101}, rng.random()) for group in groups),
        )
        for k in range(looks)
    )  # fmt: skip
    design = Design(
        "Trial", "unit", "a", {"a": 1.0, "b": 1.0}, 0.05, "confidence_sequence", None, ("country",), plans, None, None, "lake"
    )  # fmt: skip
    return Readout("trial", design, done, Decision("keep_running", ()))
