"""`holdout trust`: for a file in words, for a registered experiment kept and in JSON."""

import sys
from pathlib import Path

import pytest
from facts import a_table

from analysis.trust import Trust
from holdout import main
from store import Workspace

TEXT = "unit,arm,y\n" + "".join(f"u{k},{'ab'[k % 2]},{k % 7}\n" for k in range(900))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["holdout", "trust", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_a_file_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_table(tmp_path, TEXT)
    run(monkeypatch, str(tmp_path / "experiment.toml"), "--runs", "300")
    said, progress = capsys.readouterr()
    assert progress.splitlines() == ["250 of 300 runs", "300 of 300 runs"]
    assert "the arms of 900 units drawn 300 times" in said
    assert "with outcomes as observed; one look; 95% fixed" in said
    assert "holds" in said and "5% may" in said


def test_a_registered_experiment_keeps_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Workspace.create(tmp_path / "shop")
    a_table(opened.experiments, TEXT)
    text = (opened.experiments / "experiment.toml").read_text(encoding="utf-8")
    opened.registry.save_experiment(text, id="trial", name="Trial")
    run(monkeypatch, "trial", "--runs", "10", "--json", "-w", str(opened.path))
    kept = opened.registry.latest_trust("trial")
    assert kept is not None
    assert Trust.from_json(kept.result) == Trust.from_json(capsys.readouterr().out)
    assert kept.lake_versions == opened.lake.versions()
