"""Segments: whether the effect differs between them at all, and intervals for those that a reader picked."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from analysis.collected import Collected
from analysis.effects import Contrast
from analysis.errors import AnalysisError
from analysis.inference.estimates import Estimates, number
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.inference.series import Series
from analysis.metrics.metric import Array
from analysis.multiplicity.corrections import holm, selected_alpha
from analysis.multiplicity.interaction import interaction_p_value
from analysis.readout import Effect, Estimate, Interaction, Readout, Segment


def interactions(collected: Collected, series: list[Series]) -> list[tuple[Interaction, ...]]:
    """One test of each dimension for each series, look by look; a Bayesian readout has none."""
    places: dict[str, list[int]] = {}
    for place, segment in enumerate(collected.segments):
        if segment is not None:
            places.setdefault(segment.dimension, []).append(place)
    looks: list[list[Interaction]] = [[] for _ in collected.looks]
    for one in series if places else []:
        if one.kind == "bayesian":
            continue
        p = np.stack([_interaction(one, levels) for levels in places.values()], axis=-1)
        # A dimension that cannot be tested yet counts: else the family would grow while one looks.
        adjusted = np.where(np.isnan(p), np.nan, holm(np.nan_to_num(p, nan=1.0)))
        for k, found in enumerate(looks):
            for d, dimension in enumerate(places):
                row = number(p[k, d]), number(adjusted[k, d])
                found.append(Interaction(one.metric.id, one.arm, dimension, *row))
    return [tuple(found) for found in looks]


def _interaction(one: Series, levels: list[int]) -> Array:
    tested, used = one.tested, one.used[:, levels]
    readable = np.isfinite(tested.half[:, levels])
    errors = np.where(readable, tested.lift_error[:, levels], np.nan)
    units = used.n_control + used.n_treatment
    return interaction_p_value(tested.lift[:, levels], errors, units, used.dof, tested.rule)


def picked(readout: Readout, metric: str, arm: str, chosen: Collection[Segment]) -> list[tuple[Effect, Estimate]]:
    """The lifts of the segments that a reader picked, at the decided look, with intervals that allow for the picking.

    Of the intervals that are reported a share of alpha at most misses, on average, however the segments were picked.
    Where looks are many they are confidence sequences, so that this holds at any look and although segments of two
    dimensions overlap; for a fixed horizon, and without planned units, intervals for one look, for which segments of
    one dimension only may be picked: those are independent.

    Raises:
        AnalysisError: if a segment is not in the readout, or if they must be of one dimension and are not.

    Source: Xu, Wang and Ramdas, arXiv 2203.12572 (e-BY).
    """
    effects = [
        effect
        for effect in readout.decided.effects
        if effect.metric == metric and effect.arm == arm and effect.segment is not None
    ]
    found = [effect for effect in effects if effect.segment in chosen]
    if len(found) < len(chosen):
        raise AnalysisError(f"{metric}: {len(chosen) - len(found)} of the picked segments are not in the readout.")
    if not found:
        return []
    if not _sequential(readout):
        if len({segment.dimension for segment in chosen}) > 1:
            raise AnalysisError("an interval for one look allows picking from one dimension only; pick from one.")
        (dimension,) = {segment.dimension for segment in chosen}
        effects = [effect for effect in effects if effect.segment and effect.segment.dimension == dimension]
    alpha = selected_alpha(readout.design.alpha, len(found), len(effects))
    return [(effect, _reread(readout, effect, alpha)) for effect in found]


def _sequential(readout: Readout) -> bool:
    """Whether the plan allows confidence sequences, and looks are many."""
    return readout.design.inference != "fixed" and bool(readout.design.planned_units)


def _reread(readout: Readout, effect: Effect, alpha: float) -> Estimate:
    """The effect's lift at another level, from what the readout keeps of it."""
    means = effect.adjustment.means if effect.adjustment else effect.means
    if effect.covariance is None or effect.relative.lower is None or means.control is None or means.treatment is None:
        return effect.relative
    design = readout.design
    v_c, v_t, v_ct = effect.covariance
    one = Contrast(
        np.array([[means.control]]),
        np.array([[means.treatment]]),
        np.array([[[[v_c, v_ct], [v_ct, v_t]]]]),
        np.array([[float(effect.n.control or 0)]]),
        np.array([[float(effect.n.treatment or 0)]]),
        np.array([[np.inf if effect.dof is None else effect.dof]]),
        np.zeros((1, 1, 1, 0)),
    )
    pair = design.shares[effect.arm] + design.shares[design.control]
    # Tuned to the design's level: tuned to that of the picks, it would depend on them, and the promise be void.
    rule = (
        ConfidenceSequence(design.planned_units * pair / sum(design.shares.values()), design.alpha)
        if _sequential(readout) and design.planned_units
        else FixedHorizon()
    )
    return Estimates(one, rule, alpha).relative((0, 0))
