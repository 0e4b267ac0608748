"""Two processes that serve a day together, each with an engine of its own.

Who answers what does not depend on how many cores there are nor on who is faster: the first half of the requests is the
first one's. Both are told of every event.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recsys.errors import EngineError, ShopError
from recsys.world.draws import Draws
from recsys.world.engine_policy import EnginePolicy
from recsys.world.log import Names
from recsys.world.policy import Policy, Requests, ShownSlates
from recsys.world.shop import Shop

if TYPE_CHECKING:
    import pyarrow as pa

    from store import Workspace

HELPERS = 2
# One thread each: more would wait for each other, and sums in another order.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Helpers:
    """The policy of an engine that answers in HELPERS processes."""

    def __init__(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        self._processes = processes

    def show(self, ask: Requests) -> ShownSlates:
        """The slates of all helpers, in the order of the requests.

        Raises:
            ShopError: if a helper cannot answer, in the words of its error.
        """
        edges = np.linspace(0, len(ask.person), len(self._processes) + 1).astype(int)
        for process, low, high in zip(self._processes, edges[:-1], edges[1:], strict=True):
            self.tell(process, part_of(ask, int(low), int(high)))
        return joined([self._answer(process) for process in self._processes])

    def learn(self, tables: Mapping[str, "pa.Table"]) -> None:
        """Tell all of them; they take note while the shop's day is written."""
        for process in self._processes:
            self.tell(process, {name: table for name, table in tables.items() if name == "events"})

    def use(self, version: str) -> None:
        """From the next request on the ranker of this version answers; nothing else of it differs."""
        for process in self._processes:
            self.tell(process, version)

    def tell(self, process: "subprocess.Popen[bytes]", message: object) -> None:
        """Send one message.

        Raises:
            ShopError: as `show`.
        """
        assert process.stdin is not None
        try:
            pickle.dump(message, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
        except OSError:
            self._answer(process)

    def _answer(self, process: "subprocess.Popen[bytes]") -> Any:
        assert process.stdout is not None
        try:
            answer = pickle.load(process.stdout)
        except EOFError:
            ended = f"a process that answers requests ended with {process.wait()}"
            raise ShopError(f"{ended}. Run the command again: the days that passed are kept.") from None
        if isinstance(answer, EngineError):
            raise answer
        return answer


@contextmanager
def helpers(workspace: "Workspace", shop: Shop, *, ranked: int) -> Iterator[Policy]:
    """The engine that serves now, in HELPERS processes that end with the block."""
    from recsys.engine.online import kept_store

    # Before them: each would build it.
    kept_store(workspace.at(workspace.lake.versions()))
    command = [sys.executable, "-c", "from recsys.world.helpers import answer_requests; answer_requests()"]
    # Where this package is not installed, its folder is found as this process found it.
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": paths}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for _ in range(HELPERS)
    ]
    policy = Helpers(started)
    try:
        for process in started:
            policy.tell(process, (workspace.path, ranked, shop.names, shop.setting.draws))
        yield policy
    finally:
        for process in started:
            # What it keeps is written when it ends in order: an answer that it still gives is taken, and dropped.
            process.communicate()


def answer_requests() -> None:
    """What a helper does: reads from standard input whom to ask what, until it ends."""
    told, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not lie among the answers.
    os.dup2(2, 1)
    helper: _Helper | None = None
    while (message := _next(told)) is not None:
        try:
            if helper is None:
                helper = _Helper(*message)
            elif isinstance(message, str):
                helper.use(message)
            elif isinstance(message, Requests):
                pickle.dump(helper.policy.show(message), answers, pickle.HIGHEST_PROTOCOL)
            else:
                helper.policy.learn(message)
        except EngineError as error:
            pickle.dump(error, answers)
            return
        finally:
            answers.flush()


def part_of(ask: Requests, low: int, high: int) -> Requests:
    """The requests from `low` to `high`, not included."""
    about, owned = ((rows >= low) & (rows < high) for rows in (ask.about_row, ask.owned_row))
    return replace(
        ask,
        person=ask.person[low:high],
        second=ask.second[low:high],
        about_row=ask.about_row[about] - low,
        about_item=ask.about_item[about],
        owned_row=ask.owned_row[owned] - low,
        owned_item=ask.owned_item[owned],
    )


def joined(parts: "list[ShownSlates]") -> ShownSlates:
    """One after the other, padded to the width of the widest."""
    parts = [part for part in parts if len(part.item)] or parts[:1]
    width, first = max(part.item.shape[1] for part in parts), parts[0]

    def whole(arrays: "list[NDArray[Any] | None]", padding: object) -> NDArray[Any] | None:
        found = [_padded(array, width, padding) for array in arrays if array is not None]
        return np.concatenate(found) if found else None

    return replace(
        first,
        item=np.concatenate([_padded(part.item, width, -1) for part in parts]),
        propensity=np.concatenate([_padded(part.propensity, width, 0.0) for part in parts]),
        candidates=np.concatenate([_padded(part.candidates, width, 0) for part in parts]),
        score=whole([part.score for part in parts], np.nan),
        chances=whole([part.chances for part in parts], np.nan),
        reason=whole([part.reason for part in parts], ""),
    )


def _padded(array: NDArray[Any], width: int, padding: object) -> NDArray[Any]:
    made = np.full((array.shape[0], width, *array.shape[2:]), padding, array.dtype)
    made[:, : array.shape[1]] = array
    return made


class _Helper:
    def __init__(self, path: Path, ranked: int, names: Names, draws: Draws) -> None:
        from recsys.engine.engine import Engine

        self.path, self.engine = path, Engine.open(path, ranked=ranked)
        self.policy = EnginePolicy(self.engine, names, draws)

    def use(self, version: str) -> None:
        from recsys.engine import MODEL
        from recsys.engine.bundle import Bundle
        from store import Workspace

        artifact = Workspace.open(self.path).registry.model(MODEL, version).artifact
        ranker, state = Bundle.load(self.path / artifact, version).ranker, self.engine.state
        self.engine.state = replace(state, bundle=replace(state.bundle, version=version, ranker=ranker))


def _next(told: BinaryIO) -> Any:
    try:
        return pickle.load(told)
    except EOFError:
        return None
