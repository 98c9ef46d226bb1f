"""How the simulator misbehaves when it is told to: by chance, or for the next few requests."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.hashing import uniform
from flight_assets.simulator.snapshot import SLOTS

Rows = dict[str, list[Any]]

# Faults of the answer as a whole, and the status that it has.
STATUSES = {
    "forbidden": 403,  # as the feed's own server says it
    "blocked": 403,  # as Cloudflare says it, with `cf-mitigated`
    "too_many_requests": 429,  # with Retry-After
    "server_error": 500,
    "unknown_error": 520,  # Cloudflare's own code
    "html": 200,  # a page where JSON belongs
    "truncated": 200,  # JSON that breaks off
    "nested": 200,  # JSON nested without end
    "empty": 200,  # no rows, though `full_count` says that there are
    "slow": 200,  # the right answer after `delay_s`
    "drip": 200,  # the right answer, a byte every `delay_s`
    "cut": 200,  # the connection ends in the middle of the answer
}
_FT_PER_M, _KMH_PER_KT = 3.28084, 1.852
_AHEAD_S, _BEHIND_S = 86_400, 40 * 365 * 86_400
_BACKWARD_S = (30, 300)
_SHORT_SLOTS = 7


@dataclass(frozen=True)
class Fault:
    """One way to misbehave, and when.

    ``probability`` is that of each request; ``next`` counts requests, and where it is given the
    probability is not asked. ``after`` is how many requests are left in peace first. ``share`` is
    that of the rows, for faults of rows.
    """

    kind: str
    probability: float = 0.0
    next: int = 0
    after: int = 0
    share: float = 1.0
    delay_s: float = 5.0
    retry_after_s: int = 5
    retry_after_is_date: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.kind not in STATUSES and self.kind not in ROW_FAULTS:
            known = ", ".join([*STATUSES, *ROW_FAULTS])
            raise FlightAssetsError(f"fault {self.kind!r} is unknown: take one of {known}")
        if not (0 <= self.probability <= 1 and 0 <= self.share <= 1):
            raise FlightAssetsError(f"fault {self.kind}: probability and share lie in 0 to 1")
        if min(self.next, self.after, self.delay_s, self.retry_after_s) < 0:
            raise FlightAssetsError(
                f"fault {self.kind}: next, after, delay_s and retry_after_s are not negative"
            )


class FaultPlan:
    """The faults in force. The same seed and the same requests give the same faults."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._faults = list(faults)
        self._left = [fault.next for fault in self._faults]
        self._seed = seed
        self._requests = 0
        self._served: Rows = {}
        self._lock = threading.Lock()

    @classmethod
    def from_json(cls, body: Any) -> "FaultPlan":
        """Return the plan in ``{"faults": [{"kind": …, …}], "seed": …}``."""
        if not isinstance(body, dict) or not isinstance(body.get("faults"), list):
            raise FlightAssetsError('faults are sent as {"faults": [{"kind": "html", "next": 2}]}')
        try:
            faults = [Fault(**fault) for fault in body["faults"]]
            return cls(faults, int(body.get("seed", 0)))
        except (TypeError, ValueError) as error:
            raise FlightAssetsError(f"a fault cannot be read: {error}") from None

    def describe(self) -> list[dict[str, Any]]:
        """Return the faults with the requests that are left to them."""
        with self._lock:
            pairs = zip(self._faults, self._left, strict=True)
            return [asdict(fault) | {"next": left} for fault, left in pairs]

    def draw(self) -> list[Fault]:
        """Return the faults of one request: at most one of the answer, any number of the rows."""
        with self._lock:
            self._requests += 1
            drawn: list[Fault] = []
            for index, fault in enumerate(self._faults):
                is_whole = fault.kind in STATUSES
                if is_whole and any(other.kind in STATUSES for other in drawn):
                    continue
                if self._requests <= fault.after:
                    continue
                if self._left[index]:
                    self._left[index] -= 1
                elif fault.next or not self._chance(fault.probability, index):
                    continue
                drawn.append(fault)
            return drawn

    def _chance(self, probability: float, index: int) -> bool:
        return bool(uniform(self._seed, "fault", self._requests, index)[0] < probability)

    def spoil(self, rows: Rows, faults: Iterable[Fault]) -> Rows:
        """Return the rows with the faults of rows done to them; remembers what was served."""
        with self._lock:
            for fault in faults:
                if fault.kind in ROW_FAULTS:
                    rows = {
                        _id_under(fault, flight_id): self._spoiled(fault, flight_id, row)
                        for flight_id, row in rows.items()
                    }
            if any(fault.kind == "duplicated" for fault in self._faults):
                self._served.update(rows)
            return rows

    def _spoiled(self, fault: Fault, flight_id: str, row: list[Any]) -> list[Any]:
        u = float(uniform(self._seed, fault.kind, flight_id, self._requests)[0])
        if u >= fault.share:
            return row
        if fault.kind == "duplicated":
            return self._served.get(flight_id, row)
        return ROW_FAULTS[fault.kind](list(row), u / fault.share)


