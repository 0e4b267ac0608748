"""Frozen dataclasses to JSON and back, fast enough to open a stored readout while a page is drawn."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin

Build = Callable[[Any], Any]


def write(value: Any, *, indent: int | None = None) -> str:
    """A dataclass, or a tuple or list of them, as JSON.

    Raises:
        ValueError: at an infinity or nan.
        TypeError: at a value that JSON has no word for.
    """
    return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, indent=indent)


def build(kind: Any, plain: Any) -> Any:
    """The dataclass `kind` of what json.loads gave, which is used up; names that `kind` does not have are left out."""
    return _dataclass_builder(kind)(plain)


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _names(value.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _builder(kind: Any) -> Build | None:
    """What makes the annotated type `kind` of a plain value; None where the plain value is it already."""
    if dataclasses.is_dataclass(kind):
        return _dataclass_builder(typing.cast(Any, kind))
    if get_origin(kind) in (typing.Union, types.UnionType):
        return _builder(next(arg for arg in get_args(kind) if arg is not type(None)))
    if get_origin(kind) is tuple:
        return _tuple_builder(_builder(get_args(kind)[0]))
    return None


def _tuple_builder(item: Build | None) -> Build:
    def made(plain: Any) -> Any:
        if plain is None:
            return None
        return tuple(map(item, plain)) if item else tuple(plain)

    return made


@cache
def _dataclass_builder(kind: Any) -> Build:
    names, hints = frozenset(_names(kind)), typing.get_type_hints(kind)
    nested = [(name, make) for name in _names(kind) if (make := _builder(hints[name]))]

    def made(plain: Any) -> Any:
        if plain is None:
            return None
        if not plain.keys() <= names:
            plain = {name: item for name, item in plain.items() if name in names}
        for name, make in nested:
            if name in plain:
                plain[name] = make(plain[name])
        return kind(**plain)

    return made
