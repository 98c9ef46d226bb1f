"""How much of a topic waits, and over which log hours. Reads at most two messages a partition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kafka_sensors.continuity import check_continues
from kafka_sensors.ledger import Connection, Ledger
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import HOUR, HourRule, OffsetRange, floor_hour, message_at
from kafka_sensors.target import Target


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one topic; the instants are ``None`` where nothing does."""

    topic: str
    offset_count: int  # an upper bound for the messages
    partition_count: int  # partitions in which something waits
    oldest_at: datetime | None  # of the oldest waiting message, not before its log hour
    newest_hour: datetime | None  # the log hour that the last waiting message can have

    def __str__(self) -> str:
        return f"{self.topic}: {self.offset_count} in {self.partition_count} partitions"


def measure(
    target: Target, reader: TopicReader, connection: Connection, *, now: datetime
) -> Backlog:
    """Compare a topic with its ledger.

    Raises ``HoleError``, ``LogTruncatedError`` or ``TopicRecreatedError`` where the topic no longer
    continues the ledger: no run could land it.
    """
    partitions = reader.partitions()
    with connection.transaction():
        ledger = Ledger.of(connection, target)
        ends = ledger.ends(reader.topic_id(), partitions)
    waiting = {
        partition: offsets
        for partition in partitions
        if (
            offsets := check_continues(
                target.topic,
                partition,
                reader.watermarks(partition),
                ends.get(partition),
                acknowledge=target.acknowledge,
            )
        )
    }
    if not waiting:
        return Backlog(target.topic, 0, 0, None, None)
    firsts = reader.timestamps_ms({part: offsets.start for part, offsets in waiting.items()})
    rule = HourRule(earliest=target.earliest_hour, now=now)
    oldest, hours = [], {}
    for partition in waiting:
        previous = ends[partition].log_hour if partition in ends else None
        # offsets without any message land in the current hour
        first_at = message_at(firsts[partition]) if partition in firsts else now
        hours[partition] = rule.log_hour_at(first_at, previous=previous)
        oldest.append(min(max(first_at, hours[partition]), now))
    newest = newest_hours(waiting, reader, rule, hours, now=now)
    count = sum(offsets.length for offsets in waiting.values())
    return Backlog(target.topic, count, len(waiting), min(oldest), max(newest))


def newest_hours(
    waiting: Mapping[int, OffsetRange],
    reader: TopicReader,
    rule: HourRule,
    hours: Mapping[int, datetime],
    *,
    now: datetime,
) -> list[datetime]:
    """Return the log hours of the last messages, given those of the first ones.

    Reads the last message only where the first one is of an hour before this one.
    """
    older = {part: waiting[part].end - 1 for part, hour in hours.items() if hour < floor_hour(now)}
    lasts = reader.timestamps_ms(older) if older else {}
    newest = [hour for part, hour in hours.items() if part not in older]
    for partition in older:
        last_at = message_at(lasts[partition]) if partition in lasts else now
        newest.append(rule.log_hour_at(last_at, previous=hours[partition]))
    return newest


def hours_to_ask_for(
    backlogs: Iterable[Backlog],
    *,
    now: datetime,
    earliest: datetime,
    reach_back: timedelta,
    max_hours: int,
) -> tuple[datetime, datetime] | None:
    """Return the first and the last hour of the run that lands what waits, or ``None``.

    It begins ``reach_back`` before the oldest waiting message, because the answers of the hour
    before may look at what comes just after it.
    """
    waiting = [backlog for backlog in backlogs if backlog.offset_count]
    oldest = min((each.oldest_at for each in waiting if each.oldest_at), default=None)
    newest = max((each.newest_hour for each in waiting if each.newest_hour), default=None)
    if oldest is None or newest is None:
        return None
    first = max(floor_hour(oldest - reach_back), earliest)
    last = min(newest, floor_hour(now), first + (max_hours - 1) * HOUR)
    return (first, last) if first <= last else None
