"""A comparison in words and as JSON."""

import json
import math
from dataclasses import asdict
from typing import Any

from recsys.evaluation.comparison import CHOSEN_BY, Comparison, Result
from recsys.evaluation.split import Split, StageName
from recsys.measures.metrics import DEPTHS, KINDS, MEASURES, SAMPLED, MeanOverUsers, Measure

_TITLES = {"recall": "Recall", "hit_rate": "Hit rate", "ndcg": "NDCG"}


def as_text(comparison: Comparison, note: str = "") -> str:
    """One block a metric, a line a head: mean ± half the 95 % interval over users."""
    split, fitted = comparison.split, [result for result in comparison.results if result.runs]
    lines = [*_about(split, comparison.seeds, note), ""]
    width = max([len(result.name) for result in comparison.results] + [8]) + 2
    for kind in KINDS if fitted else ():
        lines.append(f"{_TITLES[kind]:<{width}}" + "".join(f"{'@' + str(depth):<18}" for depth in DEPTHS).rstrip())
        for result in fitted:
            cells = (_cell(result.estimate(Measure(kind, depth))) for depth in DEPTHS)
            lines.append(f"{result.name:<{width}}" + "".join(f"{cell:<18}" for cell in cells).rstrip())
        lines.append("")
    if split.negatives is not None:
        lines += _beside(fitted, width, split.negatives.shape[1])
    lines += _choice(comparison, width)
    return "\n".join(lines)


def _about(split: Split, seeds: int, note: str) -> list[str]:
    wanted = split.question("test").wanted
    users = len(set(wanted.user.tolist()))
    acts = f"{len(split.train):,} train, {len(split.validation):,} validation, {len(wanted):,} test acts"
    return [
        f"{split.name}: {len(split.train.users):,} users, {len(split.train.items):,} items; {acts}",
        *([f"{note[0].upper()}{note[1:]}."] if note else []),
        f"Protocol: {split.protocol}.",
        f"Full ranking{'' if split.candidates is None else ' of the items without acts'}: every item that a user "
        "did not have before, ties counted against the model.",
        f"Mean ± half the 95 % interval over the {users:,} users with test acts; the median of {seeds} "
        f"{'draws of the split' if split.drawn else 'seeds where a head is random'}.",
    ]


def _beside(fitted: list[Result], width: int, among: int) -> list[str]:
    """What the papers print that rank among a few items: it flatters, and is there only to be compared with them."""
    lines = [f"Beside it, for papers that rank among {among} items alone (not comparable with the above):"]
    lines.append(f"{'':<{width}}" + "".join(f"{measure!s:<18}" for measure in SAMPLED).rstrip())
    for result in fitted:
        cells = (_cell(result.sampled(measure)) for measure in SAMPLED)
        lines.append(f"{result.name:<{width}}" + "".join(f"{cell:<18}" for cell in cells).rstrip())
    return [*lines, ""]


def _cell(estimate: MeanOverUsers) -> str:
    half = estimate.upper - estimate.mean
    return f"{estimate.mean:.4f} ± {half:.4f}" if math.isfinite(half) else f"{estimate.mean:.4f}"


def _choice(comparison: Comparison, width: int) -> list[str]:
    """CPU seconds and validation of each head, those that failed with the reason, and which one would be served."""
    lines = [f"{'':<{width}}{'CPU s to fit':<18}validation {CHOSEN_BY}"]
    for result in comparison.results:
        if result.runs:
            chosen_by = _cell(result.estimate(CHOSEN_BY, "validation"))
            lines.append(f"{result.name:<{width}}{result.seconds:<18.1f}{chosen_by}")
        else:
            lines.append(f"{result.name:<{width}}not fitted: {result.failed}")
    best = comparison.to_serve
    if best is None:
        return [*lines, "", "No head could be fitted: nothing to serve."]
    lines += ["", f"The engine would serve {best.name}: the best validation {CHOSEN_BY}. The test chose nothing."]
    if comparison.lead is not None:
        second, lead = comparison.by_validation[1].name, comparison.lead
        lines.append(
            f"User by user its test {CHOSEN_BY} is {lead.mean:+.4f} against {second}'s "
            f"(95 % interval {lead.lower:+.4f} to {lead.upper:+.4f}, seed 0)."
        )
    return lines


def as_json(comparison: Comparison, note: str = "") -> dict[str, Any]:
    """Everything that the text says, and the value of each seed."""
    split, best = comparison.split, comparison.to_serve
    wanted = split.question("test").wanted
    return {
        "data": split.name,
        "note": note,
        "protocol": split.protocol,
        "ranking": "full",
        "seeds": comparison.seeds,
        "users": len(split.train.users),
        "items": len(split.train.items),
        "acts": {"train": len(split.train), "validation": len(split.validation), "test": len(wanted)},
        "to_serve": best.name if best else None,
        "lead": comparison.lead and {"over": comparison.by_validation[1].name, **asdict(comparison.lead)},
        "heads": [_head_json(result) for result in comparison.results],
    }


def _head_json(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {"name": result.name, "linear": result.linear, "failed": result.failed or None}
    if not result.runs:
        return found
    stages: tuple[StageName, ...] = ("validation", "test")
    measured = {stage: {str(m): _measured(result, m, stage) for m in MEASURES} for stage in stages}
    if result.runs[0].test.sampled:
        found["sampled"] = {str(m): result.sampled(m).mean for m in SAMPLED}
    return found | {"cpu_seconds": [run.seconds for run in result.runs]} | measured


def _measured(result: Result, measure: Measure, stage: StageName) -> dict[str, Any]:
    """The estimate and the mean of each seed; an infinite end, of a single user, is null."""
    estimate = result.estimate(measure, stage)
    ends = {"lower": estimate.lower, "upper": estimate.upper}
    finite = {name: value if math.isfinite(value) else None for name, value in ends.items()}
    means = [(run.test if stage == "test" else run.validation)[measure].mean for run in result.runs]
    return {"mean": estimate.mean, **finite, "users": estimate.users, "seeds": means}


def write_json(comparison: Comparison, note: str = "") -> str:
    """The same as text."""
    return json.dumps(as_json(comparison, note), indent=2, allow_nan=False)
