"""Files and folders that are there whole or not at all, whatever stops the process that writes them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A path beside `file`, to be written, which takes its name and place in the end; on an error it is removed."""
    beside = _beside(file)
    try:
        yield beside
        os.replace(beside, file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, to be filled, which takes its name in the end; on an error it is removed.

    `folder` must not be there yet.
    """
    beside = _beside(folder)
    beside.mkdir(parents=True)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(folder)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid4().hex}")
