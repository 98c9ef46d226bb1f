"""What is usual, and what is not: plain judgements over counts and shares of earlier hours.

Each returns one line that says what is unusual, or ``None``. Where too little is known of earlier
hours nothing is unusual: a cold start does not cry wolf.
"""

from collections.abc import Mapping, Sequence
from statistics import median

MIN_EARLIER_DAYS = 3
MIN_EARLIER_HOURS = 3
MIN_VOLUME_RATIO, MAX_VOLUME_RATIO = 0.7, 1.5  # weekends and seasons stay within
MAX_SHARE_DROP = 0.10  # of the flights that usually give a value
MIN_FLIGHTS_TO_JUMP = 20  # small counts come and go
MIN_JUMP_RATIO, MAX_JUMP_RATIO = 0.5, 2.0


def unusual_volume(count: int, earlier: Sequence[int]) -> str | None:
    """Judge an hour's count by the median of the same hour of earlier days.

    >>> unusual_volume(699, [1000, 990, 1010])
    '699 is 0.70 of the usual 1,000'
    >>> unusual_volume(0, [1000, 990]) is None
    True
    """
    if len(earlier) < MIN_EARLIER_DAYS:
        return None
    usual = median(earlier)
    if usual == 0 or MIN_VOLUME_RATIO * usual <= count <= MAX_VOLUME_RATIO * usual:
        return None
    return f"{count:,} is {count / usual:.2f} of the usual {usual:,.0f}"


def unusual_shares(
    shares: Mapping[str, float], earlier: Sequence[Mapping[str, float]]
) -> dict[str, str]:
    """Return the columns that are given less often than usual, each with one line.

    Shares are 0 to 1, of the rows that give a value; the usual one is the median of the earlier
    hours. A column that is given more often than usual is no matter.

    >>> unusual_shares({"callsign": 0.79}, [{"callsign": 0.9}] * 3)
    {'callsign': 'given by 79.0 % of the flights, usually by 90.0 %'}
    """
    if len(earlier) < MIN_EARLIER_HOURS:
        return {}
    found = {}
    for column, share in shares.items():
        usual = median(hour[column] for hour in earlier)
        if usual - share > MAX_SHARE_DROP:
            found[column] = f"given by {share:.1%} of the flights, usually by {usual:.1%}".replace(
                "%", " %"
            )
    return found


def jump(count: int, day_before: int) -> str | None:
    """Judge a subject's flights by those of the same hour of the day before.

    >>> jump(40, 100), jump(50, 100), jump(9, 19)
    ('40 flights, 100 the day before', None, None)
    """
    if max(count, day_before) < MIN_FLIGHTS_TO_JUMP:
        return None
    if MIN_JUMP_RATIO * day_before <= count <= MAX_JUMP_RATIO * day_before:
        return None
    return f"{count:,} flights, {day_before:,} the day before"
