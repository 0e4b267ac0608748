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
            OSError: if the disk refused, or a file of the table is gone.
        """
        folder, version = self._lake.path / table, self._versions[table]
        while (commit := folder / LOG / f"{version + 1:020}.json").exists():
            version += 1
            for file in _files(folder, commit):
                sync_file(file)
        newest = folder / LOG / "_last_checkpoint"
        if newest.exists():
            sync_file(newest)
        for each in (folder / LOG, folder, folder.parent):
            sync_folder(each)
        self._versions[table] = version


def _files(folder: Path, commit: Path) -> Iterator[Path]:
    """A commit, what it adds, and the checkpoint that was made after it, if one was."""
    for line in commit.read_bytes().splitlines():
        added = json.loads(line).get("add")
        if added:
            yield folder / unquote(added["path"])
    yield commit
    checkpoint = commit.with_suffix(".checkpoint.parquet")
    if checkpoint.exists():
        yield checkpoint
