"""Keep the BRIN indexes of bronze up with what has landed.

New pages are outside a BRIN index until they are summarised, and every answer reads them till then.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg

SUMMARIZE = """
select brin_summarize_new_values(indexes.indexrelid)
from pg_index as indexes
join pg_class as classes on indexes.indexrelid = classes.oid
join pg_am as methods on classes.relam = methods.oid
where methods.amname = 'brin'
and indexes.indrelid in (
    select to_regclass(partition) from unnest(%(partitions)s::text[]) as partition
)
"""


def summarize(connection: "psycopg.Connection[Any]", table: str, hours: Iterable[datetime]) -> None:
    """Take the new pages of the days of some log hours into the indexes of a table."""
    partitions = sorted({f"{table}_p{hour:%Y%m%d}" for hour in hours})
    with connection.transaction():
        connection.execute(SUMMARIZE, {"partitions": partitions})
