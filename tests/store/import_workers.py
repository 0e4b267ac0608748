"""What tests run in other processes, where it can be killed."""

import os
import resource
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

from store import Workspace
from store.ingest import import_files
from store.lake import Lake

# A server that has imported everything forks a child in milliseconds.
PROCESSES = ForkServerContext()
PROCESSES.set_forkserver_preload(["import_workers"])

POINTS = ("first rows read", "quarantine written", "quarantine committed", "rows written", "rows committed")


def run_import(root: Path, table: str, files: list[Path]) -> None:
    import_files(Workspace.open(root), table, files)


def run_import_for(root: Path, table: str, file: Path, seconds: float) -> None:
    """Import a file and die, without any clean-up, so much processor time after its rows were read."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def start_to_count(path: Path, rows: int) -> None:
        signal.setitimer(signal.ITIMER_PROF, seconds)

    import_files(Workspace.open(root), table, [file], start_to_count)


def run_import_and_die(root: Path, table: str, file: Path, point: str) -> None:
    """Import a file and kill the own process, without any clean-up, at a named point."""
    commit = Lake.commit

    def commit_and_die(lake: Lake, part, source: str, **options) -> bool:
        kind = "quarantine" if part.table == "quarantine" else "rows"
        part.close()
        _die_at(point, f"{kind} written")
        landed = commit(lake, part, source, **options)
        _die_at(point, f"{kind} committed")
        return landed

    Lake.commit = commit_and_die
    import_files(Workspace.open(root), table, [file], lambda path, rows: _die_at(point, "first rows read"))


def measure_import(root: Path, table: str, file: Path, answer: Path) -> None:
    """Write the peak memory in MiB of a process that imports a file."""
    import_files(Workspace.open(root), table, [file])
    answer.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def _die_at(point: str, here: str) -> None:
    if point == here:
        os.kill(os.getpid(), signal.SIGKILL)


def open_registry(url: str, answer: Path) -> None:
    """Write how many experiments a registry has, once it is open."""
    from store.registry import Registry

    answer.write_text(str(len(Registry.open(url).experiments())))
