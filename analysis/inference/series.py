"""One metric and treatment arm over all looks and segments: its contrasts, and what each rule says of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.collected import Collected
from analysis.contrasts import contrast_of
from analysis.effects import Contrast, lin_contrast, pooled_contrast, pooled_slope
from analysis.experiment import Experiment
from analysis.inference.credible import CredibleEstimates
from analysis.inference.estimates import Estimates, thin_cells
from analysis.inference.rules import Rules
from analysis.inference.schedule import gives_on, unit_days
from analysis.inference.stopping import futile, stopped
from analysis.metrics import Metric
from analysis.metrics.metric import Array
from analysis.moments import Moments
from analysis.readout import Alternative, Posterior, Stopped


class Series:
    """The numbers of one metric in one treatment arm; arrays are over (looks, segments), all units first."""

    def __init__(self, experiment: Experiment, collected: Collected, metric: Metric, a: int, rules: Rules) -> None:
        self.experiment, self.metric, self.arm = experiment, metric, collected.arms[a]
        control, treatment = collected.moments[:, :, 0], collected.moments[:, :, a]
        self.plain = contrast_of(metric, collected, a)
        self.share = experiment.shares[self.arm] / (experiment.shares[self.arm] + experiment.shares[experiment.control])
        self.used = (
            adjusted_contrast(experiment, metric, self.share, control, treatment) if metric.covariates else self.plain
        )
        self._thin = thin_cells(metric, control, treatment, self.share, collected.nonnegative)
        self._looks = collected.looks
        self.rules = rules.of(self.arm, metric, self.used)
        self.kind = experiment.inference
        self.main = self._main(self.used)
        self.raw = self._main(self.plain) if self.used is not self.plain else self.main

    def under(self, kind: str, alpha: float | None = None, used: Contrast | None = None) -> Estimates:
        """What the rule `kind` says at a level; where one peeks, cells that are too thin have no interval."""
        alpha = self.experiment.alpha if alpha is None else alpha
        peeking = self.experiment.inference not in ("fixed", "bayesian")
        used = used or self.used
        thin = self._thin[:, : used.difference.shape[1]] if peeking else None
        return Estimates(
            used, self.rules[kind], alpha, thin, self._information(used) if kind == "group_sequential" else None
        )

    def _information(self, used: Contrast) -> Array | None:
        """What stands for information in a group sequential design, where that is not the units that are in."""
        if not gives_on(self.experiment, self.metric):
            return None
        windows = [variable.days for variable in self.metric.outcome.variables]
        window = None if None in windows else max(days for days in windows if days is not None)
        return unit_days(self._looks, used.n_control + used.n_treatment, window)

    @cached_property
    def tested(self) -> Estimates:
        """What p-values and families rest on: the readout's own rule; for a Bayesian one there is none."""
        return self.under(self.kind)

    @cached_property
    def together(self) -> Estimates | CredibleEstimates | None:
        """All segments at once: the level divided by their number."""
        segments = self.plain.difference.shape[1] - 1
        return self._main(self.used, self.experiment.alpha / segments) if segments else None

    def alternatives(self) -> list[tuple[Alternative, ...]]:
        """What the other rules say of all units, look by look."""
        others = [self.under(kind, used=self.used[:, :1]) for kind in self.rules if kind != self.kind]
        looks = range(len(self.plain.difference))
        return [tuple(Alternative(e.rule.kind, e.relative((k, 0))) for e in others) for k in looks]

    def stopped(self) -> Stopped | None:
        """Where a group sequential design stopped, among all units; None while it runs, and for other rules."""
        return stopped(self.tested) if self.kind == "group_sequential" else None

    def futile(self) -> NDArray[np.bool_]:
        """At which looks a group sequential design may stop for futility, shape (looks,)."""
        plan = self.experiment.group_sequential
        if self.kind != "group_sequential" or plan is None:
            return np.zeros(len(self.plain.difference), bool)
        return futile(self.tested, self.metric, plan)

    def posteriors(self) -> list[Posterior | None]:
        """The posterior of the lift among all units, look by look."""
        return CredibleEstimates(self.used, self.experiment.prior, self.experiment.alpha).posteriors(self.metric)

    def _main(self, contrast: Contrast, alpha: float | None = None) -> Estimates | CredibleEstimates:
        if self.kind == "bayesian":
            return CredibleEstimates(contrast, self.experiment.prior, alpha or self.experiment.alpha)
        return self.under(self.kind, alpha, contrast)


def adjusted_contrast(
    experiment: Experiment, metric: Metric, share: float, control: Moments, treatment: Moments
) -> Contrast:
    """The contrast over (looks, segments) with covariates; pooled slopes come from all units of the look."""
    if experiment.adjustment == "lin":
        return lin_contrast(metric, control, treatment, share)
    whole = pooled_slope(metric, control[:, :1], treatment[:, :1])
    return pooled_contrast(metric, control, treatment, np.broadcast_to(whole, (*control.n.shape, whole.shape[-1])))
