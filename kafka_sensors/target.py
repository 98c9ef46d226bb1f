"""Where a topic lands: its table, its columns, and how a message becomes a row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kafka_sensors.offsets import EPOCH
from kafka_sensors.plain import Plan

ACKNOWLEDGE = "kafka_sensors.holes.acknowledge"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A topic and the table it lands in.

    The table has the columns that landing fills itself (``log_hour``, ``slice_id``,
    ``kafka_partition``, ``kafka_offset``), those of ``columns``, and is partitioned by range of
    ``log_hour``; landing creates the partitions, one a UTC day.
    """

    topic: str
    table: str  # with its schema: "bronze.raw_flights"
    # Column to Postgres type. A timestamptz is given as Unix seconds (int) or as a datetime.
    columns: Mapping[str, str]
    # Raises ValueError (so do msgspec's errors) for a message that breaks its contract.
    decode: Callable[[bytes], Any]
    # The values of a record in the order of ``columns``. operator.attrgetter is the fastest.
    row: Callable[[Any], tuple[Any, ...]]
    # Event time of a record, Unix seconds from year 1 to 9999: which hours a slice can change.
    event_at_s: Callable[[Any], int]
    # Integer columns whose values the contract keeps within their size: nobody looks again.
    fitting: frozenset[str] = frozenset()
    # How most messages look, for the short way to the rows that ``decode`` and ``row`` give: of the
    # newest version of their contract, and none with another decoder.
    plan: Plan | None = None
    ledger_schema: str = "bronze"
    earliest_hour: datetime = EPOCH  # no message lands before it, whatever its timestamp
    # What a person calls to accept that messages are gone: errors that need it name it.
    acknowledge: str = ACKNOWLEDGE
