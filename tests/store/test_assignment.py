from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import load_experiment
from analysis.sample_ratio import fixed_p_value
from store import Assignment, AssignmentError, Workspace, import_files, load_assignments
from store.assignment import Step, _positions, exposures_of, moved_units
from store.assignment_file import moved_by_edit, parse_assignment

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
BADGE = Assignment(experiment="badge", control="none", shares={"none": 1, "badge": 1}, salt="badge")
RAMP = (Step(START, 0.1), Step(START + 7 * DAY, 0.5), Step(START + 14 * DAY, 1.0))
IDS = [f"u{k:06d}" for k in range(1_000_000)]

units = st.lists(st.text(min_size=1) | st.integers(), min_size=1, max_size=20)
shares = st.dictionaries(st.text(min_size=1), st.integers(1, 99), min_size=2, max_size=5)
fractions = st.lists(st.integers(1, 100), min_size=1, max_size=4, unique=True).map(sorted)


def test_the_arms_of_known_units_stay_as_they_are_for_ever() -> None:
    """A unit that changes its arm with a release ruins every running experiment: never change these."""
    assert _positions("slate_ranker", ["u000123"])[0].tolist() == [
        0.009897894428621545,
        0.25962505608231035,
        0.7734770791010439,
        0.6285000952931257,
    ]
    assert _positions("s", [42])[0, 0] == 0.5161953395137502
    assert _positions("checkout", ["Ünit 7"])[0, 0] == 0.9865681019731178
    three = Assignment(experiment="x", control="a", shares={"a": 1, "b": 1, "c": 2}, salt="salt")
    assert "".join(three.arms([f"u{i}" for i in range(12)], START)) == "acaabccbcbac"
    layered = replace(three, layer="shop", slice=(0.25, 0.75), ramp=RAMP)
    assert "".join(layered.arm(f"u{i}", START + 7 * DAY) or "-" for i in range(12)) == "a----c---b--"


@given(units, shares, st.text())
def test_arms_are_those_of_a_plain_and_exact_computation(units: list[str | int], shares: dict, salt: str) -> None:
    assignment = Assignment(experiment="x", control=next(iter(shares)), shares=shares, salt=salt)
    for unit, arm in zip(units, assignment.arms(units, START), strict=True):
        word = int(sha256(f"{salt}:{unit}".encode()).hexdigest()[:16], 16)
        left = Fraction(word >> 11, 2**53) * sum(shares.values())
        for expected, share in shares.items():  # noqa: B007
            left -= share
            if left < 0:
                break
        assert arm == expected == assignment.arm(unit, START)


@pytest.fixture(scope="module")
def positions() -> dict[str, np.ndarray]:
    """Of a million consecutive ids, under three keys; shape (units, 4) each."""
    return {key: _positions(key, IDS) for key in ("badge", "badgf", "shop")}


def test_positions_are_uniform(positions: dict[str, np.ndarray]) -> None:
    for key, found in positions.items():
        for word in found.T:
            assert stats.chisquare(np.bincount((word * 1000).astype(int), minlength=1000)).pvalue > 0.001, key


def test_arm_ramp_and_layer_are_independent_of_each_other_and_of_those_under_every_other_salt(
    positions: dict[str, np.ndarray],
) -> None:
    cells = (np.concatenate(list(positions.values()), axis=1) * 16).astype(int).T
    p = [stats.chisquare(np.bincount(a * 16 + b, minlength=256)).pvalue for a, b in combinations(cells, 2)]
    assert min(p) > 0.001 / len(p)


def test_the_sample_ratio_holds_at_every_step_of_a_ramp_and_breaks_when_shares_change() -> None:
    people = IDS[:100_000]
    uneven = replace(BADGE, shares={"none": 7, "badge": 3}, layer="shop", slice=(0.2, 0.8), ramp=RAMP)

    def count(arms: np.ndarray) -> list[int]:
        return [int((arms == arm).sum()) for arm in uneven.shares]

    for k, step in enumerate(RAMP):
        arms = uneven.arms(people, step.start)
        assert fixed_p_value(count(arms), [7, 3]) > 0.001
        exposed = int((arms != None).sum())  # noqa: E711
        assert stats.binomtest(exposed, len(people), 0.6 * RAMP[k].share).pvalue > 0.001
    late = replace(uneven, shares={"none": 1, "badge": 1}).arms(people, RAMP[2].start)
    early = uneven.arms(people, RAMP[1].start)
    assert fixed_p_value(count(np.where(early != None, early, late)), [7, 3]) < 1e-6  # noqa: E711


