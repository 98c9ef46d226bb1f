"""Faults come when they are told to, and the same way each time."""

import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.faults import ROW_FAULTS, STATUSES, Fault, FaultPlan

ROW = ["4CA2C1", 53.4, -6.2, 90, 32808, 100, "", "", "A320", "EI-DEE", 1753000000, "DUB", "", "", 0]


def kinds(plan: FaultPlan, requests: int) -> list[list[str]]:
    return [[fault.kind for fault in plan.draw()] for _ in range(requests)]


def test_the_next_requests_fail_and_then_no_more() -> None:
    plan = FaultPlan([Fault("html", next=2)])
    assert kinds(plan, 4) == [["html"], ["html"], [], []]


def test_the_first_requests_can_be_left_in_peace() -> None:
    plan = FaultPlan([Fault("html", next=1, after=2)])
    assert kinds(plan, 4) == [[], [], ["html"], []]


def test_faults_by_chance_are_the_same_for_the_same_seed() -> None:
    faults = [Fault("server_error", probability=0.3)]
    first = kinds(FaultPlan(faults, seed=5), 400)
    assert first == kinds(FaultPlan(faults, seed=5), 400)
    assert first != kinds(FaultPlan(faults, seed=6), 400)
    assert 80 < sum(map(len, first)) < 160


def test_an_answer_has_one_fault_and_its_rows_any_number() -> None:
    plan = FaultPlan(
        [Fault("html", next=1), Fault("truncated", next=1), Fault("wrong_units", next=1)]
    )
    assert kinds(plan, 3) == [["html", "wrong_units"], ["truncated"], []]


@pytest.mark.parametrize(
    ("kind", "slot", "value"),
    [("wrong_units", 4, 10_000), ("wrong_units", 5, 185), ("wrong_types", 4, "32808 ft"),
     ("off_the_globe", 1, 91.5), ("ahead", 10, 1753086400), ("behind", 10, 491560000),
     ("number_for_text", 13, 152)],
)  # fmt: skip
def test_rows_are_spoiled_as_the_fault_says(kind: str, slot: int, value: object) -> None:
    plan = FaultPlan([Fault(kind, next=1)])
    assert plan.spoil({"3a": ROW}, plan.draw())["3a"][slot] == value


def test_rows_can_be_too_long() -> None:
    plan = FaultPlan([Fault("long_rows", next=1)])
    assert plan.spoil({"3a": ROW}, plan.draw()) == {"3a": [*ROW, 0]}


def test_ids_can_begin_with_a_letter_and_stay_different() -> None:
    plan = FaultPlan([Fault("letter_ids", next=1)])
    assert list(plan.spoil({"3a": ROW, "4a": ROW, "b1": ROW}, plan.draw())) == ["da", "ea", "b1"]


def test_a_row_goes_back_in_time() -> None:
    plan = FaultPlan([Fault("backward", next=1)])
    assert 30 <= ROW[10] - plan.spoil({"3a": ROW}, plan.draw())["3a"][10] <= 300


def test_a_duplicated_row_is_the_one_served_last() -> None:
    plan = FaultPlan([Fault("duplicated", next=2)])
    plan.spoil({"3a": ROW}, plan.draw())
    moved = [*ROW[:10], 1753000060, *ROW[11:]]
    assert plan.spoil({"3a": moved}, plan.draw()) == {"3a": ROW}
    assert plan.spoil({"3a": moved}, plan.draw()) == {"3a": moved}


def test_a_share_of_the_rows_is_spoiled_and_the_given_rows_stay() -> None:
    plan = FaultPlan([Fault("short_rows", next=1, share=0.25)])
    rows = {f"3a{n:06x}": list(ROW) for n in range(400)}
    short = sum(len(row) == 7 for row in plan.spoil(rows, plan.draw()).values())
    assert 60 < short < 140
    assert all(len(row) == len(ROW) for row in rows.values())


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"faults": {}},
        {"faults": [{"kind": "sabotage"}]},
        {"faults": [{"kind": "html", "probability": 2}]},
        {"faults": [{"kind": "html", "next": -1}]},
        {"faults": [{"kind": "html", "when": "now"}]},
        {"faults": ["html"]},
        {"faults": [{}]},
        {"faults": [], "seed": "x"},
    ],
)
def test_what_is_no_plan_is_refused(body: object) -> None:
    with pytest.raises(FlightAssetsError):
        FaultPlan.from_json(body)


def test_a_plan_tells_what_is_left_of_it() -> None:
    plan = FaultPlan.from_json({"faults": [{"kind": "html", "next": 2}]})
    plan.draw()
    assert [(fault["kind"], fault["next"]) for fault in plan.describe()] == [("html", 1)]
    assert not set(STATUSES) & set(ROW_FAULTS)
