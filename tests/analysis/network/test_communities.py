"""Communities: a partition under a cap that keeps friends together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import AnalysisError
from analysis.network.communities import find_communities
from analysis.network.graph import Graph
from tests.benchmarks._networks import CIRCLE, World

FRIENDS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40)


@given(FRIENDS, st.integers(2, 12), st.integers(0, 3))
def test_no_community_is_too_large_and_the_same_seed_gives_the_same(friends, largest, seed):
    graph = Graph.of(12, *np.array(friends, np.int64).reshape(-1, 2).T)
    found = find_communities(graph, np.random.default_rng(seed), largest)
    sizes = np.bincount(found)
    assert len(found) == 12 and sizes.min() > 0 and sizes.max() <= largest
    assert (sizes[found[graph.degree == 0]] == 1).all()
    assert np.array_equal(found, find_communities(graph, np.random.default_rng(seed), largest))


@given(FRIENDS)
def test_a_graph_has_each_friendship_once_and_none_with_oneself(friends):
    graph = Graph.of(12, *np.array(friends, np.int64).reshape(-1, 2).T)
    pairs = sorted({(min(pair), max(pair)) for pair in friends if pair[0] != pair[1]})
    assert list(map(tuple, graph.pairs.tolist())) == pairs
    assert graph.degree.tolist() == [sum(unit in pair for pair in pairs) for unit in range(12)]


def test_circles_of_friends_are_found_again():
    world = World.draw(np.random.default_rng(3), by_unit=True, spill=0.0, inside=0.9)
    circles = np.arange(world.graph.n) // CIRCLE
    found = find_communities(world.graph, np.random.default_rng(1), largest=2 * CIRCLE)
    assert world.graph.share_inside(found) >= world.graph.share_inside(circles)


def test_a_cap_that_leaves_everybody_alone_is_refused():
    with pytest.raises(AnalysisError, match="largest: found 1, expected 2 or more"):
        find_communities(Graph.of(2, np.array([0]), np.array([1])), np.random.default_rng(0), largest=1)
