"""The bodies that the routes take and give, as JSON Schema: the one source of validation and of /openapi.json."""

from functools import cache
from typing import Any

from recsys.slate import OUTCOMES
from recsys.surfaces.surface import known_surfaces
from store.contract import Column, load_contract

MOST_EVENTS = 1_000
MOST_ITEMS = 200
MOST_PLACES = 100

IDENTIFIER = {"type": "string", "minLength": 1, "maxLength": 200}
# Two-digit years and clocks that were never set are mistakes, not facts.
TIME = {"type": "string", "format": "date-time", "pattern": "^20[0-9]{2}-", "maxLength": 40}
KIND = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
SURFACE = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}


def an_object(properties: dict[str, Any], required: tuple[str, ...] = (), description: str = "") -> dict[str, Any]:
    """A schema that allows these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **({"description": description} if description else {}),
    }


def many(items: dict[str, Any], *, least: int = 0, most: int, description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most, "description": description}


def saying(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


@cache
def recommend() -> dict[str, Any]:
    """The body of /v1/recommend; surfaces are the files in surfaces/."""
    return an_object(
        {
            "user_id": saying(IDENTIFIER, "For whom; somebody who was never seen gets what is popular."),
            "surface": {"type": "string", "enum": list(known_surfaces()), "description": "Where in the shop."},
            "items": many(
                IDENTIFIER,
                most=MOST_ITEMS,
                description="What the surface is about: items in the cart, just bought, or on the wishlist.",
            ),
            "size": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_PLACES,
                "description": "How many items to show; the surface's own number if left out.",
            },
            "seed": {
                "type": "integer",
                "minimum": 0,
                "maximum": 2**53 - 1,
                "description": "Makes the answer repeatable; drawn if left out.",
            },
        },
        ("user_id", "surface"),
    )


TARGET = an_object(
    {
        "user_id": saying(IDENTIFIER, "Who may get an offer."),
        "campaign_id": saying(IDENTIFIER, "Only this campaign; any that is running if left out."),
        "item_id": saying(IDENTIFIER, "Only an offer on this item."),
    },
    ("user_id",),
)


@cache
def events() -> dict[str, Any]:
    """The body of /v1/events: rows of the contract of events; a time may be left out."""
    contract = load_contract("events")
    properties = {column.name: _column(column) for column in contract.columns}
    needed = tuple(name for name in contract.required if name != "time")
    return an_object(
        {
            "events": many(
                an_object(properties, needed), least=1, most=MOST_EVENTS, description="What people did, one or many."
            )
        },
        ("events",),
    )


def _column(column: Column) -> dict[str, Any]:
    said = column.description + (f" In {column.unit}." if column.unit else "")
    if column.type == "timestamp":
        return saying(TIME, f"{said} When the server got it, if left out.")
    if column.type in RANGES:
        least, most = RANGES[column.type]
        return {"type": "integer", "minimum": least, "maximum": most, "description": said}
    if column.type == "bool":
        return {"type": "boolean", "description": said}
    if column.type == "float64":
        return {"type": "number", "minimum": -1e300, "maximum": 1e300, "description": said}
    return saying(KIND if column.name == "kind" else IDENTIFIER, said)


CHANCES = an_object(
    {name: {"type": "number", "minimum": 0, "maximum": 1} for name in OUTCOMES},
    description="What the ranker predicts to follow; empty for a policy without one.",
)

PLACE = an_object(
    {
        "item_id": IDENTIFIER,
        "position": {"type": "integer", "minimum": 1, "maximum": MOST_PLACES},
        "propensity": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "The chance of this item at this place, given the places before it; never 0.",
        },
        "score": {"type": "number"},
        "candidates": {"type": "integer", "minimum": 1, "description": "How many items could have stood here."},
        "chances": CHANCES,
        "reason": {"type": "string", "description": "Why it is shown, in words."},
    },
    ("item_id", "position", "propensity", "score", "candidates", "chances", "reason"),
)

SLATE = an_object(
    {
        "slate_id": saying(IDENTIFIER, "Send it with the events that follow from this slate."),
        "user_id": IDENTIFIER,
        "surface": SURFACE,
        "time": {"type": "string", "format": "date-time"},
        "policy": saying(IDENTIFIER, "The version that chose."),
        "model": {"type": "string", "description": "The version that scored; empty for a policy without models."},
        "seed": {"type": "integer", "description": "Ask with it again to have the same drawn."},
        "relaxed": many(
            {"type": "string"}, most=9, description="Rules that gave way because a place could not be filled otherwise."
        ),
        "items": many(PLACE, most=MOST_PLACES, description="In order of position."),
    },
    ("slate_id", "user_id", "surface", "time", "policy", "model", "seed", "relaxed", "items"),
)

OFFER = an_object(
    {
        "user_id": IDENTIFIER,
        "offered": {"type": "boolean", "description": "Whether there is an offer for this person now."},
        "reason": {"type": "string", "description": "Why, in words."},
    },
    ("user_id", "offered", "reason"),
)

ACCEPTED = an_object(
    {
        "accepted": {"type": "integer", "minimum": 0, "description": "Events that are new, and on the disk."},
        "duplicates": {"type": "integer", "minimum": 0, "description": "Events whose event_id was known already."},
    },
    ("accepted", "duplicates"),
)

HEALTH = an_object(
    {
        "live": {"type": "boolean"},
        "ready": {"type": "boolean"},
        "reason": {"type": "string", "description": "Why it is not ready, or what is worth a look; empty if nothing."},
        "policy": {"type": "string"},
        "model": {"type": "string", "description": "Empty while no model is trained."},
        "journal_bytes": {"type": "integer", "minimum": 0, "description": "Not in the lake yet."},
        "journal_lag_seconds": {"type": "number", "minimum": 0, "description": "Age of the oldest of them."},
    },
    ("live", "ready", "reason", "policy", "model", "journal_bytes", "journal_lag_seconds"),
)

PROBLEM = an_object(
    {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "pointer": {"type": "string", "description": "Where in the body (RFC 6901), where it is about a field."},
    },
    ("type", "title", "status", "detail"),
    "What went wrong (RFC 9457).",
)
