"""Runs the benchmarks of this folder: every file with a function `main(data, repeat, peers)` is one.

python -m tests.benchmarks [NAME ...] [--data DIR] [--repeat 3] [--no-peers]
"""

import argparse
import importlib
import pkgutil
from pathlib import Path

import tests.benchmarks


def benches() -> list[str]:
    """Names of the benchmarks."""
    return [m.name for m in pkgutil.iter_modules(tests.benchmarks.__path__) if not m.name.startswith("_")]


def run() -> None:
    """Parses the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Ratios in CPU seconds.")
    parser.add_argument("names", nargs="*", default=benches(), help=f"which ones; known: {', '.join(benches())}")
    parser.add_argument("--data", type=Path, default=Path.home() / ".cache" / "holdout-bench", help="generated facts")
    parser.add_argument("--repeat", type=int, default=3, help="how often each task runs")
    parser.add_argument("--no-peers", action="store_true", help="leave out other libraries")
    given = parser.parse_args()
    for name in given.names:
        importlib.import_module(f"tests.benchmarks.{name}").main(given.data, given.repeat, not given.no_peers)


if __name__ == "__main__":
    run()
