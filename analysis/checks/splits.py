"""Where a broken sample ratio comes from: every segment's split at every look, the first bad look, and since when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.inference.estimates import number
from analysis.readout import Split
from analysis.sample_ratio import fixed_p_value, sequential_p_value

SAMPLE_RATIO_FIXED = 0.001
SAMPLE_RATIO_SEQUENTIAL = 0.01


class Splits:
    """Units by arm against the planned shares; arrays are over (looks, segments), all units first.

    Attributes:
        fixed: chi-square p-values, valid at one look.
        sequential: p-values valid at every look, running minima of 1 / Bayes factor; nan where there is one look only.
        deviation: largest distance of an arm's share from its plan, in shares of the units; nan without units.
        missing: the same in shares of the arm that it is largest for, so that of a small arm is not overlooked.
        alarmed: where the test that decides, the sequential one if there are several looks, is below `limit`.

    p-values of segments are times the number of segments: e-values alarm at segments / level.
    """

    def __init__(self, experiment: Experiment, collected: Collected) -> None:
        self.collected, self.counts = collected, collected.moments.n
        looks, groups, _ = self.counts.shape
        self.shares = np.array([experiment.shares[arm] for arm in collected.arms])
        self.planned = self.shares / self.shares.sum()
        self.tests = np.array([1.0, *([groups - 1.0] * (groups - 1))])
        self.fixed = np.minimum(1.0, fixed_p_value(self.counts, self.shares) * self.tests)
        self.sequential = np.full((looks, groups), np.nan)
        self.p, self.limit = self.fixed, SAMPLE_RATIO_FIXED
        if looks > 1:
            self.sequential = np.minimum(1.0, sequential_p_value(self.counts, self.shares) * self.tests)
            self.p, self.limit = self.sequential, SAMPLE_RATIO_SEQUENTIAL
        with np.errstate(divide="ignore", invalid="ignore"):
            arrived = self.counts / self.counts.sum(axis=-1, keepdims=True)
        off = np.abs(arrived - self.planned)
        self.deviation, self.missing = off.max(axis=-1), (off / self.planned).max(axis=-1)
        self.alarmed: NDArray[np.bool_] = self.p < self.limit

    def since(self, k: int) -> NDArray[np.int64]:
        """For each segment the look whose new units first departed from the plan, as known at look `k`.

        The most likely one, where units came as planned before it, and with any other shares from it on.
        """
        new = np.maximum(np.diff(self.counts[: k + 1], axis=0, prepend=0.0), 0.0)
        later = np.cumsum(new[::-1], axis=0)[::-1]
        total = later.sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = special.xlogy(later, later / (total * self.planned))
        return np.asarray(np.nan_to_num(gain).sum(axis=-1).argmax(axis=0))

    def worst(self, k: int) -> int | None:
        """The alarmed segment that departs most clearly at look `k`; None without any."""
        found = 1 + np.flatnonzero(self.alarmed[k, 1:])
        return int(found[np.lexsort((-self.deviation[k, found], self.p[k, found]))[0]]) if len(found) else None

    def mended_without(self, k: int, group: int) -> bool:
        """Whether at look `k` all units are split as planned once those of a segment are left out."""
        rest = self.counts[: k + 1, 0] - self.counts[: k + 1, group]
        test = fixed_p_value if len(self.counts) == 1 else sequential_p_value
        return bool(test(rest, self.shares)[-1] >= self.limit)

    def first_bad(self, k: int, group: int) -> int | None:
        """The first look up to `k` at which a segment was alarmed."""
        found = np.flatnonzero(self.alarmed[: k + 1, group])
        return int(found[0]) if len(found) else None

    def at(self, k: int) -> tuple[Split, ...]:
        """The splits of all segments at look `k`."""
        labels, since = self.collected.labels, self.since(k) if self.alarmed[k, 1:].any() else None
        splits = []
        for s, segment in enumerate(self.collected.segments):
            if segment is None:
                continue
            first = self.first_bad(k, s)
            splits.append(
                Split(
                    segment,
                    dict(zip(self.collected.arms, map(int, self.counts[k, s]), strict=True)),
                    number(self.fixed[k, s]),
                    sequential=number(self.sequential[k, s]),
                    deviation=number(self.deviation[k, s]),
                    first_bad=None if first is None else labels[first],
                    since=None if first is None or since is None else labels[since[s]],
                )
            )
        return tuple(splits)
