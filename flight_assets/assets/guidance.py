"""What a dbt test claims, in words, and what a person does when it does not hold.

A test's name says the claim where it was given one; the rest follows from its kind. A description
of its own, in the yml beside the model, comes between the two.
"""

from collections.abc import Callable, Mapping
from typing import Any

# what each kind of test claims of its arguments, which are named as in the yml
CLAIMS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "is_key": lambda asked: f"One row for each {_listed(asked['columns'])}.",
    "holds": lambda asked: f"Of every row: `{' '.join(asked['claim'].split())}`.",
    "not_null": lambda asked: f"Every row gives `{asked['column_name']}`.",
    "unique": lambda asked: f"No two rows have the same `{asked['column_name']}`.",
    "accepted_values": lambda asked: (
        f"Every `{asked['column_name']}` is one of {_listed(asked['values'])}."
    ),
    "relationships": lambda asked: (
        f"Every `{asked['column_name']}` is there as `{asked['field']}` in "
        f"{_referred(asked['to'])}."
    ),
    "versions_do_not_overlap": lambda asked: (
        f"Of one `{asked['key']}` no two versions count at one instant."
    ),
}
QUERY = (
    "the evaluation's `query` finds the rows that break it, and `flight-assets sql` runs it. "
    "What follows this table was not built"
)
HOURLY = (
    f"When it fails, {QUERY}, and the hour stays stale. See by `flight-assets why` what such a row "
    "is made of, mend the model or the data, and materialise the hour again."
)
REFERENCE = (
    f"When it fails, {QUERY}: hours are answered with the references as they were. Correct the "
    "code in dbt_project/seeds, which goes before what the source says, and materialise "
    "the references again."
)
HISTORY = (
    f"When it fails, {QUERY}, and an hour of that day has two references for one code. Close the "
    "version that is wrong by its `dbt_valid_to`, and materialise the references again."
)
SEED = (
    f"When it fails, {QUERY}. Correct the row in dbt_project/seeds/{{name}}.csv, and materialise "
    "the references again."
)


def describe_test(test: Mapping[str, Any], tested: Mapping[str, Any]) -> str:
    """Return the description of a test's check: the claim, then what to do when it fails.

    ``test`` and ``tested``, what it is attached to, are nodes of dbt's manifest. Raises
    ``KeyError`` for a kind of test that has no words here.
    """
    said = [_claim(test), " ".join(test.get("description", "").split()), _what_to_do(tested)]
    return " ".join(filter(None, said))


def _claim(test: Mapping[str, Any]) -> str:
    generic = test.get("test_metadata")
    if generic is None:
        return _sentence(test["name"])
    claim = CLAIMS[generic["name"]](generic["kwargs"])
    # a name that dbt has made up from the arguments says no more than they do
    own = not test["name"].startswith(generic["name"])
    return f"{_sentence(test['name'])} {claim}" if own else claim


def _what_to_do(tested: Mapping[str, Any]) -> str:
    if tested["resource_type"] == "seed":
        return SEED.format(name=tested["name"])
    if tested["resource_type"] == "snapshot":
        return HISTORY
    return HOURLY if "hourly" in tested["tags"] else REFERENCE


def _sentence(name: str) -> str:
    words = name.replace("_", " ")
    return f"{words[0].upper()}{words[1:]}."


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _referred(relation: str) -> str:
    return f"`{relation.removeprefix('ref(').strip(chr(39) + chr(34) + ')')}`"
