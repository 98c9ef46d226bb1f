"""What columns of Postgres's integer types hold, and how Postgres counts instants."""

from datetime import UTC, datetime, timedelta

# Least and most, by each of Postgres's names for a type.
INTEGER_LIMITS = {
    name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits, names in {
        16: ("int2", "smallint"),
        32: ("int4", "int", "integer"),
        64: ("int8", "bigint"),
    }.items()
    for name in names
}
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH_S = int(POSTGRES_EPOCH.timestamp())
MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return an instant as Postgres counts it: from 2000 on.

    >>> microseconds(datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - POSTGRES_EPOCH) // MICROSECOND
