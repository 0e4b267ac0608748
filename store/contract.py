"""Contracts: the columns, types, units and keys of each fact table, one TOML file a table in contracts/."""

import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import ContractError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = Path(__file__).parent / "contracts"
TYPES = ("string", "int32", "int64", "float64", "bool", "timestamp")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a fact table; a `key` column is required, and the key columns together name one row."""

    name: str
    type: str
    unit: str | None = None
    required: bool = False
    key: bool = False
    description: str = ""

    @property
    def arrow(self) -> "pa.DataType":
        import pyarrow as pa

        return pa.timestamp("us", "UTC") if self.type == "timestamp" else pa.type_for_alias(self.type)


@dataclass(frozen=True)
class Contract:
    """What a fact table holds; timestamps are UTC with microseconds, money is int64 in the minor unit."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    @cached_property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)

    @cached_property
    def schema(self) -> "pa.Schema":
        import pyarrow as pa

        return pa.schema([pa.field(each.name, each.arrow, nullable=not each.required) for each in self.columns])


def load_contract(table: str) -> Contract:
    """The contract of a fact table.

    Raises:
        ContractError: if no file in contracts/ has this name; the message lists those that do.
    """
    known = known_tables()
    if table not in known:
        raise ContractError(f"fact table {table!r} is not known.{did_you_mean(table, known)}")
    return _read(FOLDER / f"{table}.toml")


def known_tables() -> tuple[str, ...]:
    """Names of all fact tables, sorted: the files in contracts/."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


@cache
def _read(file: Path) -> Contract:
    content = tomllib.loads(file.read_text("utf-8"))
    columns = tuple(_column(file, name, fields) for name, fields in content["columns"].items())
    return Contract(name=file.stem, description=content["description"], columns=columns)


def _column(file: Path, name: str, fields: dict[str, Any]) -> Column:
    unknown = fields.keys() - {"type", "unit", "required", "key", "description"}
    if unknown:
        raise ContractError(f"{file.name}, column {name!r}: {unknown.pop()!r} is not a property of a column.")
    if fields.get("type") not in TYPES:
        raise ContractError(f"{file.name}, column {name!r}: type is {fields.get('type')!r}, must be one of {TYPES}.")
    key = fields.get("key", False)
    return Column(name=name, **{**fields, "required": key or fields.get("required", False)})
