"""Reads one TOML table key by key; every complaint names file, table, key, what was found and the remedy."""

from dataclasses import dataclass, field
from typing import Any

from store.errors import did_you_mean


@dataclass
class Reader:
    """One table of a file, or of a text that `source` names. `done()` refuses keys that nobody asked for.

    What is wrong is raised as a `failure`.
    """

    source: object
    table: str
    content: dict[str, Any]
    failure: type[Exception]
    asked: set[str] = field(default_factory=set)

    def error(self, key: str | None, problem: str) -> Exception:
        """An error that points at `key` of this table."""
        where = f"{self.source}: [{self.table}]" + (f" {key}" if key else "")
        return self.failure(f"{where}: {problem}")

    def take(self, key: str, kinds: type | tuple[type, ...], what: str, default: Any = ...) -> Any:
        """The value of `key`, which must be one of `kinds` (bool is not a number); `...` marks a needed key."""
        self.asked.add(key)
        if key not in self.content:
            if default is ...:
                raise self.error(key, f"is missing; write {key} = {what}.")
            return default
        value = self.content[key]
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.error(key, f"found {value!r}, expected {what}.")
        return value

    def text(self, key: str, what: str = '"some text"', default: Any = ...) -> Any:
        """A non-empty string."""
        value = self.take(key, str, what, default)
        if value == "" and key in self.content:
            raise self.error(key, f"is empty, expected {what}.")
        return value

    def choice(self, key: str, options: tuple[str, ...], default: Any = ...) -> Any:
        """One of `options`."""
        value = self.text(key, " or ".join(f'"{option}"' for option in options), default)
        if value is not default and value not in options:
            raise self.error(key, f"found {value!r}." + did_you_mean(value, options))
        return value

    def number(self, key: str, what: str, *, above: float, below: float = float("inf"), default: Any = ...) -> Any:
        """A number strictly between `above` and `below`."""
        value = self.take(key, (int, float), what, default)
        if value is not default and not above < value < below:
            raise self.error(key, f"found {value!r}, expected {what}.")
        return value

    def names(self, key: str, what: str, default: Any = ...) -> tuple[str, ...]:
        """A list of distinct strings."""
        value = self.take(key, list, what, default)
        if not all(isinstance(item, str) and item for item in value):
            raise self.error(key, f"found {value!r}, expected {what}.")
        if len(set(value)) < len(value):
            raise self.error(key, f"names something twice: {value!r}; write each once.")
        return tuple(value)

    def section(self, name: str, default: Any = ...) -> Any:
        """A reader of the table [name] of a whole file."""
        content = self.take(name, dict, f"a table [{name}]", default)
        return content if content is default else Reader(self.source, name, content, self.failure)

    def inner(self, key: str, content: dict[str, Any]) -> "Reader":
        """A reader of an inline table."""
        return Reader(self.source, f"{self.table}] [{key}", content, self.failure)

    def done(self) -> None:
        """Refuses keys that were never asked for, so that a typing error is not silently ignored."""
        for key in self.content:
            if key not in self.asked:
                raise self.error(key, f"is not a key of this table.{did_you_mean(key, self.asked)}")


def quoted(text: str) -> str:
    """`text` as a TOML basic string: JSON's escapes are a subset of TOML's."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
