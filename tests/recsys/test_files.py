"""A file or folder that was written appears with everything in it, or not at all."""

import pytest

from recsys.files import whole_file, whole_folder


def test_a_folder_appears_in_the_end_with_all_that_was_put_into_it(tmp_path):
    with whole_folder(tmp_path / "models" / "one") as beside:
        (beside / "a").write_text("1")
        assert not (tmp_path / "models" / "one").exists()
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["one"]
    assert (tmp_path / "models" / "one" / "a").read_text() == "1"


def test_an_error_while_it_is_written_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "one") as beside:
        (beside / "a").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []


def test_a_file_takes_the_place_of_the_one_that_was_there_only_when_it_is_whole(tmp_path):
    file = tmp_path / "one.json"
    for text in ("old", "new"):
        with whole_file(file) as beside:
            beside.write_text(text)
            assert file.exists() == (text == "new") and (text == "old" or file.read_text() == "old")
        assert file.read_text() == text and list(tmp_path.iterdir()) == [file]
    with pytest.raises(ZeroDivisionError), whole_file(file) as beside:
        beside.write_text("half")
        beside.write_text(str(1 / 0))
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]
