"""Hours whose polls or observations were pruned: what they have stays, and nobody builds it again.

Which hours those are says the model ``gold.closed_hours``.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

import psycopg

from flight_assets.errors import FlightAssetsError

HOUR = timedelta(hours=1)
EXISTS = "select to_regclass('gold.closed_hours') is not null"
# Mostly nothing was pruned so late, and the model, which reads all polls, need not be asked.
LOOKS_AT_PRUNED = """
select exists (
    select from bronze.pruned_days where last_event_at >= %(first)s - interval '1' hour
)
"""
CLOSED = """
select as_of_hour from gold.closed_hours
where as_of_hour >= %(first)s and as_of_hour < %(end)s
order by as_of_hour
"""
# An answer looks at its hour, at the one before, and at the one that its last poll ran into.
LOG_HOURS = """
select min(log_hour), max(log_hour) from bronze.pruned_slice_hours
where event_hour = any(%(hours)s)
"""


def closed_hours(
    connection: psycopg.Connection[Any], *, first: datetime, end: datetime
) -> list[datetime]:
    """Return the closed as-of hours from ``first`` to before ``end``, oldest first.

    None where the models were never built: then nothing was pruned either.
    """
    asked = {"first": first, "end": end}
    for question in (EXISTS, LOOKS_AT_PRUNED):
        answer: Any = connection.execute(question, asked).fetchone()
        if not answer[0]:
            return []
    return [hour for (hour,) in connection.execute(CLOSED, asked)]


def refuse_closed(connection: psycopg.Connection[Any], closed: Sequence[datetime]) -> NoReturn:
    """Raise ``FlightAssetsError`` that names the hours, and what would bring them back."""
    looked_at = sorted({hour + n * HOUR for hour in closed for n in (-1, 0, 1)})
    found: Any = connection.execute(LOG_HOURS, {"hours": looked_at}).fetchone()
    raise FlightAssetsError(
        f"the observations or polls of {_span(closed[0], closed[-1])} were pruned: building these "
        "hours would empty their answers, so nothing was built and they stay as they are. Leave "
        "the hours out; or, while Kafka still holds their messages, materialise bronze/raw_polls "
        f"and bronze/raw_flights of {_span(found[0], found[1])} first"
    )


def _span(first: datetime, last: datetime) -> str:
    return f"{first:%Y-%m-%dT%H}" + (f" to {last:%Y-%m-%dT%H}" if last != first else "")
