"""Power that a plan promises beside the power that the code of the readout then has, run by run."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from analysis import plan
from tests.benchmarks._power_runs import concluded, design, write_past

RESULTS = Path(__file__).with_name("results")
RUNS, POINTS, PAST = 5_000, 0.02, 400_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """A plan and its experiments: shares of the arms, looks (one a day), planned units, and the true lift."""

    shares: tuple[float, float]
    days: int
    planned: int
    lift: float


SCENARIOS = (
    Scenario((1, 1), 1, 4_200, 0.08),
    Scenario((1, 1), 5, 4_200, 0.08),
    Scenario((1, 1), 28, 4_200, 0.08),
    Scenario((1, 2), 28, 6_000, 0.08),
    Scenario((4, 1), 28, 14_000, 0.06),
)


def main(data: Path, repeat: int, peers: bool) -> None:
    """Runs every scenario, prints the table and writes it to the results folder."""
    del data, repeat, peers
    lines = [
        "# Power: promised and seen",
        "",
        f"Plans from a past of {PAST:,} units, and {RUNS:,} experiments each with the stated lift in every metric, read by the",
        "code of the readout at every look. Revenue has a skewness of 1.8, and a covariate that explains a third of it; the load",
        "never moves and is a guardrail with a margin of 8 %. `ok`: the power is within two points of the promise (binomial, 0.1 %).",
        "",
        "| arms | looks | units | lift | inference | metric | promised | seen | error of seen | |",
        "|---|---:|---:|---:|---|---|---:|---:|---:|---|",
    ]
    for number, scenario in enumerate(SCENARIOS):
        lines += rows(scenario, np.random.default_rng([2026, number]))
        print("\n".join(lines[-20:]), flush=True)
    missed = sum(line.endswith("**missed** |") for line in lines)
    lines += ["", f"{missed} of {sum(line.startswith('| 1:') or line.startswith('| 4:') for line in lines)} missed."]
    (RESULTS / "power_promise.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(scenario: Scenario, rng: np.random.Generator) -> list[str]:
    """The table's rows of one scenario."""
    with tempfile.TemporaryDirectory() as folder:
        write_past(Path(folder), rng, PAST, 28)
        experiment = design(Path(folder), scenario.planned, scenario.shares)
        made = plan(experiment, effect=scenario.lift, days=scenario.days)
    seen = concluded(experiment, rng, days=scenario.days, runs=RUNS, lift=scenario.lift)
    start = f"| {scenario.shares[0]:g}:{scenario.shares[1]:g} | {scenario.days} | {scenario.planned:,} | {scenario.lift:.0%} |"
    found = []
    for forecast in made.metrics:
        for answer in forecast.answers:
            count, promised = seen[answer.inference, forecast.metric.id], answer.power or 0.0
            share = count / RUNS
            low = stats.binomtest(count, RUNS, max(promised - POINTS, 0.0), alternative="less").pvalue
            high = stats.binomtest(count, RUNS, min(promised + POINTS, 1.0), alternative="greater").pvalue
            met = "ok" if min(low, high) > 0.001 else "**missed**"
            found.append(
                f"{start} {answer.inference} | {forecast.metric.id} | {promised:.3f} | {share:.3f} | "
                f"{np.sqrt(share * (1 - share) / RUNS):.3f} | {met} |"
            )
    return found
