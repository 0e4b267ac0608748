"""Names of events: none is taken for another, at least the last so many are known, whatever process asks."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from recsys.serving.window import Window, digest, load, save


@given(some.lists(some.integers(0, 30)), some.integers(1, 10))
def test_a_name_is_known_until_so_many_others_were_sent_and_a_new_name_never_is(numbers: list[int], least: int) -> None:
    window, sent = Window(least), []
    for number in numbers:
        fresh = window.add(digest(str(number)))
        since = sent[sent.index(number) :] if number in sent else None
        assert fresh if since is None else not fresh or len(set(since)) > least
        # Each name once, in order of its latest sending.
        sent = [each for each in sent if each != number] + [number]
        assert len(window) <= 2 * least


def test_a_name_that_is_taken_back_is_new_again() -> None:
    window = Window()
    assert window.add(digest("a")) and not window.add(digest("a"))
    window.forget([digest("a")])
    assert window.add(digest("a"))


@given(some.lists(some.lists(some.integers(0, 50), max_size=8), max_size=8), some.integers(1, 20))
def test_a_window_from_files_knows_the_newest_names(groups: list[list[int]], least: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place, group in enumerate(groups):
            files.append(Path(folder) / f"{place}.names")
            save(files[-1], [digest(str(number)) for number in group])
        window, needless = load(files, least)
        flat = [number for group in groups for number in group]
        assert all(digest(str(number)) in window for number in flat[-least:])
        kept = sum(file.stat().st_size // 16 for file in files if file not in needless)
        assert kept >= min(least, len(flat))
