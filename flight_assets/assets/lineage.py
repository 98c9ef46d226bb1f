"""Which columns a model's column is made of, read from the SQL that dbt has compiled.

Worked out once for a state of the project and kept beside what dbt has parsed, so that a run pays
for reading one file. What the columns mean is in dbt_project.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

log = logging.getLogger(__name__)

# by column: the relation and column of each source
Sources = dict[str, list[tuple[str, str]]]
KEPT = "column_lineage.json"


def lineage_of(
    manifest: Mapping[str, Any], compiled: Mapping[str, str], kept_in: Path
) -> dict[str, Sources]:
    """Return the sources of the columns of each compiled model, by its unique id.

    Those that were worked out before are read from ``kept_in``; the others are added to it.
    """
    state, kept = project_state(manifest), kept_in / KEPT
    found = known_lineage(state, kept_in)
    missing = [unique_id for unique_id in compiled if unique_id not in found]
    for unique_id in missing:
        found[unique_id] = sources_of(manifest, unique_id, compiled[unique_id])
    if missing:
        kept_in.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")  # runs of models may end together
        draft.write_text(json.dumps({"state": state, "models": found}))
        draft.replace(kept)
    return found


def known_lineage(state: str, kept_in: Path) -> dict[str, Sources]:
    """Return what runs have worked out for this state of the project, by unique id of the model."""
    kept = kept_in / KEPT
    known = json.loads(kept.read_text()) if kept.exists() else {}
    return known.get("models", {}) if known.get("state") == state else {}


def project_state(manifest: Mapping[str, Any]) -> str:
    """Return a digest that changes with the SQL or the columns of any model or macro."""
    project = manifest["metadata"]["project_name"]
    relations = sorted([*manifest["nodes"].items(), *manifest["sources"].items()])
    texts = [json.dumps([unique_id, *node["columns"]]) for unique_id, node in relations]
    texts += [node["checksum"]["checksum"] for _, node in sorted(manifest["nodes"].items())]
    texts += [
        macro["macro_sql"]
        for _, macro in sorted(manifest["macros"].items())
        if macro["package_name"] == project
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def sources_of(manifest: Mapping[str, Any], unique_id: str, sql: str) -> Sources:
    """Return the columns that each column of a model is made of; none where SQL is not understood.

    A column whose values are counted or chosen by others, and not made of them, has those of its
    expression alone.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    node = manifest["nodes"][unique_id]
    found: Sources = {}
    schema = _schema(manifest, node)
    try:
        statement = parse_one(sql, dialect="postgres")
        for table in statement.find_all(exp.Table):
            table.set("catalog", None)  # the database of the run need not be that of the manifest
        query = qualify(
            statement,
            schema=schema,
            dialect="postgres",
            validate_qualify_columns=False,
        )
        scope = build_scope(query)
        for column in node["columns"]:
            root = lineage(column, query, schema, scope=scope, dialect="postgres", copy=False)
            sources = {
                (f"{leaf.source.db}.{leaf.source.name}", leaf.name.rpartition(".")[2].strip('"'))
                for leaf in root.walk()
                if isinstance(leaf.source, exp.Table) and not leaf.downstream
            }
            found[column] = sorted(sources)
    except (SqlglotError, ValueError) as error:  # ValueError: a column that the SQL has not
        log.warning("no column lineage for %s: %s", unique_id, error)
        return {}
    return found


def _schema(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the described columns of what the model reads, by schema and table."""
    schema: dict[str, Any] = {}
    for parent in node["depends_on"]["nodes"]:
        relation = manifest["nodes"].get(parent) or manifest["sources"][parent]
        name = relation.get("alias") or relation["identifier"]
        schema.setdefault(relation["schema"], {})[name] = dict.fromkeys(relation["columns"], "text")
    return schema


def with_lineage(events: Iterator[Any], sources: Sources) -> Iterator[Any]:
    """Yield a model's events, its materialisation with the lineage of its columns."""
    # the key of an asset is its schema and its name, as the translator of assets/dbt.py says
    known = {
        column: [
            dg.TableColumnDep(asset_key=dg.AssetKey(relation.split(".")), column_name=name)
            for relation, name in of_column
        ]
        for column, of_column in sources.items()
        if of_column
    }
    for event in events:
        if isinstance(event, dg.Output) and known:
            lineage = dg.TableColumnLineage(deps_by_column=known)
            event = event.with_metadata({**event.metadata, "dagster/column_lineage": lineage})
        yield event


def described_columns(columns: Mapping[str, Any], sources: Sources) -> dg.TableSchema:
    """Return the columns of a model, as dbt's manifest has them, with what each is made of.

    Dagster's open-source page draws no lineage of columns, so each one's description ends with it.
    """
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.get("data_type") or "?",
                description=" ".join(
                    filter(None, [column["description"].strip(), made_of(sources.get(name, []))])
                ),
            )
            for name, column in columns.items()
        ]
    )


MOST_NAMED = 6


def made_of(sources: Sequence[tuple[str, str]]) -> str:
    """Return what a column is made of, for a person.

    >>> made_of([("silver.states", "kt"), ("silver.states", "hour")])
    'Made of `silver.states.kt`, `silver.states.hour`.'
    """
    if not sources:
        return ""
    named = [f"`{relation}.{column}`" for relation, column in sources[:MOST_NAMED]]
    more = f" and {len(sources) - MOST_NAMED} more" if len(sources) > MOST_NAMED else ""
    return f"Made of {', '.join(named)}{more}."