def _change(row: list[Any], slot: str, change: Callable[[float], Any]) -> None:
    value = row[SLOTS.index(slot)]
    if isinstance(value, int | float):
        row[SLOTS.index(slot)] = change(value)


def _wrong_units(row: list[Any], _: float) -> list[Any]:
    """Altitude in metres and speed in km/h."""
    _change(row, "altitude", lambda feet: round(feet / _FT_PER_M))
    _change(row, "ground_speed", lambda knots: round(knots * _KMH_PER_KT))
    return row


def _wrong_types(row: list[Any], _: float) -> list[Any]:
    """Numbers as text, with their unit."""
    _change(row, "altitude", lambda feet: f"{feet} ft")
    return row


def _off_the_globe(row: list[Any], _: float) -> list[Any]:
    """A latitude that there is not."""
    _change(row, "latitude", lambda _: 91.5)
    return row


def _backward(row: list[Any], u: float) -> list[Any]:
    """An observation from before the last one."""
    least, most = _BACKWARD_S
    _change(row, "time", lambda seconds: int(seconds) - least - int(u * (most - least)))
    return row


def _short_rows(row: list[Any], _: float) -> list[Any]:
    """Rows that break off."""
    return row[:_SHORT_SLOTS]


def _long_rows(row: list[Any], _: float) -> list[Any]:
    """Rows with a slot more than the feed has."""
    return [*row, 0]


def _ahead(row: list[Any], _: float) -> list[Any]:
    """An observation of tomorrow."""
    _change(row, "time", lambda seconds: seconds + _AHEAD_S)
    return row


def _behind(row: list[Any], _: float) -> list[Any]:
    """An observation from before there was a feed."""
    _change(row, "time", lambda seconds: seconds - _BEHIND_S)
    return row


def _number_for_text(row: list[Any], _: float) -> list[Any]:
    """A number where the flight's name belongs."""
    row[SLOTS.index("number")] = 152
    return row


def _id_under(fault: Fault, flight_id: str) -> str:
    """Return an id as the fault shows it: ids count on, and pass from 9 to a."""
    is_numeric = fault.kind == "letter_ids" and flight_id[:1].isdecimal()
    return f"{int(flight_id[0]) % 6 + 10:x}{flight_id[1:]}" if is_numeric else flight_id


# Faults of single rows. `duplicated` repeats, unchanged, what the flight was last served as.
ROW_FAULTS: dict[str, Callable[[list[Any], float], list[Any]]] = {
    "wrong_units": _wrong_units,
    "wrong_types": _wrong_types,
    "off_the_globe": _off_the_globe,
    "backward": _backward,
    "short_rows": _short_rows,
    "long_rows": _long_rows,
    "number_for_text": _number_for_text,
    "ahead": _ahead,
    "behind": _behind,
    "letter_ids": lambda row, _: row,
    "duplicated": lambda row, _: row,
}
