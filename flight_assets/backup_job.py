"""The daily job that takes a base backup, proves what there is to restore from, and prunes it."""

from datetime import UTC, datetime

import dagster as dg

from flight_assets.automation import RUN_TAGS
from flight_assets.backup.look import look
from flight_assets.backup.places import places
from flight_assets.backup.prune import prune
from flight_assets.backup.take import back_up, backup_conninfo
from flight_assets.backup.verify import faults_of_all
from flight_assets.resources import PostgresResource
from flight_assets.settings import load_settings


@dg.op
def take_backup(context: dg.OpExecutionContext, postgres: PostgresResource) -> None:
    """Take a base backup, with the log behind it in the archive, and read it back."""
    settings = load_settings()
    of = places(settings)
    conninfo = backup_conninfo(settings, postgres.conninfo())
    backup = back_up(of, conninfo, say=context.log.info)
    context.add_output_metadata({"label": backup.label, "bytes": backup.byte_count})


@dg.op(ins={"after": dg.In(dg.Nothing)})
def prune_backups(context: dg.OpExecutionContext) -> None:
    """Drop what no restore within BACKUP_KEEP_DAYS needs."""
    settings = load_settings()
    dropped = prune(places(settings), now=datetime.now(UTC), keep_days=settings.backup_keep_days)
    context.add_output_metadata(
        {"base_backups": list(dropped.labels), "wal_files": dropped.wal_count}
    )


@dg.op(ins={"after": dg.In(dg.Nothing)})
def check_backups(context: dg.OpExecutionContext, postgres: PostgresResource) -> None:
    """Fail where a backup is damaged, the log has a gap or ends early, or the newest is too old.

    All of it is read: a disk that loses a byte says nothing by itself.
    """
    settings = load_settings()
    of = places(settings)
    with postgres.connect() as connection:
        found = look(settings, connection)
    wrong = list(faults_of_all(of))
    if found.is_too_old(datetime.now(UTC)):
        wrong.append(f"the newest base backup is of {found.newest_at}")
    if found.newest_at is not None and (found.to_at is None or found.to_at < found.newest_at):
        wrong.append(f"the log ends at {found.to_at}, before the newest base backup does")
    context.add_output_metadata(
        {
            "bytes": found.base_bytes + found.wal_bytes,
            "restore_from": str(found.from_at),
            "restore_to": str(found.to_at),
            "faults": wrong,
        }
    )
    if wrong:
        raise dg.Failure(
            f"{'; '.join(wrong[:5])}: `flight-assets backup verify` lists all; look at the disk of "
            "BACKUP_DIR, and remove the base backups that need what cannot be put back",
            allow_retries=False,
        )


# Longer than a run that lands: all is copied once and read twice.
TAGS = {**RUN_TAGS, "dagster/max_runtime": "21600", "dagster/priority": "-2"}


@dg.job(executor_def=dg.in_process_executor, tags=TAGS)
def backup_job() -> None:
    """Takes a base backup, prunes the old ones and checks what is there. Needs BACKUP_DIR."""
    check_backups(after=prune_backups(after=take_backup()))


@dg.schedule(
    job=backup_job,
    name="backup_daily_schedule",
    cron_schedule="20 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def backup_daily_schedule() -> dg.RunRequest | dg.SkipReason:
    """Asks for a backup a day, where it is known where to."""
    if load_settings().backup_dir is None:
        return dg.SkipReason("BACKUP_DIR is not set")
    return dg.RunRequest()
