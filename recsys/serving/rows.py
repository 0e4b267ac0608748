"""Records of the journal as rows of the lake's tables.

A payload is JSON, a line an event or a slate; Arrow parses all of a segment at once and does not hold up other threads.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from recsys.serving.segment import Record
from recsys.slate import OUTCOMES, Slate
from store.contract import load_contract

if TYPE_CHECKING:
    import pyarrow as pa

EVENTS, SLATE, OFFER = b"E", b"S", b"O"
TABLES = {EVENTS: "events", SLATE: "recommendations", OFFER: "offers"}

Row = Mapping[str, Any]


def lines(rows: Iterable[Row]) -> bytes:
    """Rows of a fact table as a payload; times become text."""
    return b"\n".join(_json({name: _plain(value) for name, value in row.items()}) for row in rows)


def answer(slate: Slate) -> bytes:
    """A slate as it is sent and as it is journalled: the same bytes."""
    request = slate.request
    return _json(
        {
            "slate_id": slate.slate_id,
            "user_id": request.user_id,
            "surface": request.surface,
            "time": request.time.isoformat(),
            "policy": slate.policy,
            "model": slate.model or "",
            "seed": request.seed,
            "relaxed": slate.relaxed,
            "items": [
                {
                    "item_id": place.item_id,
                    "position": place.position,
                    "propensity": place.propensity,
                    "score": place.score,
                    "candidates": place.candidates,
                    "chances": dict(place.chances),
                    "reason": place.reason,
                }
                for place in slate.places
            ],
        }
    )


def tables(records: Sequence[Record]) -> "dict[str, pa.Table]":
    """All records as tables of the lake by name; a table without rows is left out.

    Raises:
        pyarrow.ArrowInvalid: if a payload is not what this module wrote.
    """
    found = {}
    for kind, name in TABLES.items():
        payload = b"\n".join(record.payload for record in records if record.kind == kind)
        if payload:
            rows = _slates(payload) if kind == SLATE else _flat(payload, name)
            if len(rows):
                found[name] = rows
    return found


def observed(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The events among records, as the engine observes them."""
    rows = [json.loads(line) for record in records if record.kind == EVENTS for line in record.payload.splitlines()]
    return [{**row, "time": datetime.fromisoformat(row["time"])} for row in rows]


def _flat(payload: bytes, table: str) -> "pa.Table":
    import pyarrow as pa

    fields = [(column.name, _written(column.arrow)) for column in load_contract(table).columns]
    return _parsed(payload, pa.schema(fields))


def _slates(payload: bytes) -> "pa.Table":
    """One row a place: what the slate says once stands in each of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text, number = pa.string(), pa.float64()
    place = [("item_id", text), ("position", pa.int32()), ("propensity", number), ("score", number)]
    place += [("candidates", pa.int32()), ("chances", pa.struct([(name, number) for name in OUTCOMES]))]
    once = ["slate_id", "user_id", "surface", "time", "policy", "model", "seed"]
    schema = [*((name, text) for name in once[:-1]), ("seed", pa.int64())]
    schema += [("items", pa.list_(pa.struct([*place, ("reason", text)])))]
    slates = _parsed(payload, pa.schema(schema)).combine_chunks()
    items = slates["items"].combine_chunks()
    parents, flat = pc.list_parent_indices(items), pc.list_flatten(items)
    columns = {name: slates[name].take(parents) for name in once}
    columns["model"] = pc.if_else(pc.equal(columns["model"], ""), pa.scalar(None, text), columns["model"])
    columns |= {name: pc.struct_field(flat, name) for name in ("item_id", "position", "propensity", "score")}
    columns |= {name: pc.struct_field(flat, name) for name in ("candidates", "reason")}
    chances = pc.struct_field(flat, "chances")
    return pa.table(columns | {f"p_{name}": pc.struct_field(chances, name) for name in OUTCOMES})


def _parsed(payload: bytes, schema: "pa.Schema") -> "pa.Table":
    from pyarrow import json as arrow

    parse = arrow.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    # One block, so that no line is longer than a block.
    return arrow.read_json(BytesIO(payload), arrow.ReadOptions(block_size=len(payload) + 1), parse)


def _written(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return pa.string() if pa.types.is_timestamp(kind) else kind


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
