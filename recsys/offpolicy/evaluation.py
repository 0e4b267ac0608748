"""A policy's value on a surface of the shop, read from the lake."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from recsys.errors import DataError
from recsys.offpolicy.estimate import Estimate, estimate, estimates
from recsys.offpolicy.estimator import Terms, estimator
from recsys.offpolicy.interval import Interval, Sums, interval
from recsys.offpolicy.logged import Array, Slates, weights
from recsys.offpolicy.policies import TargetPolicy, logged_share, parse
from recsys.offpolicy.reward_model import baseline, folds_of
from recsys.offpolicy.slate_log import SlateLog, logged_policies, read_slates

if TYPE_CHECKING:
    from store import Workspace

HOUR = 3_600_000_000
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What a log says about a policy that did not act.

    Attributes:
        policy: what it does, in words; `logged_policy` is the version that did act.
        unit: of all values, in words.
        logged: what the logged policy earned, which needs no weights.
        estimates: by each estimator.
        lifts: in the same order, the interval of the relative change to `logged`; None where refused or none is earned.
        refused: why the policy cannot be asked about at all; then there are no estimates.
        open: slates that are too new to count.
        currency: the sign of money, empty where the workspace names none.
        caveat: what the values leave out, in words.
    """

    policy: str
    surface: str
    reward: str
    unit: str
    logged_policy: str
    slates: int
    people: int
    begin: datetime
    end: datetime
    logged: Estimate
    estimates: tuple[Estimate, ...]
    lifts: tuple[Interval | None, ...]
    refused: str = ""
    open: int = 0
    currency: str = ""
    caveat: str = ""


def evaluate_policy(
    workspace: "Workspace",
    policy: TargetPolicy,
    *,
    surface: str,
    reward: str = "click",
    logged_policy: str | None = None,
    period: tuple[datetime | None, datetime | None] = (None, None),
) -> PolicyReport:
    """What `policy` would have earned on `surface` instead of the policy that was logged.

    Args:
        reward: click, purchase, revenue or margin; see REWARDS.
        logged_policy: whose slates are read; those of the policy that chose last if None.
        period: of the slates, [since, until).

    Raises:
        DataError: if the log has no such slates.
    """
    since, until = period
    log = read_slates(workspace, surface, reward, policy=logged_policy, since=since, until=until)
    return replace(evaluate(log, policy), currency=workspace.settings.currency or "")


def evaluate(log: SlateLog, policy: TargetPolicy, *, seed: int = 0) -> PolicyReport:
    """The same on slates that are read already; `seed` deals people into the folds of the reward model."""
    from datetime import UTC

    own = Slates.of(log.reward, np.ones(log.reward.shape), unit=log.user, shown=log.shown)
    first, last = (datetime.fromtimestamp(at / 1e6, UTC) for at in (log.time.min(), log.time.max()))
    found: tuple[Estimate, ...] = ()
    lifts: tuple[Interval | None, ...] = ()
    refused = ""
    try:
        slates = weighted(log, policy, np.random.default_rng(seed))
    except DataError as error:
        refused = str(error)
    else:
        found = estimates(slates)
        lifts = tuple(_lift(each, slates, own) for each in found)
    people = len(np.unique(log.user))
    return PolicyReport(
        policy.title,
        log.surface,
        log.reward_name,
        log.what.unit,
        log.policy,
        len(log),
        people,
        first,
        last,
        estimate("rips", own),
        found,
        lifts,
        refused,
        log.open,
        caveat=policy.caveat,
    )


def weighted(log: SlateLog, policy: TargetPolicy, rng: np.random.Generator) -> Slates:
    """The slates with the policy's weights, and a model of what a place and all below it earn whatever is shown."""
    propensity = np.where(log.shown, log.propensity, 1.0)
    weight = weights(np.where(log.shown, policy.chances(log), 1.0), propensity)
    slates = Slates.of(log.reward, weight, unit=log.user, shown=log.shown)
    predicted = _to_go(log, rng)
    return slates.with_model(predicted, predicted, modelled=False)


