"""Numbers that look random and are a pure function of their keys.

The same keys give the same number in every process and on every version of Python and numpy,
and in any order of asking: that is what lets an instant of the world be computed by itself.
"""

from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(*keys: ArrayLike | str) -> NDArray[np.uint64]:
    """Return one 64-bit number for the keys; arrays among them are combined element by element."""
    state = np.zeros(1, dtype=np.uint64)
    for key in keys:
        word = crc32(key.encode()) if isinstance(key, str) else key
        state = _scramble(state ^ np.atleast_1d(np.asarray(word)).astype(np.uint64))
    return state


def uniform(*keys: ArrayLike | str) -> NDArray[np.float64]:
    """Return one number in [0, 1) for the keys.

    >>> uniform(7, "age", [1, 2]).round(6).tolist() == uniform(7, "age", [1, 2]).round(6).tolist()
    True
    """
    return np.asarray((mix(*keys) >> np.uint64(11)) * 2.0**-53)


def _scramble(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = word + _GAMMA
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return np.asarray(word ^ (word >> np.uint64(31)))
