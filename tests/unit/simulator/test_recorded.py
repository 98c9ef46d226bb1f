"""Recorded worlds: files are read as they are, or refused with a line that says what is wrong."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.recorded import RecordedWorld, read_snapshot

CSV = (
    "latitude,longitude,id,icao_24bit,heading,altitude,ground_speed,squawk,aircraft_code,"
    "registration,time,origin_airport_iata,destination_airport_iata,number,airline_iata,on_ground,"
    "vertical_speed,callsign,airline_icao\n"
    "53.4,-6.2,3a3e4634,4CA2C1,90,1200,140,,A320,EI-DEE,1753000000,DUB,,EI152,EI,0,-64,EIN152,EIN\n"
)
FLIGHT = next(csv.DictReader(io.StringIO(CSV)))
ROW = [
    "4CA2C1", 53.4, -6.2, 90, 1200, 140, "", "", "A320", "EI-DEE", 1753000000, "DUB", "", "EI152",
    0, -64, "EIN152", 0, "EIN",
]  # fmt: skip


def csv_file(path: Path, *changes: dict[str, str], without: str = "") -> Path:
    fields = [field for field in FLIGHT if field != without]
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(FLIGHT | change for change in changes)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["poll.csv", "poll.csv.gz"])
def test_csv_rows_go_to_the_wire_as_they_are(tmp_path: Path, name: str) -> None:
    snapshot = read_snapshot(csv_file(tmp_path / name, {}))
    assert snapshot.rows(np.array([0])) == {"3a3e4634": ROW}
    assert snapshot.instant_s == 1753000000


@pytest.mark.parametrize("name", ["poll.json", "poll.json.gz"])
def test_a_feed_body_is_played_without_its_counts(tmp_path: Path, name: str) -> None:
    body = {"full_count": 9, "version": 4, "3a3e4634": ROW, "stats": {"total": {}}}
    content = json.dumps(body).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    assert read_snapshot(path).rows(np.array([0])) == {"3a3e4634": ROW}


def test_values_that_are_no_numbers_are_served_all_the_same(tmp_path: Path) -> None:
    row = read_snapshot(csv_file(tmp_path / "p.csv", {"altitude": "N/A", "heading": "90.5"})).rows(
        np.array([0])
    )["3a3e4634"]
    assert (row[4], row[3]) == ("N/A", 90.5)


def test_snapshots_follow_their_instants_not_their_names(tmp_path: Path) -> None:
    late = csv_file(tmp_path / "a.csv", {"time": "1753000600"}, {"id": "3b", "time": "1753000500"})
    early = csv_file(tmp_path / "b.csv", {"time": "1753000100"})
    world = RecordedWorld([late, early])
    assert world.now() == 1753000100
    assert world.advance()
    assert world.now() == 1753000600
    assert not world.advance()
    assert world.now() == 1753000600


@pytest.mark.parametrize("column", ["latitude", "time", "callsign", "airline_icao"])
def test_a_missing_column_is_named_with_its_file(tmp_path: Path, column: str) -> None:
    path = csv_file(tmp_path / "poll.csv", {}, without=column)
    with pytest.raises(FlightAssetsError, match=f"poll.csv lacks the column {column}"):
        read_snapshot(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (CSV.splitlines()[0].encode(), "has no flights"),
        (b'{"full_count": 3}', "has no flights"),
        (b'{"full_count": 3, ', "is not JSON"),
        (b'{"3a": [1, 2, 3]}', "3a has 3 slots instead of 19"),
        (b"\x1f\x8b\x08broken", "cannot be read"),
        (gzip.compress(b"x" * 4_000, mtime=0)[:-20], "cannot be read"),
        (gzip.compress(b"x" * 4_000, mtime=0)[:12] + b"broken", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (CSV.replace("1753000000", "1753000000000").encode(), "not in Unix seconds"),
        (b'{"3a": %b}' % json.dumps([*["NaN"] * 19]).encode(), "latitude 'NaN' is not a number"),
    ],
)
def test_what_is_no_snapshot_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "poll"
    path.write_bytes(content)
    with pytest.raises(FlightAssetsError, match=message) as refusal:
        read_snapshot(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("column", ["latitude", "longitude", "time"])
def test_a_row_without_place_or_instant_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(FlightAssetsError, match=f"3a3e4634: {column} ''"):
        read_snapshot(csv_file(tmp_path / "poll.csv", {column: ""}))


def test_a_flight_is_in_a_poll_once(tmp_path: Path) -> None:
    with pytest.raises(FlightAssetsError, match="line 3: flight 3a3e4634 is there twice"):
        read_snapshot(csv_file(tmp_path / "poll.csv", {}, {}))


def test_a_line_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "poll.csv", {})
    path.write_text(path.read_text() + "1.0,2.0,3b\n")
    with pytest.raises(FlightAssetsError, match="line 3: not as many fields"):
        read_snapshot(path)


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FlightAssetsError, match="cannot be read"):
        RecordedWorld([tmp_path / "nowhere.csv"])
    with pytest.raises(FlightAssetsError, match="no recorded file"):
        RecordedWorld([])
