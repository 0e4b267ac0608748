"""The stages of `holdout train`, in order; a run that was killed goes on with the first stage that is not done."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.encoder.distributed import Processes, processes
from recsys.engine import MODEL
from recsys.errors import ModelError
from recsys.training.encoding import export_embeddings, train_encoder
from recsys.training.judging import CARD, judge
from recsys.training.ranking import train_neighbours, train_ranker
from recsys.training.run import Effort, Run, begin, bundles, runs, unfinished

if TYPE_CHECKING:
    from store import Workspace
    from store.registry import ModelRecord


@dataclass(frozen=True, slots=True)
class Stage:
    """`make` writes the folder that it is given, whole or not at all; `together` has all processes of a group work
    on it, the others only the first."""

    name: str
    make: Callable[[Run, Path], None]
    together: bool = False


STAGES = (
    Stage("encoder", train_encoder, together=True),
    Stage("linear", train_neighbours),
    Stage("ranker", train_ranker),
    Stage("embeddings", export_embeddings),
    Stage("report", judge),
)


def train(
    workspace: "Workspace",
    *,
    seed: int = 0,
    minutes: float = 30.0,
    rounds: int | None = None,
    resume: bool = False,
    use: bool = True,
    progress: Callable[[str], None] = lambda message: None,
) -> "ModelRecord | None":
    """Train an engine on the facts as they are now, and let it serve; None in all processes but the first.

    Args:
        minutes: of CPU for the encoder; the other stages take about as long as their data do.
        rounds: of the encoder over the acts, at most; None for as many as help.
        resume: go on with the newest run that did not end, if there is one.
        use: whether the new version serves at once.
    """
    with processes() as at:
        told = progress if at.first else lambda message: None
        run = _run(workspace, seed, Effort(minutes, rounds), resume, at, told)
        for stage in STAGES:
            if at.first or stage.together:
                _work_on(stage, run)
        if not at.first:
            return None
    return _register(workspace, _finished(workspace, run), run, use)


def _run(
    workspace: "Workspace", seed: int, effort: Effort, resume: bool, at: Processes, progress: Callable[[str], None]
) -> Run:
    if at.first:
        found = unfinished(workspace, at, progress) if resume else None
        if resume and not found:
            progress("no run is unfinished, so there is nothing to go on with")
        run = found or begin(workspace, seed, effort, at, progress)
        progress(f"run {run.plan.version} {'goes on' if found else 'begins'}, seed {run.plan.seed}")
        at.wait()
        return run
    # The first process has written the plan by now, and it is the newest.
    at.wait()
    joined = unfinished(workspace, at, progress)
    if joined is None:
        raise ModelError(f"{runs(workspace)} holds no run; do all processes see the same workspace?")
    return joined


def _work_on(stage: Stage, run: Run) -> None:
    folder = run.done(stage.name)
    if folder.is_dir():
        run.progress(f"{stage.name}: done before")
    else:
        run.progress(f"{stage.name}: begins")
        stage.make(run, folder)
    if stage.together:
        run.at.wait()


def _finished(workspace: "Workspace", run: Run) -> Path:
    """The run's folder, moved to where engines lie."""
    target = bundles(workspace) / run.plan.version
    if not target.is_dir():
        for rest in run.folder.glob(".*"):
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        run.folder.rename(target)
    return target


def _register(workspace: "Workspace", folder: Path, run: Run, use: bool) -> "ModelRecord":
    card = json.loads((folder / "report" / CARD).read_text("utf-8"))
    plan = run.plan
    known = {each.version for each in workspace.registry.models(MODEL)}
    if plan.version not in known:
        workspace.registry.save_model(
            MODEL,
            plan.version,
            artifact=str(folder.relative_to(workspace.path)),
            metrics=card["metrics"],
            card=card,
            lake_versions=plan.lake_versions,
            code_version=plan.code_version,
        )
    if use:
        return workspace.registry.use_model(MODEL, plan.version, by="holdout train", reason="trained anew")
    return workspace.registry.model(MODEL, plan.version)
