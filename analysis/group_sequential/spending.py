"""Spending functions: how much of the error a group sequential design has spent by when."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.errors import AnalysisError
from analysis.metrics.metric import Array

# Each name with the parameter that it takes when none is given; None where it takes none.
SPENDING: dict[str, float | None] = {
    "obrien_fleming": None,
    "pocock": None,
    "kim_demets": 2.0,
    "hwang_shih_decani": -4.0,
}


@dataclass(frozen=True, slots=True)
class Spending:
    """A spending function; `parameter` is Kim and DeMets's rho (above 0) or Hwang, Shih and DeCani's gamma (any).

    Source: Lan and DeMets 1983 (O'Brien-Fleming and Pocock types); Kim and DeMets 1987; Hwang, Shih and DeCani 1990.
    """

    name: str = "obrien_fleming"
    parameter: float | None = None

    def __post_init__(self) -> None:
        if self.name not in SPENDING:
            raise AnalysisError(f"spending is '{self.name}'; use one of {', '.join(SPENDING)}")
        usual = SPENDING[self.name]
        if usual is None and self.parameter is not None:
            raise AnalysisError(f"spending '{self.name}' takes no parameter, found {self.parameter:g}; leave it out")
        if usual is not None and self.parameter is None:
            object.__setattr__(self, "parameter", usual)
        if self.name == "kim_demets" and not (self.parameter or 0.0) > 0:
            raise AnalysisError(f"spending 'kim_demets' needs a parameter above 0, found {self.parameter}; 2 is usual")

    def spent(self, time: ArrayLike, alpha: ArrayLike) -> Array:
        """Error spent by a time in [0, 1], where 1 is the planned end; times beyond are the end.

        `alpha` is the error of the side that the function is applied to. Shapes broadcast.
        """
        t, a = np.clip(np.asarray(time, float), 0.0, 1.0), np.asarray(alpha, float)
        rho = self.parameter or 0.0
        match self.name:
            case "obrien_fleming":
                with np.errstate(divide="ignore"):
                    return np.asarray(2 * special.ndtr(special.ndtri(a / 2) / np.sqrt(t)))
            case "pocock":
                return np.asarray(a * np.log1p(np.expm1(1.0) * t))
            case "kim_demets":
                return np.asarray(a * t**rho)
            case _:
                return np.asarray(a * t if rho == 0 else a * np.expm1(-rho * t) / np.expm1(-rho))
