"""Let the garbage collector look seldom while millions of short-lived objects pass through."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Messages and rows make no cycles, yet the collector would look through all that are held every
# few hundred of them: a third of the landing's time. The figures are those of about one slice.
SELDOM = (200_000, 20, 20)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Raise the collector's thresholds of this process for a while."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
