"""The Models page tells which version serves, and reads two side by side only where that is fair."""

from functools import partial
from xml.etree import ElementTree

import pytest

from dashboard.parts import by_surface, figures
from dashboard.parts import model as parts
from recsys.training.cards import compare
from store import Workspace
from tests.dashboard import opening
from tests.dashboard.opening import words_of
from tests.recsys.training.test_cards import a_version


@pytest.fixture
def shop(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    for version, recall in (("one", 0.2), ("two", 0.4)):
        made = a_version(version, recall=recall)
        workspace.registry.save_model(
            "engine", version, artifact="f", metrics=made.metrics, card=made.card, lake_versions={}, code_version="c"
        )
    workspace.registry.use_model("engine", "two", by="Ann", reason="It finds <b>more</b>")
    return workspace


opened = partial(opening.opened, "models")


def test_the_version_that_serves_comes_first(shop, monkeypatch):
    test = opened(shop, monkeypatch)
    assert not test.exception
    assert test.selectbox[0].value == "two" and test.selectbox[0].options == ["two", "one"]
    assert [each.value for each in test.header] == [
        "As it served",
        "When it was trained, on later days",
        "All versions",
        "What served",
    ]


def test_two_versions_stand_side_by_side(shop, monkeypatch):
    test = opened(shop, monkeypatch, version="two", beside="one")
    assert test.header[0].value == "two beside one" and not test.info


def test_a_workspace_without_models_says_how_to_train_one(tmp_path, monkeypatch):
    test = opened(Workspace.create(tmp_path / "empty"), monkeypatch)
    assert "Nothing was trained yet" in test.markdown[0].value and "holdout train" in test.code[0].value


def test_the_card_says_how_many_times_popularity_and_how_to_go_back(shop):
    records = {each.version: each for each in shop.registry.models()}
    bare = a_version("three")
    bare.metrics["encoder"]["recall@50"], bare.metrics["popularity"]["recall@50"] = 0.5, 0.25
    said = words_of(parts.card(bare, roll_back=records["one"]))
    assert "50.0% were among the 50" in said and "2.0 times as many as" in said
    assert "holdout models use one" in said


def test_a_recalibrated_version_says_what_that_changed_and_that_the_rest_did_not():
    bent = a_version("one+1")
    bent.card["recalibrated"] = {"from": "one", "rows": 12_000, "clicks": 900}
    click = {"before": {"predicted_rate": 0.126, "observed_rate": 0.076}, "after": {"predicted_rate": 0.081}}
    bent.metrics["recalibrated"] = {"click": click}
    said = words_of(parts.card(bent, roll_back=None))
    assert "It is one with chances bent to 12,000 places that it showed." in said
    assert "It had expected 12.6% of those to be clicked, and 7.6% were" in said and "would have expected 8.1%" in said
    assert "bent to" not in words_of(parts.card(a_version("one"), roll_back=None))


JUDGED = {"rows": 5_000, "happened": 380, "predicted_rate": 0.081, "observed_rate": 0.076}
JUDGED |= {"calibration_error": 0.0052, "calibration_floor": 0.0031, "calibration_error_error": 0.001}


def test_what_a_version_expected_when_it_served_stands_beside_what_happened():
    said = words_of(figures.as_served({"click": JUDGED, "gift": JUDGED | {"happened": 12}, "refund": None}))
    assert said.strip().startswith("It expected 8.10% of the places that it showed to be clicked; 7.60% were.")
    assert "Click 8.10% 7% too high 7.60% of 5,000 places 0.52 points 0.32 to 0.72 0.31 points" in said
    assert said.count("Gift and Refund: too few happened to judge it.") == 1
    assert "It has shown nothing" in words_of(figures.as_served({}))


def test_a_rare_outcome_says_by_which_share_it_was_off():
    rare = {"rows": 50_000, "happened": 515, "predicted_rate": 0.0132, "observed_rate": 0.0103}
    said = words_of(figures.as_served({"purchase": JUDGED | rare, "gift": JUDGED | rare | {"predicted_rate": 0.0090}}))
    assert "Purchase 1.32% 28% too high 1.03%" in said and "Gift 0.90% 13% too low 1.03%" in said
    level = words_of(figures.as_served({"click": JUDGED | {"predicted_rate": 0.0761}}))
    assert "too" not in level.split("It said:")[0].replace("too few", "")


def test_rates_that_differ_are_never_shown_alike():
    said = words_of(figures.as_served({"click": JUDGED | {"predicted_rate": 0.1651, "observed_rate": 0.1649}}))
    assert "16.51%" in said and "16.49%" in said


def test_what_is_measured_is_asked_in_plain_words_before_the_field_s_term():
    said = words_of(figures.measured(a_version("one")))
    for plain, term in (
        ("Does it find what people come to?", "recall"),
        ("Does it put first what people will do?", "AUC"),
        ("Do its chances come true?", "calibration error"),
    ):
        assert -1 < said.index(plain) < said.index(term)
    assert "Found among the first 10 Recall@10 30.0% 28.0 to 32.0% the most popular: 10.0%" in said


@pytest.mark.parametrize(
    "drawn",
    [
        figures.as_served({"click": JUDGED}),
        figures.measured(a_version("one")),
        figures.comparison(compare(a_version("one"), a_version("two")), "one", "two"),
        parts.versions([a_version("one")], "one"),
    ],
    ids=["as served", "measured", "compared", "versions"],
)
def test_a_cell_without_a_head_above_it_says_its_column_s_name(drawn):
    for table in ElementTree.fromstring(f"<div>{drawn}</div>").iter("table"):
        heads = [each.text for each in table.findall(".//thead//th")]
        for row in table.findall(".//tbody/tr"):
            assert [cell.get("data-label") for cell in row.findall("td")] == heads[1:]


def test_a_renewed_version_says_what_its_ranker_learnt_from():
    anew = a_version("one+1")
    anew.card["renewed"] = {"from": "one", "rows": 200_000, "since": 1_767_225_600_000_000}
    said = words_of(parts.card(anew, roll_back=None))
    assert "Its ranker learnt anew from 200,000 places shown since 1 Jan 2026; how it finds items is as one was" in said
    anew.card["renewed"]["trained_until"] = 1_769_000_000_000_000
    said = words_of(parts.card(anew, roll_back=None))
    assert "since 1 Jan 2026 (its chances alone from those after 21 Jan 2026); how it finds" in said
    assert "was measured by one that was trained in the same way until some days earlier" in said


def test_figures_that_two_versions_share_are_not_read_as_unclear():
    said = words_of(figures.comparison(compare(a_version("1"), a_version("1+1")), "1", "1+1")).split("Ranges are")[0]
    assert "the same" in said and "can’t tell yet" not in said


def test_the_reading_follows_the_intervals():
    pairs = compare(a_version("1", recall=0.2), a_version("2", recall=0.4))
    assert "better" in words_of(figures.comparison(pairs, "1", "2"))
    other = compare(a_version("1", recall=0.2), a_version("2", recall=0.4, cut=99))
    said = words_of(figures.comparison(other, "1", "2")).split("Ranges are")[0]
    assert "other days" in said and "better" not in said


def test_reasons_that_people_gave_cannot_become_markup(shop):
    said = parts.served(shop.registry.audit("model engine"))
    assert "&lt;b&gt;more" in said and "<b>more" not in said and "Ann" in said


def test_each_surface_stands_alone_beside_the_whole():
    few = JUDGED | {"happened": 12}
    said = words_of(by_surface.table({"cart": {"click": JUDGED}, "post_purchase": {"click": few, "gift": None}}))
    assert "Click Cart 0.52 points luck 0.31 Post purchase too few" in said and "Gift" not in said
    assert by_surface.table({"cart": {"click": JUDGED}}) == by_surface.table({}) == ""
