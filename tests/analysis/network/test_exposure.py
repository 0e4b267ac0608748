"""Exposure probabilities are those of the design: of every assignment that it could have made."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.network.exposure import map_exposure
from analysis.network.graph import Graph

UNITS = 6
SHARES = np.array([3.0, 2.0, 1.0])


@given(
    st.lists(st.tuples(st.integers(0, UNITS - 1), st.integers(0, UNITS - 1)), max_size=15),
    st.lists(st.integers(0, 4), min_size=UNITS, max_size=UNITS),
    st.sampled_from([0.2, 0.5, 2 / 3, 1.0]),
)
def test_probabilities_are_those_of_all_assignments(friends, group, threshold):
    graph = Graph.of(UNITS, *np.array(friends, np.int64).reshape(-1, 2).T)
    randomised = np.unique(group, return_inverse=True)[1]
    chance, treatment = SHARES / SHARES.sum(), 1
    expected = np.zeros((UNITS, 2, 2))
    for drawn in product(range(3), repeat=int(randomised.max()) + 1):
        arm = np.array(drawn)[randomised]
        seen = map_exposure(graph, arm, randomised, SHARES, treatment, threshold)
        places = np.arange(UNITS)[seen.used], seen.own[seen.used].astype(int), seen.high[seen.used].astype(int)
        np.add.at(expected, places, np.prod(chance[list(drawn)]))
    np.testing.assert_allclose(seen.probability, expected, atol=1e-12)


def test_by_unit_the_number_of_friends_treated_is_binomial_however_many_friends():
    rng, n = np.random.default_rng(1), 6_000
    stars = np.repeat([0, 1, 2], [5_000, 1_000, 300])
    one, other = np.concatenate([stars, rng.integers(0, n, 9_000)]), rng.integers(0, n, len(stars) + 9_000)
    graph = Graph.of(n, one, other)
    seen = map_exposure(graph, np.zeros(n, int), np.arange(n), np.array([0.7, 0.3]), 1, 0.3)
    some = graph.degree > 0
    least = np.ceil(0.3 * graph.degree[some] - 1e-9)
    tail = stats.binom.sf(least - 1, graph.degree[some], 0.3)
    np.testing.assert_allclose(seen.probability[some][:, :, 1], tail[:, None] * [0.7, 0.3], rtol=1e-9)
    assert (seen.probability[~some][:, :, 1] == 0).all()
