"""The descriptions of dbt as comments of Postgres, for whoever looks at a table with other tools.

dbt's own `persist_docs` writes all of them at every build; here only those that differ are written.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

# Column '' is the relation itself.
PRESENT = """
select
    namespaces.nspname || '.' || classes.relname as relation,
    classes.relkind::text as kind,
    coalesce(attributes.attname, '') as column_name,
    descriptions.description
from pg_class as classes
inner join pg_namespace as namespaces
    on classes.relnamespace = namespaces.oid
cross join lateral (
    select 0::smallint as attnum, null::name as attname
    union all
    select attnum, attname from pg_attribute
    where attrelid = classes.oid and attnum > 0 and not attisdropped
) as attributes
left join pg_description as descriptions
    on
        descriptions.objoid = classes.oid
        and descriptions.classoid = 'pg_class'::regclass
        and descriptions.objsubid = attributes.attnum
where
    namespaces.nspname = any(%(schemas)s)
    and classes.relkind in ('r', 'v', 'p', 'm')
    and not classes.relispartition
    and pg_has_role(classes.relowner, 'usage')
order by 1, 3
"""
KINDS = {"v": "view", "m": "materialized view"}


def descriptions(manifest: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return what dbt says of relations and columns, by ``schema.name`` and column ('' for all)."""
    described: dict[tuple[str, str], str] = {}
    nodes = [
        n for n in manifest["nodes"].values() if n["resource_type"] not in ("test", "unit_test")
    ]
    for node in [*nodes, *manifest["sources"].values()]:
        relation = f"{node['schema']}.{node['name']}"
        described[relation, ""] = " ".join(node["description"].split())
        for column in node["columns"].values():
            described[relation, column["name"]] = " ".join(column["description"].split())
    return {place: text for place, text in described.items() if text}


def write_comments(connection: psycopg.Connection[Any], manifest: Mapping[str, Any]) -> int:
    """Comment what exists, is this login's and described otherwise; return how many comments."""
    described = descriptions(manifest)
    schemas = sorted({relation.partition(".")[0] for relation, _ in described})
    statements = [
        _comment(relation, kind, column, described[relation, column])
        for relation, kind, column, present in connection.execute(PRESENT, {"schemas": schemas})
        if described.get((relation, column), present) != present
    ]
    if statements:
        connection.execute(sql.SQL("; ").join(statements))
    return len(statements)


def _comment(relation: str, kind: str, column: str, text: str) -> sql.Composed:
    name = sql.Identifier(*relation.split("."))
    if column:
        what = sql.SQL("column {}.{}").format(name, sql.Identifier(column))
    else:
        what = sql.SQL(KINDS.get(kind, "table") + " {}").format(name)
    return sql.SQL("comment on {} is {}").format(what, sql.Literal(text))
