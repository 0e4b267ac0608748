"""What survives a power cut: a file, and the names in a folder, are on the disk when these return."""

import os
from pathlib import Path


def sync_file(file: Path) -> None:
    """Make what was written to `file` survive a power cut; that its name does is for its folder."""
    number = os.open(file, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sync_folder(folder: Path) -> None:
    """Make names that were given or taken in `folder` survive a power cut."""
    sync_file(folder)
