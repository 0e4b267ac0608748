"""What a check may look at, and the words that checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.checks.splits import Splits
from analysis.collected import Collected
from analysis.experiment import Experiment
from analysis.inference.rules import Rules
from analysis.metrics.metric import Array
from analysis.readout import Check, Effect
from analysis.readout.network import Network


@dataclass(frozen=True, slots=True)
class Subject:
    """One experiment and all that was computed of it; lists and arrays are over looks first.

    `now` is when the facts should be fresh; None where they are judged against the last exposure.
    """

    experiment: Experiment
    collected: Collected
    rules: Rules
    splits: Splits
    effects: Sequence[Sequence[Effect]]
    now: datetime | None = None
    network: Network | None = None

    @property
    def units(self) -> Array:
        """Running units, shape (looks, arms)."""
        return self.collected.moments.n[:, 0, :]

    def at_last(self, check: Check | None) -> list[Check | None]:
        """A check that only the last look has."""
        return [*(None for _ in self.collected.looks[1:]), check]


def p_text(p: float) -> str:
    """A p-value for people: never 0."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def split_text(counts: Array) -> str:
    """Shares in percent, such as `50.00 / 50.00`."""
    total = counts.sum()
    return " / ".join(f"{100 * n / total:.2f}" for n in counts) if total else "no units"


def day_text(look: datetime | timedelta | None) -> str:
    """The day that a look ends, such as `12 Nov`, or `day 3` after the start."""
    if isinstance(look, timedelta):
        return f"day {look / timedelta(days=1):g}"
    # A look at midnight is the end of the day before.
    return f"{look - timedelta(microseconds=1):%-d %b}" if look else "the only look"
