"""Say by the exit code whether what this container runs is healthy, and why not on stderr.

healthy.py http URL            a page answers
healthy.py grpc PORT           the code location serves
healthy.py daemon              Dagster's daemons have told lately that they are alive
healthy.py received            somebody receives Postgres's log for the backups
healthy.py fresh FILE SECONDS  a file was written so recently

Only the standard library is loaded, and what one look needs beside it: the looks are many, and each
costs milliseconds. Started as ``python -I``, so that nothing but this file and the image counts.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, LiteralString

TIMEOUT_S = 5
# Those that the line stands still without. They tell every 30 seconds.
DAEMONS = ["MONITORING", "QUEUED_RUN_COORDINATOR", "SCHEDULER", "SENSOR"]
DAEMON_SILENCE_S = 180
SLOT = "flight_assets_backup"


def http(url: str) -> str | None:
    """Return why the page does not answer, ``None`` where it does."""
    try:
        urllib.request.urlopen(url, timeout=TIMEOUT_S).close()
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {error}"
    return None


def grpc(port: str) -> str | None:
    """Return why the code location does not serve, ``None`` where it does."""
    from grpc import RpcError, insecure_channel
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    with insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            asked = HealthCheckRequest(service="DagsterApi")
            status = HealthStub(channel).Check(asked, timeout=TIMEOUT_S).status
        except RpcError as error:
            return f"port {port}: {error.details()}"
    return None if status == HealthCheckResponse.SERVING else f"port {port}: status {status}"


def daemon() -> str | None:
    """Return which daemons have been silent for too long, ``None`` where none has."""
    alive = asked(
        "DAGSTER_POSTGRES",
        os.environ.get("DAGSTER_POSTGRES_DB", "dagster"),
        "select daemon_type from daemon_heartbeats "
        "where daemon_type = any(%s) "
        "and timestamp > (now() at time zone 'utc') - make_interval(secs => %s)",
        [DAEMONS, DAEMON_SILENCE_S],
    )
    silent = sorted(set(DAEMONS) - {name for (name,) in alive})
    return f"silent for {DAEMON_SILENCE_S} s: {', '.join(silent)}" if silent else None


def received() -> str | None:
    """Return that nobody receives the log, ``None`` where somebody does."""
    query = "select active from pg_replication_slots where slot_name = %s"
    found = asked("POSTGRES", "postgres", query, [SLOT])
    return None if found == [(True,)] else f"nobody is at the slot {SLOT}"


def asked(login: str, database: str, query: LiteralString, parameters: list[Any]) -> list[Any]:
    """Return the rows of a query, asked as the login that these variables name."""
    import psycopg

    with psycopg.connect(
        host=os.environ["POSTGRES_HOST"],
        port=os.environ.get("POSTGRES_PORT", "5432"),
        user=os.environ[f"{login}_USER"],
        password=Path(os.environ[f"{login}_PASSWORD_FILE"]).read_text().strip(),
        dbname=database,
        connect_timeout=TIMEOUT_S,
    ) as connection:
        return connection.execute(query, parameters).fetchall()


def fresh(file: str, seconds: str) -> str | None:
    """Return how old the file is where it is too old, ``None`` where it is not."""
    try:
        age_s = time.time() - Path(file).stat().st_mtime
    except FileNotFoundError:
        return f"{file}: not there yet"
    return None if age_s <= float(seconds) else f"{file}: written {age_s:.0f} s ago"


LOOKS = {look.__name__: look for look in (http, grpc, daemon, received, fresh)}


def main(arguments: list[str]) -> str | None:
    """Look at what the arguments name; return what is wrong, which is what ``sys.exit`` prints."""
    if not arguments or arguments[0] not in LOOKS:
        return __doc__
    return LOOKS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
