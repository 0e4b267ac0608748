"""The pages of docs/ as the app shows them: the same files, in an installed package or in a checkout."""

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
# Code is fenced, or indented after an empty line.
CODE = re.compile(r"^```\w*\n(.*?)^```$|(?<=\n\n)((?:^ {4}[^\n]*\n?)+)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


@dataclass(frozen=True, slots=True)
class Method:
    """One page: its file's stem, its title, and the rest as Markdown and, at odd positions, code."""

    name: str
    title: str
    parts: tuple[str, ...]


@cache
def methods() -> dict[str, Method]:
    """All pages by name, in the order of their titles."""
    folder = next(each for each in (HERE / "docs", HERE.parent / "docs") if each.is_dir())
    found = [_read(file) for file in folder.glob("*.md")]
    return {method.name: method for method in sorted(found, key=lambda method: method.title.lower())}


def _read(file: Path) -> Method:
    title, _, text = file.read_text("utf-8").partition("\n")
    parts, start = [], 0
    for code in CODE.finditer(text):
        parts += [LINK.sub(_lead, text[start : code.start()]), textwrap.dedent(code[1] or code[2])]
        start = code.end()
    parts.append(LINK.sub(_lead, text[start:]))
    return Method(file.stem, title.removeprefix("# ").strip(), tuple(part.strip("\n") for part in parts))


def _lead(link: re.Match[str]) -> str:
    """A link between pages stays one; what is not shown in the app, such as a test, keeps its words only."""
    words, target = link[1], link[2]
    return f"[{words}](definitions?doc={target.removesuffix('.md')})" if re.fullmatch(r"[\w-]+\.md", target) else words
