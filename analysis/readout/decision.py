"""The call: what to do, by the stated rule, and why."""

from dataclasses import dataclass
from typing import Literal

Call = Literal["ship", "keep_running", "stop", "review", "blocked"]


@dataclass(frozen=True, slots=True)
class ArmDecision:
    """What the rule says of one treatment arm, why, and what would change it."""

    arm: str
    verdict: Call
    reasons: tuple[str, ...]
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, by the stated rule, and why.

    `look` is the position of the look that it rests on: the last, or for a fixed horizon the first with the planned
    units. `notes` are the last of the reasons: what a reader must know besides.
    """

    verdict: Call
    reasons: tuple[str, ...]
    arms: tuple[ArmDecision, ...] = ()
    rule: str = ""
    look: int = -1
    notes: tuple[str, ...] = ()
