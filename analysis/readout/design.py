"""The plan that a readout was made under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """What a page needs to know of a metric; `unit` and `scale` are for display."""

    id: str
    name: str
    kind: str
    role: str
    direction: str
    margin: float | None
    unit: str
    scale: float
    covariates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupSequentialPlan:
    """The plan of a group sequential design: analyses at these shares of the planned units; empty for every day."""

    spending: str
    parameter: float | None
    looks: tuple[float, ...]
    futility_power: float | None = None


@dataclass(frozen=True, slots=True)
class Prior:
    """A normal prior on every lift."""

    mean: float
    standard_deviation: float


@dataclass(frozen=True, slots=True)
class Design:
    """The plan that the readout was made under."""

    name: str
    unit: str
    control: str
    shares: dict[str, float]
    alpha: float
    inference: str
    planned_units: int | None
    segments: tuple[str, ...]
    metrics: tuple[MetricPlan, ...]
    owner: str | None
    description: str | None
    source: str
    group_sequential: GroupSequentialPlan | None = None
    prior: Prior | None = None
