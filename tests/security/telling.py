"""Where a planted word has come to: every row of databases, every file of folders."""

import zlib
from pathlib import Path

import psycopg
from psycopg import sql

TABLES = """
select namespaces.nspname, classes.relname
from pg_class as classes join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
where classes.relkind in ('r', 'm')
and namespaces.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""


def rows_that_tell(word: str, *databases: str) -> list[str]:
    """Return the tables that have the word in a row, whatever the column."""
    found = []
    for database in databases:
        with psycopg.connect(database) as connection:
            tables = connection.execute(TABLES).fetchall()
            assert tables, "nothing was searched"
            for table in tables:
                query = sql.SQL("select exists (select from {} as t where strpos(t::text, %s) > 0)")
                row = connection.execute(query.format(sql.Identifier(*table)), [word]).fetchone()
                if row and row[0]:
                    found.append(".".join(table))
                if tells_in_bytes(connection, table, word):
                    found.append(".".join(table))
    return found


BYTES = """
select attname from pg_attribute
where attrelid = %s::regclass and atttypid = 'bytea'::regtype and not attisdropped
"""


def tells_in_bytes(connection: psycopg.Connection, table: tuple[str, str], word: str) -> bool:
    """Return whether a column of bytes holds the word, also where Dagster has compressed it."""
    name = sql.Identifier(*table)
    for (column,) in connection.execute(BYTES, [name.as_string(connection)]).fetchall():
        query = sql.SQL("select {} from {}").format(sql.Identifier(column), name)
        for (value,) in connection.execute(query):
            if value is not None and word.encode() in plain(value):
                return True
    return False


def plain(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def files_that_tell(word: str, *folders: Path) -> list[Path]:
    """Return the files that have the word in them, or in their names."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files, "nothing was searched"
    return [path for path in files if word in str(path) or word.encode() in content(path)]


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # another process has removed it meanwhile
        return b""
