"""The recorded world: captures of the feed, played back on their own clock.

A file is one poll. Its instant is the newest ``time`` in it; the world stays there until it is
told to go on. Values go to the wire as they were captured, whatever they are.
"""

import csv
import gzip
import io
import json
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.snapshot import FIRST_S, LAST_S, SLOTS, Snapshot

# What FlightRadarAPI does not name is not in its CSV files.
_NOT_IN_CSV = {"receiver": "", "unused": 0}
_CSV_COLUMNS = ("id", *(slot for slot in SLOTS if slot not in _NOT_IN_CSV))
_NUMBERS = (
    "latitude", "longitude", "heading", "altitude", "ground_speed", "time", "on_ground",
    "vertical_speed",
)  # fmt: skip
# Without these a row has no place and no instant.
_NEEDED = ("latitude", "longitude", "time")

Rows = dict[str, list[Any]]


class RecordedWorld:
    """Snapshots of files, in the order of their instants."""

    kind = "recorded"

    def __init__(self, paths: Sequence[Path]) -> None:
        if not paths:
            raise FlightAssetsError(
                "no recorded file was given: name at least one CSV or JSON file"
            )
        read = [(read_snapshot(Path(path)), str(path)) for path in paths]
        read.sort(key=lambda pair: (pair[0].instant_s, pair[1]))
        self.snapshots = [snapshot for snapshot, _ in read]
        self.index = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the instant of the current snapshot, Unix seconds."""
        return self.current().instant_s

    def current(self) -> Snapshot:
        """Return the current snapshot."""
        return self.snapshots[self.index]

    def advance(self) -> bool:
        """Go to the next snapshot; return False, staying at the last one, where there is none."""
        with self._lock:
            if self.index + 1 == len(self.snapshots):
                return False
            self.index += 1
            return True


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot in a file: CSV with FlightRadarAPI's field names, or a feed body.

    A feed body is JSON of 19-slot rows by flight id. Either may be gzipped. Raises
    ``FlightAssetsError`` where the file cannot be read, has no rows, lacks a column, or has a row
    without a place or an instant.
    """
    text = _text(path)
    if not text.strip():
        raise FlightAssetsError(f"{path} is empty: record it again or leave it out")
    rows = _json_rows(path, text) if text.lstrip()[0] == "{" else _csv_rows(path, text)
    if not rows:
        raise FlightAssetsError(f"{path} has no flights: record it again or leave it out")
    for flight_id, row in rows.items():
        for name in _NEEDED:
            value = row[SLOTS.index(name)]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not np.isfinite(value):
                raise FlightAssetsError(
                    f"{path}: flight {flight_id}: {name} {value!r} is not a number; mend the row "
                    "or leave it out"
                )
    ids = sorted(rows)
    slots = zip(*(rows[flight_id] for flight_id in ids), strict=True)
    columns = tuple(_objects(slot) for slot in slots)
    newest = max(columns[SLOTS.index("time")].tolist())
    if not FIRST_S <= newest <= LAST_S:
        raise FlightAssetsError(
            f"{path}: its newest time, {newest}, is not in Unix seconds of 2000 to 2100; mend it"
        )
    return Snapshot(int(newest), _objects(ids), columns)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FlightAssetsError(
            f"{path} cannot be read: {error}; give a CSV or JSON file"
        ) from None


def _json_rows(path: Path, text: str) -> Rows:
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise FlightAssetsError(f"{path} is not JSON: {error}; record it again") from None
    # Beside the flights a feed body has its version, counts and statistics.
    rows: Rows = {key: value for key, value in body.items() if isinstance(value, list)}
    for flight_id, row in rows.items():
        if len(row) != len(SLOTS):
            raise FlightAssetsError(
                f"{path}: flight {flight_id} has {len(row)} slots instead of {len(SLOTS)}; "
                "record it again with feed.js"
            )
    return rows


def _csv_rows(path: Path, text: str) -> Rows:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in _CSV_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise FlightAssetsError(
            f"{path} lacks the column {', '.join(missing)}: record it with FlightRadarAPI's "
            "field names"
        )
    rows: Rows = {}
    for record in _records(path, reader):
        if None in record.values() or None in record:
            raise FlightAssetsError(
                f"{path}, line {reader.line_num}: not as many fields as the header has; mend the "
                "line or leave it out"
            )
        flight_id = record["id"]
        if flight_id in rows:
            raise FlightAssetsError(
                f"{path}, line {reader.line_num}: flight {flight_id} is there twice; a file is one "
                "poll, with one row for each flight"
            )
        rows[flight_id] = [_slot(name, record) for name in SLOTS]
    return rows


def _records(path: Path, reader: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise FlightAssetsError(
            f"{path}, line {reader.line_num}: {error}; mend the line or leave it out"
        ) from None


def _slot(name: str, record: dict[str, str]) -> Any:
    if name in _NOT_IN_CSV:
        return _NOT_IN_CSV[name]
    return _number(record[name]) if name in _NUMBERS else record[name]


def _number(text: str) -> int | float | str:
    """Return the number that a text is, or the text: what is no number is sent as it came.

    >>> _number("57900"), _number("39.1059"), _number(""), _number("N/A")
    (57900, 39.1059, '', 'N/A')
    """
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if np.isfinite(number) else text
    return text


def _objects(values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.object_]]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
