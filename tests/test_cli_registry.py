"""What the registry keeps, on the command line: looks that can be read again, decisions and their outcomes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import Readout
from holdout import main
from store import Workspace
from tests.dashboard import rich

DAILY = """
[experiment]
id = "daily"
unit = "unit"
arm = "arm"
control = "a"
shares = { a = 1, b = 1 }
inference = "confidence_sequence"
planned_units = 2000
segments = ["country"]
[source]
exposures = "../exposures.csv"
events = "../events.csv"
[[metrics]]
id = "spend"
kind = "mean"
value = "spend"
role = "primary"
"""
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    registry = Workspace.create(tmp_path / "shop").registry
    for id, verdicts in {"mail": ("keep_running", "ship"), "banner": ("blocked",), "new": ()}.items():
        registry.save_experiment("", id=id, name=id)
        for verdict in verdicts:
            registry.save_look(id, readout="{}", verdict=verdict, lake_versions={})
    return tmp_path / "shop"


@pytest.fixture
def holdout(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on the shop: its exit status, what it printed, and what it printed to stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["holdout", *arguments, "--workspace", str(shop)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_look_keeps_the_segments_of_every_day_and_is_recomputed_with_them(shop: Path, holdout: Command) -> None:
    day = "2026-11-0{}T12:00:00Z"
    seen = [f"u{i},{'ab'[i % 2]},{day.format(1 + i % 3)},{['FR', 'DE'][i // 2 % 2]}" for i in range(600)]
    done = [f"u{i},{day.format(4)},{1 + i % 7}" for i in range(600)]
    (shop / "exposures.csv").write_text("\n".join(["unit,arm,time,country", *seen]) + "\n")
    (shop / "events.csv").write_text("\n".join(["unit,time,spend", *done]) + "\n")
    (shop / "experiments" / "daily.toml").write_text(DAILY)
    assert holdout("refresh")[1] == "daily: keep_running (look 4)\n"
    registry = Workspace.open(shop).registry
    whole = Readout.from_json(registry.look(4).readout or "", registry.segment_history(4))
    assert [len(look.effects) for look in whole.looks] == [3, 3, 3, 3]
    status, said, _ = holdout("recompute", "4")
    assert status == 0 and "the same readout, to the last digit" in said
    (shop / "experiments" / "daily.toml").write_text(DAILY.replace('["country"]', "[]"))
    holdout("refresh")
    assert "the readout differs" in holdout("recompute", "4")[1]


def test_a_copy_that_gets_no_more_facts_is_fresh_as_of_its_own_present(shop: Path, holdout: Command) -> None:
    lines = [f"u{i},{'ab'[i % 2]},2025-03-0{1 + i % 3}T12:00:00Z,{['FR', 'DE'][i // 2 % 2]}" for i in range(600)]
    (shop / "exposures.csv").write_text("\n".join(["unit,arm,time,country", *lines]) + "\n")
    (shop / "events.csv").write_text("\n".join(["unit,time,spend", "u1,2025-03-04T12:00:00Z,5"]) + "\n")
    (shop / "experiments" / "daily.toml").write_text(DAILY)

    def freshness(as_of: str) -> tuple[str, str]:
        (shop / "holdout.toml").write_text(as_of)
        holdout("refresh")
        looks = Workspace.open(shop).registry
        readout = Readout.from_json(looks.latest_look("daily").readout or "")
        (check,) = [check for check in readout.looks[-1].checks if check.name == "freshness"]
        return check.verdict, check.reason

    assert freshness("")[0] == "warn"
    verdict, reason = freshness("as_of = 2025-03-05T01:00:00+01:00\n")
    assert verdict == "pass" and "facts up to 04 Mar 2025 12:00 UTC, 12 h behind 05 Mar 2025 00:00 UTC" in reason


def test_a_decision_is_recorded_on_the_latest_look_and_listed_with_its_outcome(holdout: Command) -> None:
    _, first, _ = holdout("decide", "mail", "stop", "--reason", "Too dear.", "--by", "ann", "--look", "1")
    _, second, _ = holdout("decide", "mail", "ship", "--reason", "It wins.", "--by", "bob")
    assert first.startswith("1: mail: stop (look 1 said keep_running), ann on ")
    assert second.startswith("2: mail: ship (look 2 said ship), bob on ")
    done = holdout("outcome", "2", "Revenue rose", "--by", "cat", "--estimate", "0.021")
    assert done == (0, "Kept beside decision 2.\n", "")
    lines = holdout("decisions", "mail")[1].splitlines()
    assert lines[0] == second.strip()
    assert lines[1].endswith(", cat: Revenue rose (+2.10%)")
    assert lines[2] == first.strip() + "; superseded by 2"


def test_a_blocked_look_needs_the_override_and_shows_it(holdout: Command) -> None:
    asked = ("decide", "banner", "stop", "--reason", "Broken split.", "--by", "ann")
    status, _, said = holdout(*asked)
    assert status == 1 and "blocked by a failed health check" in said
    _, line, _ = holdout(*asked, "--override")
    assert "(look 3 said blocked, overridden)" in line
    assert holdout("decisions") == (0, line, "")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("decide", "mial", "ship", "--reason", "r", "--by", "ann"), "Did you mean 'mail'?"),
        (("decide", "new", "ship", "--reason", "r", "--by", "ann"), "has no look. Take one with `holdout"),
        (("decide", "mail", "go", "--reason", "r", "--by", "ann"), "'go' cannot be decided. Known: keep_running"),
        (("outcome", "7", "It rose", "--by", "ann"), "decision 7 is not in the registry"),
        (("decisions", "mial"), "Did you mean 'mail'?"),
    ],
)
def test_a_mistake_ends_in_one_clear_line(holdout: Command, arguments: tuple[str, ...], part: str) -> None:
    status, printed, said = holdout(*arguments)
    assert (status, printed) == (1, "") and said.count("\n") == 1 and part in said


def test_a_report_of_any_look_is_one_file(shop: Path, holdout: Command, tmp_path: Path) -> None:
    registry = Workspace.open(shop).registry
    registry.save_experiment("", id="slate", name="Slate")
    looks = [
        registry.save_look("slate", readout=made.to_json(), verdict="ship", lake_versions={}).id
        for made in (rich.stopped(), rich.whole())
    ]
    file = tmp_path / "report.html"
    for look, asked in ((looks[1], ()), (looks[0], ("--look", str(looks[0])))):
        assert holdout("report", "slate", *asked, "--out", str(file)) == (0, f"{file} is written.\n", "")
        assert f"Look {look}, saved" in file.read_text(encoding="utf-8")
    status, _, said = holdout("report", "slate", "--look", "1", "--out", str(file))
    assert status == 1 and "slate" in said
    status, _, said = holdout("report", "slate", "--out", str(tmp_path / "none" / "report.html"))
    assert (status, said.count("\n")) == (1, 1) and "No such file" in said
