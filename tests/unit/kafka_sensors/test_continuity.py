from datetime import UTC, datetime

import pytest

from kafka_sensors.batches import Batch
from kafka_sensors.continuity import check_continues, check_not_earlier
from kafka_sensors.errors import EarlierHoursWaitError, HoleError, LogTruncatedError
from kafka_sensors.ledger import ChainEnd
from kafka_sensors.offsets import OffsetRange, Watermarks

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = datetime(2025, 7, 20, 9, tzinfo=UTC)
END = ChainEnd(7, EIGHT)


@pytest.mark.parametrize("low", [0, 7])
def test_a_topic_continues_its_ledger_while_it_has_the_next_offset(low: int) -> None:
    assert check_continues("readings", 0, Watermarks(low, 9), END) == OffsetRange(7, 9)


def test_a_topic_that_lost_the_next_offset_has_a_hole() -> None:
    with pytest.raises(HoleError, match=r"readings/2: the offsets \[7, 8\) are gone"):
        check_continues("readings", 2, Watermarks(8, 9), END)


def test_a_topic_that_ends_before_its_ledger_was_cut() -> None:
    assert not check_continues("readings", 0, Watermarks(0, 7), END)
    with pytest.raises(LogTruncatedError, match="ends at 6, the ledger at 7"):
        check_continues("readings", 0, Watermarks(0, 6), END)


def test_a_partition_that_never_landed_has_lost_nothing() -> None:
    assert check_continues("readings", 0, Watermarks(4, 9), None) == OffsetRange(4, 9)


def test_an_earlier_hour_is_named() -> None:
    check_not_earlier("readings", Batch(0, OffsetRange(7, 9), NINE), NINE)
    with pytest.raises(EarlierHoursWaitError, match="from 2025-07-20-08:00 on"):
        check_not_earlier("readings", Batch(0, OffsetRange(7, 9), EIGHT), NINE)
