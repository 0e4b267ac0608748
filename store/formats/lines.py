"""JSON lines: one object a line, UTF-8."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from store.errors import IngestError
from store.formats import ROWS, BadRow, Batch


@dataclass(frozen=True)
class File:
    path: Path

    def columns(self) -> dict[str, pa.DataType]:
        """The keys of the first rows: a key may be absent from some of them."""
        with open(self.path, encoding="utf-8-sig") as file:
            rows = [_parsed(text) for text in islice(file, 1000) if text.strip()]
        if not rows or not isinstance(rows[0], dict):
            raise IngestError(
                f"{self.path}: the first row is not a JSON object. Write one object a line, no list around."
            )
        return dict.fromkeys((name for row in rows if isinstance(row, dict) for name in row), pa.null())

    def batches(self) -> Iterator[Batch]:
        names, row = tuple(self.columns()), 0
        with open(self.path, encoding="utf-8-sig", newline="\n") as file:
            numbered = ((line, text) for line, text in enumerate(file, 1) if text.strip())
            while chunk := list(islice(numbered, ROWS)):
                yield _batch(chunk, names, row)
                row += len(chunk)


def _batch(chunk: list[tuple[int, str]], names: tuple[str, ...], before: int) -> Batch:
    good, rows, lines, broken = [], [], [], []
    for row, (line, text) in enumerate(chunk, before + 1):
        parsed = _parsed(text)
        if isinstance(parsed, dict):
            good.append(parsed)
            rows.append(row)
            lines.append(line)
        else:
            broken.append(BadRow(row, line, "not a JSON object", text.rstrip("\n")))
    columns = [_column([each.get(name) for each in good]) for name in names]
    data = pa.RecordBatch.from_arrays(columns, names=list(names))
    return Batch(data, np.array(rows, np.int64), np.array(lines, np.int64), tuple(broken))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _column(values: list[Any]) -> pa.Array:
    """Values of one plain type as they are; a mixture as text, so that each can be judged alone."""
    if len({type(value) for value in values if value is not None}) <= 1 and not any(
        isinstance(value, (dict, list)) for value in values
    ):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, OverflowError):
            pass
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())
