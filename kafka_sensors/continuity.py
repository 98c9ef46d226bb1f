"""Whether a topic continues what its ledger says has landed; what it means when it does not."""

import logging
from datetime import datetime

from kafka_sensors.batches import Batch
from kafka_sensors.errors import EarlierHoursWaitError, HoleError, LogTruncatedError
from kafka_sensors.ledger import ChainEnd
from kafka_sensors.offsets import OffsetRange, Watermarks, lost, waiting
from kafka_sensors.target import ACKNOWLEDGE

log = logging.getLogger(__name__)


def check_continues(
    topic: str,
    partition: int,
    watermarks: Watermarks,
    end: ChainEnd | None,
    *,
    acknowledge: str = ACKNOWLEDGE,
) -> OffsetRange:
    """Return what waits in a partition, or raise where the broker does not continue the ledger.

    ``acknowledge`` is what a person calls to accept a loss.
    """
    landed_end = None if end is None else end.offset
    gone = lost(watermarks, landed_end=landed_end)
    if gone is not None:
        raise HoleError(
            f"{topic}/{partition}: the offsets {gone} are gone: the broker deleted them before "
            "they landed. Lengthen the topic's retention; then, to land what follows, acknowledge "
            f"the hole, which writes it to the ledger: {acknowledge}"
        )
    if landed_end is not None and watermarks.high < landed_end:
        raise LogTruncatedError(
            f"{topic}/{partition}: the topic ends at {watermarks.high}, the ledger at "
            f"{landed_end}: the broker lost messages that had landed, and would give their "
            f"offsets again. Make the topic anew, then acknowledge that: {acknowledge}"
        )
    if landed_end is None and watermarks.low > 0:
        log.warning(
            "%s/%d: nothing of it has landed yet and the broker begins at offset %d; what was "
            "before is not known here",
            topic, partition, watermarks.low,
        )  # fmt: skip
    return waiting(watermarks, landed_end=landed_end)


def check_not_earlier(topic: str, batch: Batch, first_hour: datetime) -> None:
    """Raise where a slice is of an hour before those that were asked for."""
    hour = batch.log_hour
    if hour < first_hour:
        raise EarlierHoursWaitError(
            f"{topic}/{batch.partition}: messages from offset "
            f"{batch.offsets.start} on wait in the hour {hour:%Y-%m-%dT%H:%MZ}, before "
            f"{first_hour:%Y-%m-%dT%H:%MZ}; the ledger cannot skip them: materialise from "
            f"{hour:%Y-%m-%d-%H:%M} on"
        )
