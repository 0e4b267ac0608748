"""Files of each form read to the same acts; a bad one is refused with file, line and field."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared import RECSYS, needs_recsys

from recsys.errors import DataError
from recsys.evaluation.sources import load, with_files


def named(acts) -> list[tuple[str, str]]:
    return [(acts.users[u], acts.items[i]) for u, i in zip(acts.user, acts.item, strict=True)]


def test_pairs_lists_and_triples_of_the_same_acts_read_alike(tmp_path):
    (tmp_path / "pairs.txt").write_text("a x\nb y\na z\n")
    (tmp_path / "lists.txt").write_text("a x z\nb y\n")
    (tmp_path / "triples.txt").write_text("a x 3\nb y 1\na z 0.5\nb q 0\n")
    read = [named(load(tmp_path / f"{form}.txt", form).acts) for form in ("pairs", "lists", "triples")]
    assert read[0] == read[1] == read[2] == [("a", "x"), ("a", "z"), ("b", "y")]


def test_the_form_is_seen_from_the_content(tmp_path):
    (tmp_path / "a.txt").write_text("1 2\n1 3\n")
    assert load(tmp_path / "a.txt").ordered
    (tmp_path / "b.txt").write_text("1,2,5\n1,3,4\n")
    assert not load(tmp_path / "b.txt").ordered
    (tmp_path / "c.txt").write_text("1 2 3 4\n2 3\n")
    with pytest.raises(DataError, match=r"c.txt: its form is not plain .* --format pairs \| lists"):
        load(tmp_path / "c.txt")


def test_a_folder_gives_its_split_over_one_numbering(tmp_path):
    for name, text in (("train", "a x y\nb y"), ("valid", "a z\nb"), ("test", "a q\nb x")):
        (tmp_path / f"{name}.txt").write_text(text)
    source = load(tmp_path, "lists")
    assert source.protocol == "given_split" and source.acts.items == source.test.items
    assert named(source.validation) == [("a", "z")] and named(source.test) == [("a", "q"), ("b", "x")]
    assert source.validation.time.min() > source.acts.time.max()


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("pairs", "a x\na\n", "line 2: 1 fields, expected 2: user item"),
        ("pairs", "a x\na y 3\n", "line 2: 3 fields, expected 2"),
        ("triples", "a x 1\n\na y much\n", "line 3: value is 'much', expected a finite number"),
        ("triples", "a x nan\n", "line 1: value is 'nan'"),
        ("triples", "a x 0\n", "holds no acts"),
        ("lists", "a x y x\n", "line 1: user a has an item twice"),
        ("lists", "", "holds no acts"),
        ("hours", "user,game\n", "line 1: expected the header user-id,game-title,value"),
        ("hours", "user-id,game-title,value,\na,Portal,long,\n", "line 2: value is 'long', expected hours"),
        ("hours", "user-id,game-title,value,\na,Portal,\n", "line 2: value is ''"),
    ],
)
def test_a_bad_line_is_named(tmp_path, form, text, message):
    (tmp_path / "acts.csv").write_text(text)
    with pytest.raises(DataError, match="acts.csv.*" + message):
        load(tmp_path / "acts.csv", form)


def test_what_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "none.txt")
    with pytest.raises(DataError, match="found no file of acts; expected train.txt"):
        load(tmp_path)
    (tmp_path / "train.txt").write_text("a x\n")
    with pytest.raises(DataError, match=r"train.txt is there, but test.txt is not"):
        load(tmp_path, "lists")
    (tmp_path / "raw.txt").write_bytes(b"\xff\xfe\x00 1\n")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        load(tmp_path / "raw.txt", "pairs")
    with pytest.raises(DataError, match="'map' is not known; known: pairs, lists"):
        load(tmp_path / "raw.txt", "map")


def test_friends_are_symmetric_and_nobody_is_their_own(tmp_path):
    (tmp_path / "acts.txt").write_text("a x\nb y\nc z\n")
    (tmp_path / "friends.txt").write_text("a b\nb a\nc c\nd a\n")
    source = with_files(load(tmp_path / "acts.txt"), tmp_path / "friends.txt", None)
    assert source.sides.friends.toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    (tmp_path / "others.txt").write_text("d e\n")
    with pytest.raises(DataError, match="none of its 1 friendships"):
        with_files(source, tmp_path / "others.txt", None)


def test_attributes_are_of_items_that_have_acts(tmp_path):
    (tmp_path / "acts.txt").write_text("a x\nb y\n")
    (tmp_path / "tags.txt").write_text("y rpg co-op\nz rpg\nx co-op\n")
    source = with_files(load(tmp_path / "acts.txt"), None, tmp_path / "tags.txt")
    assert source.sides.attributes.toarray().tolist() == [[0, 1], [1, 1]]


def test_behaviours_need_their_columns_and_known_words(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    columns = {
        "user": [1, 1, 2],
        "item": [5, 6, 5],
        "behavior": ["buy", "cart", "buy"],
        "split": ["train", "train", "test"],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "good.parquet")
    source = load(tmp_path / "good.parquet")
    assert source.target == "purchase" and named(source.test) == [("2", "5")] and len(source.acts) == 2
    parquet.write_table(arrow.table(columns | {"behavior": ["buy", "like", "buy"]}), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="'like' is neither a behaviour"):
        load(tmp_path / "bad.parquet")
    del columns["split"]
    parquet.write_table(arrow.table(columns), tmp_path / "less.parquet")
    with pytest.raises(DataError, match="column 'split' is missing"):
        load(tmp_path / "less.parquet")


@needs_recsys
@pytest.mark.parametrize(
    ("name", "users", "items", "acts", "test"),
    [
        # As their papers and papers' repositories count them; Steam's without the purchases that were not played.
        ("amazon_video_games", 31_013, 23_715, 287_107, None),
        ("gowalla", 29_858, 40_981, 719_081, 217_242),
        ("lastfm_hetrec", 1_892, 17_632, 92_834, None),
        ("lastfm_lightgcn", 1_880, 4_489, 42_135, 10_533),
        ("steam_200k", 9_418, 3_600, 69_891, None),
        ("tmall_multibehavior", 31_882, 31_024, 357_412, 10_000),
    ],
)
def test_the_papers_data_sets_have_the_size_that_they_say(name, users, items, acts, test):
    source = load(RECSYS / name)
    assert (len(source.acts.users), len(source.acts.items), len(source.acts)) == (users, items, acts)
    assert (len(source.test) if source.test is not None else None) == test
    if source.test is not None:
        known = {*zip(source.acts.user.tolist(), source.acts.item.tolist(), source.acts.action.tolist(), strict=True)}
        both = known & {
            *zip(source.test.user.tolist(), source.test.item.tolist(), source.test.action.tolist(), strict=True)
        }
        assert both == set()


@needs_recsys
def test_popularity_on_gowalla_is_what_an_independent_program_measured():
    from recsys.evaluation.evaluate import evaluate
    from recsys.evaluation.protocols import split
    from recsys.heads import head

    cut = split(load(RECSYS / "gowalla"), "given_split")
    known = cut.question("test").known
    found = evaluate(head("popularity")().fit(known, cut.context(60), np.random.default_rng(0)), cut)
    assert found["recall@20"].mean == pytest.approx(0.0416, abs=5e-5)
    assert found["ndcg@20"].mean == pytest.approx(0.0317, abs=5e-5)


def test_names_of_columns_are_refused_and_not_taken_for_an_act(tmp_path):
    (tmp_path / "acts.csv").write_text("user_id,item_id\nann,doom\nann,zelda\n")
    for form in ("pairs", None):
        with pytest.raises(DataError, match="acts.csv, line 1: 'user_id,item_id' names columns"):
            load(tmp_path / "acts.csv", form)


def test_the_mark_of_a_spreadsheet_is_no_part_of_the_first_id(tmp_path):
    (tmp_path / "acts.txt").write_bytes(b"\xef\xbb\xbf1 2\n1 3\n")
    assert load(tmp_path / "acts.txt", "pairs").acts.users == ("1",)


@pytest.mark.parametrize("content", [b"PAR1junkPAR1", b"", b"1 2\n1 3\n"])
def test_what_is_no_parquet_is_named(tmp_path, content):
    (tmp_path / "acts.parquet").write_bytes(content)
    with pytest.raises(DataError, match="acts.parquet is not a Parquet file"):
        load(tmp_path / "acts.parquet", "behaviours")


def test_an_act_without_its_item_is_told_in_parquet(tmp_path):
    columns = {"user": [1, 2], "item": [3, None], "behavior": ["view", "buy"], "split": ["train", "test"]}
    pq.write_table(pa.table(columns), tmp_path / "acts.parquet")
    with pytest.raises(DataError, match="column 'item' is empty in 1 rows"):
        load(tmp_path / "acts.parquet", "behaviours")


@pytest.mark.parametrize("bad", [b"\xe9,Portal,2,\n", b"a," + b"x" * 200_000 + b",2,\n"])
def test_hours_that_no_csv_reader_takes_are_named(tmp_path, bad):
    (tmp_path / "hours.csv").write_bytes(b"user-id,game-title,value,\n" + bad)
    with pytest.raises(DataError, match="hours.csv is not a csv file in UTF-8"):
        load(tmp_path / "hours.csv", "hours")
