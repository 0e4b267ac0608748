"""The pages that exist: every file in pages/, with what it says of itself."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("pages")


@dataclass(frozen=True, slots=True)
class PageFile:
    """The constants at the head of a page. A hidden page has a link but no place in the menu."""

    file: Path
    title: str
    icon: str
    group: str
    order: int
    hidden: bool = False
    home: bool = False


@cache
def page_files() -> tuple[PageFile, ...]:
    """All pages by ORDER. Constants are read, not imported: importing a page would draw it."""
    return tuple(sorted((_read(file) for file in FOLDER.glob("[!_]*.py")), key=lambda page: page.order))


def _read(file: Path) -> PageFile:
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
        if isinstance(node.value, ast.Constant)
    }
    missing = {"TITLE", "ICON", "GROUP", "ORDER"} - constants.keys()
    if missing:
        raise ValueError(f"{file}: a page needs TITLE, ICON, GROUP and ORDER; {', '.join(sorted(missing))} not found.")
    return PageFile(
        file=file,
        title=constants["TITLE"],
        icon=constants["ICON"],
        group=constants["GROUP"],
        order=constants["ORDER"],
        hidden=constants.get("HIDDEN", False),
        home=constants.get("HOME", False),
    )
