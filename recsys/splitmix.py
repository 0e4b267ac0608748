"""SplitMix64: bits that look drawn, each a function of what it is asked for and of nothing that was drawn before."""

import numpy as np
from numpy.typing import NDArray

# Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 17, with the constants of
# Stafford's variant 13.
STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser, of each of `bits`; products wrap around, so a caller with single numbers ignores overflow."""
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return np.asarray(bits ^ (bits >> np.uint64(31)))
