"""How old a layer may be, and which assets speak for it. The one owner of these ages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Window:
    """An age that is worth a look, and one that a person has to do something about."""

    warn: timedelta
    fail: timedelta


# While polls come, each brings the stream and its answers up to date. Where nobody polls they are
# stale, which is what the policy says then.
STREAM = Window(warn=timedelta(minutes=15), fail=timedelta(hours=1))
# Fetched daily; one day that fails is a warning.
REFERENCES = Window(warn=timedelta(hours=26), fail=timedelta(hours=50))


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The assets of a layer that are kept up to date alike; it is as old as the oldest of them."""

    name: str
    kind: str  # "stream" or "references"
    window: Window
    assets: Sequence[str]


# Of the models those on which nothing in their layer depends; gold.answered_hours is the last one.
LAYERS = (
    Layer(name="bronze", kind="stream", window=STREAM, assets=("raw_flights", "raw_polls")),
    Layer(name="silver", kind="stream", window=STREAM, assets=("flight_states", "flights")),
    Layer(name="gold", kind="stream", window=STREAM, assets=("answered_hours",)),
    Layer(
        name="bronze",
        kind="references",
        window=REFERENCES,
        assets=("raw_airports", "raw_airlines", "raw_aircraft_types"),
    ),
    Layer(
        name="silver",
        kind="references",
        window=REFERENCES,
        assets=("airports", "airlines", "aircraft_types"),
    ),
)
