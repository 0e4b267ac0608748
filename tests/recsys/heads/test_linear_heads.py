"""Each linear head against its formula, written plainly on dense arrays."""

import numpy as np
import pytest

from recsys.errors import HeadError
from recsys.heads import Context, head
from recsys.heads.algebra import signals, strongest
from recsys.heads.als import Als, AlsSettings, solve
from recsys.heads.ease import Ease
from recsys.heads.graph_filter import GraphFilter, GraphSettings
from recsys.heads.linear import FriendsVoice, MembersVoice, standard
from recsys.heads.sharpened_filter import SharpenedFilter, SharpenedSettings
from recsys.interactions import ACTIONS, Interactions

PURCHASE, CART = ACTIONS.index("purchase"), ACTIONS.index("cart")


def drawn(users: int, items: int, seed: int = 0) -> tuple[Interactions, np.ndarray]:
    """Acts with popular items and busy users, and the same as a dense matrix; the last user and item have none."""
    rng = np.random.default_rng(seed)
    chance = np.outer(rng.beta(1, 3, users), rng.beta(1, 2, items)) * 2
    dense = rng.random((users, items)) < chance
    dense[-1] = dense[:, -1] = False
    user, item = np.nonzero(dense)
    names = [f"u{u}" for u in range(users)], [f"i{i}" for i in range(items)]
    acts = Interactions.of(*names, user, item, np.full(len(user), PURCHASE), np.arange(len(user)))
    return acts, dense.astype(np.float64)


def scores(one, data, users):
    return one.fit(data, Context(), np.random.default_rng(0)).scores(np.arange(users))


def inverse_power(sums: np.ndarray, exponent: float) -> np.ndarray:
    return np.array([total**exponent if total else 0.0 for total in sums])


@pytest.mark.parametrize(("users", "items"), [(30, 50), (50, 30)])
def test_ease_is_the_ridge_regression_of_each_item_on_the_others(users, items):
    data, dense = drawn(users, items)
    expected = np.empty_like(dense)
    for j in range(items):
        others = np.delete(np.arange(items), j)
        gram = dense[:, others].T @ dense[:, others] + 7.0 * np.eye(items - 1)
        expected[:, j] = dense[:, others] @ np.linalg.solve(gram, dense[:, others].T @ dense[:, j])
    assert scores(Ease(7.0), data, users) == pytest.approx(expected, abs=2e-5)


def test_ease_refuses_what_would_not_fit_in_memory(monkeypatch):
    data, _ = drawn(30, 50)
    monkeypatch.setattr("recsys.heads.ease.LARGEST", 20)
    with pytest.raises(HeadError, match="ease: 30 users and 50 items; it takes at most 20"):
        Ease().fit(data, Context(), np.random.default_rng(0))


def test_item_knn_sums_the_cosines_of_the_nearest(monkeypatch):
    monkeypatch.setattr("recsys.heads.item_knn.NEIGHBOURS", 5)
    data, dense = drawn(40, 25)
    norm = inverse_power(dense.sum(axis=0), -0.5)
    cosine = norm[:, None] * (dense.T @ dense) * norm
    np.fill_diagonal(cosine, 0)
    for i in range(25):
        cosine[i, np.argsort(-cosine[i], kind="stable")[5:]] = 0
    assert scores(head("item_knn")(), data, 40) == pytest.approx(dense @ cosine, abs=1e-5)


def test_als_solves_each_row_as_a_plain_weighted_regression_does():
    data, _ = drawn(40, 25)
    rng, settings = np.random.default_rng(1), AlsSettings(factors=6, unobserved=0.2, penalty=0.05)
    fixed = rng.normal(size=(25, 6)).astype(np.float32)
    weights = signals(data, None).tocsr()
    weights.data = rng.uniform(0.3, 1.5, weights.nnz).astype(np.float32)
    found, heavy = solve(weights, fixed, settings), weights.toarray()
    for u in range(40):
        total = heavy[u].sum() + 0.2 * 25
        system = sum(heavy[u, i] * np.outer(fixed[i], fixed[i]) for i in range(25))
        system = system + 0.2 * fixed.T @ fixed + 0.05 * total * np.eye(6)
        assert found[u] == pytest.approx(np.linalg.solve(system, heavy[u] @ fixed), abs=1e-4)


def test_als_lowers_its_loss_in_every_round():
    data, dense = drawn(60, 40)
    losses = []
    for rounds in (1, 2, 4, 8, 16):
        settings = AlsSettings(factors=8, unobserved=0.1, penalty=0.01, rounds=rounds)
        one = Als(settings).fit(data, Context(), np.random.default_rng(0))
        guess = one.users @ one.items.T
        loss = np.sum(dense * (1 - guess) ** 2) + 0.1 * np.sum(guess**2)
        per_user, per_item = dense.sum(axis=1) + 0.1 * 40, dense.sum(axis=0) + 0.1 * 60
        losses.append(loss + 0.01 * (per_user @ np.sum(one.users**2, axis=1) + per_item @ np.sum(one.items**2, axis=1)))
    assert (np.diff(losses) < 1e-3).all() and losses[-1] < losses[0]


def low_pass(dense: np.ndarray, factors: int) -> np.ndarray:
    per_user, per_item = dense.sum(axis=1), dense.sum(axis=0)
    graph = inverse_power(per_user, -0.5)[:, None] * dense * inverse_power(per_item, -0.5)
    directions = np.linalg.svd(graph)[2][:factors]
    return dense * inverse_power(per_item, -0.5) @ directions.T @ directions * inverse_power(per_item, 0.5)