def _to_go(log: SlateLog, rng: np.random.Generator) -> Array:
    """The reward that a place and those below it earn, predicted from when and to whom, shape (slates, places).

    The log does not hold what else could have been shown, so the model must not look at what was: it makes
    intervals narrower and never moves a value.
    """
    to_go = np.cumsum(np.where(log.shown, log.reward, 0.0)[:, ::-1], axis=1)[:, ::-1]
    unit = np.unique(log.user, return_inverse=True)[1].astype(np.int64)
    context = _context(log, unit)
    deal, predicted = int(rng.integers(2**31)), np.zeros(to_go.shape)
    for place in range(to_go.shape[1]):
        rows = log.shown[:, place]
        if len(np.unique(folds_of(unit[rows], np.random.default_rng(deal)))) < 2:
            continue
        predicted[rows, place] = baseline(to_go[rows, place], context[rows], unit[rows], np.random.default_rng(deal))
    return predicted


def _context(log: SlateLog, unit: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Array:
    """When, and how often this person came before, shape (slates, 4); all within about -1 to 1."""
    order = np.lexsort((log.time, unit))
    first = np.searchsorted(unit[order], unit[order], side="left")
    earlier = np.empty(len(unit))
    earlier[order] = np.arange(len(unit)) - first
    span = max(int(log.time.max() - log.time.min()), 1)
    turn = 2 * np.pi * (log.time % (24 * HOUR)) / (24 * HOUR)
    passed = (log.time - log.time.min()) / span
    return np.stack([passed, np.sin(turn), np.cos(turn), np.log1p(earlier) / 5], axis=1)


def _lift(found: Estimate, slates: Slates, own: Slates) -> Interval | None:
    """The relative change to what was earned, with an interval from the same slates: what they share cancels."""
    earned = np.where(own.shown, own.reward, 0.0).sum(axis=1)
    if found.value is None or earned.sum() <= 0:
        return None
    around = _change(found.estimator, slates, own, earned)
    if sibling := estimator(found.estimator).held_by(slates):
        around = around.holding(_change(sibling, slates, own, earned))
    least = -1.0 if own.total_range[0] >= 0 else -np.inf
    return Interval(max(around.lower - 1, least), around.upper - 1, around.rule)


def _change(name: str, slates: Slates, own: Slates, earned: Array) -> Interval:
    """The interval of the value by this estimator over what was earned."""
    terms = estimator(name).terms(slates)
    reach, (low, high) = _reach(slates, terms), own.total_range
    corners = np.array([[end + away, end] for end in (low, high) for away in (-reach, reach)])
    sums = Sums.by_unit(terms.numerator, earned, slates.unit, corners)
    # Weights that are all 1 but for rounding change nothing.
    return interval(sums) if reach > ROUNDING else Interval(sums.value, sums.value, "exact")


def _reach(log: Slates, terms: Terms) -> float:
    """The most by which the terms of one slate can differ from what it earned: weights near 1 change little."""
    weight = np.ones(log.reward.shape) if terms.weight is None else terms.weight
    away, drop = np.abs(weight - 1).max(axis=0), np.abs(log.drop).max(axis=0)
    return float(away.max() * max(map(abs, log.total_range)) + (away * drop).sum())


def evaluate_named(
    workspace: "Workspace",
    asked: Sequence[str],
    *,
    surface: str | None = None,
    reward: str = "click",
    logged_epsilon: float | None = None,
) -> list[PolicyReport]:
    """What each of `asked` would have earned, on one surface or all that were logged, instead of the latest policy.

    Args:
        asked: `uniform` or `epsilon=SHARE`.
        logged_epsilon: the share of uniform draws that the logged policy had; the engine's own is known.

    Raises:
        DataError: if nothing was logged.
        RequestError: if one of `asked` cannot be.
    """
    surfaces = [surface] if surface else sorted({where for where, _ in logged_policies(workspace)})
    # Without a surface, reading one says what the log has.
    logs = [read_slates(workspace, where, reward) for where in surfaces or ["homepage"]]
    reports: list[PolicyReport] = []
    for log in logs:
        share = logged_share(log.policy, log.surface) if logged_epsilon is None else logged_epsilon
        reports += [evaluate(log, parse(text, share)) for text in asked]
    return [replace(report, currency=workspace.settings.currency or "") for report in reports]