@given(units, fractions, st.integers(0, 99), st.integers(1, 100))
def test_who_is_in_stays_in_and_in_the_same_arm_as_ramp_and_slice_grow(units, percents, low, width) -> None:
    steps = tuple(Step(START + k * DAY, percent / 100) for k, percent in enumerate(percents))
    part = (low / 100, min(low + width, 100) / 100)
    assignment = replace(BADGE, layer="shop", slice=part, ramp=steps)
    wider = replace(assignment, slice=(part[0] / 2, 1.0))
    looks = [assignment.arms(units, step.start) for step in steps] + [wider.arms(units, steps[-1].start)]
    for earlier, later in combinations(looks, 2):
        assert all(before in (None, after) for before, after in zip(earlier, later, strict=True))
    assert not any(assignment.arms(units, START - timedelta(microseconds=1)))


@given(units, st.integers(1, 99))
def test_a_unit_of_a_layer_is_in_exactly_one_of_the_slices_that_fill_it(units, cut) -> None:
    left = replace(BADGE, layer="shop", slice=(0.0, cut / 100))
    right = replace(BADGE, salt="other", layer="shop", slice=(cut / 100, 1.0))
    pairs = zip(left.arms(units, START), right.arms(units, START), strict=True)
    assert all((a is None) != (b is None) for a, b in pairs)


def test_nobody_is_in_from_the_end_on() -> None:
    ended = replace(BADGE, end=START)
    assert all(ended.arms(IDS[:50], START - timedelta(microseconds=1)))
    assert not any(ended.arms(IDS[:50], START))


def test_each_unit_may_have_a_time_of_its_own() -> None:
    ramped, people = replace(BADGE, ramp=RAMP), IDS[:300]
    times = np.array([np.datetime64("2026-01-05"), np.datetime64("2026-01-12"), np.datetime64("2026-01-04")])
    arms = ramped.arms(people, np.tile(times, 100))
    assert list(arms[0::3]) == list(ramped.arms(people[0::3], START))
    assert list(arms[1::3]) == list(ramped.arms(people[1::3], START + 7 * DAY))
    assert not any(arms[2::3])


@pytest.mark.parametrize("unit", ["", None, 1.0, float("nan"), True, b"u1"])
def test_what_is_no_id_is_refused_and_not_hashed(unit: object) -> None:
    with pytest.raises(AssignmentError, match=r"is not an id, expected a text or a whole number"):
        BADGE.arms(["u1", unit], START)  # type: ignore[list-item]


def test_a_number_and_its_text_are_the_same_unit_and_a_time_without_zone_is_refused() -> None:
    assert list(BADGE.arms(np.arange(50), START)) == list(BADGE.arms(map(str, range(50)), START))
    with pytest.raises(AssignmentError, match="not datetime64"):
        BADGE.arms(["u1"], [datetime(2026, 1, 5, tzinfo=UTC)])  # type: ignore[arg-type]
    with pytest.raises(AssignmentError, match="has no time zone"):
        BADGE.arm("u1", datetime(2026, 1, 5))


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"shares": {"none": 6, "badge": 4}}, ("shares",)),
        ({"shares": {"badge": 1, "none": 1}}, ("shares",)),
        ({"shares": {"none": 1, "badge": 1, "third": 1}}, ("shares",)),
        ({"salt": "2"}, ("salt",)),
        ({"unit": "account_id"}, ("unit",)),
        ({"layer": "other"}, ("layer",)),
        ({"slice": (0.3, 0.6)}, ("slice",)),
        ({"ramp": (Step(START, 0.05),)}, ("ramp",)),
        ({"ramp": (Step(START + DAY, 1.0),)}, ("ramp",)),
        ({"shares": {"none": 50, "badge": 50}}, ()),
        ({"slice": (0.1, 0.7)}, ()),
        ({"ramp": (Step(START, 0.1), Step(START + DAY, 0.2))}, ()),
        ({"ramp": ()}, ()),
        ({"end": START + DAY}, ()),
        ({"layer": None, "slice": (0.0, 1.0)}, ()),
    ],
)
def test_an_edit_is_called_harmful_if_and_only_if_it_moves_somebody(change: dict, moved: tuple[str, ...]) -> None:
    before = replace(BADGE, layer="shop", slice=(0.2, 0.6), ramp=RAMP)
    after = replace(before, **change)
    now = START + timedelta(hours=12)
    assert moved_units(before, after, now) == moved
    assert moved_units(before, after, START - DAY) == ()
    pairs = zip(before.arms(IDS[:2000], now), after.arms(IDS[:2000], now), strict=True)
    # Another unit's ids are other ids, which this comparison of the same ids cannot see.
    assert any(old not in (None, new) for old, new in pairs) == (moved not in ((), ("unit",)))


