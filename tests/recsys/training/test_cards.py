"""Cards as figures: what is measured is told with its error, and unlike days are not compared."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recsys.ranking.calibration import calibration_error
from recsys.ranking.fitting import area_under_curve, error_of_area, error_of_calibration
from recsys.training.cards import compare, figures, same_days
from store.registry import ModelRecord


def a_version(version="1", *, recall=0.3, error=0.01, cut=5, auc=0.7):
    head = {"rows": 1000, "happened": 100, "calibration_error": 0.004, "calibration_floor": 0.003, "auc": auc}
    metrics = {
        "encoder": {"recall@10": recall, "recall@10_error": error},
        "popularity": {"recall@10": 0.1},
        "items_without_acts": {"items": 40, "recall@10": 0.4, "at_random": 0.25},
        "ranker": {"heads": {"click": head | {"auc_error": 0.02}, "gift": None}},
    }
    card = {"plan": {"cut": cut, "end": 9, "lake_versions": {"events": 1}}, "people_judged": 500}
    return ModelRecord(
        "engine", version, "f", metrics, card, {"events": 1}, "c", False, datetime(2026, 1, 1, tzinfo=UTC)
    )


def by_name(record):
    return {(each.group, each.name): each for each in figures(record)}


def test_figures_carry_their_intervals_and_what_to_hold_them_against():
    found = by_name(a_version())
    recall = found["Items that people came to", "Recall@10"]
    assert (recall.value, recall.against) == (0.3, 0.1)
    assert (recall.lower, recall.upper) == pytest.approx((0.3 - 1.959964 * 0.01, 0.3 + 1.959964 * 0.01))
    gift = found["Ranking of outcomes (AUC)", "Gift"]
    assert gift.value is None and gift.beside == "too few happened to judge it"
    assert found["Calibration error", "Click"].higher is False


def test_without_its_error_a_mean_of_shares_has_the_widest_that_it_can_have():
    found = by_name(a_version(error=None))["Items that people came to", "Recall@10"]
    assert found.error == pytest.approx((0.3 * 0.7 / 500) ** 0.5)


@pytest.mark.parametrize(("recall", "reading"), [(0.4, "better"), (0.2, "worse"), (0.31, "unclear")])
def test_two_versions_judged_on_the_same_days_are_read_by_their_errors(recall, reading):
    pairs = {pair.name: pair for pair in compare(a_version(), a_version("2", recall=recall))}
    assert pairs["Recall@10"].reading == reading


def test_versions_judged_on_other_days_are_not_compared():
    one, other = a_version(), a_version("2", recall=0.9, cut=6)
    assert not same_days(one, other)
    assert {pair.reading for pair in compare(one, other)} <= {"other_days", "not_in_both"}


def test_a_version_of_which_nothing_is_known_has_no_figures():
    bare = ModelRecord("engine", "1", "f", {}, {}, {}, "c", False, datetime(2026, 1, 1, tzinfo=UTC))
    assert figures(bare) == () and not same_days(bare, bare)


def test_the_error_of_an_area_is_that_of_repeated_draws_of_people():
    rng = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(150):
        user = np.repeat(np.arange(120), 5)
        mood = rng.normal(size=120)[user]
        score = mood + rng.normal(size=600)
        happened = (rng.random(600) < 1 / (1 + np.exp(1.5 - 0.7 * mood - 0.5 * score))) * 1.0
        areas.append(area_under_curve(score, happened))
        errors.append(error_of_area(score, happened, user))
    # The spread of 150 draws is known to within 6 % (one standard error); three of those.
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.18)
    independent = [error_of_area(score, happened, np.arange(600))]
    assert np.mean(errors) > 1.05 * np.mean(independent)


def test_what_hardly_ever_happened_is_not_judged():
    few = a_version()
    few.metrics["ranker"]["heads"]["refund"] = few.metrics["ranker"]["heads"]["click"] | {"happened": 1, "auc": 0.27}
    found = by_name(few)
    assert found["Ranking of outcomes (AUC)", "Refund"].value is None
    assert found["Calibration error", "Refund"].value is None
    scores, user = np.linspace(0, 1, 500), np.arange(500)
    assert error_of_area(scores, (user == 7) * 1.0, user) is None
    assert error_of_area(scores, (user % 5 == 0) * 1.0, user) is not None


def test_the_error_of_a_calibration_error_is_how_far_it_varies_from_log_to_log():
    rng, found = np.random.default_rng(3), []
    for _ in range(300):
        liking = np.repeat(rng.normal(0, 0.6, 200), 20)
        p = rng.uniform(0.05, 0.3, len(liking))
        happened = (rng.random(len(p)) < 1 / (1 + np.exp(-(np.log(p / (1 - p)) - 1 + liking)))).astype(float)
        user = np.repeat(np.arange(200), 20)
        found.append((calibration_error(p, happened).error, error_of_calibration(p, happened, user)))
    errors, told = np.array(found).T
    assert told.mean() == pytest.approx(errors.std(ddof=1), rel=0.12)
    assert error_of_calibration(p[:180], happened[:180], user[:180]) is None


def test_a_head_of_which_little_happened_is_not_called_calibrated():
    version = a_version()
    head = version.metrics["ranker"]["heads"]["click"]
    version.metrics["ranker"]["heads"] = {
        "refund": head | {"happened": 99},
        "click": head | {"calibration_error_error": 0.001},
    }
    found = by_name(version)
    refund, click = (found["Calibration error", name] for name in ("Refund", "Click"))
    assert refund.value is None and refund.beside == "too few happened to judge it"
    assert (click.value, click.error) == (0.004, 0.001)
    assert found["Ranking of outcomes (AUC)", "Refund"].value is not None
