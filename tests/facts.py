"""Experiments with files, for tests: each in one call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis import Experiment, load_experiment


def an_experiment_file(folder: Path, source: str, *metrics: str, **plan: str) -> Experiment:
    """The experiment of a TOML file in `folder`, with control "a" and treatment "b" unless `plan` says otherwise.

    `source` is the inside of [source], each of `metrics` the inside of a [[metrics]].
    """
    lines = {
        "id": '"trial"', "unit": '"unit"', "control": '"a"', "shares": "{ a = 1, b = 1 }", "inference": '"fixed"', **plan
    }  # fmt: skip
    text = "[experiment]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items())
    text += f"\n[source]\n{source}\n" + "".join(f"[[metrics]]\n{metric}\n" for metric in metrics)
    file = folder / "experiment.toml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file)


def a_table(folder: Path, text: str, *metrics: str, name: str = "units.csv", more: str = "", **plan: str) -> Experiment:
    """An experiment over one CSV of units; without metrics, the mean of column y."""
    (folder / name).write_text(text, encoding="utf-8")
    return an_experiment_file(
        folder, f'table = "{name}"\n{more}', *(metrics or ('id = "y"\nkind = "mean"\nvalue = "y"',)), **plan
    )


def a_log(folder: Path, exposures: str, events: str, *metrics: str, more: str = "", **plan: str) -> Experiment:
    """An experiment over a CSV of exposures and one of events."""
    (folder / "exposures.csv").write_text(exposures, encoding="utf-8")
    (folder / "events.csv").write_text(events, encoding="utf-8")
    source = f'exposures = "exposures.csv"\nevents = "events.csv"\n{more}'
    return an_experiment_file(folder, source, *metrics, **plan)


def a_parquet(path: Path, columns: Mapping[str, Any]) -> Path:
    """A Parquet file of columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(dict(columns)), path)
    return path
