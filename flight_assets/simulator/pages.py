"""The bodies of FlightRadar24's pages as FlightRadarAPI reads them: feed, airports, airlines."""

import json
from collections import Counter
from functools import cache
from html import escape
from typing import Any

import numpy as np

from flight_assets.simulator.countries import COUNTRY_NAMES
from flight_assets.simulator.fleets import AIRLINES
from flight_assets.simulator.places import load_places
from flight_assets.simulator.snapshot import SOURCES, Bounds, Snapshot

MAX_ROWS = 1_500  # the feed's cap for those who are not logged in
FEED_VERSION = 4


def feed(snapshot: Snapshot, query: dict[str, str]) -> dict[str, Any]:
    """Return the body of ``feed.js``: at most 1,500 rows by ascending id, and counts.

    ``full_count`` counts the whole world after the filters, wherever the bounds are;
    ``stats.visible`` counts what lies within them. Raises ``ValueError`` for bounds or a limit
    that cannot be read.
    """
    wanted = snapshot.wanted(query)
    visible = wanted
    if query.get("bounds"):
        visible = wanted & snapshot.inside(Bounds.parse(query["bounds"]))
    limit = min(int(query.get("limit") or MAX_ROWS), MAX_ROWS)
    chosen = np.flatnonzero(visible)[: max(limit, 0)]
    body: dict[str, Any] = {"full_count": int(wanted.sum()), "version": FEED_VERSION}
    body |= snapshot.rows(chosen)
    if query.get("stats") == "1":
        sources = snapshot.sources
        body["stats"] = {
            "total": _by_source(sources[wanted]),
            "visible": _by_source(sources[visible]),
        }
    return body


def _by_source(sources: np.ndarray[Any, np.dtype[np.str_]]) -> dict[str, int]:
    counts = Counter(sources.tolist())
    return {source: counts[source] for source in SOURCES}


@cache
def airports() -> bytes:
    """Return the airports as JSON: coordinates in degrees, ``alt`` in feet."""
    places = load_places()
    rows = [
        {
            "name": places.name[index],
            "iata": iata,
            "icao": places.icao[index],
            "lat": float(places.lat_deg[index]),
            "lon": float(places.lon_deg[index]),
            "country": COUNTRY_NAMES[str(places.country[index])],
            "alt": round(float(places.elevation_ft[index])),
        }
        for index, iata in enumerate(places.iata)
    ]
    return json.dumps({"version": "1", "rows": rows}).encode()


@cache
def airlines() -> bytes:
    """Return the airlines as the HTML table of the data pages."""
    rows = "\n".join(
        f'<tr><td class="notranslate"><a href="/data/airlines/{fleet.iata}-{fleet.icao}">'
        f"{escape(fleet.name)}</a></td><td></td><td></td>"
        f"<td>{fleet.iata} / {fleet.icao}</td><td>{fleet.aircraft_count} aircraft</td></tr>"
        for fleet in AIRLINES
    )
    page = f"<!DOCTYPE html><html><body><table><tbody>\n{rows}\n</tbody></table></body></html>"
    return page.encode()
