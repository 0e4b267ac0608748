"""The demo: a workspace with the living shop and its experiments."""

import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recsys.errors import ShopError
from recsys.world.building import FOLDER, PLAN, Building, keep_plan
from recsys.world.calendar import Calendar
from recsys.world.designs import DAYS
from recsys.world.policy import Policy
from recsys.world.shop import Shop
from recsys.world.today import ShopPlan
from store import Workspace

DEFINITIONS = Path(__file__).parent / "experiments"
PEOPLE, LENGTH, SEED = 10_000, 120, 2026
# The share of days that an engine serves, the last ones: 40 of 120.
SERVED = 1 / 3
# So many days after it began to serve it learns from its own log: its ranker anew, or its chances alone.
RENEWED, RECALIBRATED = (8,), (3, 12, 18, 24, 30)
FEWEST_DAYS = 42
DONE = "done"
# How often the encoder goes through the acts of PEOPLE; of fewer people more often.
ROUNDS = 7
# Impressions that the ranker learns from then, enough for a shop of this size.
RENEWED_ROWS = 200_000
# Candidates that are ranked of each request: fewer than in a live shop, since a day has thousands.
RANKED = 100


def build(
    workspace_path: Path | str,
    *,
    people: int = PEOPLE,
    days: int = LENGTH,
    seed: int = SEED,
    engine: "DemoEngine | None" = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """The demo shop in a workspace: facts in the lake, experiments as files and in the registry. No looks are taken.

    A build that was killed is completed by the next call; a finished one is left alone.

    Args:
        days: of the whole shop; the last `DAYS` have the experiments.
        engine: serves once the first weeks have passed under the plain policy, and learns from its own log before each
            of `learning_days(days)`. Without it the plain policy serves to the end.
        progress: is told, in words, what is being done.

    Raises:
        ShopError: if the folder is a workspace that is no demo shop, or one of another plan, or days are too few.
    """
    root, say = Path(workspace_path).resolve(), progress or (lambda message: None)
    if days < FEWEST_DAYS:
        raise ShopError(f"{days} days are too few: the experiments and what is known before them take {FEWEST_DAYS}.")
    _refuse_other(root)
    # Written before the workspace, so that a build killed in between is known as ours.
    keep_plan(root, plan := ShopPlan(people=people, days=days, seed=seed, experiments=DAYS))
    if (root / FOLDER / DONE).is_file():
        return
    fresh = not (root / "holdout.toml").is_file()
    if fresh:
        Workspace.create(root, name="Demo shop", currency="$", as_of=Calendar(days).end)
    building = Building(workspace := Workspace.open(root), plan)
    say(f"Simulating {people:,} people for {days} days")
    building.until(switch(days) if engine else days, building.shop.plain, say)
    if engine and building.day < days:
        _live_served(building, engine, say)
    say("Writing the experiments")
    write_experiments(workspace, people / PEOPLE)
    (root / FOLDER / DONE).touch()


def _live_served(building: Building, engine: "DemoEngine", say: Callable[[str], None]) -> None:
    """The days that are left, served by the engine, which learns between them."""
    workspace, days = building.workspace, building.shop.setting.plan.days
    with engine.serving(workspace, building.shop) as policy:
        for stop in (*learning_days(days), days):
            # Before the days, not after them: what a kill kept it from learning it learns when it goes on.
            if building.day in learning_days(days) and building.day < stop:
                engine.learn(workspace, building.day - switch(days), policy)
            building.until(stop, policy, say)


def switch(days: int) -> int:
    """The first day that an engine serves."""
    return days - round(SERVED * days)


def learning_days(days: int) -> tuple[int, ...]:
    """The days before which an engine learns from its own log."""
    return tuple(day for after in sorted((*RENEWED, *RECALIBRATED)) if (day := switch(days) + after) < days)


class DemoEngine(Protocol):
    """What serves the later days of a demo, of a policy of its own."""

    def serving(self, workspace: Workspace, shop: Shop) -> AbstractContextManager[Policy]:
        """Make it from the facts as they are, or take up what was made before; it ends with the block."""

    def learn(self, workspace: Workspace, days: int, policy: Policy) -> None:
        """After it served so many days, change what `serving` gave by what they taught."""


@dataclass(frozen=True, slots=True)
class TrainedEngine:
    """An engine that is trained on the first weeks, and then learns from its own log.

    An engine changes what people see and so what they do: its chances would be too high before long.

    Attributes:
        minutes: of CPU that the encoder may take at most; within them it has the same number of rounds on any machine,
            so that the shop is the same.
    """

    minutes: float
    progress: Callable[[str], None] = lambda message: None

    def serving(self, workspace: Workspace, shop: Shop) -> AbstractContextManager[Policy]:
        """In processes of its own."""
        from recsys.engine import MODEL
        from recsys.training.pipeline import train
        from recsys.world.helpers import helpers

        if workspace.registry.serving_model(MODEL) is None:
            rounds = max(ROUNDS * PEOPLE // shop.setting.plan.people, 1)
            train(workspace, minutes=self.minutes, rounds=rounds, resume=True, progress=self.progress)
        return helpers(workspace, shop, ranked=RANKED)

    def learn(self, workspace: Workspace, days: int, policy: Policy) -> None:
        """Its ranker anew on a day of RENEWED, on others its chances alone."""
        from recsys.engine import MODEL
        from recsys.engine.bundle import RANKER
        from recsys.training.recalibration import recalibrate
        from recsys.training.renewal import renew
        from recsys.world.helpers import Helpers

        serving = workspace.registry.serving_model(MODEL)
        if serving is None or not (workspace.path / serving.artifact / RANKER).is_dir():
            return
        if days in RENEWED:
            self.progress("The ranker learns from what the engine showed")
            renew(workspace, rows=RENEWED_ROWS, progress=self.progress)
        else:
            self.progress("Chances are held against what followed from the engine's own slates")
            recalibrate(workspace)
        now = workspace.registry.serving_model(MODEL)
        if now is not None and isinstance(policy, Helpers):
            policy.use(now.version)


def write_experiments(workspace: Workspace, scale: float = 1.0) -> None:
    """The definitions as files and in the registry, their planned units scaled to the size of the shop."""
    workspace.experiments.mkdir(exist_ok=True)
    for file in sorted(DEFINITIONS.glob("*.toml")):
        definition = _scaled(file.read_text("utf-8"), scale)
        design = tomllib.loads(definition)["experiment"]
        (workspace.experiments / file.name).write_text(definition, "utf-8")
        workspace.registry.save_experiment(definition, id=design["id"], name=design["name"], owner=design["owner"])


def _refuse_other(root: Path) -> None:
    if (root / "holdout.toml").is_file() and not (root / FOLDER / PLAN).is_file():
        raise ShopError(f"{root} is a workspace with facts of its own; choose another folder for the demo shop.")


def _scaled(definition: str, scale: float) -> str:
    planned = int(tomllib.loads(definition)["experiment"]["planned_units"])
    return definition.replace(f"planned_units = {planned}", f"planned_units = {max(round(planned * scale), 2)}")
