"""The experts that serve in numpy are the network that was trained, and save to what they were."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from recsys.errors import ModelError
from recsys.ranking.experts import EXPERTS, Experts, multiplied
from recsys.ranking.experts_training import Recipe, _odds, _tensors, base_rates, train
from recsys.ranking.fitting import Split, area_under_curve, fit_ranker, up_to_date
from recsys.ranking.ranker import CARD, Ranker
from recsys.ranking.rows import CLICK, PURCHASE, REFUND, Impressions, RankerError, Rows, in_order
from recsys.ranking.scaling import LIMIT, Scaling
from recsys.slate import OUTCOMES
from tests.recsys.engine.workspaces import made_up

SMALL = Recipe(width=16, narrow=8, tower=8, epochs=3)
FEATURES, SURFACES = tuple(f"f{k}" for k in range(10)), ("cart", "homepage")


def some(seed: int, rows: int = 6_000) -> Impressions:
    return made_up(np.random.default_rng(seed), rows, 10, 2)


@pytest.fixture(scope="module")
def experts() -> Experts:
    recipe = replace(SMALL, epochs=8, batch=256)
    return train(some(1, 12_000), some(2, 3_000), 2, rng=np.random.default_rng(3), recipe=recipe)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return fit_ranker(some(4), FEATURES, SURFACES, version="v1", rng=np.random.default_rng(5), recipe=SMALL)


def plain_chances(experts: Experts, rows: Rows) -> list[list[float]]:
    """One row at a time, one expert at a time, in float64 and plain loops."""
    w = {name: array.astype(np.float64) for name, array in experts.weights.items()}
    out = []
    for x, surface, position in zip(experts.inputs(rows).astype(np.float64), rows.surface, rows.position, strict=True):
        width = w["second"].shape[1]
        outputs = []
        for e in range(EXPERTS):
            part = slice(e * width, (e + 1) * width)
            hidden = np.maximum(x @ w["hidden"][:, part] + w["hidden_bias"][part], 0)
            outputs.append(np.maximum(hidden @ w["second"][e] + w["second_bias"][e], 0))
        given = []
        for k in range(len(OUTCOMES)):
            part = slice(k * EXPERTS, (k + 1) * EXPERTS)
            gate = np.exp(x @ w["gates"][:, part] + w["gates_bias"][part])
            mixed = sum(g / gate.sum() * o for g, o in zip(gate, outputs, strict=True))
            tower = np.maximum(mixed @ w["towers"][k] + w["towers_bias"][k], 0)
            odds = tower @ w["last"][k] + w["last_bias"][k]
            if k == CLICK:
                odds += w["place"][surface] @ [1, np.log(position), np.log(1 + (position - 1) / 8)]
            given.append(1 / (1 + np.exp(-odds)))
        chances = [p if k == CLICK else p * given[CLICK] for k, p in enumerate(given)]
        chances[REFUND] = given[REFUND] * given[PURCHASE] * given[CLICK]
        out.append(chances)
    return out


def test_chances_are_those_of_a_plain_loop(experts):
    rows = some(6, 50).rows
    assert experts.chances(rows) == pytest.approx(np.array(plain_chances(experts, rows)), rel=2e-4)


def test_what_serves_is_what_was_trained(experts):
    import torch

    held = some(7, 200)
    weights = {name: torch.from_numpy(array) for name, array in experts.weights.items()}
    trained = torch.sigmoid(_odds(weights, _tensors(experts, held))).numpy().astype(np.float64)
    assert experts.chances(held.rows) == pytest.approx(multiplied(trained), rel=1e-3)


def test_only_the_click_depends_on_the_position_and_others_follow_it_in_proportion(experts):
    rows = some(8, 40).rows
    first, tenth = experts.chances(rows.at(1)), experts.chances(rows.at(10))
    assert first[:, CLICK].mean() > 1.1 * tenth[:, CLICK].mean()
    ratio = first / tenth
    assert ratio == pytest.approx(np.repeat(ratio[:, CLICK : CLICK + 1], len(OUTCOMES), axis=1), rel=1e-9)


def test_places_below_all_that_were_ever_shown_are_looked_at_still_less():
    shown = some(20, 20_000)
    high = shown.take(shown.rows.position <= 8)
    experts = train(high, some(2, 3_000), 2, rng=np.random.default_rng(3), recipe=replace(SMALL, epochs=8, batch=256))
    low = shown.take(shown.rows.position > 16)
    observed = low.labels[:, CLICK].mean()
    assert experts.chances(low.rows)[:, CLICK].mean() == pytest.approx(observed, rel=0.35)
    # The same places read as if they were high ones promise far more.
    assert experts.chances(low.rows.at(4))[:, CLICK].mean() > 1.3 * observed


def test_the_same_seed_trains_the_same_experts():
    twice = [train(some(1, 800), some(2, 300), 2, rng=np.random.default_rng(9), recipe=SMALL) for _ in range(2)]
    assert all(np.array_equal(twice[0].weights[name], twice[1].weights[name]) for name in twice[0].weights)


def test_training_learns_what_there_is_to_learn(experts):
    held = some(10, 20_000)
    chances = experts.chances(held.rows)
    for k, feature in ((CLICK, 0), (PURCHASE, 2)):
        happened = held.labels[:, k] == 1
        assert chances[happened, k].mean() > 1.3 * chances[~happened, k].mean(), feature


def test_labels_of_open_windows_are_no_labels():
    impressions = some(11, 2_000)
    closed = impressions.labels.copy()
    impressions.labels[1_000:, REFUND] = np.nan
    rates, whole = base_rates(impressions.labels), base_rates(closed)
    assert rates[CLICK] == whole[CLICK]
    first = closed[:1_000]
    assert rates[REFUND] == pytest.approx((first[:, REFUND].sum() + 0.2) / (first[:, PURCHASE].sum() + 20))
    trained = train(impressions, some(12, 300), 2, rng=np.random.default_rng(1), recipe=SMALL)
    assert np.isfinite(trained.chances(impressions.rows)).all()


def test_an_outcome_of_which_nothing_is_known_yet_begins_small():
    labels = some(18, 2_000).labels
    labels[:, REFUND] = np.nan
    assert base_rates(labels)[REFUND] == pytest.approx(0.01)


def test_a_refund_is_never_likelier_than_a_purchase_nor_anything_than_a_click(ranker):
    chances = ranker.chances(some(13, 3_000).rows)
    assert (chances <= chances[:, CLICK : CLICK + 1]).all()
    assert (chances[:, REFUND] <= chances[:, PURCHASE]).all()
    raw = np.array([[0.1, 0.2, 0.05, 0.3, 0.0, 0.2]])
    assert in_order(raw).tolist() == [[0.1, 0.1, 0.05, 0.1, 0.0, 0.1]]


def test_a_saved_ranker_is_the_same_when_it_is_loaded(ranker, tmp_path):
    ranker.save(tmp_path / "ranker")
    loaded, rows = Ranker.load(tmp_path / "ranker"), some(14, 100).rows
    assert np.array_equal(loaded.chances(rows), ranker.chances(rows))
    assert (loaded.version, loaded.features, loaded.surfaces) == ("v1", FEATURES, SURFACES)
    assert loaded.report["heads"].keys() == set(OUTCOMES)
    assert {file.suffix for file in (tmp_path / "ranker").iterdir()} == {".json", ".safetensors"}


def test_a_broken_folder_or_rows_of_another_width_are_refused(ranker, tmp_path):
    with pytest.raises(ModelError, match="holds no ranker"):
        Ranker.load(tmp_path)
    (tmp_path / CARD).write_text('{"form": 99}')
    with pytest.raises(ModelError, match="expected"):
        Ranker.load(tmp_path)
    with pytest.raises(RankerError, match="rows have 9 features, this ranker was trained with 10"):
        ranker.chances(Rows(np.zeros((1, 9), np.float32), np.zeros(1, int), np.ones(1, int)))


def test_too_few_impressions_are_refused():
    with pytest.raises(RankerError, match="500 impressions with .* are too few"):
        fit_ranker(some(15, 500), FEATURES, SURFACES, version="v", rng=np.random.default_rng(1))


def test_parts_of_a_split_follow_one_another_and_no_moment_is_in_two():
    impressions = some(16, 5_000)
    impressions.time[:] = impressions.time // 10**10
    split = Split.of(impressions)
    parts = [split.train, split.validation, split.calibration, split.test]
    assert sum(map(len, parts)) == 5_000
    for earlier, later in pairwise(parts):
        assert earlier.time.max() < later.time.min()


def test_parts_are_cut_where_purchases_are_known():
    impressions = some(19, 5_000)
    impressions.labels[2_500:, PURCHASE] = np.nan
    split = Split.of(impressions)
    assert all((~np.isnan(getattr(split, name).labels[:, PURCHASE])).sum() > 100 for name in Split.__slots__)
    assert len(split.test) > 2_500


def test_the_report_is_about_days_that_neither_training_nor_calibration_saw():
    impressions = some(17)
    told = fit_ranker(impressions, FEATURES, SURFACES, version="v", rng=np.random.default_rng(1), recipe=SMALL).report
    # What happens on the last days changes the report and nothing else.
    changed = some(17)
    last = changed.time >= Split.of(changed).test.time.min()
    changed.labels[last] = 1 - changed.labels[last]
    other = fit_ranker(changed, FEATURES, SURFACES, version="v", rng=np.random.default_rng(1), recipe=SMALL).report
    assert told["curves"] == other["curves"]
    assert other["heads"]["click"]["predicted_rate"] == told["heads"]["click"]["predicted_rate"]
    assert other["heads"]["click"]["observed_rate"] == pytest.approx(1 - told["heads"]["click"]["observed_rate"])


def with_what_was_never_seen(impressions: Impressions, since: float) -> Impressions:
    """Until then one feature is 0 for all, as nobody saw an item for the tenth time yet; then it keeps half from acts."""
    seen = impressions.rows.features[:, 9]
    seen[:] = np.where(impressions.time < since, 0.0, np.nan_to_num(seen))
    impressions.labels[seen > 0] = 0
    return impressions


def test_a_ranker_brought_up_to_date_knows_what_only_the_last_week_showed_and_one_that_is_judged_does_not():
    impressions, rng = some(23, 20_000), np.random.default_rng(2)
    change = np.quantile(impressions.time, 0.7)
    with_what_was_never_seen(impressions, change)
    before = fit_ranker(impressions, FEATURES, SURFACES, version="v", rng=rng, recipe=SMALL)
    after = up_to_date(before, impressions, rng=rng, recipe=replace(SMALL, epochs=6))
    later = with_what_was_never_seen(some(24, 8_000), 0)
    areas = [area_under_curve(each.chances(later.rows)[:, CLICK], later.labels[:, CLICK]) for each in (before, after)]
    assert areas[1] > areas[0] + 0.1
    assert before.report["trained_until"] < change < after.report["trained_until"]
    assert after.report["heads"] == before.report["heads"]


def test_the_curves_of_a_ranker_brought_up_to_date_are_of_days_that_its_model_never_saw():
    impressions = some(25, 15_000)
    before = fit_ranker(impressions, FEATURES, SURFACES, version="v", rng=np.random.default_rng(2), recipe=SMALL)
    after = up_to_date(before, impressions, rng=np.random.default_rng(3), recipe=SMALL)
    impressions.labels[impressions.time > np.quantile(impressions.time, 0.9)] = 1
    changed = up_to_date(before, impressions, rng=np.random.default_rng(3), recipe=SMALL)
    model, other = after.model.arrays(), changed.model.arrays()
    assert all(np.array_equal(model[name], other[name]) for name in model)
    rows = impressions.rows
    assert changed.chances(rows)[:, CLICK].mean() > 2 * after.chances(rows)[:, CLICK].mean()


def test_with_too_few_clicks_on_the_last_days_a_ranker_stays_as_it_is():
    impressions = some(26, 2_000)
    before = fit_ranker(impressions, FEATURES, SURFACES, version="v", rng=np.random.default_rng(2), recipe=SMALL)
    assert up_to_date(before, impressions, rng=np.random.default_rng(3), recipe=SMALL) is before


def test_scaling_marks_what_is_missing_and_keeps_the_rest_within_its_limit():
    x = np.array([[1.0, np.nan, 5.0], [1e9, 2.0, 5.0], [-3.0, 4.0, 5.0]], np.float32)
    scaling = Scaling.of(x)
    made = scaling(x)
    assert scaling.width == 4 and made.shape == (3, 4)
    assert made[:, 3].tolist() == [1, 0, 0]
    assert made[0, 1] == 0
    assert (made[:, 2] == 0).all()
    assert np.abs(scaling(np.array([[np.inf, -np.inf, np.nan]], np.float32))).max() <= LIMIT
