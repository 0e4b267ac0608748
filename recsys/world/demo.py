"""The demo: a workspace with the living shop and its experiments."""

import tomllib
from collections.abc import Callable
from pathlib import Path

from recsys.errors import ShopError
from recsys.world.building import FOLDER, PLAN, Building, keep_plan
from recsys.world.designs import DAYS
from recsys.world.served import BatchRecommender, Served
from recsys.world.today import Plan
from store import Workspace

DEFINITIONS = Path(__file__).parent / "experiments"
PEOPLE, LENGTH, SEED = 10_000, 120, 2026
# The share of days that an engine serves, the last ones: 50 of 120.
SERVED = 5 / 12
# So many days after it began to serve an engine is renewed; within a week after it, all its outcomes are known.
RENEWED = (10, 25)
FEWEST_DAYS = 42
DONE = "done"
# Candidates that are ranked of each request: fewer than in a live shop, since a day has thousands.
RANKED = 100
# Where shops of versions before the living one kept their plan.
EARLIER = "demo.json"


def build(
    workspace_path: Path | str,
    *,
    people: int = PEOPLE,
    days: int = LENGTH,
    seed: int = SEED,
    engine: Callable[[Workspace], BatchRecommender] | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """The demo shop in a workspace: facts in the lake, experiments as files and in the registry. No looks are taken.

    A build that was killed is completed by the next call; a finished one is left alone.

    Args:
        days: of the whole shop; the last `DAYS` have the experiments.
        engine: called once the first weeks have passed under the plain policy, and again at each of `renewals(days)`
            but the last; makes what serves until the next. Without it the plain policy serves to the end.
        progress: is told, in words, what is being done.

    Raises:
        ShopError: if the folder is a workspace that is no demo shop, or one of another plan, or days are too few.
    """
    root, say = Path(workspace_path).resolve(), progress or (lambda message: None)
    if days < FEWEST_DAYS:
        raise ShopError(f"{days} days are too few: the experiments and what is known before them take {FEWEST_DAYS}.")
    _refuse_other(root)
    # Written before the workspace, so that a build killed in between is known as ours.
    keep_plan(root, plan := Plan(people=people, days=days, seed=seed, experiments=DAYS))
    if (root / FOLDER / DONE).is_file():
        return
    fresh = not (root / "holdout.toml").is_file()
    workspace = Workspace.create(root, name="Demo shop", currency="$") if fresh else Workspace.open(root)
    building = Building(workspace, plan)
    say(f"Simulating {people:,} people for {days} days")
    building.until(switch(days) if engine else days, building.shop.plain, say)
    for stop in renewals(days) if engine else ():
        if engine and building.day < stop:
            served = Served(engine(workspace), building.shop.names, building.shop.setting.draws)
            building.until(stop, served, say)
    say("Writing the experiments")
    write_experiments(workspace, people / PEOPLE)
    (root / FOLDER / DONE).touch()


def switch(days: int) -> int:
    """The first day that an engine serves."""
    return days - round(SERVED * days)


def renewals(days: int) -> tuple[int, ...]:
    """The days before which an engine's service ends: it is made anew from then on, at the last the shop ends."""
    return (*(day for after in RENEWED if (day := switch(days) + after) < days), days)


def trained_engine(
    minutes: float, progress: Callable[[str], None] | None = None
) -> Callable[[Workspace], BatchRecommender]:
    """For `build`: an engine trained on the first weeks; where one serves already, it is mended by its own log.

    An engine changes what people see and so what they do: its chances would be too high before long.

    Args:
        minutes: of CPU that the encoder may take.
    """

    def engine(workspace: Workspace) -> BatchRecommender:
        from recsys.engine import MODEL
        from recsys.engine.bundle import RANKER
        from recsys.engine.engine import Engine
        from recsys.training.pipeline import train
        from recsys.training.recalibration import recalibrate

        serving = workspace.registry.serving_model(MODEL)
        if serving is None:
            train(workspace, minutes=minutes, resume=True, progress=progress or (lambda message: None))
        elif (workspace.path / serving.artifact / RANKER).is_dir():
            recalibrate(workspace)
        return Engine.open(workspace, ranked=RANKED)

    return engine


def write_experiments(workspace: Workspace, scale: float = 1.0) -> None:
    """The definitions as files and in the registry, their planned units scaled to the size of the shop."""
    workspace.experiments.mkdir(exist_ok=True)
    for file in sorted(DEFINITIONS.glob("*.toml")):
        definition = _scaled(file.read_text("utf-8"), scale)
        design = tomllib.loads(definition)["experiment"]
        (workspace.experiments / file.name).write_text(definition, "utf-8")
        workspace.registry.save_experiment(definition, id=design["id"], name=design["name"], owner=design["owner"])


def _refuse_other(root: Path) -> None:
    if (root / EARLIER).is_file():
        raise ShopError(
            f"{root} holds a demo shop that an earlier version built. Delete the folder to have it built anew, or name "
            "another: `holdout demo FOLDER`, `make run DEMO=FOLDER`."
        )
    if (root / "holdout.toml").is_file() and not (root / FOLDER / PLAN).is_file():
        raise ShopError(f"{root} is a workspace with facts of its own; choose another folder for the demo shop.")


def _scaled(definition: str, scale: float) -> str:
    planned = int(tomllib.loads(definition)["experiment"]["planned_units"])
    return definition.replace(f"planned_units = {planned}", f"planned_units = {max(round(planned * scale), 2)}")
