"""Lives a shop in a workspace, some days at a time; what a kill interrupts is completed by the next call."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import ShopError
from recsys.files import whole_file, whole_folder
from recsys.world.policy import Policy
from recsys.world.shop import Shop
from recsys.world.state import ShopState
from recsys.world.today import ShopPlan
from store import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

# Beside the lake: what the shop is made from, its state, and days that are not in the lake yet.
FOLDER, PLAN, STATE = "shop", "plan.json", "state.npz"
# Visits a block is to hold at most, at about one a person in four days: it bounds memory.
PEOPLE_DAYS = 100_000


class Building:
    """A shop in a workspace. Days go into the lake in blocks, each wholly or not at all, whenever it is killed.

    A block is written beside the lake first, with the state after it, and from there into the lake: a block that was
    lived is never lived again, so that it need not come out the same.
    """

    def __init__(self, workspace: Workspace, plan: ShopPlan) -> None:
        self.workspace = workspace
        self.folder = workspace.path / FOLDER
        if not (self.folder / PLAN).is_file() and workspace.lake.versions():
            raise ShopError(f"{workspace.path} has facts of its own; choose another folder for the demo shop.")
        keep_plan(workspace.path, plan)
        for unfinished in self.folder.glob(".block-*"):
            shutil.rmtree(unfinished)
        for block in sorted(self.folder.glob("block-*")):
            self._land(block)
        file = self.folder / STATE
        self.shop = Shop.open(plan, ShopState.load(file) if file.is_file() else None)

    @property
    def day(self) -> int:
        """The first day that has not passed."""
        return self.shop.state.day

    def until(self, day: int, policy: Policy, progress: Callable[[str], None] | None = None) -> None:
        """Let the days up to `day` (not included) pass under a policy, as far as they have not passed.

        Args:
            progress: is told, in words, how far it is.
        """
        say, calendar = progress or (lambda message: None), self.shop.setting.calendar
        last = min(day, calendar.days)
        if self.day == 0 and last > 0:
            for name, table in self.shop.standing().items():
                self._append(name, table, "standing")
        length = max(PEOPLE_DAYS // len(self.shop.setting.people), 1)
        while self.day < last:
            first, stop = self.day, min(self.day + length, last)
            self._land(self._live(stop, policy))
            told = f"days {first + 1} to {stop} of {calendar.days}, from {calendar.date(first):%d %b %Y} on"
            say(f"{_bar(stop / calendar.days)} {told}")

    def _live(self, stop: int, policy: Policy) -> Path:
        """Live the days before `stop`; returns the folder of the block."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        block = self.folder / f"block-{self.day:05d}"
        parts: dict[str, list[pa.Table]] = {}
        for tables in self.shop.until(stop, policy):
            for name, table in tables.items():
                parts.setdefault(name, []).append(table)
        with whole_folder(block) as beside:
            for name, tables_of in parts.items():
                whole = pa.concat_tables(tables_of, promote_options="default")
                pq.write_table(whole, beside / f"{name}.parquet", compression="lz4")
            self.shop.state.save(beside / STATE)
        return block

    def _land(self, block: Path) -> None:
        """Append what is in the block's folder to the lake, take its state, and remove it."""
        import pyarrow.parquet as pq

        for file in sorted(block.glob("*.parquet")):
            self._append(file.stem, pq.read_table(file), block.name)
        if (block / STATE).is_file():
            os.replace(block / STATE, self.folder / STATE)
        shutil.rmtree(block)

    def _append(self, name: str, table: "pa.Table", block: str) -> None:
        self.workspace.lake.append(name, table, source=f"shop:{block}")


def _bar(share: float, width: int = 24) -> str:
    done = round(share * width)
    return "█" * done + "░" * (width - done)


def keep_plan(root: Path, plan: ShopPlan) -> None:
    """Remember what the shop in this folder is made from.

    Raises:
        ShopError: if the folder holds a shop that is made from something else.
    """
    file, wanted = root / FOLDER / PLAN, json.loads(json.dumps(asdict(plan)))
    if file.is_file():
        found = json.loads(file.read_text("utf-8"))
        if found != wanted:
            raise ShopError(
                f"{root} holds a demo shop of {_words(found)}, perhaps built by an earlier version; this one has "
                f"{_words(wanted)}. Delete the folder to have it built anew, or name another: `holdout demo FOLDER`, "
                "`make run DEMO=FOLDER`."
            )
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as beside:
        beside.write_text(json.dumps(wanted, indent=1), "utf-8")


def _words(plan: dict[str, object]) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in plan.items() if name not in ("people", "days", "seed"))
    return f"{plan.get('people')} people with seed {plan.get('seed')} over {plan.get('days')} days ({rest})"
