"""How often 95 % intervals of effects among friends hold the known truth, and how often the warning sounds.

Twenty worlds of 2,000 people a case, with many assignments in each. The truth is that under the exposure mapping, though
what friends pass on grows with their share and not in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special, stats

from analysis import Experiment, read_collected
from analysis.network.graph import Graph, Neighbours
from analysis.variables import Variable
from tests.benchmarks._networks import World
from tests.builders import a_metric, an_experiment, collected_of, moments_of

RESULTS = Path(__file__).with_name("results")
WORLDS, RUNS, LOOKS = 20, 2_000, 5
LIMIT = 0.001


@dataclass(frozen=True, slots=True)
class Tally:
    """Of `runs` intervals, how many left out the truth; runs without an interval are not among them."""

    runs: int
    missed: int

    @property
    def kept(self) -> bool:
        """Whether the misses agree with 5 %, or fewer."""
        return bool(stats.binomtest(self.missed, self.runs, 0.05, alternative="greater").pvalue > LIMIT)


def coverage(rng: np.random.Generator, runs: int, worlds: int = WORLDS, **world: object) -> Mapping[str, Tally]:
    """The misses of each contrast in experiments of such worlds."""
    missed: dict[str, list[bool]] = {}
    for _ in range(worlds):
        one = World.draw(rng, **world)  # type: ignore[arg-type]
        truth = one.truth(rng)
        for _ in range(runs // worlds):
            found = one.estimate(rng)
            error = found.contrast.standard_error[0] * -special.stdtrit(found.contrast.dof[0], 0.025)
            miss = np.abs(found.contrast.difference[0] - truth) > error
            for name, wrong, known in zip(found.names, miss, np.isfinite(error), strict=True):
                missed.setdefault(name, []).extend([bool(wrong)] if known else [])
    return {name: Tally(len(each), sum(each)) for name, each in missed.items()}


def alarms(
    rng: np.random.Generator,
    runs: int,
    worlds: int = WORLDS,
    *,
    spill: float,
    looks: int = 1,
    inference: str = "fixed",
) -> int:
    """In how many experiments, randomised by unit, the readout warns of spillover at some look."""
    planned = {"planned_units": 2_000} if inference == "confidence_sequence" else {}
    experiment = an_experiment(a_metric("y"), inference=inference, **planned)
    drawn = [World.draw(rng, by_unit=True, spill=spill) for _ in range(worlds)]
    return sum(_warned(rng, experiment, world, looks) for world in drawn for _ in range(runs // worlds))


def _warned(rng: np.random.Generator, experiment: Experiment, world: World, looks: int) -> bool:
    """People come in no order; at each look only those who came are in the experiment."""
    arm, n = world.assign(rng), world.graph.n
    outcome, entry = world.outcome(arm), rng.integers(0, looks, n)
    for look in range(looks):
        here = np.flatnonzero(entry <= look)
        place = np.full(n, -1)
        place[here] = np.arange(len(here))
        one, other = place[world.graph.pairs].T
        friends = Graph.of(len(here), one[(one >= 0) & (other >= 0)], other[(one >= 0) & (other >= 0)])
        y = outcome[here]
        neighbours = Neighbours(friends, world.community[here], arm[here].astype(np.int32), {Variable("y"): y})
        moments = [moments_of(y=y[arm[here] == a]) for a in (0, 1)]
        readout = read_collected(experiment, collected_of([moments], neighbours=neighbours))
        if any(check.name == "spillover" and check.verdict == "warn" for check in readout.looks[-1].checks):
            return True
    return False


def main(data: Path, repeat: int, peers: bool) -> None:
    """Writes the tables."""
    del data, repeat, peers
    lines = [
        "# Effects among friends: intervals and the warning",
        "",
        f"2,000 people in circles, 6 friends each; 95 % intervals, {RUNS:,} experiments in {WORLDS} worlds a case.",
        "",
        "| randomised by | friendships in the circle | passed on | contrast | coverage | promise kept |",
        "|---|---|---|---|---|---|",
    ]
    cases = [(unit, inside, spill) for unit in (True, False) for inside in (0.7, 0.9) for spill in (0.0, 1.0)]
    for by_unit, inside, spill in cases:
        found = coverage(np.random.default_rng(4), RUNS, by_unit=by_unit, inside=inside, spill=spill)
        for name, tally in found.items():
            share = f"{100 * (1 - tally.missed / tally.runs):.1f}% of {tally.runs:,}"
            case = f"{'unit' if by_unit else 'community'} | {100 * inside:.0f}% | {spill:g}"
            lines.append(f"| {case} | {name} | {share} | {'yes' if tally.kept else 'no'} |")
    lines += ["", "| warning, inference | looks | passed on | experiments that warn |", "|---|---|---|---|"]
    for inference, looks in (("fixed", 1), ("confidence_sequence", 1), ("confidence_sequence", LOOKS)):
        for spill in (0.0, 1.0):
            count = alarms(np.random.default_rng(5), RUNS, spill=spill, looks=looks, inference=inference)
            lines.append(f"| {inference} | {looks} | {spill:g} | {100 * count / RUNS:.2f}% |")
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "network_coverage.md").write_text(text, encoding="utf-8")
    print(text)
