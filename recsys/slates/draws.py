"""Uniform numbers that depend on a seed and a place alone, so that one request or thousands draw the same."""

import numpy as np
from numpy.typing import NDArray

from recsys.splitmix import STEP, mixed


def uniforms(seeds: NDArray[np.uint64], places: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for the first `places` places of each seed, shape (len(seeds), places).

    A seed's first numbers do not depend on how many are asked for, nor on the other seeds.
    """
    with np.errstate(over="ignore"):
        state = mixed(np.asarray(seeds, np.uint64) + STEP)[:, None]
        bits = mixed(state + STEP * np.arange(1, places + 1, dtype=np.uint64))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
