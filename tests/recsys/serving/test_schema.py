"""What is validated is what is declared: our checks against a library that knows all of JSON Schema."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as some

from recsys.errors import RequestError
from recsys.serving import declarations
from recsys.serving.schema import Invalid, compiled, parsed, time_of

BODIES = {"recommend": declarations.recommend(), "target": declarations.TARGET, "events": declarations.events()}
TEXTS = some.one_of(
    some.text(max_size=6),
    some.sampled_from(
        [
            "view",
            "u1",
            "homepage",
            "Bad Kind",
            "view\n",
            "2026-01-05T12:00:00Z",
            "1999-01-05T12:00:00Z",
            "2026-02-30T12:00:00Z",
            "x" * 201,
        ]
    ),
)
LEAVES = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(2**70), 2**70),
    some.sampled_from([0, 1, 100, 101, 2**31, 2**63, -(2**31), 2.0, 2.5, 1e300]),
    some.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)


def of(schema: dict[str, Any]) -> some.SearchStrategy[Any]:
    """Values that nearly keep the schema: right, wrong, missing and surplus parts."""
    if schema["type"] == "object":
        fields = {name: of(each) for name, each in schema["properties"].items()}
        known = some.fixed_dictionaries({}, optional=fields)
        return some.one_of(known, known, some.dictionaries(some.text(max_size=3), LEAVES, max_size=2), LEAVES)
    if schema["type"] == "array":
        return some.one_of(some.lists(of(schema["items"]), max_size=3), LEAVES)
    return LEAVES


@pytest.mark.parametrize("name", BODIES)
@given(data=some.data())
def test_our_checks_agree_with_json_schema(name: str, data: some.DataObject) -> None:
    schema = BODIES[name]
    value = data.draw(of(schema))
    peer = jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)
    try:
        compiled(schema)(value, "")
        ours = True
    except Invalid:
        ours = False
    assert ours == peer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T12:00:00Z", "2026-01-05T12:00:00+00:00"),
        ("2026-01-05t12:00:00z", "2026-01-05T12:00:00+00:00"),
        ("2026-01-05T12:00:00.1234567891+02:00", "2026-01-05T10:00:00.123456+00:00"),
        ("2026-01-05 12:00:00-00:30", "2026-01-05T12:30:00+00:00"),
    ],
)
def test_times_are_read_as_utc(text: str, expected: str) -> None:
    assert time_of(text, "").isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05",
        "2026-01-05T12:00:00",
        "2026-13-05T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "now",
        "",
        "20260105T120000Z",
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="a time such as"):
        time_of(text, "/time")


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"surface": "homepage"}, "/user_id", "there"),
        ({"user_id": "u", "surface": "homepage", "size": 0}, "/size", "from 1 to 100; found 0"),
        ({"user_id": "u", "surface": "homepage", "size": True}, "/size", "a number"),
        ({"user_id": "u", "surface": "homepage", "items": ["a", 3]}, "/items/1", "a string"),
        ({"user_id": "u", "surface": "homepage", "extra": 1}, "", "keys are among user_id, surface, items, size, seed"),
        ({"user_id": "\ud800", "surface": "homepage"}, "/user_id", "UTF-8"),
        ([], "", "an object"),
    ],
)
def test_the_field_that_is_wrong_is_named(body: Any, pointer: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        compiled(declarations.recommend())(body, "")
    assert caught.value.pointer == pointer
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[Infinity]", b"[" * 100_000, b"1" * 5_000, b'{"a": 1} x']
)
def test_what_is_not_json_is_refused_in_one_sentence(body: bytes) -> None:
    with pytest.raises(RequestError, match="the body is"):
        parsed(body)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"type": "string", "minimum": 3},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"oneOf": []},
    ],
)
def test_nothing_is_declared_that_would_not_be_checked(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a schema"):
        compiled(schema)
