"""The files of Postgres's log by their names: which follow on which, and where one is missing.

Plain: nothing here looks at a disk. A name is 8 hex digits each of the timeline, of the log and of
the segment in it (``XLogFileName`` in Postgres's ``xlog_internal.h``).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MB = 1 << 20
SEGMENT_BYTES = 16 * MB
LOG_BYTES = 1 << 32
NAME = re.compile(r"[0-9A-F]{24}")
HISTORY_NAME = re.compile(r"([0-9A-F]{8})\.history")


@dataclass(frozen=True)
class Fork:
    """Where a timeline was left for the next one: a restore ended at ``at`` of ``timeline``."""

    timeline: int
    at: int


@dataclass(frozen=True)
class Lineage:
    """A timeline with those that it came from, the oldest first."""

    timeline: int
    forks: tuple[Fork, ...] = ()
    segment_bytes: int = SEGMENT_BYTES

    def timeline_of(self, number: int) -> int:
        """Return the timeline whose copy of a segment is read: the newest that has it."""
        older = (f.timeline for f in self.forks if number < f.at // self.segment_bytes)
        return next(older, self.timeline)

    def name(self, number: int) -> str:
        """Return the name of a segment.

        >>> Lineage(1).name(255), Lineage(2, (Fork(1, 0x3019018),)).name(2)
        ('0000000100000000000000FF', '000000010000000000000002')
        """
        log, segment = divmod(number, LOG_BYTES // self.segment_bytes)
        return f"{self.timeline_of(number):08X}{log:08X}{segment:08X}"

    def number(self, name: str) -> int:
        """Return which segment a name is of, whatever its timeline.

        >>> Lineage(1).number("000000010000000100000000")
        256
        """
        return int(name[8:16], 16) * (LOG_BYTES // self.segment_bytes) + int(name[16:24], 16)

    def has(self, timeline: int, at: int) -> bool:
        """Return whether this lineage passed a place in the log of a timeline.

        What a timeline wrote after it was left is of no use to those that came from it.
        """
        if timeline == self.timeline:
            return True
        return any(f.timeline == timeline and at <= f.at for f in self.forks)


@dataclass(frozen=True)
class Reach:
    """The segments from one on without a gap, by name; ``missing`` is the first that is gone
    though later ones are there, ``None`` where the row goes on to the newest.
    """

    names: tuple[str, ...]
    missing: str | None


def reach(lineage: Lineage, first: int, names: Iterable[str]) -> Reach:
    """Return how far the files go from segment ``first`` on."""
    numbers = {
        number: name
        for name in names
        if NAME.fullmatch(name) and name == lineage.name(number := lineage.number(name))
    }
    number = first
    while number in numbers:
        number += 1
    is_gap = any(other > number for other in numbers)
    found = tuple(numbers[n] for n in range(first, number))
    return Reach(found, lineage.name(number) if is_gap else None)


def position(lsn: str) -> int:
    """Return the place in the log that Postgres writes as two hex numbers.

    >>> position("0/3019018") == 0x3019018, position("2/0") == 2 << 32
    (True, True)
    """
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lineage_of(histories: Mapping[int, str], segment_bytes: int = SEGMENT_BYTES) -> Lineage:
    """Return the newest timeline by the texts of the history files, each by its timeline.

    >>> lineage_of({2: "1\\t0/3019018\\tbefore 2026-11-24 16:32:19+00\\n"})
    Lineage(timeline=2, forks=(Fork(timeline=1, at=50434072),), segment_bytes=16777216)
    """
    if not histories:
        return Lineage(1, (), segment_bytes)
    newest = max(histories)
    return Lineage(newest, tuple(_forks(histories[newest].splitlines())), segment_bytes)


def _forks(lines: Sequence[str]) -> Iterable[Fork]:
    for line in lines:
        fields = line.split("#")[0].split()
        if len(fields) >= 2:
            yield Fork(int(fields[0]), position(fields[1]))
