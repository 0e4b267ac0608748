"""How simulations of this folder judge a level."""

from scipy import stats

ALPHA, RUNS = 0.1, 400


def keeps_its_level(misses: int, runs: int = RUNS, alpha: float = ALPHA) -> None:
    """Not more misses than chance explains; a bound that is exact for all distributions may have far fewer."""
    assert stats.binomtest(misses, runs, alpha, alternative="greater").pvalue > 1e-4
