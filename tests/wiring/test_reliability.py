"""docs/reliability.md says of each fault test what the test says of itself."""

import re

from tests.faults.table import PAGE, PARTS, told_by_tests


def test_every_fault_test_is_in_the_table_as_it_says_of_itself():
    page = PAGE.read_text()
    told = list(told_by_tests())
    assert told
    for test in told:
        assert set(test.parts) == set(PARTS), test.name
        [row] = [line for line in page.splitlines() if f"[{test.name}]" in line]
        for said in test.parts.values():
            assert said.replace("|", "\\|") in row, "run python -m tests.faults.table"


def test_the_table_names_no_test_that_is_gone():
    names = {test.name for test in told_by_tests()}
    assert set(re.findall(r"\[(test_\w+)\]\(\.\./tests/faults/", PAGE.read_text())) == names
