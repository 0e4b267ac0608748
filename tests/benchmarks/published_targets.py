"""The published figures, and ours on the same data and protocol: quality, its interval and seconds of CPU to fit.

Runs the data sets in the folder that HOLDOUT_SHARED names; `python -m tests.benchmarks.published_targets NAME ...` runs
some of them and keeps what was measured of the others; `NAME=1` runs one with a single seed.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recsys.evaluation.comparison import Comparison, ahead, compare
from recsys.evaluation.protocols import split
from recsys.evaluation.sources import load, with_files
from recsys.evaluation.table import as_json, as_text
from recsys.heads import known_heads
from recsys.heads.head import Context
from recsys.heads.sequence import Sequence as SequenceHead
from recsys.interactions import Interactions
from recsys.measures.metrics import Measure
from tests.shared import RECSYS

RESULTS = Path(__file__).parent / "results"
MINUTES, SEEDS = 30.0, 3
ALL_LINEAR = ("popularity", "item_knn", "ease", "graph_filter", "sharpened_filter", "als", "linear")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to reach: `measure` of the head that validation chooses, or of `head`, is at least `least`.

    Attributes:
        times: where `least` is None, the figure is `times` that of the best of `against` on the test.
        sampled: whether the figure is of a ranking among 100 items.
    """

    measure: str
    least: float | None = None
    times: float = 1.0
    against: tuple[str, ...] = ()
    head: str | None = None
    sampled: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One data set under one protocol, the heads that are compared on it and what they are to reach.

    Attributes:
        minutes: of CPU that each head may take for one seed, all its choices included.
    """

    folder: str
    protocol: str
    heads: tuple[str, ...]
    targets: tuple[Target, ...]
    friends: str | None = None
    minutes: float = MINUTES


class WithoutLead(SequenceHead, name="sequence_without_lead", linear=False):
    """The encoder whose items without acts stand where their content puts them, with nothing added."""

    def _choose_lead(self, data: Interactions, context: Context) -> float:
        return 0.0


LINEAR_BEST = tuple(name for name, kind in known_heads().items() if kind.linear)
CASES = {
    "gowalla": Case(
        "gowalla",
        "given_split",
        # EASE takes too large an inverse here. ALS and item-kNN are heard as parts of linear.
        ("popularity", "graph_filter", "sharpened_filter", "linear"),
        (
            Target("recall@20", 0.185, source="LightGCN .1820-.1830, GF-CF .1849, SimpleX .1872"),
            Target("ndcg@20", 0.152, source="LightGCN .1547-.1554, GF-CF .1518"),
            # The paper's settings, none chosen here: what the model itself reaches, whichever validation prefers.
            Target("recall@20", 0.185, head="sharpened_filter", source="BSPM"),
            Target("ndcg@20", 0.152, head="sharpened_filter", source="BSPM"),
        ),
    ),
    "lastfm_lightgcn": Case(
        "lastfm_lightgcn",
        "given_split",
        ALL_LINEAR,
        (Target("recall@20", 0.268, source="ALS of `implicit` .2682"),),
    ),
    "lastfm_hetrec": Case(
        "lastfm_hetrec",
        "ratio_split",
        ALL_LINEAR,
        (Target("recall@10", 0.212, source="SEPT .2127, MHCN .2123, LightGCN .2064"),),
        friends="trusts.txt",
    ),
    "mafengwo": Case(
        "mafengwo",
        "given_split",
        ALL_LINEAR,
        (Target("ndcg@5", 0.7692, sampled=True, source="ConsRec .7692, Turbo-CF .7886, Group-GF .8384; 1 among 100"),),
    ),
    "video_games": Case(
        "amazon_video_games",
        "leave_one_out",
        ("popularity", "item_knn", "als", "sequence"),
        (Target("ndcg@10", times=1.25, against=("popularity", "item_knn", "als"), head="sequence"),),
    ),
    "steam": Case(
        "steam_200k",
        "ratio_split",
        (*ALL_LINEAR, "hybrid"),
        (Target("ndcg@10", against=LINEAR_BEST, head="hybrid"),),
    ),
    "tmall": Case(
        "tmall_multibehavior",
        "given_split",
        ("popularity", "item_knn", "graph_filter", "als", "linear", "hybrid"),
        (Target("ndcg@10", against=LINEAR_BEST, head="hybrid"),),
        minutes=5,
    ),
    "steam_new_items": Case(
        "steam_200k",
        "leave_items_out",
        ("popularity", "sequence_without_lead", "sequence"),
        # At random 50 of the games that a user did not have: of 3,600 less 15 to 23 on average, .0139 to .0140.
        (
            Target("recall@50", 0.07, head="sequence_without_lead", source="five times a ranking at random"),
            # The lead tells which games are new, and that alone is worth five times: 50 of 720.
            Target(
                "recall@50",
                0.07,
                head="sequence",
                source="five times a ranking at random; all games without acts first, in random order, have .0696",
            ),
        ),
    ),
}


def main(data: Path, repeat: int, peers: bool) -> None:
    """Runs every data set with `repeat` seeds, and writes what was found to the results folder."""
    del data, peers
    measure(tuple(CASES), repeat)


def measure(names: Sequence[str], seeds: int = SEEDS) -> None:
    """Runs these data sets; the results of others stay as they were."""
    kept = RESULTS / "published_targets.json"
    for name in names:
        measured = run(CASES[name], seeds)
        # Read late: two of these may run at once, each on its own data sets.
        found: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
        found[name] = measured
        kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
        (RESULTS / "published_targets.md").write_text(page(found), encoding="utf-8")


def run(case: Case, seeds: int) -> dict[str, Any]:
    """One data set, every head; prints the table."""
    folder = RECSYS / case.folder
    source = with_files(load(folder), folder / case.friends if case.friends else None, None)
    found = compare(
        lambda seed: split(source, case.protocol, seed),
        case.heads,
        seeds=seeds,
        seconds=60 * case.minutes,
        progress=lambda message: print(message, file=sys.stderr, flush=True),
    )
    print(as_text(found, source.note))
    return as_json(found, source.note) | {"paired": [row for target in case.targets for row in _paired(found, target)]}


def _paired(found: Comparison, target: Target) -> list[dict[str, Any]]:
    """How far the target's head is above `times` each rival, user by user."""
    fitted = {result.name: result for result in found.by_validation}
    head, measure, rows = target.head or next(iter(fitted)), Measure.parse(target.measure), []
    for rival in target.against if head in fitted else ():
        if rival in fitted:
            estimate = ahead(fitted[head], fitted[rival], measure, target.times)
            about = {"head": head, "rival": rival, "times": target.times, "measure": target.measure}
            rows.append(about | asdict(estimate))
    return rows


