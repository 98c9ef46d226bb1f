"""Rejected messages that land later have slices of their own; holes say who accepted them."""

from alembic import op

revision = "0003"
down_revision = "0002"

RETRIED = """
alter table bronze.landed_slices drop constraint landed_slices_kind_check;
alter table bronze.landed_slices add constraint landed_slices_kind_check
    check (kind in ('landed', 'hole', 'retried'));

-- a retried slice lies within the landed one that its messages were rejected from
alter table bronze.landed_slices
    drop constraint landed_slices_topic_topic_id_kafka_partition_start_offset_key;
create unique index landed_slices_chain
    on bronze.landed_slices (topic, topic_id, kafka_partition, start_offset)
    where kind <> 'retried';
create index landed_slices_retried
    on bronze.landed_slices (topic, topic_id, kafka_partition, start_offset)
    where kind = 'retried';

alter table bronze.landed_slices add column acknowledged_by text;

comment on table bronze.landed_slices is
    'The ledger: one row per half-open offset range [start_offset, end_offset) of a '
    'topic-partition that landed in one transaction, or per acknowledged hole. The only record '
    'of what has landed. Chained: each start is the last end. A replay replaces the row, so its '
    'slice_id is always newer than every answer made before it; ids follow commit order. Beside '
    'the chain, a retried row has messages that were rejected from the landed row around it.';
"""

NONE_RETRIED = """
do $$ begin
    if exists (select from bronze.landed_slices where kind = 'retried') then
        raise exception 'messages have landed that were rejected before: replay their hours first, '
            'so that the ledger is one chain';
    end if;
end $$;
alter table bronze.landed_slices drop column acknowledged_by;
drop index bronze.landed_slices_retried;
drop index bronze.landed_slices_chain;
alter table bronze.landed_slices
    add unique (topic, topic_id, kafka_partition, start_offset);
alter table bronze.landed_slices drop constraint landed_slices_kind_check;
alter table bronze.landed_slices add constraint landed_slices_kind_check
    check (kind in ('landed', 'hole'));
comment on table bronze.landed_slices is
    'The ledger: one row per half-open offset range [start_offset, end_offset) of a '
    'topic-partition that landed in one transaction, or per acknowledged hole. The only record '
    'of what has landed. Chained: each start is the last end. A replay replaces the row, so its '
    'slice_id is always newer than every answer made before it; ids follow commit order.';
"""


def upgrade() -> None:
    op.execute(RETRIED)


def downgrade() -> None:
    op.execute(NONE_RETRIED)
