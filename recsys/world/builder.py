"""Makes a workspace that holds the demo shop."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from recsys.world.simulation import PEOPLE, SEED, World
from recsys.world.truth import Truth
from store import StoreError, Workspace

DEFINITIONS = Path(__file__).parent / "experiments"
MARKER = "demo.json"


class WorldError(StoreError):
    """The demo shop cannot be built here."""


def build(
    workspace_path: Path | str,
    *,
    people: int = PEOPLE,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> Truth:
    """The demo shop in a workspace: facts in the lake, experiments as files and in the registry. No looks are taken.

    A build that was killed is completed by the next call; a finished one is left alone.

    Args:
        progress: is told, in words, what is being done.

    Raises:
        WorldError: if the folder is a workspace that is no demo shop, or one of other people or another seed.
    """
    root, say = Path(workspace_path).resolve(), progress or (lambda message: None)
    marker = root / MARKER
    plan = {"people": people, "seed": seed}
    found = json.loads(marker.read_text("utf-8")) if marker.is_file() else None
    _refuse_other(root, found, plan)
    if found and "truth" in found:
        return Truth.from_json(json.dumps(found["truth"]))
    root.mkdir(parents=True, exist_ok=True)
    # Written before the workspace, so that a build killed in between is known as ours.
    _write(marker, plan)
    fresh = not (root / "holdout.toml").is_file()
    workspace = Workspace.create(root, name="Demo shop") if fresh else Workspace.open(root)
    say(f"Simulating {people:,} people")
    simulation = World(people, seed).simulate()
    for table, rows in simulation.tables.items():
        say(f"Writing {len(rows):,} {table}")
        workspace.lake.append(table, rows, source=f"demo:{seed}:{table}")
    say("Writing the experiments")
    workspace.experiments.mkdir(exist_ok=True)
    for file in sorted(DEFINITIONS.glob("*.toml")):
        definition = _scaled(file.read_text("utf-8"), people / PEOPLE)
        design = tomllib.loads(definition)["experiment"]
        (workspace.experiments / file.name).write_text(definition, "utf-8")
        workspace.registry.save_experiment(definition, id=design["id"], name=design["name"], owner=design["owner"])
    _write(marker, plan | {"truth": json.loads(simulation.truth.to_json())})
    return simulation.truth


def _refuse_other(root: Path, found: dict[str, object] | None, plan: dict[str, int]) -> None:
    if found is None and (root / "holdout.toml").is_file():
        raise WorldError(f"{root} is a workspace with facts of its own; choose another folder for the demo shop.")
    if found is not None and {key: found.get(key) for key in plan} != plan:
        raise WorldError(
            f"{root} holds a demo shop of {found.get('people')} people with seed {found.get('seed')}, perhaps built by "
            f"an earlier version; this one has {plan['people']} with seed {plan['seed']}. Delete the folder to have it "
            "built anew, or name another: `holdout demo FOLDER`, `make run DEMO=FOLDER`."
        )


def _scaled(definition: str, scale: float) -> str:
    """The definition with its planned units scaled to a smaller or larger shop."""
    planned = int(tomllib.loads(definition)["experiment"]["planned_units"])
    return definition.replace(f"planned_units = {planned}", f"planned_units = {max(round(planned * scale), 2)}")


def _write(marker: Path, content: Mapping[str, object]) -> None:
    beside = marker.with_suffix(".tmp")
    beside.write_text(json.dumps(content, indent=1), "utf-8")
    os.replace(beside, marker)