def page(found: dict[str, Any]) -> str:
    """What was found, as a page: targets first, then quality against time for each data set."""
    lines = ["# Published targets", "", __doc__.split("\n\n")[0].replace("\n", " "), ""]
    lines += [
        "Full ranking unless said otherwise; the median of the seeds ± half the 95 % interval over users, each seed in "
        "brackets where a head or its split is drawn. The head "
        "is the one that validation chose, or the one named by the target. Where the target is another head of ours, "
        "the best of those on the test, the difference is counted user by user: the mean over all seeds with its 95 % "
        "interval over users.",
        "",
    ]
    lines += [
        "| data | protocol, seeds | target | ours | head | reached | above it, user by user | published |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        if name in found:
            lines += [_target_row(name, found[name], target) for target in case.targets]
    for name in CASES:
        if name in found:
            lines += ["", *_quality_against_time(name, found[name])]
    return "\n".join(lines) + "\n"


def _target_row(name: str, found: dict[str, Any], target: Target) -> str:
    heads = {head["name"]: head for head in found["heads"] if not head["failed"]}
    chosen = target.head or found["to_serve"]
    begin = f"| {name} | {found['protocol']}; {found['seeds']} | {target.measure}"
    if chosen not in heads:
        return f"{begin} | not fitted | {chosen} | no | | {target.source} |"
    value = _value(heads[chosen], target)
    least, words, apart = target.least, "", ""
    if least is None:
        rivals = {rival: _value(heads[rival], target) for rival in target.against if rival in heads}
        best = max(rivals, key=lambda rival: rivals[rival])
        least, words = target.times * rivals[best], f" ({target.times:g} × {best})"
        apart = _apart(found, chosen, best, target)
    sampled = ", among 100" if target.sampled else ""
    return (
        f"{begin}{sampled} ≥ {least:.4f}{words} | {_ours(heads[chosen], target)} | {chosen} | "
        f"{'yes' if value >= least else 'no'}{_split(heads[chosen], target, least)} | {apart} | {target.source} |"
    )


def _split(head: dict[str, Any], target: Target, least: float) -> str:
    """How many seeds reach a fixed figure, where they do not agree."""
    seeds = [] if target.sampled or target.least is None else head["test"][target.measure]["seeds"]
    reached = sum(seed >= least for seed in seeds)
    return f" ({reached} of {len(seeds)} seeds)" if 0 < reached < len(seeds) else ""


def _apart(found: dict[str, Any], head: str, rival: str, target: Target) -> str:
    """By how much the target is missed or passed, user by user, and whether that is more than chance."""
    asked = {"head": head, "rival": rival, "times": target.times, "measure": target.measure}
    row = next((row for row in found.get("paired", []) if asked.items() <= row.items()), None)
    if row is None:
        return ""
    told = "" if row["lower"] > 0 or row["upper"] < 0 else ": not told apart"
    return f"{row['mean']:+.4f} ({row['lower']:+.4f} to {row['upper']:+.4f}){told}"


def _ours(head: dict[str, Any], target: Target) -> str:
    """The figure with its interval over users, and that of each seed: another draw may move it by more."""
    if target.sampled:
        return f"{_value(head, target):.4f}"
    measured = head["test"][target.measure]
    each = ", ".join(f"{seed:.4f}" for seed in measured["seeds"])
    return _cell(measured) + (f" ({each})" if len(measured["seeds"]) > 1 else "")


def _value(head: dict[str, Any], target: Target) -> float:
    return float(head["sampled"][target.measure] if target.sampled else head["test"][target.measure]["mean"])


def _quality_against_time(name: str, found: dict[str, Any]) -> list[str]:
    acts = found["acts"]
    lines = [
        f"## {name}",
        "",
        f"{found['users']:,} users, {found['items']:,} items, {acts['train']:,} train, {acts['validation']:,} "
        f"validation and {acts['test']:,} test acts; {found['protocol']}. Validation would serve {found['to_serve']}.",
        "",
        "| head | CPU s to fit | validation ndcg@10 | recall@10 | ndcg@10 | recall@20 | ndcg@20 |",
        "|---|---|---|---|---|---|---|",
    ]
    for head in found["heads"]:
        if head["failed"]:
            lines.append(f"| {head['name']} | not fitted: {head['failed']} | | | | | |")
            continue
        seconds = sorted(head["cpu_seconds"])[(len(head["cpu_seconds"]) - 1) // 2]
        cells = [_cell(head["validation"]["ndcg@10"])]
        cells += [_cell(head["test"][measure]) for measure in ("recall@10", "ndcg@10", "recall@20", "ndcg@20")]
        lines.append(f"| {head['name']} | {seconds:.1f} | " + " | ".join(cells) + " |")
    return lines


def _cell(estimate: dict[str, Any]) -> str:
    return f"{estimate['mean']:.4f} ± {estimate['upper'] - estimate['mean']:.4f}"


if __name__ == "__main__":
    for argument in sys.argv[1:] or CASES:
        case, _, seeds = argument.partition("=")
        measure([case], int(seeds or SEEDS))
