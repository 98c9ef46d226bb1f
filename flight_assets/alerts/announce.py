"""Tells each receiver what it is to know, and remembers what it has been told.

The memory is in Dagster's instance, one for each receiver, so that it outlives every process and
one receiver that is down keeps the others from nothing.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from flight_assets.alerts.receivers import AlertNotSentError, Receiver
from flight_assets.core import alerts
from flight_assets.core.alerts import Alert
from flight_assets.core.health import Problem

log = logging.getLogger(__name__)

MEMORY = "flight_assets/alerts/{receiver}"
# The sensors that tell are evaluated in threads of one code server.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found at an instant.

    ``is_whole``: whether it is all that there is, so that what is missing in it is over; but for
    what was seen in ``unknown_parts`` of the report.
    """

    problems: Sequence[Problem]
    at: datetime
    is_whole: bool
    unknown_parts: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many alerts were sent, and why others were not."""

    sent: int
    failures: tuple[str, ...]


def announce(
    instance: dg.DagsterInstance,
    receivers: Sequence[Receiver],
    finding: Finding,
    *,
    repeat_after: timedelta,
    ui_url: str | None,
) -> Outcome:
    """Send what is due to each receiver; what one does not take is due again the next time."""
    sent, failures = 0, []
    with _one_at_a_time:
        for receiver in receivers:
            count, failure = _tell(instance, receiver, finding, repeat_after, ui_url)
            sent += count
            if failure is not None:
                log.error("alerts: %s", failure)
                failures.append(failure)
    return Outcome(sent=sent, failures=tuple(failures))


def _tell(
    instance: dg.DagsterInstance,
    receiver: Receiver,
    finding: Finding,
    repeat_after: timedelta,
    ui_url: str | None,
) -> tuple[int, str | None]:
    """Tell one receiver, up to the first alert that it does not take."""
    name = MEMORY.format(receiver=receiver.name)
    storage = instance.daemon_cursor_storage
    stored = alerts.decode(storage.get_cursor_values({name}).get(name))
    memory, waiting = _what_to_tell(stored, finding, repeat_after)
    sent, failure = 0, None
    for alert in waiting:
        try:
            receiver.send(alert, ui_url=ui_url)
        except AlertNotSentError as error:
            failure = str(error)
            break
        memory = alerts.told(memory, alert, now=finding.at)
        sent += 1
    if memory != stored:
        storage.set_cursor_values({name: alerts.encode(memory)})
    return sent, failure


def _what_to_tell(
    stored: alerts.Memory, finding: Finding, repeat_after: timedelta
) -> tuple[dict[str, alerts.Seen], list[Alert]]:
    """Return the memory with what is found, and what is due: first what is there, then what is
    over. What is over before it was told is forgotten in silence.
    """
    memory = alerts.seen_now(stored, finding.problems, now=finding.at)
    gone = (
        alerts.over(memory, finding.problems, unknown_parts=finding.unknown_parts)
        if finding.is_whole
        else []
    )
    memory = {
        key: seen for key, seen in memory.items() if seen not in gone or seen.told_at is not None
    }
    there = {problem.key for problem in finding.problems}
    present = {key: seen for key, seen in memory.items() if key in there}
    waiting = alerts.due(present, now=finding.at, repeat_after=repeat_after)
    waiting += [
        Alert(kind="over", problem=seen.problem, since=seen.problem.since or seen.first_seen_at)
        for seen in gone
        if seen.told_at is not None
    ]
    return memory, waiting