def test_exposures_are_rows_that_the_lake_takes(workspace: Workspace, tmp_path: Path) -> None:
    import pyarrow.csv

    ramped = replace(BADGE, ramp=RAMP)
    times = np.datetime64("2026-01-05T10:00:00", "ns") + np.arange(400) * np.timedelta64(1, "h")
    rows = exposures_of(ramped, IDS[:400], times)
    expected = [
        (unit, arm)
        for unit, time in zip(IDS, times.tolist(), strict=False)
        if (arm := ramped.arm(unit, datetime.fromtimestamp(time / 1e9, UTC)))
    ]
    assert list(zip(rows["unit_id"].to_pylist(), rows["arm"].to_pylist(), strict=True)) == expected
    assert 0 < len(expected) < 400 and set(rows["experiment_id"].to_pylist()) == {"badge"}
    pyarrow.csv.write_csv(rows, tmp_path / "exposures.csv")
    report = import_files(workspace, "exposures", [tmp_path / "exposures.csv"])
    assert (report.rows, report.quarantined) == (len(expected), 0)
    assert workspace.lake.table("exposures").order_by("time").to_pyarrow().to_pylist() == rows.to_pylist()


FILE = """
[experiment]
id = "badge"
control = "none"
shares = { none = 1, badge = 3 }
end = 2026-03-01
inference = "fixed"
[assignment]
salt = "badge 2"
layer = "shop"
slice = [0.25, 0.5]
ramp = [{ from = 2026-01-05T01:00:00+01:00, share = 0.1 }, { from = 2026-01-12, share = 1 }]
unit = "account_id"
[source]
lake = true
[[metrics]]
id = "revenue"
kind = "mean"
value = "value"
role = "primary"
"""


def test_the_whole_grammar_of_the_table(tmp_path: Path) -> None:
    assert parse_assignment(FILE, "badge.toml") == Assignment(
        experiment="badge",
        control="none",
        shares={"none": 1.0, "badge": 3.0},
        salt="badge 2",
        layer="shop",
        slice=(0.25, 0.5),
        ramp=(Step(START, 0.1), Step(START + 7 * DAY, 1.0)),
        unit="account_id",
        end=datetime(2026, 3, 1, tzinfo=UTC),
    )
    (tmp_path / "badge.toml").write_text(FILE)
    assert load_experiment(tmp_path / "badge.toml").id == "badge"


