"""The kinds of numbers in the golden files, and what happens to the tests when one kind is changed.

As a program, `python golden_numbers.py FOLDER` reads lines of JSON {file, kind, share, tests} and answers each with the
tests that fail once every number of that kind, in a copy of the file in FOLDER, is larger by that share.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Keys that say of which metric or design a number is, not which number it is.
METRIC = re.compile(r"^(sessions|orders|revenue|ops|orders_cuped|revenue_cuped|ops_cuped|rps_cuped)\|")


def label(key: str) -> str:
    """A key without what only says of which case it is."""
    key = METRIC.sub("METRIC|", key)
    return re.sub(r" \(confseq demo.*\)$", "", key)


def numbers(tree: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The kind of each number or truth value in a file: its path, with rows told apart by their function or test."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from numbers(value, (*path, label(key)))
    elif isinstance(tree, list):
        for value in tree:
            yield from numbers(value, (*path, row_label(value)))
    elif isinstance(tree, bool | int | float):
        yield "/".join(path)


def row_label(row: Any) -> str:
    named = next((row[key] for key in ("fn", "test") if isinstance(row, dict) and key in row), "")
    return f"[{named}]"


def changed(tree: Any, kind: str, share: float) -> Any:
    """The same with every number of the kind larger by a share of it, every second by twice that; 0 becomes the share.

    Truth is turned. Not all by the same factor, for of shares and weights only the ratios count.
    """
    turn = itertools.cycle((1, 2))

    def walk(part: Any, path: tuple[str, ...]) -> Any:
        if isinstance(part, dict):
            return {key: walk(value, (*path, label(key))) for key, value in part.items()}
        if isinstance(part, list):
            return [walk(value, (*path, row_label(value))) for value in part]
        if "/".join(path) != kind or not isinstance(part, bool | int | float):
            return part
        if isinstance(part, bool):
            return not part
        more = share * next(turn)
        return part * (1 + more) if part else more

    return walk(tree, ())


def failing(tests: list[str]) -> list[str]:
    """Names of the tests that fail, or that cannot be collected."""
    import pytest

    for name in [name for name, module in sys.modules.items() if ours(module)]:
        del sys.modules[name]
    seen: list[str] = []

    class Watch:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed:
                seen.append(report.nodeid)

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                seen.append(report.nodeid)

    with redirect_stdout(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *tests], plugins=[Watch()])
    return sorted({re.sub(r"\[.*\]$", "", name, flags=re.DOTALL) for name in seen})


def ours(module: Any) -> bool:
    file = getattr(module, "__file__", None) or ""
    return "/tests/" in file and Path(file).name.startswith("test_")


def main(folder: Path) -> None:
    os.chdir(ROOT)
    for line in sys.stdin:
        asked = json.loads(line)
        file = folder / "golden" / asked["file"]
        original = file.read_text("utf-8")
        file.write_text(json.dumps(changed(json.loads(original), asked["kind"], asked["share"])), "utf-8")
        print(json.dumps({**asked, "failed": failing(asked["tests"])}), flush=True)
        file.write_text(original, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
