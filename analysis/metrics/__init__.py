"""The kinds of metric. The folder is the registry: a file with a subclass of `Metric` is a kind."""

import importlib
import pkgutil

from analysis.metrics.metric import DIRECTIONS, ROLES, Metric, Quantity


def _kinds() -> dict[str, type[Metric]]:
    found: dict[str, type[Metric]] = {}
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        for cls in (m for m in members if isinstance(m, type) and issubclass(m, Metric) and m is not Metric):
            other = found.setdefault(cls.kind, cls)
            if other is not cls:
                raise TypeError(f"two metric kinds are called {cls.kind!r}: {other.__module__} and {cls.__module__}")
    return found


KINDS = _kinds()

__all__ = ["DIRECTIONS", "KINDS", "ROLES", "Metric", "Quantity"]
