"""What the journal promises to those who write to it, and what a kill or a bad disk may do to it."""

import errno
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from recsys.serving import journal as journal_module
from recsys.serving.journal import Journal
from recsys.serving.segment import FRAME, HEADER, JournalError, Record, frame, mend, new_header, whole

ROOT = Path(__file__).resolve().parents[3]
RECORDS = some.lists(some.builds(Record, some.sampled_from([b"E", b"S"]), some.binary(max_size=60)), max_size=8)


def content_of(journal: Journal) -> list[Record]:
    journal.rotate()
    return [record for path in journal.closed() for record in whole(path.read_bytes())[0]]


@given(RECORDS)
def test_records_are_read_as_they_were_written(records: list[Record]) -> None:
    content = new_header() + b"".join(map(frame, records))
    assert whole(content) == (records, len(content))


@given(RECORDS, some.data())
def test_a_torn_segment_keeps_its_whole_records_and_no_other(records: list[Record], data: some.DataObject) -> None:
    content = new_header() + b"".join(map(frame, records))
    cut = data.draw(some.integers(0, len(content)))
    kept, end = whole(content[:cut])
    ends = [HEADER + sum(map(len, map(frame, records[:n]))) for n in range(len(records) + 1)]
    fitting = sum(each <= cut for each in ends) - 1
    assert kept == records[: max(fitting, 0)]
    assert end == (ends[fitting] if fitting >= 0 else 0)


@given(RECORDS.filter(bool), some.data())
def test_one_altered_bit_is_noticed(records: list[Record], data: some.DataObject) -> None:
    content = bytearray(new_header() + b"".join(map(frame, records)))
    place = data.draw(some.integers(HEADER, len(content) - 1))
    content[place] ^= 1 << data.draw(some.integers(0, 7))
    kept, _ = whole(bytes(content))
    assert len(kept) < len(records)
    assert kept == records[: len(kept)]


def test_zeros_after_a_power_cut_are_no_records() -> None:
    content = new_header() + frame(Record(b"E", b"one"))
    assert zlib.crc32(b"") == 0 and FRAME.pack(0, 0) == bytes(8)
    assert whole(content + bytes(4096)) == ([Record(b"E", b"one")], len(content))


def test_a_length_that_is_absurd_is_not_believed() -> None:
    content = new_header() + struct.pack("<II", 2**32 - 1, 0) + b"x" * 100
    assert whole(content) == ([], HEADER)


def test_mending_cuts_only_the_tail_and_keeps_what_it_cut(tmp_path: Path) -> None:
    good, file = new_header() + frame(Record(b"E", b"one")), tmp_path / "0000000001.open"
    file.write_bytes(good + b"\x07torn")
    assert mend(file) == 5
    assert file.read_bytes() == good
    assert (tmp_path / "0000000001.torn").read_bytes() == b"\x07torn"
    assert mend(file) == 0


def test_a_segment_that_grows_long_is_closed_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LARGEST", 1000)
    journal = Journal(tmp_path)
    records = [Record(b"E", b"%03d" % k + bytes(97)) for k in range(200)]
    for record in records:
        journal.write(record.kind, record.payload)
        journal.sync().result()
    assert len(journal.closed()) > 10
    assert max(path.stat().st_size for path in journal.closed()) < 1000 + 2 * len(frame(records[0]))
    assert content_of(journal) == records
    journal.close()


def test_a_record_is_with_the_system_when_write_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(b"E", b"one")
    (path,) = tmp_path.glob("*.open")
    assert whole(path.read_bytes())[0] == [Record(b"E", b"one")]
    journal.close()


def test_sync_waits_for_the_disk_and_serves_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, synced, real = Journal(tmp_path), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(os.fstat(number).st_size), real(number))[1])
    for number in range(50):
        journal.write(b"E", b"%d" % number)
    size = journal.open_bytes + HEADER
    futures = [journal.sync() for _ in range(50)]
    for future in futures:
        future.result(10)
    assert size in synced
    assert len(synced) < 50
    journal.close()


def test_rotation_keeps_order_and_numbers_and_leaves_empty_segments_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.rotate()
    assert journal.closed() == []
    for number in range(3):
        journal.write(b"E", b"%d" % number)
        journal.rotate()
    assert [int(path.stem) for path in journal.closed()] == [1, 2, 3]
    assert [record.payload for record in content_of(journal)] == [b"0", b"1", b"2"]
    journal.close()
    assert list(tmp_path.glob("*.open")) == []


def test_many_writers_and_rotations_lose_and_double_nothing(tmp_path: Path) -> None:
    from threading import Thread

    journal = Journal(tmp_path)

    def write(who: int) -> None:
        for number in range(200):
            journal.write(b"E", f"{who} {number}".encode())
            if number % 50 == 0:
                journal.sync().result(10)

    threads = [Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        journal.rotate()
    found = [record.payload.decode() for record in content_of(journal)]
    journal.close()
    assert sorted(found) == sorted(f"{who} {number}" for who in range(4) for number in range(200))
    for who in range(4):
        mine = [int(each.split()[1]) for each in found if each.startswith(f"{who} ")]
        assert mine == sorted(mine)


def test_a_second_server_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    code = f"from pathlib import Path; from recsys.serving.journal import Journal; Journal(Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert f"process {os.getpid()} serves this workspace" in done.stderr
    journal.close()
    Journal(tmp_path).close()


def test_what_a_kill_left_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "0000000004.open").write_bytes(new_header() + frame(Record(b"E", b"kept")) + b"torn")
    (tmp_path / "0000000005.open").write_bytes(new_header()[:9])
    journal = Journal(tmp_path)
    assert journal.mended == 4 + 9
    assert [path.name for path in journal.closed()] == ["0000000004.closed"]
    journal.write(b"E", b"new")
    assert [record.payload for record in content_of(journal)] == [b"kept", b"new"]
    journal.close()


def test_a_journal_whose_disk_failed_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.write(b"E", b"one")
    real = os.fsync

    def full(number: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="Input/output error"):
        journal.sync().result(10)
    monkeypatch.setattr(os, "fsync", real)
    with pytest.raises(JournalError, match="Mend the disk, then restart"):
        journal.write(b"E", b"two")
    with pytest.raises(JournalError):
        journal.sync().result(10)
    journal.close()
    again = Journal(tmp_path)
    assert [record.payload for record in content_of(again)] == [b"one"]
    again.close()


@settings(deadline=None, max_examples=30)
@given(some.lists(some.sampled_from(["write", "rotate", "reopen"]), max_size=20))
def test_whatever_is_done_every_record_is_there_once_and_in_order(steps: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        journal, written = Journal(Path(folder)), 0
        for step in steps:
            if step == "write":
                journal.write(b"E", b"%d" % written)
                written += 1
            elif step == "rotate":
                journal.rotate()
            else:
                journal.close()
                journal = Journal(Path(folder))
        assert [record.payload for record in content_of(journal)] == [b"%d" % n for n in range(written)]
        journal.close()
