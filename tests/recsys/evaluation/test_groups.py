"""Groups: read with their members, judged alone, and never mixed up with people of the same number."""

import numpy as np
import pytest
from shared import RECSYS, needs_recsys

from recsys.errors import DataError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.protocols import split
from recsys.evaluation.sources import load, load_groups
from recsys.heads import head


def named(acts) -> list[tuple[str, str]]:
    return [(acts.users[u], acts.items[i]) for u, i in zip(acts.user, acts.item, strict=True)]


GOOD = {
    "groupMember.txt": "0 1,2\n1 2\n",
    "groupRatingTrain.txt": "0 7\n1 8\n",
    "groupRatingTest.txt": "0 8\n1 9\n",
    "groupRatingNegative.txt": "(1,9) 3 4\n(0,8) 5 6 3\n",
    "userRatingTrain.txt": "0 7\n1 8\n2 5\n",
}


def folder(tmp_path, **changed):
    for name, text in (GOOD | {f"{name}.txt": text for name, text in changed.items()}).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_group_is_a_user_of_its_own_with_members_and_its_own_negatives(tmp_path):
    source = load(folder(tmp_path))
    assert named(source.acts) == [("0", "7"), ("1", "8"), ("2", "5"), ("group 0", "7"), ("group 1", "8")]
    assert named(source.test) == [("group 0", "8"), ("group 1", "9")]
    users = list(source.acts.users)
    members = {(users[g], users[m]) for g, m in zip(*source.sides.members.nonzero(), strict=True)}
    assert members == {("group 0", "1"), ("group 0", "2"), ("group 1", "2")}
    assert [[source.acts.items[i] for i in row] for row in source.negatives] == [["5", "6"], ["3", "4"]]
    assert [users[u] for u in np.flatnonzero(source.judged)] == ["group 0", "group 1"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groupRatingTrain": "0 7 1\n"}, "groupRatingTrain.txt, line 1: 3 fields, expected 2: group item"),
        ({"groupRatingNegative": "1,9 3 4\n"}, r"line 1: '1,9' is not \(group,item\)"),
        ({"groupRatingNegative": "(1,9) 3 4\n"}, r"has no line for \('0', '8'\)"),
    ],
)
def test_a_bad_file_of_groups_is_named(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        load(folder(tmp_path, **changed))


def test_groups_without_their_members_or_acts_are_refused(tmp_path):
    (folder(tmp_path) / "userRatingTrain.txt").unlink()
    with pytest.raises(DataError, match=r"userRatingTrain.txt is missing; groups need groupMember.txt"):
        load(tmp_path)


def test_what_people_did_may_lie_in_another_file(tmp_path):
    (tmp_path / "people.txt").write_text("2 7\n2 6\n")
    source = load_groups(folder(tmp_path), tmp_path / "people.txt")
    assert named(source.acts) == [("2", "7"), ("2", "6"), ("group 0", "7"), ("group 1", "8")]


def test_a_test_act_that_is_in_train_too_is_refused_where_negatives_are_given(tmp_path):
    train = "0 8\n" + "".join(f"{g} {i}\n" for g in (0, 1) for i in range(20, 60))
    cut = split(load(folder(tmp_path, groupRatingTrain=train)), "given_split")
    fitted = head("popularity")().fit(cut.train, cut.context(60), np.random.default_rng(0))
    with pytest.raises(DataError, match="negatives for 2 test acts, but 1 are wanted"):
        evaluate(fitted, cut)


@needs_recsys
def test_popularity_among_groups_is_what_an_independent_program_measured():
    cut = split(load(RECSYS / "mafengwo"), "given_split")
    assert all(cut.train.users[u].startswith("group") for u in np.unique(cut.validation.user))
    found = evaluate(
        head("popularity")().fit(cut.question("test").known, cut.context(60), np.random.default_rng(0)), cut
    )
    # That program had 0.484 and 0.352; it broke ties of counts another way.
    means = {str(measure): float(values.mean()) for measure, values in found.sampled.items()}
    assert means["hit_rate@5"] == pytest.approx(0.484, abs=0.005) and means["ndcg@5"] == pytest.approx(0.352, abs=0.005)
