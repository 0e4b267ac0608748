"""A training run: what it is made of is written down before it begins, and what it made lies in one folder."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.encoder.distributed import Processes
from recsys.engine import MODEL
from recsys.errors import DataError, ModelError
from recsys.files import whole_file

if TYPE_CHECKING:
    from store import Workspace

PLAN = "plan.json"
# The encoder learns from this share of the acts, the earliest; the ranker from what was shown after them, so that it
# sees the encoder err as it will err on days to come.
LEARNT_FROM = 0.7


@dataclass(frozen=True, slots=True)
class Effort:
    """How much the encoder may learn, whichever ends first.

    Attributes:
        minutes: of CPU; how far it comes in them depends on the machine.
        rounds: over the acts; the same number gives the same encoder on the same machine. None: as many as help.
    """

    minutes: float = 30.0
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run was asked for; a run that goes on reads it again.

    Attributes:
        lake_versions: of the facts; later imports do not reach a run that has begun.
        cut: the encoder learns from acts before it, the ranker from impressions after it; microseconds since 1970.
        end: just after the last act.
        minutes, rounds: as in `Effort`.
    """

    version: str
    seed: int
    minutes: float
    lake_versions: dict[str, int]
    code_version: str
    cut: int
    end: int
    began: str
    rounds: int | None = None


@dataclass(frozen=True)
class Run:
    """A run in progress; `folder` holds a folder for each stage that is done."""

    workspace: "Workspace"
    folder: Path
    plan: RunPlan
    at: Processes
    progress: Callable[[str], None]

    def done(self, stage: str) -> Path:
        """The folder of a stage that is done."""
        return self.folder / stage


def begin(workspace: "Workspace", seed: int, effort: Effort, at: Processes, progress: Callable[[str], None]) -> Run:
    """A new run on the facts as they are now.

    Raises:
        DataError: if there are too few acts to learn from.
    """
    now = datetime.now(UTC)
    versions = workspace.lake.versions()
    frozen = workspace.at(versions)
    cut, end = _cut(frozen)
    version = _free_name(workspace, f"{now:%Y%m%d-%H%M%S}")
    began = now.isoformat(timespec="seconds")
    plan = RunPlan(version, seed, effort.minutes, versions, code_version(), cut, end, began, effort.rounds)
    folder = runs(workspace) / version
    folder.mkdir(parents=True)
    write_json(folder / PLAN, asdict(plan))
    return Run(frozen, folder, plan, at, progress)


def unfinished(workspace: "Workspace", at: Processes, progress: Callable[[str], None]) -> Run | None:
    """The newest run that was begun and not ended, None if there is none."""
    found = sorted(runs(workspace).glob(f"*/{PLAN}"))
    if not found:
        return None
    plan = RunPlan(**json.loads(found[-1].read_text("utf-8")))
    if plan.code_version != code_version():
        progress(f"run {plan.version} was begun by code {plan.code_version}; stages that are done are kept.")
    return Run(workspace.at(plan.lake_versions), found[-1].parent, plan, at, progress)


def runs(workspace: "Workspace") -> Path:
    return workspace.path / "models" / "training"


def bundles(workspace: "Workspace") -> Path:
    """Where the engines that can serve lie, a folder a version."""
    return workspace.path / "models" / MODEL


def code_version() -> str:
    """The release, and a digest of the engine's code: what trained a model is known even between releases."""
    from importlib.metadata import PackageNotFoundError, version

    room = Path(__file__).resolve().parents[1]
    digest = sha256()
    for file in sorted(room.rglob("*.py")):
        digest.update(str(file.relative_to(room)).encode() + b"\0" + file.read_bytes())
    try:
        release = version("holdout")
    except PackageNotFoundError:
        release = "unreleased"
    return f"{release}+{digest.hexdigest()[:12]}"


def write_json(file: Path, content: object) -> None:
    """Replace `file`, whole or not at all."""
    with whole_file(file) as beside:
        beside.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _free_name(workspace: "Workspace", name: str) -> str:
    taken = {folder.name for parent in (runs(workspace), bundles(workspace)) for folder in parent.glob("*")}
    return next(each for each in (name, *(f"{name}-{again}" for again in range(2, 1000))) if each not in taken)


def _cut(workspace: "Workspace") -> tuple[int, int]:
    import numpy as np

    from recsys.facts import interactions
    from recsys.interactions import ACTIONS

    time = interactions(workspace).time
    if len(time) < 100:
        raise DataError(
            f"{workspace.path} has {len(time)} acts on items, at least 100 are needed to learn from. Import events "
            f"with an item_id and one of the kinds {', '.join(ACTIONS)}."
        )
    cut, end = int(np.quantile(time, LEARNT_FROM, method="higher")), int(time.max()) + 1
    if cut <= time.min():
        raise ModelError(f"{workspace.path}: all acts are at one time, so nothing comes after what is learnt from.")
    return cut, end
