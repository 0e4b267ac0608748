"""The card of a trained engine as figures with intervals, and two cards side by side."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from store.registry import ModelRecord

QUANTILE = 1.959964
# An order among fewer than this is an anecdote.
LEAST_HAPPENED = 10
# Of a rarer outcome every small chance looks calibrated: its error is at most about its rate.
LEAST_CALIBRATED = 100
ERROR = "_error"
Reading = Literal["better", "worse", "same", "unclear", "other_days", "not_in_both"]
COLD = "Recall@10 of items that nobody had touched"
FOUND, ORDER, CALIBRATION = "Items that people came to", "Ranking of outcomes (AUC)", "Calibration error"
TITLES = {
    "click": "Click",
    "wishlist": "Wishlist add",
    "cart": "Cart add",
    "purchase": "Purchase",
    "gift": "Gift",
    "refund": "Refund",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number of a version.

    Attributes:
        group, name: where it stands, and what it is.
        value: None where it could not be measured.
        error: its standard error, at most; None where none is known.
        beside: what it was measured on, or why it could not be, in words.
        against: the number to hold it against, such as popularity's or that of chance alone; None without one.
        higher: whether more is better.
    """

    group: str
    name: str
    value: float | None
    error: float | None = None
    beside: str = ""
    against: float | None = None
    higher: bool = True

    @property
    def lower(self) -> float | None:
        """Of the 95 % interval; all figures lie in [0, 1]."""
        return None if self.value is None or self.error is None else max(self.value - QUANTILE * self.error, 0.0)

    @property
    def upper(self) -> float | None:
        return None if self.value is None or self.error is None else min(self.value + QUANTILE * self.error, 1.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same figure of two versions; `one` or `other` is None where a version does not have it."""

    group: str
    name: str
    one: Figure | None
    other: Figure | None
    reading: Reading


def figures(record: ModelRecord) -> tuple[Figure, ...]:
    """What the card measured: how the version finds what people come to, and how its chances are calibrated."""
    metrics, people = record.metrics, _number(record.card.get("people_judged"))
    heads = (metrics.get("ranker") or {}).get("heads") or {}
    cold = _cold(metrics.get("items_without_acts"))
    return (*_found(metrics, people), *cold, *_order(heads), *_calibration(heads))


def served_figures(heads: Mapping[str, Any]) -> tuple[Figure, ...]:
    """How the chances that a version logged fit what followed; `heads` as `recalibration.as_served` gives them."""
    return tuple(_calibration(heads))


def compare(one: ModelRecord, other: ModelRecord) -> tuple[Pair, ...]:
    """All figures of both, those of `other` read against `one`.

    Versions that were judged on other days are not compared: the days may be easier, not the version better.
    """
    first = {(each.group, each.name): each for each in figures(one)}
    second = {(each.group, each.name): each for each in figures(other)}
    same = same_days(one, other)
    return tuple(
        Pair(*key, first.get(key), second.get(key), _reading(first.get(key), second.get(key), same))
        for key in dict.fromkeys([*second, *first])
    )


def same_days(one: ModelRecord, other: ModelRecord) -> bool:
    """Whether both were judged on the same facts, cut at the same time."""
    plans = [each.card.get("plan") or {} for each in (one, other)]
    told = [(plan.get("cut"), plan.get("end"), plan.get("lake_versions")) for plan in plans]
    return told[0] == told[1] and told[0][0] is not None


def _reading(one: Figure | None, other: Figure | None, same: bool) -> Reading:
    if one is None or other is None or one.value is None or other.value is None:
        return "not_in_both"
    if not same:
        return "other_days"
    if (one.value, one.error) == (other.value, other.error):
        return "same"
    if one.error is None or other.error is None:
        return "unclear"
    # Both were judged on the same people, so the true error of the difference is rather smaller.
    error = QUANTILE * math.hypot(one.error, other.error)
    gain = (other.value - one.value) * (1 if other.higher else -1)
    return "better" if gain > error else "worse" if gain < -error else "unclear"


def _found(metrics: Mapping[str, Any], people: float | None) -> Iterator[Figure]:
    popular = metrics.get("popularity") or {}
    measured = metrics.get("encoder") or {}
    for name, value in measured.items():
        if name.endswith(ERROR):
            continue
        error = _number(measured.get(f"{name}{ERROR}"))
        found, chart = _number(value), _number(popular.get(name))
        yield Figure(FOUND, name.capitalize(), found, error or _share_error(found, people), against=chart)


def _cold(metrics: Mapping[str, Any] | None) -> Iterator[Figure]:
    if not metrics:
        return
    found, chance = _number(metrics.get("recall@10")), _number(metrics.get("at_random"))
    yield Figure(FOUND, COLD, found, None, f"{int(metrics.get('items', 0))} items", chance)


def _order(heads: Mapping[str, Any]) -> Iterator[Figure]:
    for outcome, told in heads.items():
        name = TITLES.get(outcome, outcome)
        if not told or told["happened"] < LEAST_HAPPENED:
            yield Figure(ORDER, name, None, beside="too few happened to judge it")
            continue
        beside = f"it happened at {told['happened']:,.0f} of {told['rows']:,.0f} places"
        yield Figure(ORDER, name, _number(told.get("auc")), _number(told.get("auc_error")), beside, 0.5)


def _calibration(heads: Mapping[str, Any]) -> Iterator[Figure]:
    for outcome, told in heads.items():
        name = TITLES.get(outcome, outcome)
        if not told or told["happened"] < LEAST_CALIBRATED:
            yield Figure(CALIBRATION, name, None, beside="too few happened to judge it", higher=False)
            continue
        error, floor = _number(told.get("calibration_error")), _number(told.get("calibration_floor"))
        spread = _number(told.get("calibration_error_error"))
        yield Figure(CALIBRATION, name, error, spread, against=floor, higher=False)


def _share_error(value: float | None, people: float | None) -> float | None:
    """The largest standard error that a mean over `people` of numbers in [0, 1] can have."""
    return math.sqrt(value * (1 - value) / people) if value is not None and people else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
