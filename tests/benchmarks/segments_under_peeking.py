"""Segments picked after seeing the data, at a look chosen after seeing the data: how often intervals miss."""

from pathlib import Path

import numpy as np
from scipy import stats

from analysis.effects import pooled_contrast, unadjusted_contrast
from analysis.inference.estimates import Estimates
from analysis.inference.intervals import ConfidenceSequence, FixedHorizon
from analysis.multiplicity.corrections import selected_alpha
from tests.calibration.populations import CASES, DAYS

RUNS, BATCH, SEGMENTS, A_DAY, ALPHA = 2_000, 100, 6, 72, 0.05
SCENARIOS = {"no effect anywhere": (0.0,) * SEGMENTS, "an effect in two of six": (0.1, 0.1, 0.0, 0.0, 0.0, 0.0)}
METRICS = {
    "ratio with CUPED": ("ratio", 1),
    "ratio": ("ratio", 0),
    "heavy-tailed revenue with CUPED": ("heavy-tailed revenue", 1),
}


def main(data: Path, repeat: int, peers: bool) -> None:
    """Prints the table and writes it under results/; fails if a promise is broken."""
    del data, repeat, peers
    lines = [
        "# Segments, picked and read at will",
        "",
        f"{RUNS:,} experiments of {2 * SEGMENTS * DAYS * A_DAY:,} users in {SEGMENTS} segments, looked at on {DAYS} days. The reader stops when an ordinary",
        "95 % interval of some segment leaves out 0 (else at the end) and reports those segments (else the largest). In percent: in",
        "how many experiments some interval of some segment ever missed at some look; and the share of reported intervals that miss.",
        "",
        "| metric | truth | ever, ordinary 95 % | ever, sequence a segment | ever, simultaneous sequences | reported, ordinary | reported, e-BY |",
        "|---|---|---|---|---|---|---|",
    ]
    broken = []
    for metric, (case, adjusted) in METRICS.items():
        for truth, lifts in SCENARIOS.items():
            population = CASES[case][adjusted]
            parts = [
                _one_batch(population, np.array(lifts), np.random.default_rng([7, k])) for k in range(RUNS // BATCH)
            ]
            found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            lines.append(
                f"| {metric} | {truth} | " + " | ".join(f"{100 * each.mean():.1f}" for each in found.values()) + " |"
            )
            print(lines[-1], flush=True)
            ever, reported = found["simultaneous"], found["e-BY"]
            if stats.binomtest(int(ever.sum()), RUNS, ALPHA, alternative="greater").pvalue < 0.001:
                broken.append(f"{metric}, {truth}: simultaneous sequences miss in {ever.mean():.3f}")
            if reported.mean() - ALPHA > stats.norm.isf(0.001) * reported.std() / np.sqrt(RUNS):
                broken.append(f"{metric}, {truth}: of picked intervals {reported.mean():.3f} miss")
    (Path(__file__).parent / "results" / "segments_under_peeking.md").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )
    if broken:
        raise SystemExit("broken promises:\n" + "\n".join(broken))


def _one_batch(population, lifts: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """By procedure, what each run of a batch missed."""
    metric, truth = population.metric, np.tile(lifts, BATCH)
    control, treatment = population.moments(rng, BATCH * SEGMENTS, A_DAY, truth)
    used = (pooled_contrast if metric.covariates else unadjusted_contrast)(metric, control, treatment)
    # The pivot against the true lift and against none, cells (looks, runs, segments).
    r, v = 1 + truth, used.covariance
    error = np.sqrt(v[..., 1, 1] - 2 * r * v[..., 0, 1] + r**2 * v[..., 0, 0])
    shape = (DAYS, BATCH, SEGMENTS)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.nan_to_num(np.abs((used.treatment - r * used.control) / error)).reshape(shape)
        z = np.nan_to_num(np.abs(used.difference / used.standard_error)).reshape(shape)
    sequence = ConfidenceSequence(2.0 * DAYS * A_DAY, ALPHA)

    def reach(rule, alpha: float) -> np.ndarray:
        return np.nan_to_num(Estimates(used, rule, alpha).critical, nan=np.inf).reshape(shape)

    ordinary = reach(FixedHorizon(), ALPHA)
    clear = z > ordinary
    stop = np.where(clear.any(axis=(0, 2)), clear.any(axis=2).argmax(axis=0), DAYS - 1)
    at = (stop, np.arange(BATCH))
    picked = np.where(clear[at].any(axis=1, keepdims=True), clear[at], z[at] == z[at].max(axis=1, keepdims=True))
    number = picked.sum(axis=1)
    e_by = np.stack([reach(sequence, selected_alpha(ALPHA, m, SEGMENTS)) for m in range(1, SEGMENTS + 1)])
    limits = e_by[number - 1, stop, np.arange(BATCH)]
    return {
        "ordinary": (off > ordinary).any(axis=(0, 2)),
        "sequence": (off > reach(sequence, ALPHA)).any(axis=(0, 2)),
        "simultaneous": (off > reach(sequence, ALPHA / SEGMENTS)).any(axis=(0, 2)),
        "picked": ((off[at] > ordinary[at]) & picked).sum(axis=1) / number,
        "e-BY": ((off[at] > limits) & picked).sum(axis=1) / number,
    }