def test_an_empty_table_assigns_by_the_id_and_no_table_assigns_nobody() -> None:
    plain = FILE[: FILE.index("salt")] + FILE[FILE.index("[source]") :]
    assert parse_assignment(plain.replace("end = 2026-03-01\n", ""), "f") == replace(
        BADGE, shares={"none": 1.0, "badge": 3.0}
    )
    assert parse_assignment(plain.replace("[assignment]\n", ""), "f") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[assignment]", "[assignment", r"b\.toml: is not valid TOML"),
        ("salt =", "sallt =", r"\[assignment\] sallt: is not a key.*Did you mean 'salt'"),
        ('salt = "badge 2"', "salt = 2", r'\[assignment\] salt: found 2, expected "some text"'),
        ('layer = "shop"', "", r"\[assignment\] slice: needs a layer"),
        (
            "[0.25, 0.5]",
            "[0.5, 0.25]",
            r"\[assignment\] slice: found \[0.5, 0.25\], expected \[from, to\] within \[0, 1\]",
        ),
        ("[0.25, 0.5]", "[0, 50]", r"\[assignment\] slice: found \[0, 50\]"),
        ("share = 0.1", "share = 10", r"\[assignment\] ramp: found the share 10, expected a number above 0, at most 1"),
        ("share = 0.1", 'share = "0.1"', r"\[assignment\] ramp: found the share '0.1'"),
        (
            "share = 1 ",
            "share = 0.05 ",
            r"\[assignment\] ramp: goes from 0.1 at .* to 0.05 at .* a unit that is in stays in",
        ),
        ("from = 2026-01-12", "from = 2026-01-02", r"\[assignment\] ramp: .*times must rise"),
        ("from = 2026-01-12", 'from = "2026-01-12"', r"\[assignment\] ramp: found '2026-01-12'.*without quotes"),
        ("from = 2026-01-12", "at = 2026-01-12", r"\[assignment\] ramp: found .*expected \[\{ from = "),
        ('id = "badge"', "", r"\[experiment\] id: is missing"),
        ('control = "none"', 'control = "nobody"', r"\[experiment\] control: 'nobody' is not in shares"),
        ("badge = 3", "badge = 0", r"\[experiment\] shares: found .* expected two arms or more with numbers above 0"),
    ],
)
def test_a_mistake_is_named_with_what_was_found_and_expected(old: str, new: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(AssignmentError, match=message):
        parse_assignment(FILE.replace(old, new, 1), "b.toml")


def test_the_file_that_the_docs_show_is_an_assignment() -> None:
    page = (Path(__file__).parents[2] / "docs" / "assignment.md").read_text("utf-8")
    shown = parse_assignment(page.split("```toml\n")[1].split("```")[0], "assignment.md")
    assert shown is not None and (shown.layer, shown.slice, len(shown.ramp)) == ("shop", (0.0, 0.5), 2)


def test_changed_shares_in_the_text_of_a_running_experiment_are_found() -> None:
    now = START + DAY
    assert moved_by_edit(FILE, FILE.replace("badge = 3", "badge = 2"), now, "b.toml") == ("shares",)
    assert moved_by_edit(FILE, FILE.replace("inference", "alpha = 0.1\ninference"), now, "b.toml") == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], "overlap in layer 'shop'"),
        ([("[0.25, 0.5]", "[0.49, 1.0]")], r"'badge' and 'ranker' overlap.*\[0.25, 0.5\] and \[0.49, 1.0\]"),
        ([("[0.25, 0.5]", "[0.5, 1.0]")], None),
        ([("[0.25, 0.5]", "[0.5, 1.0]"), ("account_id", "user_id")], "by different units, 'account_id' and 'user_id'"),
        ([("2026-01-05T01:00:00+01:00", "2026-03-01"), ("2026-01-12", "2026-03-02"), ("end = 2026-03-01\n", "")], None),
        ([('"shop"', '"mail"')], "run at the same time with the salt 'badge 2'"),
        ([('"shop"', '"mail"'), ("badge 2", "ranker")], None),
        ([('id = "ranker"', 'id = "badge"')], "two files have the experiment id 'badge'"),
    ],
)
def test_experiments_that_would_share_units_by_mistake_are_both_named(
    workspace: Workspace, changes: list[tuple[str, str]], message: str | None
) -> None:
    other = FILE.replace('id = "badge"', 'id = "ranker"')
    for old, new in changes:
        assert old in other
        other = other.replace(old, new)
    (workspace.experiments / "badge.toml").write_text(FILE)
    (workspace.experiments / "ranker.toml").write_text(other)
    if message is None:
        assert set(load_assignments(workspace)) == {"badge", "ranker"}
    else:
        with pytest.raises(AssignmentError, match=message):
            load_assignments(workspace)
