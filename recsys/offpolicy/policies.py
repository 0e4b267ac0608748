"""Policies that a log of slates can be asked about: those whose chances follow from what it holds."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recsys.errors import DataError, RequestError
from recsys.offpolicy.logged import Array
from recsys.offpolicy.slate_log import SlateLog

# Rounding in what was logged; more than this is a wrong epsilon, not rounding.
TOLERANCE = 1e-6


class TargetPolicy(Protocol):
    """A policy that did not act."""

    @property
    def title(self) -> str:
        """What it does, in words."""

    @property
    def caveat(self) -> str:
        """What its value leaves out, in words."""

    def chances(self, log: SlateLog) -> Array:
        """Its chance of each logged item at its place, given the places above as logged, shape (slates, places).

        Raises:
            DataError: if the log does not hold what this needs.
        """


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every item that could have stood at a place with the same chance."""

    title: str = "Every candidate equally likely"
    caveat: str = ""

    def chances(self, log: SlateLog) -> Array:
        return np.asarray(np.where(log.shown, 1 / _candidates(log), 0.0), np.float64)


@dataclass(frozen=True, slots=True)
class Explore:
    """The logged policy with another share of uniform draws.

    The logged chance is (1 - logged) p + logged / n with n candidates; here it is (1 - share) p + share / n.

    Attributes:
        share: the share of uniform draws that is asked about, 0 to 1.
        logged: the share that the logged policy had.
    """

    share: float
    logged: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise RequestError(f"epsilon == {self.share:g}, must be in [0, 1]. Write 0.01 for 1 %.")
        if not 0 <= self.logged < 1:
            raise RequestError(f"the logged epsilon == {self.logged:g}, must be in [0, 1).")

    @property
    def title(self) -> str:
        return f"{_percent(self.share)} of places drawn at random, not {_percent(self.logged)}"

    @property
    def caveat(self) -> str:
        if self.share >= self.logged:
            return ""
        return (
            "What draws at random are for is not counted: they find what is liked of the new, and without them no log "
            "could answer a question like this one."
        )

    def chances(self, log: SlateLog) -> Array:
        fair = 1 / _candidates(log)
        greedy = (log.propensity - self.logged * fair) / (1 - self.logged)
        under = log.shown & (greedy < -TOLERANCE)
        if under.any():
            raise DataError(
                f"{int(under.sum()):,} of {int(log.shown.sum()):,} logged propensities lie below {self.logged:g} / "
                "candidates, so the logged policy did not explore by that share. Say its own epsilon."
            )
        return np.where(log.shown, (1 - self.share) * np.maximum(greedy, 0.0) + self.share * fair, 0.0)


@dataclass(frozen=True, slots=True)
class Given:
    """Chances that were computed elsewhere, such as by an engine that scored the logged candidates again."""

    title: str
    given: Array
    caveat: str = ""

    def chances(self, log: SlateLog) -> Array:
        if self.given.shape != log.reward.shape:
            raise DataError(f"chances have shape {self.given.shape}, the log {log.reward.shape}: one for each place.")
        return self.given


def parse(text: str, logged_epsilon: float | None) -> TargetPolicy:
    """The policy that a person asks about: `uniform` or `epsilon=0.01`.

    Raises:
        RequestError: for another text, with what can be asked.
    """
    name, _, value = text.partition("=")
    if name == "uniform" and not value:
        return Uniform()
    if name == "epsilon":
        try:
            share = float(value)
        except ValueError:
            raise RequestError(f"{text!r}: {value!r} is not a number. Write epsilon=0.01 for 1 %.") from None
        if logged_epsilon is None:
            raise RequestError(f"{text!r} needs the epsilon that the logged policy had. Say it with --logged-epsilon.")
        return Explore(share, logged_epsilon)
    raise RequestError(
        f"policy {text!r} cannot be asked of a log. It holds the chance of what was shown and the number of "
        "candidates, so `uniform` and `epsilon=0.01` can be. Other weights, temperatures or models need the scores of "
        "what was not shown: compute their chances and give them to `recsys.offpolicy.policies.Given`."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _candidates(log: SlateLog) -> Array:
    missing = log.shown & (log.candidates < 1)
    if missing.any():
        raise DataError(
            f"{int(missing.sum()):,} of {int(log.shown.sum()):,} logged places do not say how many items could have "
            "stood there (column `candidates`), which this policy needs. Log it, or ask about another policy."
        )
    return np.maximum(log.candidates, 1.0)


def logged_share(policy: str, surface: str) -> float | None:
    """The share of uniform draws that a version of the engine's own policy had, None for policies of others."""
    from recsys.surfaces.surface import POLICY, known_surfaces

    known = known_surfaces()
    return known[surface].exploration.epsilon if policy.startswith(f"{POLICY}-") and surface in known else None
