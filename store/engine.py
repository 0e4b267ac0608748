"""The query engine: an Ibis backend, DuckDB by default, with a memory limit and a folder to spill to."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


def connect(memory_limit: str = "2GB", spill: Path | str | None = None, threads: int | None = None) -> "Backend":
    """A fresh in-memory DuckDB behind Ibis; times are UTC. Use one per thread.

    Args:
        memory_limit: in DuckDB's words, "2GB"; what does not fit goes to `spill`.
        spill: folder for what does not fit in memory, created when needed; None lets DuckDB choose.
        threads: None takes all cores.
    """
    import ibis

    settings = {"memory_limit": memory_limit, "threads": threads, "temp_directory": spill and str(spill)}
    return ibis.duckdb.connect(**{name: value for name, value in settings.items() if value})
