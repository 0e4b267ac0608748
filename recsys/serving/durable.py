"""Tables of the lake, forced to the disk file by file: a sync of the whole machine waits for the files of others too.

A Delta table is a folder of Parquet files and a log of numbered commits that name the files they add. None of them
changes once it is there, so what a commit needs is the commit, its files, and every commit before it.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from store.disk import sync_file, sync_folder

if TYPE_CHECKING:
    from store.lake import Lake

LOG = "_delta_log"


class Durable:
    """Keeps up to which version each table is on the disk; what is there when it is made is, once that is done."""

    def __init__(self, lake: "Lake", tables: Iterable[str]) -> None:
        self._lake = lake
        self._versions: dict[str, int] = {}
        for table in tables:
            version = lake.version(table)
            self._versions[table] = -1 if version is None else version
        # Once, before anybody is served: a process that was killed may have left any of them in the system's memory.
        os.sync()

    def sync(self, table: str) -> None:
        """Returns when all that was committed to the table so far survives a power cut.

        Raises:
            OSError: if the disk refused, or a file that the table has is gone.
        """
        folder, version = self._lake.path / table, self._versions[table]
        while (commit := folder / LOG / f"{version + 1:020}.json").exists():
            version += 1
            for file in _added(folder, commit):
                self._sync_added(table, file)
            for file in (commit, *_checkpoint(folder, version)):
                sync_file(file)
        newest = folder / LOG / "_last_checkpoint"
        if newest.exists():
            # Another process may have made it long after its commit, which is past already.
            for file in (*_checkpoint(folder, json.loads(newest.read_bytes())["version"]), newest):
                sync_file(file)
        for each in (folder / LOG, folder, folder.parent):
            sync_folder(each)
        if (last := self._lake.version(table)) is not None and last > version:
            # Somebody cut the log off below a checkpoint: which files came with what is gone, nobody knows any more.
            os.sync()
            version = last
        self._versions[table] = version

    def _sync_added(self, table: str, file: Path) -> None:
        try:
            sync_file(file)
        except FileNotFoundError:
            # Tables are tidied up too: what was put together in a later commit may be deleted by now.
            if file.name in {Path(each).name for each in self._lake.files(table)}:
                raise


def _added(folder: Path, commit: Path) -> Iterator[Path]:
    """The files that a commit adds."""
    for line in commit.read_bytes().splitlines():
        added = json.loads(line).get("add")
        if added:
            yield folder / unquote(added["path"])


def _checkpoint(folder: Path, version: int) -> Iterable[Path]:
    """What was made after a commit for readers to begin at, if it was."""
    return (folder / LOG).glob(f"{version:020}.checkpoint*.parquet")
