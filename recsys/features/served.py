"""What the ranker read while serving, kept of a share of the slates, beside what training would let it read."""

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.features.definitions import NAMES
from recsys.features.history import Decisions, History
from recsys.features.offline import as_of
from recsys.files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from store import Workspace

FOLDER = Path("models") / "served_features"
# Rows in memory before they are written; what was not written is lost when the process is killed.
ROWS = 20_000


def sampled(slate_id: str, share: float) -> bool:
    """Whether this slate is among the `share` of all that are kept: always the same answer for the same slate."""
    drawn = int.from_bytes(blake2b(slate_id.encode(), digest_size=8).digest())
    return drawn < share * 2**64


class _Buffer:
    """Rows on their way to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.rows: list[tuple[str, str, str, int]] = []
        self.features: list[NDArray[np.float32]] = []

    def write(self) -> None:
        """All or nothing; nothing where the workspace is gone."""
        with self.lock:
            rows, parts = self.rows, self.features
            self.rows, self.features = [], []
        if rows and self.folder.parents[len(FOLDER.parts) - 1].exists():
            import pyarrow.parquet as pq

            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / f"part-{uuid4().hex}.parquet") as beside:
                pq.write_table(_table(rows, np.concatenate(parts)), beside, compression="zstd")


class ServedLog:
    """Parquet files in a folder of the workspace, a row an item that was shown; threads may share one.

    What is in memory is written when it is full, when the log is let go of, and when the process ends in order.
    """

    def __init__(self, folder: Path, share: float) -> None:
        if not 0 <= share <= 1:
            raise DataError(f"the share of slates to keep is {share}, must be from 0 to 1. Write 0.01 for 1 %.")
        self._share, self._buffer = share, _Buffer(folder)
        weakref.finalize(self, self._buffer.write)

    @classmethod
    def of(cls, workspace: "Workspace", share: float) -> "ServedLog":
        """The log of a workspace, which keeps this share of the slates."""
        return cls(workspace.path / FOLDER, share)

    def add(self, slate_id: str, user_id: str, time: int, items: Sequence[str], features: NDArray[np.float32]) -> bool:
        """Keep a slate if it is among the share.

        Args:
            time: of the request, microseconds since 1970 UTC: what happened from then on was not known.
            features: as the ranker read them, shape (items, len(NAMES)).

        Returns:
            Whether it is kept.
        """
        if not sampled(slate_id, self._share):
            return False
        with self._buffer.lock:
            self._buffer.rows += [(slate_id, user_id, item, time) for item in items]
            self._buffer.features.append(np.array(features, np.float32))
            full = len(self._buffer.rows) >= ROWS
        if full:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what is in memory, all or nothing."""
        self._buffer.write()


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature that was not the same: in how many rows, and the row in which it was farthest off."""

    feature: str
    rows: int
    slate_id: str
    item_id: str
    served: float
    trained: float


@dataclass(frozen=True, slots=True)
class Skew:
    """What the comparison found.

    Attributes:
        slates, rows: how many were compared.
        equal: rows of which every feature is the same to the last bit.
        left_out: rows of items that the catalogue lacks by now, or kept by a version with other features.
        differences: by feature, those in most rows first.
    """

    slates: int
    rows: int
    equal: int
    left_out: int
    differences: tuple[Difference, ...]


def skew(workspace: "Workspace", *, since: int | None = None, until: int | None = None) -> Skew:
    """The features that were served beside those of training for the same user, item and moment.

    The facts must be in the lake by now: choose `until` before the oldest event that is still on its way. An event that
    came to the lake with a time before the request, but to the server after it, shows as a difference: that is what
    this looks for.

    Args:
        since, until: only requests from the one and before the other, microseconds since 1970; None takes all.
    """
    log, left_out = _read(workspace.path / FOLDER, since, until)
    if not len(log["time"]):
        return Skew(0, 0, 0, left_out, ())
    history = History.read(workspace)
    users = {name: k for k, name in enumerate(history.interactions.users)}
    items = {name: k for k, name in enumerate(history.catalogue.ids)}
    item = np.array([items.get(name, -1) for name in log["item_id"]], np.int64)
    user = np.array([users.get(name, -1) for name in log["user_id"]], np.int64)
    known = item >= 0
    trained = as_of(history, Decisions(user[known], item[known], log["time"][known]))
    served, names = log["features"][known], ("slate_id", "item_id")
    slate, shown = (np.array(log[name], object)[known] for name in names)
    # Bits, not values: nan is nan, and a difference in the last place is one.
    other = served.view(np.uint32) != trained.view(np.uint32)
    found = [
        _difference(k, other[:, k], served, trained, (slate, shown)) for k in range(len(NAMES)) if other[:, k].any()
    ]
    equal = int(np.count_nonzero(~other.any(axis=1)))
    found.sort(key=lambda each: (-each.rows, each.feature))
    lost = left_out + int(np.count_nonzero(~known))
    return Skew(len(set(slate.tolist())), len(served), equal, lost, tuple(found))


def _difference(
    feature: int,
    other: NDArray[np.bool_],
    served: NDArray[np.float32],
    trained: NDArray[np.float32],
    names: tuple[NDArray[np.object_], NDArray[np.object_]],
) -> Difference:
    rows = np.flatnonzero(other)
    one, two = served[rows, feature].astype(float), trained[rows, feature].astype(float)
    apart = np.nan_to_num(np.abs(one - two), nan=np.inf)
    k = int(np.argmax(apart))
    slate, item = (str(each[rows[k]]) for each in names)
    return Difference(NAMES[feature], len(rows), slate, item, float(one[k]), float(two[k]))


def _table(rows: Sequence[tuple[str, str, str, int]], features: NDArray[np.float32]) -> "pa.Table":
    import pyarrow as pa

    slate, user, item, time = zip(*rows, strict=True)
    columns = {
        "slate_id": pa.array(slate, pa.dictionary(pa.int32(), pa.string())),
        "user_id": pa.array(user, pa.dictionary(pa.int32(), pa.string())),
        "item_id": pa.array(item, pa.dictionary(pa.int32(), pa.string())),
        "time": pa.array(time, pa.int64()),
    }
    columns |= {name: pa.array(features[:, k]) for k, name in enumerate(NAMES)}
    return pa.table(columns)


def _read(folder: Path, since: int | None, until: int | None) -> tuple[Mapping[str, Any], int]:
    """Columns of the rows whose features are today's, and how many rows have others."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    tables, others = [_table([("", "", "", 0)], np.zeros((1, len(NAMES)), np.float32)).slice(0, 0)], 0
    for file in sorted(folder.glob("part-*.parquet")):
        table = pq.read_table(file)
        for limit, compare in ((since, pc.greater_equal), (until, pc.less)):
            table = table if limit is None else table.filter(compare(table["time"], limit))
        if table.column_names == tables[0].column_names:
            tables.append(table)
        else:
            others += len(table)
    whole = pa.concat_tables(tables).unify_dictionaries()
    found: dict[str, Any] = {name: whole[name].to_pylist() for name in ("slate_id", "user_id", "item_id")}
    found["time"] = np.array(whole["time"].to_numpy(), np.int64)
    columns = [whole[name].to_numpy() for name in NAMES]
    found["features"] = np.ascontiguousarray(np.stack(columns, axis=1), np.float32)
    return found, others
