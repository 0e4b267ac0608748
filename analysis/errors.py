"""What can go wrong in analysis: one root, and one class for each thing a person has to fix."""

import difflib
from collections.abc import Iterable


class AnalysisError(Exception):
    """Root of every error that analysis raises on purpose."""


class ExperimentError(AnalysisError):
    """The experiment file is not valid: the message names file, table, key and remedy."""


class SourceError(AnalysisError):
    """The data of an experiment cannot be used: the message names file, column or unit, and remedy."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A closing hint that lists the known names and the nearest one; empty if none is known."""
    names = sorted(set(map(str, known)))
    if not names:
        return ""
    close = difflib.get_close_matches(str(name), names, n=1)
    return f" Known: {', '.join(names)}." + (f" Did you mean {close[0]!r}?" if close else "")
