"""The interval rule of a group sequential design: repeated intervals and p-values, valid at all its looks together."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from analysis.errors import AnalysisError
from analysis.group_sequential.boundaries import LEAST, solved
from analysis.group_sequential.spending import Spending
from analysis.metrics.metric import Array

# Levels at which bounds are solved for p-values, as quantiles of alpha / 2; between them a monotone cubic.
KNOTS = np.array([0.0, 0.02, 0.06, 0.12, *np.arange(0.2, 3.7, 0.2), 4.0, 4.5, 5.0, 6.0])
PARTS = 3


@dataclass(frozen=True, slots=True)
class GroupSequential:
    """Repeated confidence intervals of a two-sided symmetric design (each side spends its own alpha / 2).

    `time` is the spending time of each look along the first axis, nan where a look is no planned analysis; 1 at the
    planned end, or at the last look of an experiment that has ended early or late. `information` is each look's
    information, of any unit; without it, units n of each column stand for it. `alpha` is the level of the design:
    there p-value and interval agree exactly, at other levels to about 1e-4 of the p-value (1e-3 of one above 0.7).

    At looks that are no analysis (`boundaries` says which) there is neither interval nor p-value: they are nan.
    Where a variance has few degrees of freedom the pivot is a t: it is taken to the z that has the same tail
    probability, so that each look keeps its part of the level in small samples too.

    Source: Jennison and Turnbull 2000, sections 9.2 (intervals) and 9.4 (p-values).
    """

    time: tuple[float, ...]
    spending: Spending
    information: tuple[float, ...] | None = None
    alpha: float = 0.05

    kind: ClassVar[str] = "group_sequential"

    def __post_init__(self) -> None:
        if self.information is not None and len(self.information) != len(self.time):
            raise AnalysisError(
                f"the design has {len(self.time)} times and {len(self.information)} information; make them equal"
            )

    def critical(self, alpha: float, n: Array, dof: Array) -> Array:
        """Half-width in standard errors, shape of n, (looks, ...)."""
        bounds, dof = self._bounds((float(alpha),), np.asarray(n, float))[0], np.asarray(dof, float)
        finite = np.where(np.isinf(dof), 1.0, dof)
        return np.asarray(np.where(np.isinf(dof), bounds, -special.stdtrit(finite, special.ndtr(-bounds))))

    def p_value(self, z: Array, n: Array, dof: Array) -> Array:
        """The smallest level at which the look's own bound is passed, shape (looks, ...); at least 1e-300.

        Below 2e-9 it follows the last straight line of the quantiles: right in magnitude, not in digits.
        """
        z, dof = np.abs(np.asarray(z, float)), np.asarray(dof, float)
        finite = np.where(np.isinf(dof), 1.0, dof)
        z = np.where(np.isinf(dof), z, -special.ndtri(np.maximum(special.stdtr(finite, -z), LEAST)))
        own = -special.ndtri(self.alpha / 2)
        knots = np.sort([*KNOTS[np.abs(KNOTS - own) > 0.01], own])
        # In parts of like levels, for the wider the bounds the more nodes all rows of a part need.
        parts = np.array_split(2 * special.ndtr(-knots), PARTS)
        bounds = np.concatenate([self._bounds(tuple(part.tolist()), np.asarray(n, float)) for part in parts])
        quantile = np.minimum(_inverse(knots, bounds, z), -special.ndtri(LEAST))
        return np.asarray(np.where(z < bounds[0], 1.0, 2 * special.ndtr(-quantile)))

    def _bounds(self, alphas: tuple[float, ...], n: Array) -> Array:
        """Bounds of z, shape (alphas, looks, ...); columns of n that differ only in scale are solved once."""
        if n.shape[:1] != (len(self.time),):
            raise AnalysisError(
                f"the design has {len(self.time)} looks, the data have shape {n.shape}; make them equal"
            )
        if self.information is not None:
            bounds = solved(self.information, self.time, alphas, self.spending, 2)
            return np.broadcast_to(bounds.reshape(*bounds.shape, *[1] * (n.ndim - 1)), (len(alphas), *n.shape))
        flat = np.nan_to_num(n.reshape(len(n), -1))
        most = flat.max(axis=0)
        profiles, which = np.unique(np.round(flat / np.where(most > 0, most, 1.0), 12), axis=1, return_inverse=True)
        bounds = np.stack([solved(tuple(p.tolist()), self.time, alphas, self.spending, 2) for p in profiles.T], axis=-1)
        return np.asarray(bounds[..., which.ravel()].reshape(len(alphas), *n.shape))


def _inverse(y: Array, x: Array, at: Array) -> Array:
    """Monotone cubic through (x, y), increasing, at one point a curve; a straight line after the last knot.

    Args:
        y: shape (knots,).
        x: shape (knots, ...), increasing along the first axis.
        at: shape (...).

    Source: Fritsch and Carlson 1980: slopes of the parabola through three knots, at most three times a neighbour's.
    """
    gaps = np.maximum(np.diff(x, axis=0), 1e-12)
    chords = np.diff(y).reshape(-1, *[1] * at.ndim) / gaps
    steep = 3 * np.minimum(chords[1:], chords[:-1])
    inner = (gaps[:-1] * chords[1:] + gaps[1:] * chords[:-1]) / (gaps[1:] + gaps[:-1])
    slopes = np.concatenate([chords[:1], np.minimum(inner, steep), chords[-1:]])
    left = np.clip((x <= at).sum(axis=0) - 1, 0, len(y) - 2)[None]

    def take(values: Array) -> Array:
        return np.asarray(np.take_along_axis(values, left, axis=0)[0])

    gap, chord, slope, following = take(gaps), take(chords), take(slopes), take(slopes[1:])
    step = at - take(x[:-1])
    part = step / gap
    cubic = slope + part * (3 * chord - 2 * slope - following + part * (slope + following - 2 * chord))
    beyond = np.maximum(at - x[-1], 0.0)
    return np.asarray(np.where(beyond > 0, y[-1] + beyond * chord, y[left[0]] + step * cubic))
