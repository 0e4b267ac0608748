"""The workspace: a folder with holdout.toml, in which the lake, the registry and the experiments lie."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import WorkspaceError, did_you_mean, one_line
from store.toml_reader import quoted

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

    from store.lake import Lake
    from store.registry import Registry

FILE = "holdout.toml"
# Of settings that are no text: what their value must be, and in words.
KINDS: Mapping[str, tuple[type, str]] = {
    "threads": (int, "a whole number above 0"),
    "as_of": (datetime, "a time such as 2026-11-17T00:00:00Z, without quotes and with its zone"),
}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The [engine] section of holdout.toml."""

    memory_limit: str = "2GB"
    spill: str = ".spill"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What holdout.toml may say; folders and a SQLite file are relative to the workspace.

    `serving` is the section [serving] as it stands: `recsys.settings` reads it. `currency` is the sign of all money.
    `as_of` is for a copy or a demo, which gets no facts after that time.
    """

    name: str | None = None
    currency: str | None = None
    as_of: datetime | None = None
    lake: str = "lake"
    registry: str = "sqlite:///registry.db"
    experiments: str = "experiments"
    engine: EngineSettings = field(default_factory=EngineSettings)
    serving: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """A folder with everything in it. Open it with `Workspace.open`, and pass it on."""

    path: Path
    settings: Settings
    versions: Mapping[str, int] | None = None

    @classmethod
    def create(
        cls, path: Path | str, name: str | None = None, currency: str | None = None, as_of: datetime | None = None
    ) -> "Workspace":
        """Make the folder, its holdout.toml and its empty parts.

        Raises:
            WorkspaceError: if the folder has a holdout.toml already, or `as_of` has no zone.
        """
        root = Path(path).resolve()
        if as_of is not None and as_of.tzinfo is None:
            raise WorkspaceError(f"as_of is {as_of}, which is in no time zone. Give it one, such as UTC.")
        if (root / FILE).exists():
            raise WorkspaceError(f"{root} is a workspace already (it has a {FILE}). Choose another folder.")
        try:
            root.mkdir(parents=True, exist_ok=True)
            with open(root / FILE, "x", encoding="utf-8") as file:
                file.write(f"name = {quoted(name or root.name)}\n")
                file.write(f"currency = {quoted(currency)}\n" if currency else "")
                file.write(f"as_of = {as_of.isoformat()}\n" if as_of else "")
        except OSError as error:
            raise WorkspaceError(
                f"{root} cannot be made a workspace: {one_line(error)}. Choose another folder."
            ) from None
        workspace = cls.open(root)
        workspace.lake.path.mkdir(parents=True, exist_ok=True)
        workspace.experiments.mkdir(parents=True, exist_ok=True)
        return workspace

    @classmethod
    def open(cls, path: Path | str) -> "Workspace":
        """The workspace in a folder.

        Raises:
            WorkspaceError: if there is no holdout.toml, or it says something that is not known.
        """
        root = Path(path).resolve()
        file = root / FILE
        if not file.is_file():
            raise WorkspaceError(f"{root} has no {FILE}, so it is not a workspace. `holdout init {path}` makes one.")
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WorkspaceError(f"{file} is not TOML in UTF-8: {error}. Mend the file.") from None
        return cls(path=root, settings=_settings(file, content))

    @classmethod
    def find(cls, start: Path | str = ".") -> "Workspace":
        """The workspace that `start` lies in: the nearest folder upward with a holdout.toml."""
        root = Path(start).resolve()
        for folder in (root, *root.parents):
            if (folder / FILE).is_file():
                return cls.open(folder)
        raise WorkspaceError(
            f"neither {root} nor a folder above it has a {FILE}. `holdout init DIR` makes a workspace."
        )

    def at(self, versions: Mapping[str, int]) -> "Workspace":
        """The workspace with its lake as it was at these versions of the tables, for reading only."""
        return replace(self, versions=dict(versions))

    @property
    def name(self) -> str:
        return self.settings.name or self.path.name

    def due(self, now: datetime) -> datetime:
        """Up to when there should be facts at the time `now`: until then, or `as_of` where that was before. In UTC."""
        return min(now, self.settings.as_of or now).astimezone(UTC)

    @property
    def experiments(self) -> Path:
        return self.path / self.settings.experiments

    @property
    def spill(self) -> Path:
        return self.path / self.settings.engine.spill

    @cached_property
    def lake(self) -> "Lake":
        from store.lake import Lake

        return Lake(self.path / self.settings.lake, connect=self.connect, versions=self.versions)

    @cached_property
    def registry(self) -> "Registry":
        """The records; the first use brings the database to the newest migration."""
        from store.registry import Registry

        url = self.settings.registry
        relative = url.removeprefix("sqlite:///")
        return Registry.open(f"sqlite:///{self.path / relative}" if relative != url else url)

    def connect(self) -> "Backend":
        """A fresh query engine with this workspace's limits."""
        from store.engine import connect

        engine = self.settings.engine
        return connect(memory_limit=engine.memory_limit, spill=self.spill, threads=engine.threads)


def _settings(file: Path, content: dict[str, Any]) -> Settings:
    engine = content.pop("engine", {})
    if not isinstance(engine, dict):
        raise WorkspaceError(f"{file}: engine is {engine!r}, must be a section. Write [engine].")
    engine = EngineSettings(**_checked(file, engine, EngineSettings, "engine."))
    serving = content.pop("serving", {})
    if not isinstance(serving, dict):
        raise WorkspaceError(f"{file}: serving is {serving!r}, must be a section. Write [serving].")
    return Settings(**_checked(file, content, Settings, ""), engine=engine, serving=serving)


def _checked(file: Path, content: dict[str, Any], kind: type, prefix: str) -> dict[str, Any]:
    known = [each.name for each in fields(kind)]
    for key, value in content.items():
        if key not in known:
            raise WorkspaceError(f"{file}: {prefix}{key} is not a setting.{did_you_mean(key, known)}")
        wanted, shown = KINDS.get(key, (str, "a text that is not empty"))
        naive = isinstance(value, datetime) and value.tzinfo is None
        if not isinstance(value, wanted) or isinstance(value, bool) or not value or naive:
            raise WorkspaceError(f"{file}: {prefix}{key} is {value!r}, must be {shown}.")
    return content
