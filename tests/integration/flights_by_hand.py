"""Flights and their quality computed a second time, in plain Python over the observations.

Shares no code and no SQL with the project.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Any

Row = dict[str, Any]
QUARTER = timedelta(minutes=15)
MAX_STEP_S = 900


def first_sightings(log: Sequence[Row]) -> list[Row]:
    """Return each observation once, with its place in the log, by flight and time."""
    seen: dict[tuple[str, datetime], Row] = {}
    for place, row in enumerate(log):
        seen.setdefault((row["flight_id"], row["observed_at"]), {**row, "place": place})
    return sorted(seen.values(), key=lambda row: (row["flight_id"], row["observed_at"]))


def quarter_of(instant: datetime) -> datetime:
    return instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)


def km(a: Row, b: Row) -> float:
    lat_a, lat_b = radians(a["lat_deg"]), radians(b["lat_deg"])
    half_lon = radians(b["lon_deg"] - a["lon_deg"]) / 2
    chord = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * 6371.0088 * asin(min(1.0, sqrt(chord)))


def flights(log: Sequence[Row]) -> dict[str, tuple[Any, ...]]:
    """Return by flight: first and last seen, ground before and after, km, seconds, observations."""
    by_flight: dict[str, list[Row]] = defaultdict(list)
    for row in first_sightings(log):
        by_flight[row["flight_id"]].append(row)
    found = {}
    for flight_id, rows in by_flight.items():
        aloft = [row["observed_at"] for row in rows if not row["is_on_ground"]]
        ground = [row["observed_at"] for row in rows if row["is_on_ground"]]
        steps = [
            (a, b) for a, b in pairwise(rows) if not a["is_on_ground"] and not b["is_on_ground"]
        ]
        found[flight_id] = (
            rows[0]["observed_at"],
            rows[-1]["observed_at"],
            max((at for at in ground if aloft and at < aloft[0]), default=None),
            min((at for at in ground if aloft and at > aloft[-1]), default=None),
            sum((Decimal(f"{km(a, b):.3f}") for a, b in steps), Decimal(0)),
            sum(int((b["observed_at"] - a["observed_at"]).total_seconds()) for a, b in steps),
            len(rows),
            next((r["destination_iata"] for r in rows if r["destination_iata"]), None),
        )
    return found


def quality(log: Sequence[Row]) -> dict[tuple[datetime, str], tuple[int, int]]:
    """Return (flagged, observations) by quarter hour and flag, where any is flagged."""
    rows = first_sightings(log)
    holders: dict[tuple[datetime, str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["icao24"]:
            key = (quarter_of(row["observed_at"]), row["poll_id"], row["icao24"])
            holders[key].add(row["flight_id"])
    counts: dict[datetime, int] = defaultdict(int)
    flagged: dict[tuple[datetime, str], int] = defaultdict(int)
    before: Row | None = None
    for row in rows:
        quarter = quarter_of(row["observed_at"])
        counts[quarter] += 1
        alone = {
            "is_null_island": abs(row["lat_deg"]) < 0.01 and abs(row["lon_deg"]) < 0.01,
            "has_placeholder_code": row["icao24"] == "000000",
            "has_altitude_on_ground": row["is_on_ground"] and row["altitude_ft"] not in (0, None),
            "is_round_trip": row["origin_iata"] is not None
            and row["origin_iata"] == row["destination_iata"],
            "has_foreign_callsign": (row["callsign"] or "")[3:4].isdigit()
            and row["airline_icao"] is not None
            and row["callsign"][:3].isalpha()
            and row["callsign"][:3] != row["airline_icao"],
            "has_duplicate_icao24": len(holders[quarter, row["poll_id"], row["icao24"]]) > 1
            if row["icao24"]
            else False,
        }
        if before is not None and before["flight_id"] == row["flight_id"]:
            alone |= _beside(before, row)
        for flag, holds in alone.items():
            flagged[quarter, flag] += bool(holds)
        before = row
    return {key: (count, counts[key[0]]) for key, count in flagged.items() if count}


def _beside(before: Row, row: Row) -> dict[str, bool]:
    step_s = (row["observed_at"] - before["observed_at"]).total_seconds()
    if step_s > MAX_STEP_S:
        return {}
    step_km = km(before, row)
    both = (before, row)
    return {
        "is_impossibly_fast": step_km > 5 and step_km / step_s * 3600 > 1500 * 1.852,
        "is_stuck": step_s >= 10
        and (row["lat_deg"], row["lon_deg"]) == (before["lat_deg"], before["lon_deg"])
        and not any(r["is_on_ground"] for r in both)
        and all(r["ground_speed_kt"] >= 50 for r in both),
        "is_backward": before["place"] > row["place"],
    }
