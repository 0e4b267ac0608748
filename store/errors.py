"""What the store raises: one root, one subclass a part."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class StoreError(Exception):
    """Root of everything that the store raises on purpose."""


class WorkspaceError(StoreError):
    """A workspace is missing, exists already, or its holdout.toml is wrong."""


class ContractError(StoreError):
    """A fact table or a contract is not known or not well formed."""


class IngestError(StoreError):
    """A whole file was refused; the lake is as it was."""


class LakeError(StoreError):
    """A fact table could not be read or appended to."""


class RegistryError(StoreError):
    """A record is not there, or the registry cannot be reached."""


class AssignmentError(StoreError):
    """An experiment's [assignment] is wrong, clashes with another one, or cannot assign what it was given."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence (with a leading blank) that lists `known` and the nearest of them to `name`.

    >>> did_you_mean("user", ["items", "users"])
    " Known: items, users. Did you mean 'users'?"
    """
    names = sorted(set(map(str, known)))
    by_fold = {each.casefold(): each for each in names}
    close = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.5)
    listed = f" Known: {', '.join(names)}." if names else ""
    return f"{listed} Did you mean {by_fold[close[0]]!r}?" if close else listed


def one_line(error: BaseException) -> str:
    """A library's message without colours, arrows and line ends."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m|↳", " ", str(error)).split()).rstrip(".")
