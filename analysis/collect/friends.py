"""The friends of units, from the lake."""

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.collect.facts import view
from analysis.collect.files import Files, array, arrow, translated
from analysis.collect.units import Units
from analysis.network.communities import LARGEST, SEED, find_communities
from analysis.network.graph import Graph, Ints

if TYPE_CHECKING:
    from store import Workspace

# Errors rest on sums over communities: of few friends rather more communities than all friendships inside one.
FEWEST = 50
# To find communities among more friendships takes longer than anybody waits for a readout.
MOST = 1_000_000


def read_friends(workspace: "Workspace", files: Files, units: Units) -> tuple[Graph, Ints | None] | None:
    """Who of the units are friends since before the first of them was exposed, and the community of each unit.

    Communities are the clusters where those were randomised, or else those of the lake, with a community of its own for
    each unit that has none there, or else found among these friendships, unless those are too many.

    Returns:
        None where no two units are friends.
    """
    rows = view(files, workspace, "friendships")
    if rows is None or units.first is None:
        return None
    import pyarrow as pa

    n = len(units)
    ids = pa.table({"id": pa.array(units.ids).cast(pa.string()), "place": arrow(np.arange(n))})
    files.con.register("places", ids)
    with translated(rows.label):
        since = rows.instant("since", "when they became friends")
        found: Any = files.con.sql(
            "SELECT one.place AS one, other.place AS other FROM friendships "
            "JOIN places one ON one.id = user_id JOIN places other ON other.id = friend_id "
            f"WHERE since IS NULL OR {since} < {int(units.first.min())}"
        ).to_arrow_table()
    graph = Graph.of(n, array(found["one"]), array(found["other"]))
    if not len(graph.pairs):
        return None
    if units.clusters is not None:
        return graph, units.clusters.codes.astype(np.int64)
    if view(files, workspace, "communities") is None:
        if len(graph.pairs) > MOST:
            return graph, None
        largest = max(2, min(LARGEST, int((graph.degree > 0).sum()) // FEWEST))
        return graph, find_communities(graph, np.random.default_rng(SEED), largest)
    known: Any = files.con.sql(
        "SELECT place, dense_rank() OVER (ORDER BY community) - 1 AS code FROM communities JOIN places ON id = user_id"
    ).to_arrow_table()
    community = np.arange(n) + len(known)
    community[array(known["place"])] = array(known["code"])
    return graph, np.unique(community, return_inverse=True)[1]
