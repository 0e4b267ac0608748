"""Who may import whom, and what may not be loaded early: the house stays as its map says."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BELOW = {
    "store": set(),
    "analysis": {"store"},
    "recsys": {"store"},
    "monitors": {"store", "analysis"},
    "dashboard": {"store", "analysis", "monitors", "recsys"},
}
# Within recsys.
PARTS = {
    "slates": set(),
    "surfaces": {"slates"},
    "retrieval": set(),
    "encoder": set(),
    "features": set(),
    "ranking": set(),
    "measures": set(),
    "heads": {"encoder", "measures"},
    "evaluation": {"heads", "measures"},
    "offpolicy": {"surfaces"},
    "engine": {"encoder", "features", "ranking", "retrieval", "slates", "surfaces"},
    "training": {"encoder", "engine", "features", "ranking"},
    "serving": {"engine", "surfaces"},
    "world": {"engine", "training"},
}
ONLY_IN = {
    "streamlit": "dashboard",
    "plotly": "dashboard",
    "torch": "recsys",
    "sqlalchemy": "store",
    "alembic": "store",
    "deltalake": "store",
}
HEAVY = {*ONLY_IN, "pandas", "duckdb", "ibis", "pyarrow", "statsmodels", "sklearn"}
FILES = [(room, file) for room in BELOW for file in sorted((ROOT / room).rglob("*.py"))]


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(("room", "file"), FILES, ids=[str(file.relative_to(ROOT)) for _, file in FILES])
def test_a_room_imports_only_rooms_below_it_and_heavy_libraries_stay_in_theirs(room, file):
    names = imported(file)
    assert names & set(BELOW) <= BELOW[room] | {room}
    assert {library for library in names & set(ONLY_IN) if ONLY_IN[library] != room} == set()


@pytest.mark.parametrize(
    "part", sorted(file.name for file in (ROOT / "recsys").iterdir() if (file / "__init__.py").exists())
)
def test_a_part_of_recsys_imports_only_parts_below_it(part):
    found = set()
    for file in (ROOT / "recsys" / part).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
            found |= {module.split(".")[1]} if module.startswith("recsys.") else set()
    assert found & set(PARTS) <= PARTS[part] | {part}


def named(file: Path, modules: dict[str, Path]) -> set[str]:
    """The modules that a file imports from: of `from room.part import name` room.part.name if it is one."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            wholes = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {whole if whole in modules else node.module for whole in wholes}
    return found & set(modules)


def test_no_file_imports_one_that_imports_it_back_by_whatever_way():
    paths = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for _, file in FILES}
    modules = {path.removesuffix(".__init__"): file for file, path in paths.items()}
    # It raises CycleError, which names the circle.
    TopologicalSorter({module: named(file, modules) - {module} for module, file in modules.items()}).prepare()


@pytest.mark.parametrize(("room", "more"), [("analysis", ()), ("store", ()), ("holdout", ("numpy", "scipy"))])
def test_importing_a_room_loads_nothing_heavy(room, more):
    heavy = sorted({*HEAVY, *more})
    code = f"import sys, {room}; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_file_is_longer_than_four_hundred_lines():
    long = {
        str(f.relative_to(ROOT)): n
        for f in (ROOT / "holdout.py", *(file for _, file in FILES))
        if (n := len(f.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


@pytest.mark.parametrize("room", ["analysis", "store"])
def test_everything_a_room_promises_is_there(room):
    module = __import__(room)
    assert sorted(module.__all__) == list(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
