"""Folders that are there whole or not at all, whatever stops the process that writes them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, to be filled, which takes its name in the end; on an error it is removed.

    `folder` must not be there yet.
    """
    beside = folder.with_name(f".{folder.name}-{uuid4().hex}")
    beside.mkdir(parents=True)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(folder)
