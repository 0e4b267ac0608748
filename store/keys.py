"""Finds the rows of a file whose key is on an earlier row of the file or in the table already."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.contract import Contract

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend
    from ibis.expr.types import Table

ROW = "row number"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Row numbers, sorted: of those that repeat a key of the file, and of those with a key of the table."""

    in_file: np.ndarray
    in_table: np.ndarray

    def problems(self, rows: np.ndarray, contract: Contract) -> dict[int, str]:
        """The problem of each row that is a duplicate, by its index in `rows` (sorted row numbers)."""
        key = ", ".join(contract.key)
        return {
            **dict.fromkeys(_among(rows, self.in_table), f"duplicate key ({key}): already in {contract.name}"),
            **dict.fromkeys(_among(rows, self.in_file), f"duplicate key ({key}): on an earlier row of this file"),
        }


def find_duplicates(
    batches: Iterable[tuple[pa.RecordBatch, np.ndarray]],
    contract: Contract,
    *,
    existing: list[str],
    engine: "Backend",
    scratch: Path,
) -> Duplicates:
    """Compare keys on disk, so that memory stays within the engine's limit.

    Args:
        batches: rows that keep the contract, with their numbers in the file.
        existing: the Parquet files of the table.
        scratch: a folder for a temporary copy of the keys.
    """
    import ibis

    key = list(contract.key)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        file = Path(folder) / "keys.parquet"
        schema = pa.schema([*(contract.schema.field(name) for name in key), pa.field(ROW, pa.int64())])
        with pq.ParquetWriter(file, schema) as writer:
            for batch, rows in batches:
                columns = [*(batch.column(name) for name in key), pa.array(rows, pa.int64())]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        keys = engine.read_parquet(file)
        nth = ibis.row_number().over(ibis.window(group_by=key, order_by=ROW))
        in_file = keys.mutate(nth=nth).filter(ibis._.nth > 0)
        in_table = keys.semi_join(engine.read_parquet(existing), key) if existing else keys.limit(0)
        return Duplicates(_sorted_rows(in_file), _sorted_rows(in_table))


def _sorted_rows(found: "Table") -> np.ndarray:
    return np.sort(found.select(ROW).to_pyarrow().column(ROW).to_numpy())


def _among(rows: np.ndarray, found: np.ndarray) -> list[int]:
    if not len(rows):
        return []
    low, high = np.searchsorted(found, [rows[0], rows[-1] + 1])
    return np.flatnonzero(np.isin(rows, found[low:high])).tolist()
