"""The colours of the two themes, read from theme.toml, for what cannot use CSS variables."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

THEME = Path(__file__).resolve().parents[1] / "theme.toml"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by meaning; `better` and `worse` only ever stand for evidence."""

    better: str
    worse: str
    neutral: str
    text: str
    background: str
    border: str


@cache
def palette(theme: str | None) -> Palette:
    """The palette of "light" or "dark"; light where the browser has not said yet."""
    colours = settings()["theme"]["dark" if theme == "dark" else "light"]
    return Palette(
        better=colours["blueColor"],
        worse=colours["redColor"],
        neutral=colours["grayColor"],
        text=colours["textColor"],
        background=colours["backgroundColor"],
        border=colours["borderColor"],
    )


@cache
def settings() -> dict[str, Any]:
    """theme.toml as nested tables."""
    return tomllib.loads(THEME.read_text("utf-8"))


def options(table: dict[str, Any] | None = None, prefix: str = "") -> dict[str, Any]:
    """theme.toml as Streamlit's dotted options, such as "theme.dark.textColor"."""
    found: dict[str, Any] = {}
    for key, value in (settings() if table is None else table).items():
        found |= options(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
