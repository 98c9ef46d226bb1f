"""The files of the log by their names: rows, gaps, and the timelines of restores."""

import pytest

from flight_assets.backup.segments import Fork, Lineage, Reach, lineage_of, reach

ONE = Lineage(1)


def names(*numbers: int, lineage: Lineage = ONE) -> list[str]:
    return [lineage.name(number) for number in numbers]


def test_the_row_goes_on_to_the_newest_file() -> None:
    assert reach(ONE, 3, names(2, 3, 4, 5)) == Reach(tuple(names(3, 4, 5)), None)


def test_a_file_that_is_gone_ends_the_row_and_is_named() -> None:
    assert reach(ONE, 3, names(3, 4, 6, 7)) == Reach(tuple(names(3, 4)), ONE.name(5))


def test_the_first_file_may_be_the_one_that_is_gone() -> None:
    assert reach(ONE, 3, names(4)) == Reach((), ONE.name(3))
    assert reach(ONE, 3, names(1, 2)) == Reach((), None)


def test_what_is_no_segment_is_no_file_of_the_row() -> None:
    strangers = [f"{ONE.name(3)}.00000028.backup", "00000002.history", f"{ONE.name(9)}.partial"]
    assert reach(ONE, 2, [*names(2), *strangers]) == Reach(tuple(names(2)), None)


@pytest.mark.parametrize("number", [0, 255, 256, 257, 1 << 20])
def test_names_and_numbers_are_each_others_inverse(number: int) -> None:
    assert ONE.number(ONE.name(number)) == number
    big = Lineage(1, segment_bytes=1 << 30)
    assert big.number(big.name(number)) == number


# a restore to the middle of segment 3 left timeline 1, and one in segment 5 left timeline 2
HISTORY = "1\t0/3019018\tbefore 2026-11-24 16:32:19.352354+00\n"
AGAIN = f"{HISTORY}\n2\t0/5000100\tbefore 2026-11-24 16:40:00+00\n"


def test_the_row_crosses_over_to_the_timeline_of_a_restore() -> None:
    lineage = lineage_of({2: HISTORY, 3: AGAIN})
    assert lineage == Lineage(3, (Fork(1, 0x3019018), Fork(2, 0x5000100)))
    first, second, third = Lineage(1), Lineage(2), Lineage(3)
    archived = [
        *names(2, 3, 4, 5, 6, 7, 8, lineage=first),
        *names(3, 4, 5, 6, lineage=second),
        *names(5, 6, lineage=third),
    ]
    row = (first.name(2), second.name(3), second.name(4), third.name(5), third.name(6))
    assert reach(lineage, 2, archived) == Reach(row, None)


def test_what_a_timeline_wrote_after_it_was_left_is_of_no_use() -> None:
    lineage = lineage_of({2: HISTORY})
    assert lineage.has(1, 0x3019018) and lineage.has(2, 0x9000000)
    assert not lineage.has(1, 0x3019019)
    assert not lineage.has(3, 0x3000000)
