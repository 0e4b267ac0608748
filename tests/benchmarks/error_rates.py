"""Level and coverage of every rule, metric kind, covariate and number of looks: 2,000 experiments a cell and more."""

from pathlib import Path

from tests.calibration.error_rates import ALPHA, Rate, rates
from tests.calibration.populations import A_DAY, CASES, DAYS

RUNS, LIFTS = 4_000, (0.0, 0.05)
RULES = ("fixed", "group_sequential", "confidence_sequence", "bayesian")


def main(data: Path, repeat: int, peers: bool) -> None:
    """Prints the table and writes it under results/; fails if a promise is broken."""
    del data, repeat, peers
    columns = [(rule, looks) for rule in RULES for looks in (1, 5, DAYS) if rule != "bayesian" or looks == 1]
    lines = [
        "# How often intervals miss the true lift",
        "",
        f"Of {RUNS:,} simulated experiments a cell, the share in which the {100 * (1 - ALPHA):g} % interval of some look left out the",
        f"true lift, in percent; {DAYS} days of 500 users (50 clusters for their mean, 80 users with their rows for quantiles). At a true lift of 0 that is the",
        "false-positive rate. An interval for one look promises nothing for several (in brackets). For the Bayesian rule the true",
        "lifts are drawn from its prior, and the last look is read. An exclamation mark: more than a binomial at 5 % gives once in",
        "a thousand studies.",
        "",
        "| metric | lift | " + " | ".join(f"{rule.replace('_', ' ')}, {looks}" for rule, looks in columns) + " |",
        "|---" * (2 + len(columns)) + "|",
    ]
    broken = []
    for number, (name, pair) in enumerate(CASES.items()):
        for covariate, population in zip(("", " with CUPED"), pair, strict=False):
            for lift in LIFTS:
                found = rates(population, RUNS, A_DAY.get(name, 250), lift, seed=number)
                by_column = {(rate.rule, rate.looks): rate for rate in found}
                cells = " | ".join(_shown(by_column[column]) for column in columns)
                lines.append(f"| {name}{covariate} | {100 * lift:g} % | {cells} |")
                broken += [f"{name}{covariate}: {rate}" for rate in found if rate.promised and rate.too_many]
                print(lines[-1], flush=True)
    (Path(__file__).parent / "results" / "error_rates.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if broken:
        raise SystemExit("broken promises:\n" + "\n".join(broken))


def _shown(rate: Rate) -> str:
    share = f"{100 * rate.misses / rate.runs:.1f}"
    return (share + "!" * rate.too_many) if rate.promised else f"({share})"
