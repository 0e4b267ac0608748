"""Which names of events were seen lately: the same event sent twice is kept once.

At least the last `least` names that were sent are remembered, at most twice as many, each as 16 bytes of a
cryptographic hash: two names that differ are never taken for one. Names outlive the process in the journal, and then in
files beside it.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from recsys.files import whole_file

LEAST = 500_000
WIDTH = 16


def digest(event_id: str) -> bytes:
    """The 16 bytes by which a name is remembered."""
    return blake2b(event_id.encode(), digest_size=WIDTH).digest()


class Window:
    """Two generations of names; when the younger is full it becomes the elder, and the elder is forgotten."""

    def __init__(self, least: int = LEAST) -> None:
        self.least = least
        self._younger: set[bytes] = set()
        self._elder: set[bytes] = set()

    def __contains__(self, name: bytes) -> bool:
        return name in self._younger or name in self._elder

    def __len__(self) -> int:
        return len(self._younger) + len(self._elder)

    def add(self, name: bytes) -> bool:
        """Remember a digest from now on; False if it was known."""
        if name in self._younger:
            return False
        known = name in self._elder
        if len(self._younger) >= self.least:
            self._elder, self._younger = self._younger, set()
        self._younger.add(name)
        return not known

    def forget(self, names: Iterable[bytes]) -> None:
        """Take digests back that were added, but whose events were not kept."""
        for name in names:
            self._younger.discard(name)
            self._elder.discard(name)


def save(file: Path, names: Sequence[bytes]) -> None:
    """Write digests to a file, all or none."""
    with whole_file(file) as beside:
        beside.write_bytes(b"".join(names))


def load(files: Sequence[Path], least: int = LEAST) -> tuple[Window, list[Path]]:
    """The window that files in order of age hold, the oldest first, and those of them that it does not need."""
    window, kept = Window(least), _newest(files, least)
    for file in kept:
        content = file.read_bytes()
        for place in range(0, len(content) - WIDTH + 1, WIDTH):
            window.add(content[place : place + WIDTH])
    return window, [file for file in files if file not in kept]


def _newest(files: Sequence[Path], least: int) -> list[Path]:
    held, kept = 0, []
    for file in reversed(files):
        if held >= least:
            break
        held += file.stat().st_size // WIDTH
        kept.append(file)
    return kept[::-1]
