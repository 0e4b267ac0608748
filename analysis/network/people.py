"""The communities of a workspace's people: what to randomise where friends pass things on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import SourceError
from analysis.network.communities import SEED, find_communities
from analysis.network.graph import Graph, Ints

if TYPE_CHECKING:
    from store import Workspace


@dataclass(frozen=True, slots=True)
class Communities:
    """Everyone's community; `people` is an Arrow array of ids, `community` has shape (n,)."""

    people: Any
    community: Ints
    graph: Graph

    def summary(self) -> str:
        """How many there are, how large, and what share of friendships they hold."""
        sizes = np.bincount(self.community)
        several = sizes[sizes > 1]
        middle, high = np.quantile(several, [0.5, 0.9])
        inside = 100 * self.graph.share_inside(self.community)
        return (
            f"{len(several):,} communities of 2 to {sizes.max():,} people (median {middle:,.0f}, 90% to {high:,.0f}) "
            f"and {len(sizes) - len(several):,} people alone.\n"
            f"{inside:.1f}% of {len(self.graph.pairs):,} friendships lie inside a community."
        )

    def write(self, path: Path) -> None:
        """Writes them as a CSV with the columns of the fact table communities."""
        import pyarrow as pa
        from pyarrow import csv

        names = pa.array([f"c{code}" for code in self.community.tolist()])
        csv.write_csv(pa.table({"user_id": self.people, "community": names}), path)


def communities_of(workspace: Workspace, largest: int) -> Communities:
    """The communities of all people in the tables users and friendships, of at most `largest`; always the same.

    Raises:
        SourceError: if there are no friendships.
        AnalysisError: if `largest` is below 2.
    """
    import pyarrow as pa
    from pyarrow import compute

    friends = workspace.lake.table("friendships").select("user_id", "friend_id").to_pyarrow()
    users = workspace.lake.table("users").select("user_id").to_pyarrow()
    chunks = [*friends["user_id"].chunks, *friends["friend_id"].chunks, *users["user_id"].chunks]
    people = pa.chunked_array(chunks, pa.string()).unique().sort()
    one, other = (
        compute.index_in(friends[name], people).to_numpy().astype(np.int64) for name in ("user_id", "friend_id")
    )
    graph = Graph.of(len(people), one, other)
    if not len(graph.pairs):
        raise SourceError(
            f"lake of {workspace.path}: table friendships is empty, so there are no communities; import friendships."
        )
    return Communities(people, find_communities(graph, np.random.default_rng(SEED), largest), graph)
