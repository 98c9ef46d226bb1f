"""Captures of the live feed as rows in FlightRadarAPI's names, and as bodies of the feed to play.

Test input only: read from ``../shared``, which not every checkout has beside it.
"""

import gzip
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import airportsdata
import pytest

from flight_assets.settings import PROJECT_ROOT
from tests.oracle import MISSING

LIVE = PROJECT_ROOT.parent / "shared" / "data" / "real" / "fr24_live"
Rows = list[dict[str, Any]]

# A row of the feed, by FlightRadarAPI's names; the last slots are the receiver's and a zero's.
SLOTS = (
    "icao_24bit", "latitude", "longitude", "heading", "altitude", "ground_speed", "squawk",
    "receiver", "aircraft_code", "registration", "time", "origin_airport_iata",
    "destination_airport_iata", "number", "on_ground", "vertical_speed", "callsign",
    "unused", "airline_icao",
)  # fmt: skip


def files(pattern: str) -> Sequence[Path]:
    """Return the captures of a name; skips where there are none."""
    found = sorted(LIVE.glob(pattern))
    if not found:
        pytest.skip(f"needs the captures {pattern} in {LIVE}")
    return found


def expanded_feed(path: Path) -> Rows:
    """Return a capture whose airports are whole rows, and whose airline only the callsign names."""

    def iata(airport: Any) -> str:
        return airport["iata"] if isinstance(airport, dict) else ""

    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for flight_id, row in json.load(lines).items():
            callsign = re.fullmatch(r"([A-Z]{3})\d\w*", row["callsign"])
            has_airline = row["airline_iata"] not in MISSING and callsign
            rows.append(
                {
                    **row,
                    "id": flight_id,
                    "origin_airport_iata": iata(row["origin_airport_iata"]),
                    "destination_airport_iata": iata(row["destination_airport_iata"]),
                    "airline_icao": callsign[1] if has_airline and callsign else "",
                    "ground_speed": "",
                }
            )
    return rows


def flights_of_airlines(path: Path) -> Rows:
    """Return a capture without positions and times: at the origin, at noon of the file's date."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading parquet needs pyarrow")
    places = airportsdata.load("IATA")
    date = re.search(r"\d{4}-\d\d-\d\d", path.name)
    assert date is not None, path.name
    noon = int(datetime.fromisoformat(f"{date[0]}T12:00:00").replace(tzinfo=UTC).timestamp())
    rows = []
    for row in parquet.read_table(path).to_pylist():
        place = places.get(row["org_iata"], {"lat": 10.0, "lon": 10.0})
        rows.append(
            {
                "id": row["id"],
                "latitude": place["lat"],
                "longitude": place["lon"],
                "time": noon,
                "on_ground": 0,
                "ground_speed": row["speed"],
                "aircraft_code": row["model"],
                "airline_icao": row["company"],
                "origin_airport_iata": row["org_iata"],
                "destination_airport_iata": row["dest_iata"],
                "registration": row["registration"],
            }
        )
    return rows


def write_feed(rows: Rows, path: Path) -> Path:
    """Write rows as a body of the feed, which the recorded world plays."""
    missing = {"receiver": "", "unused": 0}
    body = {row["id"]: [row.get(slot, missing.get(slot, "")) for slot in SLOTS] for row in rows}
    path.write_text(json.dumps({"full_count": len(rows), "version": 4, **body}))
    return path