def test_the_graph_filter_is_its_formula_and_with_its_papers_exponents_theirs():
    data, dense = drawn(40, 25)
    per_user, per_item = dense.sum(axis=1), dense.sum(axis=0)
    for settings in (GraphSettings(0.5, 1.0, 0.5, 4, 0.3), GraphSettings(0.3, 0.65, 0.4, 4, 0.3)):
        between = dense.T @ (inverse_power(per_user, -settings.between)[:, None] * dense)
        near = inverse_power(per_item, -settings.reader)[:, None] * between * inverse_power(per_item, -settings.scored)
        expected = dense @ near + 0.3 * low_pass(dense, 4)
        assert scores(GraphFilter(settings), data, 40) == pytest.approx(expected, abs=1e-4)


def test_the_sharpened_filter_is_one_step_of_runge_kutta_where_all_directions_are_kept():
    data, dense = drawn(40, 25)
    graph = inverse_power(dense.sum(axis=1), -0.5)[:, None] * dense * inverse_power(dense.sum(axis=0), -0.5)
    blur = graph.T @ graph
    start, step = dense @ blur + 0.2 * low_pass(dense, 24), 2.5
    first = -start @ blur
    second = -(start + step / 2 * first) @ blur
    third = -(start + step / 2 * second) @ blur
    fourth = -(start + step * third) @ blur
    expected = start + step / 6 * (first + 2 * second + 2 * third + fourth)
    assert scores(SharpenedFilter(SharpenedSettings(24, 0.2, 2.5)), data, 40) == pytest.approx(expected, abs=1e-4)


def test_with_few_directions_the_sharpened_filter_stays_near_the_whole_one():
    data, _ = drawn(200, 80)
    whole, few, plain = (
        scores(SharpenedFilter(SharpenedSettings(factors, 0.0, step)), data, 200)
        for factors, step in ((79, 2.5), (20, 2.5), (79, 0))
    )
    assert np.linalg.norm(few - whole) < 0.1 * np.linalg.norm(plain - whole)


def test_an_act_other_than_the_target_counts_less_and_a_bought_item_counts_once():
    user, item = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    action = np.array([PURCHASE, CART, CART, PURCHASE])
    data = Interactions.of(["a", "b"], ["x", "y"], user, item, action, np.arange(4))
    assert signals(data, "purchase", 0.25).toarray().tolist() == [[1, 0.25], [0, 1]]
    assert signals(data, "purchase").toarray().tolist() == [[1, 0], [0, 1]]
    assert signals(data, None).toarray().tolist() == [[1, 1], [0, 1]]


def test_the_strongest_of_each_row_are_kept():
    from scipy.sparse import csr_array

    dense = np.random.default_rng(0).random((8, 12)).astype(np.float32) * (
        np.random.default_rng(1).random((8, 12)) < 0.6
    )
    kept = strongest(csr_array(dense), 3).toarray()
    for row, found in zip(dense, kept, strict=True):
        assert sorted(found[found > 0]) == pytest.approx(sorted(row)[-min(3, (row > 0).sum()) :])


def test_friends_with_other_tastes_have_no_say():
    from scipy.sparse import csr_array

    history = csr_array(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]], np.float32))
    friends = csr_array(np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], np.float32))
    assert FriendsVoice(friends, history).scores(np.arange(3)) == pytest.approx(
        np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], np.float32), abs=1e-6
    )


def test_a_group_has_the_mean_of_its_members():
    from scipy.sparse import csr_array

    class Given:
        def scores(self, users):
            return np.array([[1, 2, 6], [4, 0, 2], [0, 0, 0]], np.float32)[users]

    members = csr_array(np.array([[0, 0, 0], [0, 0, 0], [1, 1, 0]], np.float32))
    both = standard(Given().scores(np.arange(2)))
    found = MembersVoice(members, Given()).scores(np.array([2, 0]))
    assert found == pytest.approx(np.stack([both.mean(axis=0), np.zeros(3)]), abs=1e-6)


def test_the_blend_weighs_what_helps_and_leaves_out_what_does_not():
    from recsys.evaluation.evaluate import evaluate
    from recsys.evaluation.protocols import split
    from recsys.evaluation.sources import Source

    rng = np.random.default_rng(0)
    taste, kind = rng.integers(0, 5, 300), rng.integers(0, 5, 100)
    chance = np.where(taste[:, None] == kind, 0.4, 0.01)
    user, item = np.nonzero(rng.random((300, 100)) < chance)
    names = [f"u{u}" for u in range(300)], [f"i{i}" for i in range(100)]
    data = Interactions.of(*names, user, item, np.full(len(user), PURCHASE), np.arange(len(user)))
    cut = split(Source("made", data), "ratio_split")
    one = head("linear")().fit(cut.train, cut.context(60), rng)
    quality = {
        name: evaluate(head(name)().fit(cut.train, cut.context(60), rng), cut, "validation")["ndcg@20"].mean
        for name in ("graph_filter", "als", "ease", "item_knn", "popularity")
    }
    assert evaluate(one, cut, "validation")["ndcg@20"].mean >= max(quality.values()) - 1e-6
    assert max(one.weights.values()) > 0 and one.weights.get("popularity", 0) <= 0.4
