"""Health checks: whether the numbers of a readout may be believed at all.

A check fails when the results must not be used, and warns when a person should look. The folder is the registry: a file
with a function `check` is a check. It gets a `Subject`, and returns one `Check` a look, or None where it has nothing to
say. Those that look at every day anew are valid under repeated looking; the balance check is so where the inference is.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from analysis.checks.sample_size import ENOUGH_CLUSTERS, ENOUGH_EVENTS, ENOUGH_UNITS
from analysis.checks.splits import SAMPLE_RATIO_FIXED, SAMPLE_RATIO_SEQUENTIAL
from analysis.checks.subject import Subject
from analysis.readout import Check

__all__ = [
    "ENOUGH_CLUSTERS",
    "ENOUGH_EVENTS",
    "ENOUGH_UNITS",
    "SAMPLE_RATIO_FIXED",
    "SAMPLE_RATIO_SEQUENTIAL",
    "Subject",
    "run_checks",
]


def _checks() -> list[Callable[[Subject], list[Check | None]]]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return [module.check for module in modules if hasattr(module, "check")]


CHECKS = _checks()


def run_checks(subject: Subject) -> list[tuple[Check, ...]]:
    """The checks of every look, oldest first."""
    looks = zip(*(check(subject) for check in CHECKS), strict=True)
    return [tuple(check for check in checks if check is not None) for checks in looks]
