"""Shared experts as they serve, in numpy alone: the click, and what follows a click."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.ranking.calibration import chance
from recsys.ranking.rows import CLICK, PURCHASE, REFUND, Chances, Rows
from recsys.ranking.scaling import Scaling
from recsys.slate import OUTCOMES

Floats32 = NDArray[np.float32]
Weights = Mapping[str, Floats32]
EXPERTS = 4
# What a position adds rises or falls with these, so that it goes on smoothly past the last place that was ever shown.
BENDS = 3


@dataclass(frozen=True, slots=True)
class Experts:
    """Multi-gate mixture of experts: one tower an outcome reads its own mixture of EXPERTS shared layers.

    Towers give the click's log odds and, of every other outcome, the log odds given a click (of a refund, given a
    purchase). A place's log odds of being looked at is added to the click's alone: position and surface bias what
    is seen, not what people do with what they clicked.

    `weights`: hidden (inputs, EXPERTS * width), second (EXPERTS, width, narrow), gates (inputs, outcomes * EXPERTS),
    towers (outcomes, narrow, tower), last (outcomes, tower), each with a bias; place (surfaces, BENDS).

    Source: Ma et al., "Modeling task relationships in multi-task learning with MMoE", KDD 2018, equations 5 to 7;
    products of chances: Ma et al., "Entire space multi-task model" (ESMM), SIGIR 2018, equation 2.
    """

    scaling: Scaling
    weights: Weights

    kind = "experts"

    def chances(self, rows: Rows) -> Chances:
        """Of each of OUTCOMES, not calibrated, float64 (rows, outcomes)."""
        return self.placed(self.read(rows), rows)

    def read(self, rows: Rows) -> Chances:
        """What does not depend on the position: log odds of the click and, given a click, of the others."""
        return self.log_odds(self.inputs(rows))

    def placed(self, read: Chances, rows: Rows) -> Chances:
        """`chances` from what was read of the same rows, whatever position they had then."""
        odds = read.copy()
        odds[:, CLICK] += self.place(rows)
        return multiplied(chance(odds))

    def inputs(self, rows: Rows) -> Floats32:
        """Scaled features and one column a surface."""
        scaled = self.scaling(rows.features)
        where = np.zeros((len(rows), len(self.weights["place"])), np.float32)
        where[np.arange(len(rows)), rows.surface] = 1
        return np.concatenate([scaled, where], axis=1)

    def place(self, rows: Rows) -> Floats32:
        """What surface and position add to the click's log odds."""
        # Of every surface and position once: all candidates are scored as if at the first.
        positions = bends(np.arange(1, int(rows.position.max(initial=1)) + 1))
        added: Floats32 = (self.weights["place"][:, None] * positions).sum(axis=2)[rows.surface, rows.position - 1]
        return added

    def log_odds(self, inputs: Floats32) -> Chances:
        """What the towers say, float64 (rows, outcomes)."""
        # Everything but the inputs is transposed, a column a row: long loops, and no product of tiny matrices.
        w, rows = self.weights, len(inputs)
        hidden = w["hidden"].T @ inputs.T
        hidden += w["hidden_bias"][:, None]
        np.maximum(hidden, 0, out=hidden)
        # (experts, narrow, width) @ (experts, width, rows)
        second = w["second"].transpose(0, 2, 1) @ hidden.reshape(EXPERTS, -1, rows)
        second += w["second_bias"][:, :, None]
        np.maximum(second, 0, out=second)
        mixed = _mixed(self._gates(inputs), second)
        # (outcomes, tower, narrow) @ (outcomes, narrow, rows)
        tower = w["towers"].transpose(0, 2, 1) @ mixed
        tower += w["towers_bias"][:, :, None]
        np.maximum(tower, 0, out=tower)
        odds: Chances = ((w["last"][:, None] @ tower)[:, 0].T + w["last_bias"]).astype(np.float64)
        return odds

    def _gates(self, inputs: Floats32) -> Floats32:
        """Each outcome's shares of the experts, (outcomes, experts, rows)."""
        gates = self.weights["gates"].T @ inputs.T
        gates += self.weights["gates_bias"][:, None]
        gates = gates.reshape(len(OUTCOMES), EXPERTS, -1)
        gates -= gates.max(axis=1, keepdims=True)
        np.exp(gates, out=gates)
        gates /= gates.sum(axis=1, keepdims=True)
        return gates

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that `of` needs."""
        scaling = {f"scaling.{name}": getattr(self.scaling, name) for name in ("mean", "deviation", "marked")}
        return {**scaling, **self.weights}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Experts":
        """From `arrays`."""
        scaling = Scaling(*(arrays[f"scaling.{name}"] for name in ("mean", "deviation", "marked")))
        weights: dict[str, Floats32] = {name: arrays[name] for name in arrays if not name.startswith("scaling.")}
        return cls(scaling, weights)


def _mixed(gates: Floats32, second: Floats32) -> Floats32:
    """Each outcome's own mixture of the experts, (outcomes, narrow, rows)."""
    mixed: Floats32 = gates[:, 0, None] * second[0]
    for expert in range(1, EXPERTS):
        mixed += gates[:, expert, None] * second[expert]
    return mixed


def bends(position: NDArray[np.integer]) -> Floats32:
    """1, log(position) and log(1 + (position - 1) / 8), float32 (rows, BENDS)."""
    last = np.log1p((position - 1) / 8)
    return np.stack([np.ones(len(position)), np.log(position), last], axis=1).astype(np.float32)


def multiplied(given: Chances) -> Chances:
    """Chances from the click's chance and the others' given a click; the refund's is given a purchase."""
    chances = given * given[:, CLICK : CLICK + 1]
    chances[:, CLICK] = given[:, CLICK]
    chances[:, REFUND] = given[:, REFUND] * chances[:, PURCHASE]
    return chances
