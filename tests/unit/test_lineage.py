"""Which columns a column is made of, on a project of one model, and when that is worked out."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from flight_assets.assets.lineage import described_columns, lineage_of

SQL = "select hour, count(*) as flights, max(kt) as fastest_kt from w.silver.states group by hour"
STATES = {
    "database": "w",
    "schema": "silver",
    "identifier": "states",
    "columns": {"hour": {}, "kt": {}},
}
MANIFEST: dict[str, Any] = {
    "metadata": {"project_name": "p"},
    "macros": {"macro.p.m": {"package_name": "p", "macro_sql": "1"}},
    "sources": {"source.p.states": STATES},
    "nodes": {
        "model.p.answer": {
            "checksum": {"checksum": "a"},
            "columns": {"hour": {}, "flights": {}, "fastest_kt": {}},
            "depends_on": {"nodes": ["source.p.states"]},
        }
    },
}


def answer(manifest: dict[str, Any], sql: str, kept_in: Path) -> dict[str, Any]:
    return lineage_of(manifest, {"model.p.answer": sql}, kept_in)["model.p.answer"]


def test_a_column_is_made_of_those_of_its_expression(tmp_path: Path):
    assert {
        column: list(map(tuple, of)) for column, of in answer(MANIFEST, SQL, tmp_path).items()
    } == {
        "hour": [("silver.states", "hour")],
        "flights": [],
        "fastest_kt": [("silver.states", "kt")],
    }


def test_the_database_of_the_run_need_not_be_that_of_the_manifest(tmp_path: Path):
    star = "with states as (select * from other.silver.states) "
    found = answer(MANIFEST, star + SQL.replace("w.silver.states", "states"), tmp_path)
    assert [tuple(each) for each in found["fastest_kt"]] == [("silver.states", "kt")]


def test_what_is_known_is_read_until_the_project_changes(tmp_path: Path):
    other = SQL.replace("max(kt)", "max(hour)")
    first = answer(MANIFEST, SQL, tmp_path)
    kept = answer(MANIFEST, other, tmp_path)
    assert [tuple(each) for each in kept["fastest_kt"]] == first["fastest_kt"]

    changed = deepcopy(MANIFEST)
    changed["nodes"]["model.p.answer"]["checksum"]["checksum"] = "b"
    assert answer(changed, other, tmp_path)["fastest_kt"] == [("silver.states", "hour")]


def test_a_column_that_is_described_later_has_a_lineage(tmp_path: Path):
    described = deepcopy(MANIFEST)
    del described["nodes"]["model.p.answer"]["columns"]["fastest_kt"]
    assert "fastest_kt" not in answer(described, SQL, tmp_path)
    assert "fastest_kt" in answer(MANIFEST, SQL, tmp_path)


def test_sql_that_is_not_understood_has_none_and_fails_nothing(tmp_path: Path):
    assert answer(MANIFEST, "select from where (", tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["column_lineage.json"], "no draft is left"


def test_a_column_is_described_with_what_it_is_made_of():
    columns = {
        "kt": {"description": "Speed.\n", "data_type": "integer"},
        "of_many": {"description": "Of many."},
        "counted": {"description": "Rows."},
    }
    many = [("silver.states", f"c{number}") for number in range(8)]
    schema = described_columns(columns, {"kt": [("silver.states", "kt")], "of_many": many})
    assert [(column.name, column.type, column.description) for column in schema.columns] == [
        ("kt", "integer", "Speed. Made of `silver.states.kt`."),
        ("of_many", "?", "Of many. Made of " + ", ".join(f"`silver.states.c{n}`" for n in range(6))
         + " and 2 more."),
        ("counted", "?", "Rows."),
    ]  # fmt: skip
