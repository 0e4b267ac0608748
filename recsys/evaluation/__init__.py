"""Offline evaluation: readers, protocols and metrics of the field's papers, over every head.

>>> from pathlib import Path
>>> from recsys.evaluation import evaluate, load, split          # doctest: +SKIP
>>> cut = split(load(Path("Video.txt")), "leave_one_out")        # doctest: +SKIP
>>> fitted = head("popularity")().fit(cut.train, cut.context(seconds=60), rng)     # doctest: +SKIP
>>> evaluate(fitted, cut, "validation")["ndcg@10"].mean          # doctest: +SKIP
"""

from recsys.evaluation.evaluate import Evaluation, evaluate
from recsys.evaluation.metrics import MEASURES, Estimate, Measure
from recsys.evaluation.protocols import PROTOCOLS, split
from recsys.evaluation.sources import Source, load, with_files
from recsys.evaluation.split import Sides, Split, Stage

__all__ = [
    "MEASURES",
    "PROTOCOLS",
    "Estimate",
    "Evaluation",
    "Measure",
    "Sides",
    "Source",
    "Split",
    "Stage",
    "evaluate",
    "load",
    "split",
    "with_files",
]
