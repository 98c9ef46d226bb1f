"""How the interpreter runs while millions of short-lived objects pass through two threads."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# Messages and rows make no cycles, yet the collector would look through all that are held every
# few hundred of them: a third of the landing's time. The figures are those of about one slice.
SELDOM = (200_000, 20, 20)
# The thread that writes lets go of the interpreter for every block that it sends. With the usual
# 5 ms Postgres has nothing to do by the time it is given back.
SWITCH_S = 0.001

_lock = Lock()
_users = 0
_before = (gc.get_threshold(), sys.getswitchinterval())


@contextmanager
def tuned() -> Iterator[None]:
    """Collect garbage seldom and switch threads often in this process, while any block runs."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _before
    with _lock:
        if _users == 0:
            _before = (gc.get_threshold(), sys.getswitchinterval())
            _set(SELDOM, SWITCH_S)
        _users += 1


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _set(*_before)


def _set(thresholds: tuple[int, int, int], interval_s: float) -> None:
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval_s)
