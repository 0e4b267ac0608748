"""Uniform numbers that depend on a seed and a place alone, so that one request or thousands draw the same."""

import numpy as np
from numpy.typing import NDArray

# Splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 17.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def uniforms(seeds: NDArray[np.uint64], places: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for the first `places` places of each seed, shape (len(seeds), places).

    A seed's first numbers do not depend on how many are asked for, nor on the other seeds.
    """
    with np.errstate(over="ignore"):
        state = _mixed(np.asarray(seeds, np.uint64) + _STEP)[:, None]
        bits = _mixed(state + _STEP * np.arange(1, places + 1, dtype=np.uint64))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))
