"""Parquet and Arrow IPC (Feather version 2, file or stream)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import IngestError
from store.formats import ROWS, Batch


@dataclass(frozen=True)
class File:
    path: Path

    def columns(self) -> dict[str, pa.DataType]:
        with _readable(self):
            schema = self._schema()
        return dict(zip(schema.names, schema.types, strict=True))

    def batches(self) -> Iterator[Batch]:
        row = 0
        with _readable(self):
            for data in self._record_batches():
                yield Batch(data, np.arange(row + 1, row + 1 + len(data)))
                row += len(data)

    def _schema(self) -> pa.Schema:
        if self.is_parquet:
            with pq.ParquetFile(self.path) as file:
                return file.schema_arrow
        with pa.memory_map(str(self.path)) as file:
            return _reader(file).schema

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        if self.is_parquet:
            # Neither buffered ahead nor as whole row groups: a row group may be the whole file.
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
                yield from file.iter_batches(ROWS, use_threads=False)
            return
        with pa.memory_map(str(self.path)) as file:
            reader = _reader(file)
            streamed = isinstance(reader, pa.RecordBatchStreamReader)
            for batch in reader if streamed else map(reader.get_batch, range(reader.num_record_batches)):
                yield from (batch.slice(start, ROWS) for start in range(0, len(batch), ROWS))

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet"


@contextmanager
def _readable(file: File) -> Iterator[None]:
    """Turns the many errors of broken files into one that says what to do."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        kind, why = "Parquet" if file.is_parquet else "Arrow IPC", str(error).splitlines()[0].rstrip(".")
        raise IngestError(f"{file.path} cannot be read as {kind}: {why}. Is it whole? Export it again.") from None


def _reader(file: pa.MemoryMappedFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    if file.read(6) == b"ARROW1":
        return pa.ipc.open_file(file)
    file.seek(0)
    return pa.ipc.open_stream(file)
