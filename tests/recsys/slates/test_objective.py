"""What an item is worth follows weights that are data: owned, dated, only ever appended to."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recsys.slates.objective import FILE, WEIGHTS, Objective, ObjectiveError, Objectives, Worth, change

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def worth_of(
    weights: dict[str, float], chances: dict[str, float], gain: float = 0.0, novelty: float = 0.0, deficit: float = 0.0
) -> float:
    objective = Objective(1, "Ann", MAY, "test", dict.fromkeys(WEIGHTS, 0.0) | weights)
    all_chances = dict.fromkeys(("click", "wishlist", "cart", "purchase", "gift", "refund"), 0.0) | chances
    arrays = {name: np.array([chance]) for name, chance in all_chances.items()}
    return float(objective.value(arrays, Worth(np.array([gain]), np.array([novelty]), np.array([deficit])))[0])


def test_each_weight_counts_what_it_says():
    assert worth_of({"margin": 2}, {"purchase": 0.1, "gift": 0.05, "refund": 0.01}, gain=300) == pytest.approx(
        2 * 0.14 * 300
    )
    assert worth_of({"refund": 100}, {"refund": 0.01}) == pytest.approx(-1)
    assert worth_of({"click": 3}, {"click": 0.2}) == pytest.approx(0.6)
    assert worth_of({"wishlist": 8}, {"wishlist": 0.1}) == pytest.approx(0.8)
    assert worth_of({"cart": 4}, {"cart": 0.3, "purchase": 0.1}) == pytest.approx(0.8)
    assert worth_of({"cart": 4}, {"cart": 0.1, "purchase": 0.3}) == 0
    assert worth_of({"discovery": 2}, {"click": 0.2}, novelty=0.5) == pytest.approx(0.2)
    assert worth_of({"fairness": 1}, {"click": 0.2}, deficit=1) == pytest.approx(0.2)


def test_without_a_file_the_packages_own_version_holds():
    history = Objectives.read(None)
    assert [version.number for version in history.versions] == [1]
    assert history.at(datetime(2000, 1, 1, tzinfo=UTC)) == history.at(JUNE) == history.versions[0]


def test_a_change_is_appended_and_what_was_there_stays_byte_for_byte(tmp_path):
    first = change(tmp_path, {"click": 2.5}, owner='Ann "the" Boss', reason="Läuft\tbesser\x7f\\", since=MAY)
    before = (tmp_path / FILE).read_bytes()
    second = change(tmp_path, {"margin": 0.5}, owner="Bob", reason="Less margin", since=JUNE)
    assert (tmp_path / FILE).read_bytes().startswith(before.rstrip(b"\n"))
    history = Objectives.read(tmp_path)
    assert history.versions[1:] == (first, second)
    assert (first.owner, first.reason) == ('Ann "the" Boss', "Läuft\tbesser\x7f\\")
    assert second.weights == {**first.weights, "margin": 0.5}
    assert [history.at(time).number for time in (MAY.replace(month=4), MAY, JUNE)] == [1, 2, 3]
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("weights", "since", "message"),
    [
        ({"clik": 1.0}, MAY, "weight 'clik' is not known. .* Did you mean 'click'"),
        ({"click": 1.0}, datetime(2025, 1, 1, tzinfo=UTC), "which is not after version 2"),
        ({"click": float("nan")}, MAY, "expected a number of cents"),
    ],
)
def test_a_change_that_makes_no_sense_leaves_the_file_as_it_was(tmp_path, weights, since, message):
    change(tmp_path, {}, owner="Ann", reason="Begin", since=datetime(2026, 2, 1, tzinfo=UTC))
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ObjectiveError, match=message):
        change(tmp_path, weights, owner="Ann", reason="Again", since=since)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("number = 1", "number = 7", r"number: found 7, expected 1: versions are numbered"),
        ('owner = "Holdout"', 'owner = ""', "owner: is empty"),
        ("click = 0.5", "clack = 0.5", "click: is missing"),
        ("click = 0.5", "click = true", "click: found True"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "has no time zone"),
        ("[[versions]]", "[[version]]", "versions: found"),
        ("[[versions]]", "[[versions", "cannot be read"),
    ],
)
def test_a_file_that_is_not_well_formed_names_the_key(tmp_path, old, new, message):
    from pathlib import Path

    import recsys.slates.objective as module

    text = Path(module.__file__).with_name(FILE).read_text("utf-8")
    (tmp_path / FILE).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ObjectiveError, match=message):
        Objectives.read(tmp_path)
