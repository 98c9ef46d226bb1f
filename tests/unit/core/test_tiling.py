"""The tree of tiles: it covers the globe whatever happens, and follows the traffic calmly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_assets.core.geo import Position
from flight_assets.core.tiling import (
    MAX_DEPTH,
    MERGE_AT_MOST,
    SPLIT_AT_LEAST,
    WORLD,
    Tiling,
    bounds_of,
    children_of,
    first_tiling,
)


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    """Any tree that splits can reach, each leaf asked or not."""
    tiling = Tiling()
    for _ in range(draw(st.integers(0, 12))):
        splittable = [tile_id for tile_id in tiling.tile_ids if len(tile_id) <= MAX_DEPTH]
        tiling = tiling.split(draw(st.sampled_from(splittable)))
    count = st.none() | st.integers(0, 3_000)
    return Tiling({tile_id: draw(count) for tile_id in tiling.tile_ids})


positions = st.builds(
    Position, st.floats(-90, 90, allow_nan=False), st.floats(-180, 180, allow_nan=False)
)
# seams are where a cover can fail
seams = st.builds(
    Position,
    st.sampled_from([-90, -45, 0, 22.5, 45, 90]),
    st.sampled_from([-180, -90, 0, 45, 180]),
)


@given(tilings(), positions | seams)
def test_every_point_of_the_globe_lies_in_a_tile(tiling: Tiling, position: Position) -> None:
    holders = [id_ for id_ in tiling.tile_ids if bounds_of(id_).contains(position)]
    assert 1 <= len(holders) <= 4
    inside = [id_ for id_ in holders if not _is_on_edge(id_, position)]
    assert len(inside) <= 1
    assert len(holders) == 1 or not inside


def _is_on_edge(tile_id: str, position: Position) -> bool:
    bounds = bounds_of(tile_id)
    return position.lat_deg in (bounds.south_deg, bounds.north_deg) or position.lon_deg in (
        bounds.west_deg,
        bounds.east_deg,
    )


@given(tilings())
def test_tiles_add_up_to_the_globe_exactly(tiling: Tiling) -> None:
    bounds = [bounds_of(tile_id) for tile_id in tiling.tile_ids]
    areas = [(b.north_deg - b.south_deg) * (b.east_deg - b.west_deg) for b in bounds]
    assert sum(areas) == 180 * 360


@given(tilings())
def test_a_tiling_survives_its_file(tiling: Tiling) -> None:
    assert Tiling.from_json(tiling.to_json()) == tiling


@given(tilings(), st.data())
def test_a_split_with_sparse_quarters_is_undone_by_the_merge(
    tiling: Tiling, data: st.DataObject
) -> None:
    tile_id = data.draw(st.sampled_from([t for t in tiling.tile_ids if len(t) <= MAX_DEPTH]))
    merged = tiling.split(tile_id).after(dict.fromkeys(children_of(tile_id), 1))
    assert merged == Tiling({**tiling.counts, tile_id: 4})


@given(tilings(), st.data())
def test_the_next_tree_covers_the_globe_and_settles(tiling: Tiling, data: st.DataObject) -> None:
    counts = {tile_id: data.draw(st.integers(0, 1_500)) for tile_id in tiling.tile_ids}
    after = tiling.after(counts)  # raises if it does not cover
    unchanged = {tile_id: count for tile_id, count in after.counts.items() if count is not None}
    assert after.after(unchanged) == after


def test_quarters_are_numbered_from_the_north_west() -> None:
    assert bounds_of("0") == WORLD
    north_west, north_east, south_west, south_east = map(bounds_of, children_of("0"))
    assert (north_west.north_deg, north_west.west_deg) == (90, -180)
    assert (north_east.north_deg, north_east.east_deg) == (90, 180)
    assert (south_west.south_deg, south_west.west_deg) == (-90, -180)
    assert (south_east.south_deg, south_east.east_deg) == (-90, 180)


def after_one_more_at_the_threshold(count: int) -> Tiling:
    return Tiling().split("0").after({"00": count, "01": 900, "02": 0, "03": 0})


def test_a_crowded_tile_is_split_at_the_threshold_and_not_before() -> None:
    assert "00" in after_one_more_at_the_threshold(SPLIT_AT_LEAST - 1).counts
    assert set(children_of("00")) <= after_one_more_at_the_threshold(SPLIT_AT_LEAST).counts.keys()


def test_quarters_are_merged_up_to_the_threshold_and_not_beyond() -> None:
    quarters = {"00": MERGE_AT_MOST - 6, "01": 1, "02": 2, "03": 3}
    assert Tiling().split("0").after(quarters).counts == {"0": MERGE_AT_MOST}
    assert "0" not in Tiling().split("0").after({**quarters, "01": 2}).counts


def test_merges_climb_as_far_as_they_fit() -> None:
    tiling = Tiling().split("0").split("00").split("000")
    assert tiling.after(dict.fromkeys(tiling.tile_ids, 5)).counts == {"0": 50}


def test_a_tile_without_an_answer_keeps_its_family_as_it_is() -> None:
    tiling = Tiling(dict.fromkeys(children_of("0"), 7))
    assert tiling.after({"00": 1, "01": 1, "02": 1}).counts == {"00": 1, "01": 1, "02": 1, "03": 7}


def test_the_smallest_tile_is_not_split() -> None:
    tiling, tile_id = Tiling(), "0"
    for _ in range(MAX_DEPTH):
        tiling = tiling.split(tile_id)
        tile_id += "0"
    assert tile_id in tiling.after({tile_id: 5_000}).counts


def test_the_first_tree_covers_the_globe_in_few_tiles() -> None:
    assert len(first_tiling().tile_ids) == 28


@pytest.mark.parametrize(
    ("tiles", "said"),
    [
        ({"00": 1, "01": 1, "02": 1}, "do not cover"),
        ({"0": 1, "00": 1}, "inside others: 00"),
        ({"04": 1}, "'04' is no tile"),
        ({"0" * (MAX_DEPTH + 2): 1}, "is no tile"),
        ({"0": -1}, "tile 0 has the count -1"),
        ({"0": True}, "tile 0 has the count True"),
        ([], "no tiles of version 1"),
    ],
)
def test_a_file_that_is_no_tiling_is_named(tiles: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Tiling.from_json(json.dumps({"version": 1, "tiles": tiles}))


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "tiles": {"0": null}}', '{"tiles"'])
def test_a_file_of_another_kind_is_named(text: str) -> None:
    with pytest.raises(ValueError):
        Tiling.from_json(text)
