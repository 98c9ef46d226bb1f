"""What the sources of references say, cleaned; and a source that fails or has changed."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import airportsdata
from FlightRadarAPI.parsers import parse_airlines_html, parse_airports_json

from flight_assets.assets.references import (
    doc8643_aircraft_types,
    feed_airlines,
    feed_airports,
    fetched,
)
from flight_assets.core.references import (
    CleanRows,
    RawAirline,
    airline_from_feed,
    airport_from_airportsdata,
    airport_from_feed,
    clean,
)
from flight_assets.feed.failures import FeedError

AIRPORTS_PAGE = """{"rows": [
    {"name": "Dublin\\tAirport", "iata": "DUB", "icao": "EIDW", "lat": 53.42, "lon": -6.27,
     "country": "Ireland", "alt": "242"},
    {"name": "N/A", "iata": "N/A", "icao": "EIXX", "lat": "here", "lon": 1,
     "country": "", "alt": ""},
    {"name": "Strip", "iata": "QQQ", "icao": "N/A", "lat": 1, "lon": 1, "country": "Ireland",
     "alt": 1},
    {"name": "Dublin again", "iata": "DUB", "icao": "EIDW", "lat": 1, "lon": 1,
     "country": "Ireland", "alt": 1}
]}"""
AIRLINES_PAGE = b"""<table><tbody>
<tr><td class="notranslate"><a href="/data/airlines/ei-ein">Aer Lingus</a></td><td></td><td></td>
<td>EI / EIN</td><td>60 aircraft</td></tr>
<tr><td class="notranslate"><a href="/data/airlines/bro">2Excel Aviation</a></td><td></td><td></td>
<td>BRO</td><td></td></tr>
<tr><td class="notranslate"><a href="/data/airlines/2c">Railway</a></td><td></td><td></td>
<td>2C</td><td></td></tr>
</tbody></table>"""


def feed_of(**answers: Any) -> Any:
    """Return a feed whose client gives these answers."""
    client = SimpleNamespace(**{name: lambda found=found: found for name, found in answers.items()})
    return SimpleNamespace(client=lambda: client)


def test_feed_airports_lose_their_marks_for_missing() -> None:
    found = feed_airports(feed_of(airports=parse_airports_json(AIRPORTS_PAGE)))
    assert (found.without_code_count, found.repeated_count) == (1, 1)
    dublin, nameless = found.rows
    assert (dublin.airport_name, dublin.elevation_ft, dublin.city) == ("Dublin Airport", 242, None)
    assert (nameless.airport_name, nameless.airport_iata, nameless.country) == ("EIXX", None, None)
    assert (nameless.lat_deg, nameless.lon_deg, nameless.elevation_ft) == (None, None, None)


def test_feed_airlines_keep_those_with_an_icao_code() -> None:
    found = feed_airlines(feed_of(airlines=parse_airlines_html(AIRLINES_PAGE)))
    assert found.without_code_count == 1
    assert [(a.airline_icao, a.airline_iata, a.fleet_count) for a in found.rows] == [
        ("EIN", "EI", 60),
        ("BRO", None, None),
    ]


def test_airportsdata_rows_are_airports_of_the_world() -> None:
    windhoek = airport_from_airportsdata(airportsdata.load()["FYWH"])
    assert windhoek is not None
    # the code of Namibia, not a missing value
    assert windhoek.country == "NA"
    assert windhoek.elevation_ft == round(windhoek.elevation_ft or 0) == 5640


def test_doc8643_comes_whole() -> None:
    found = doc8643_aircraft_types()
    assert (found.without_code_count, found.repeated_count) == (0, 0)
    assert len(found.rows) > 10_000
    a320neo = [row.model for row in found.rows if row.type_code == "A20N"]
    assert "A-320neo" in a320neo


def test_an_elevation_that_is_no_height_is_none() -> None:
    def airport(altitude: Any) -> Mapping[str, Any]:
        return {"name": "A", "iata": "", "icao": "AAAA", "country": "", "altitude": altitude} | {
            "latitude": 0.0,
            "longitude": 0.0,
        }

    elevations = [
        row.elevation_ft
        for altitude in (-1_266, 29_032.4, 30_001, float("nan"), True, None)
        if (row := airport_from_feed(airport(altitude)))
    ]
    assert elevations == [-1_266, 29_032, None, None, None, None]


def test_a_source_that_fails_gives_its_reason() -> None:
    def refuse() -> CleanRows[RawAirline]:
        raise FeedError("airlines: HTTP 403: the source refuses us")

    assert fetched(refuse) == "airlines: HTTP 403: the source refuses us"


def test_a_page_without_any_code_is_a_failure_not_an_empty_world() -> None:
    def changed_page() -> CleanRows[RawAirline]:
        records = [{"Name": "Aer Lingus", "ICAO": None, "IATA": None, "n_aircrafts": None}]
        return clean(records, row_from=airline_from_feed, key=lambda airline: airline.airline_icao)

    assert fetched(changed_page) == "none of its records has a code; its page may have changed"
