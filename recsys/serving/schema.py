"""Checks JSON against a declaration, which is JSON Schema itself: what is checked is what /openapi.json shows.

Only the words that the declarations use are known: type, enum, properties, required, additionalProperties, items,
minItems, maxItems, minLength, maxLength, pattern, minimum, maximum, format date-time. Any other is refused when a
declaration is compiled, so that nothing is declared that is not checked. A text must be writable as UTF-8, which JSON's
escapes do not promise.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from recsys.errors import RequestError

Schema = Mapping[str, Any]
Check = Callable[[Any, str], None]
NOTES = {"description", "examples", "default", "title"}
WORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"enum", "minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
}
SHOWN = 80


class Invalid(RequestError):
    """A request that is not what was declared; `pointer` (RFC 6901) says where."""

    def __init__(self, pointer: str, expected: str, found: Any) -> None:
        self.pointer, self.expected, self.found = pointer, expected, shown(found)
        super().__init__(f"{pointer or 'the body'} must be {expected}; found {self.found}.")


def shown(value: Any) -> str:
    """A value as JSON, cut where it is long, fit for any terminal."""
    text = json.dumps(value) if not isinstance(value, Mapping | list) else f"{type(value).__name__} of {len(value)}"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def compiled(schema: Schema) -> Check:
    """A check that raises Invalid at the first value that breaks the schema.

    Raises:
        ValueError: if the schema says something that would not be checked.
    """
    kind = schema.get("type")
    if kind not in WORDS:
        raise ValueError(f"a schema of type {kind!r}; known: {', '.join(WORDS)}")
    unknown = schema.keys() - WORDS[kind] - NOTES - {"type"}
    if unknown or (kind == "object" and schema.get("additionalProperties") is not False):
        raise ValueError(f"a schema with {sorted(unknown) or 'properties that are not declared'}, which is not checked")
    return MAKERS[kind](schema)


def _object(schema: Schema) -> Check:
    checks = {name: compiled(each) for name, each in schema.get("properties", {}).items()}
    required = tuple(schema.get("required", ()))

    def check(value: Any, pointer: str) -> None:
        if type(value) is not dict:
            raise Invalid(pointer, "an object", value)
        for name, each in value.items():
            if name not in checks:
                raise Invalid(pointer, f"an object whose keys are among {', '.join(checks)}", name)
            checks[name](each, f"{pointer}/{name}")
        for name in required:
            if name not in value:
                raise Invalid(f"{pointer}/{name}", "there", None)

    return check


def _array(schema: Schema) -> Check:
    each, least, most = compiled(schema["items"]), schema.get("minItems", 0), schema.get("maxItems")

    def check(value: Any, pointer: str) -> None:
        if type(value) is not list:
            raise Invalid(pointer, "an array", value)
        if len(value) < least or (most is not None and len(value) > most):
            raise Invalid(pointer, f"an array of {least} to {most} elements", value)
        for place, element in enumerate(value):
            each(element, f"{pointer}/{place}")

    return check


def _string(schema: Schema) -> Check:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    # To Python $ also stands before a last line end, to JSON Schema it does not.
    pattern = re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"])) if "pattern" in schema else None
    options, timed = schema.get("enum"), schema.get("format") == "date-time"

    def check(value: Any, pointer: str) -> None:
        if type(value) is not str:
            raise Invalid(pointer, "a string", value)
        if options is not None and value not in options:
            raise Invalid(pointer, f"one of {', '.join(options)}", value)
        if len(value) < least or (most is not None and len(value) > most):
            raise Invalid(pointer, f"a string of {least} to {most} characters", value)
        if pattern is not None and not pattern.search(value):
            raise Invalid(pointer, f"a string that matches {schema['pattern']}", value)
        if not value.isascii():
            _refuse_surrogates(value, pointer)
        if timed:
            time_of(value, pointer)

    return check


def _refuse_surrogates(value: str, pointer: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(pointer, "text in UTF-8", value) from None


def time_of(text: str, pointer: str) -> datetime:
    """An RFC 3339 time in UTC; digits past the microsecond are cut.

    Raises:
        Invalid: if it is none, or has no offset.
    """
    try:
        time = datetime.fromisoformat(text.upper())
        if time.tzinfo is None or len(text) < 20:
            raise ValueError(text)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(pointer, "a time such as 2026-01-31T12:00:00Z", text) from None


def _integer(schema: Schema) -> Check:
    number = _number(schema)

    def check(value: Any, pointer: str) -> None:
        if type(value) is float and not value.is_integer():
            raise Invalid(pointer, "a whole number", value)
        number(value, pointer)

    return check


def _number(schema: Schema) -> Check:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))

    def check(value: Any, pointer: str) -> None:
        if type(value) not in (int, float):
            raise Invalid(pointer, "a number", value)
        if not least <= value <= most:
            raise Invalid(pointer, f"from {least} to {most}", value)

    return check


def _boolean(schema: Schema) -> Check:
    def check(value: Any, pointer: str) -> None:
        if type(value) is not bool:
            raise Invalid(pointer, "true or false", value)

    return check


MAKERS: dict[str, Callable[[Schema], Check]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}


def parsed(body: bytes) -> Any:
    """JSON of a body.

    Raises:
        RequestError: if it is none, among them NaN, Infinity and nesting without end.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise RequestError("the body is nested too deeply. Send the JSON that /openapi.json declares.") from None
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}. Send UTF-8 with content-type application/json.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
