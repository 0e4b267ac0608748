"""Clusters: units summed up into what was randomised, and what their unequal sizes do to a variance."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analysis.collect.cells import Course
from analysis.collect.events import apply, opening, settled
from analysis.collect.units import Labels, Units
from analysis.errors import SourceError
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.variables import SIZE, Variable


def tally_clusters(course: Course, units: Units, arms: int) -> Moments:
    """Moments of clusters, whose values are sums over their units that are in, in the cells of `tally`.

    `course` has `SIZE` among its values; arm and segments of `units` are the same all over each cluster.
    """
    assert units.clusters is not None
    cluster, g = units.clusters.codes, len(units.clusters.names)
    one = np.zeros(g, np.int64)
    one[cluster] = np.arange(len(units))
    groups = [(np.zeros(g, np.int64), 1), *((s.codes[one], len(s.names)) for s in units.segments.values())]
    variables, looks = tuple(course.values), []
    for sums in running_sums(course, units.clusters):
        here = np.flatnonzero(sums[:, variables.index(SIZE)])
        levels = []
        for code, size in groups:
            cell = code[here] * arms + units.arm[one[here]]
            order = np.argsort(cell, kind="stable")
            parts = np.split(sums[here[order]], np.searchsorted(cell[order], np.arange(1, size * arms)))
            levels += [moments_of_sums(part, variables) for part in parts]
        looks.append(Moments.stack(levels, -1, arms))
    return Moments.stack(looks, len(looks))


def moments_of_sums(sums: Array, variables: tuple[Variable, ...]) -> Moments:
    """Moments of clusters from their sums, shape (clusters, p), made so that variances of ratios have no bias.

    A cluster that holds the share h of the units pulls the ratio r = X / M towards itself: its residual x - r m is too
    small, by 1 - 2h + sum h² where cluster means vary alike. Each product of residuals is divided by that, which with
    clusters of one size is the usual n / (n - 1). What the sums share with the sizes stays as it is, so the products
    give variances of ratios and of nothing else.

    Source: Bell and McCaffrey, Survey Methodology 2002, with cluster means of equal variance as the working model:
    their own, independent units, gives back too little where clusters differ.
    """
    plain = Moments.of(sums, variables)
    if len(sums) < 2:
        return plain
    size, total = sums[:, [variables.index(SIZE)]], sums.sum(axis=0)
    share = size / size.sum()
    residual = sums - size * (total / size.sum())
    weight = (1 - 1 / len(sums)) / (1 - 2 * share + (share**2).sum())
    return replace(plain, cross=plain.cross + ((weight - 1) * residual).T @ residual)


def refuse_split_segments(label: str, units: Units) -> None:
    """Refuses a segment that differs between the units of one cluster: it was not randomised within it."""
    if units.clusters is None:
        return
    cluster = units.clusters.codes
    some = np.zeros(len(units.clusters.names), np.int64)
    for dimension, labels in units.segments.items():
        some[cluster] = labels.codes
        other = np.flatnonzero(some[cluster] != labels.codes)
        if len(other):
            found = sorted({labels.names[code] for code in (labels.codes[other[0]], some[cluster[other[0]]])})
            raise SourceError(
                f"{label}: segment {dimension!r} is {found[0]!r} and {found[1]!r} in one cluster, "
                f"{units.clusters.names[cluster[other[0]]]!r}; a segment must hold whole clusters. Leave it out of "
                "segments, or name a property of the cluster."
            )


def running_sums(course: Course, clusters: Labels) -> Iterator[Array]:
    """Look by look, the sums of every variable over each cluster's units that are in, shape (clusters, p)."""
    for look, values in _states(course):
        inside = np.flatnonzero(course.entry <= look)
        of, g = clusters.codes[inside], len(clusters.names)
        yield np.column_stack([np.bincount(of, values[variable][inside], g) for variable in course.values])


def _states(course: Course) -> Iterator[tuple[int, dict[Variable, Array]]]:
    """Every unit's values at each look in turn."""
    totals = {variable: opening(variable, len(course.entry)) for variable in course.moving}
    for look in range(course.looks):
        for variable, total in totals.items():
            for units, amounts in course.moving[variable].get(look, ()):
                apply(variable, total, units, amounts)
        now = {v: np.minimum(settled(v, total), course.caps.get(v, np.inf)) for v, total in totals.items()}
        yield look, course.values | now
