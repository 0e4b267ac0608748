"""How often the intervals of every off-policy estimator cover the truth, over 2,000 simulated logs a case."""

from pathlib import Path

from tests.recsys.offpolicy.bandits import Ranking
from tests.recsys.offpolicy.coverage import HEAVY, LIGHT, covered, missed

RUNS = 2_000
SLATES = {
    "slates, cascade": (Ranking.drawn(1, sharp=0.7, cascade=True), 1500, 1),
    "slates": (Ranking.drawn(2, sharp=0.7, cascade=False), 1500, 3),
    "slates, heavy": (Ranking.drawn(3, sharp=2.0, cascade=True), 800, 3),
}


def main(data: Path, repeat: int, peers: bool) -> None:
    """Prints the table and writes it under results/; fails if an interval covers too seldom."""
    del data, repeat, peers
    lines = [
        "# Coverage of off-policy intervals",
        "",
        f"{RUNS:,} simulated logs a case with a known truth; of the 95 % intervals that are given, how many cover it. An estimator",
        "may refuse where weights are heavy.",
        "",
        "| case | estimator | intervals | cover, % |",
        "|---|---|---|---|",
    ]
    broken = {}
    for name, (source, people, most) in {**LIGHT, **HEAVY, **SLATES}.items():
        found = covered(lambda rng, of=source, n=people, m=most: of.log(n, rng, m), source.truth, RUNS)
        broken |= {(name, each): rate for each, rate in missed(found, RUNS, refusing=name not in LIGHT).items()}
        for each, (covers, gave) in found.items():
            lines.append(
                f"| {name} | {each} | {gave:,} | {100 * covers / gave:.1f} |" if gave else f"| {name} | {each} | 0 | |"
            )
            print(lines[-1], flush=True)
    (Path(__file__).parent / "results" / "off_policy_coverage.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if broken:
        raise SystemExit(f"broken promises: {broken}")
