"""The kinds of metric. The folder is the registry: a file with a subclass of `Metric` is a kind."""

import importlib
import pkgutil

from analysis.metrics.metric import DIRECTIONS, ROLES, Metric, Quantity


def _kinds() -> dict[str, type[Metric]]:
    found: dict[str, type[Metric]] = {}
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        for cls in members:
            if isinstance(cls, type) and issubclass(cls, Metric) and cls is not Metric:
                if found.setdefault(cls.kind, cls) is not cls:
                    raise TypeError(
                        f"two metric kinds are called {cls.kind!r}: {found[cls.kind].__module__}, {cls.__module__}"
                    )
    return found


KINDS = _kinds()

__all__ = ["DIRECTIONS", "KINDS", "ROLES", "Metric", "Quantity"]
