"""Moments: the sufficient statistics that everything after the scan is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.errors import AnalysisError
from analysis.metrics.metric import Array
from analysis.variables import Variable
from store.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Moments:
    """Counts, means and centred cross-products of `variables`, over any leading cells.

    Attributes:
        variables: the p variables, in the order of the last axes.
        n: units, shape (...), whole numbers held as float.
        mean: shape (..., p); 0 where n is 0.
        cross: sum over units of (x - mean)(x - mean)', shape (..., p, p).

    Cells are usually (looks, segments, arms). Moments of disjoint units add, and a part can be taken out
    again. Source: Chan, Golub and LeVeque 1979, updating formula 2.1.
    """

    variables: tuple[Variable, ...]
    n: Array
    mean: Array
    cross: Array

    @classmethod
    def of(cls, values: Array, variables: tuple[Variable, ...]) -> Moments:
        """Moments of the rows of `values`, shape (units, p)."""
        n = np.asarray(float(len(values)))
        mean = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        centred = values - mean
        # The mean of the centred values corrects the rounding of `mean` itself (two-pass with correction).
        slip = centred.mean(axis=0) if len(values) else mean
        return cls(variables, n, mean + slip, centred.T @ centred - n * np.outer(slip, slip))

    @classmethod
    def stack(cls, parts: Sequence[Moments], *shape: int) -> Moments:
        """Moments of one shape (...) as cells (*shape, ...), in order; one of `shape` may be -1."""
        n, mean, cross = (np.stack([getattr(part, name) for part in parts]) for name in ("n", "mean", "cross"))
        return cls(parts[0].variables, *(array.reshape(*shape, *array.shape[1:]) for array in (n, mean, cross)))

    def __add__(self, other: Moments) -> Moments:
        """Moments of the units of both; the two must be disjoint."""
        self._check(other)
        n = self.n + other.n
        share = np.divide(other.n, n, out=np.zeros(np.shape(n)), where=n > 0)
        delta = other.mean - self.mean
        outer = delta[..., :, None] * delta[..., None, :]
        return Moments(
            self.variables,
            n,
            self.mean + delta * share[..., None],
            self.cross + other.cross + outer * (self.n * share)[..., None, None],
        )

    def __sub__(self, part: Moments) -> Moments:
        """Moments of the units that are in `self` and not in `part`, which must be a subset.

        What is left keeps only the digits that the part's own spread leaves it: do not take out nearly everything.
        """
        self._check(part)
        n = self.n - part.n
        if np.any(n < 0):
            raise AnalysisError("cannot subtract Moments: the part has more units than the whole; swap the two.")
        grow = np.divide(part.n, n, out=np.zeros(np.shape(n)), where=n > 0)
        delta = self.mean - part.mean
        mean = np.where((n > 0)[..., None], self.mean + delta * grow[..., None], 0.0)
        gap = mean - part.mean
        weight = np.divide(n * part.n, self.n, out=np.zeros(np.shape(n)), where=self.n > 0)
        cross = self.cross - part.cross - weight[..., None, None] * gap[..., :, None] * gap[..., None, :]
        return Moments(self.variables, n, mean, np.where((n > 0)[..., None, None], cross, 0.0))

    def __getitem__(self, cells: Any) -> Moments:
        """The Moments of some cells, indexed like an array over the leading axes."""
        return Moments(self.variables, self.n[cells], self.mean[cells], self.cross[cells])

    def select(self, variables: tuple[Variable, ...]) -> Moments:
        """The same cells with only these variables, in this order."""
        place = {variable: k for k, variable in enumerate(self.variables)}
        for variable in variables:
            if variable not in place:
                raise AnalysisError(
                    f"Moments hold no variable {variable.name!r}."
                    + did_you_mean(variable.name, [v.name for v in self.variables])
                )
        k = np.array([place[variable] for variable in variables])
        return Moments(variables, self.n, self.mean[..., k], self.cross[..., k[:, None], k[None, :]])

    def kish(self, variable: Variable) -> Array:
        """Kish's effective number of units that carry a variable, (sum x)² / (sum x²), shape (...); 0 without any."""
        one = self.select((variable,))
        square = one.n * np.square(one.mean[..., 0])
        whole = square + one.cross[..., 0, 0]
        return np.asarray(np.divide(one.n * square, whole, out=np.zeros_like(whole), where=square > 0))

    @property
    def covariance(self) -> Array:
        """Sample covariance with n - 1, shape (..., p, p); nan where n < 2."""
        dof = np.where(self.n > 1, self.n - 1, np.nan)
        return self.cross / dof[..., None, None]

    def _check(self, other: Moments) -> None:
        if self.variables != other.variables:
            raise AnalysisError(
                "cannot combine Moments of different variables: "
                f"{[v.name for v in self.variables]} and {[v.name for v in other.variables]}."
            )
