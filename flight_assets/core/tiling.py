"""The globe as a quadtree of tiles: which rectangles a sweep asks for, and how they change.

A tile's id says where it is: "0" is the globe and each further digit takes a quarter of it,
0 north-west, 1 north-east, 2 south-west, 3 south-east. The leaves of the tree always cover the
globe, every point of it. Asking for them belongs in ``feed.poller``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flight_assets.core.geo import Bounds

WORLD = Bounds(south_deg=-90, west_deg=-180, north_deg=90, east_deg=180)
WORLD_TILE_ID = "0"
QUARTERS = "0123"
# The smallest tile spans 0.18 by 0.35 degrees, some 20 km: more than 1,500 aircraft in it would
# be an error of the source, and no reason to go on cutting.
MAX_DEPTH = 10


def depth_of(tile_id: str) -> int:
    """Return how often the globe was quartered to get the tile.

    >>> depth_of("0"), depth_of("0213")
    (0, 3)
    """
    return len(tile_id) - len(WORLD_TILE_ID)


def bounds_of(tile_id: str) -> Bounds:
    """Return what a tile covers, exactly: the halves of 90 and 180 are exact in binary.

    >>> bounds_of("01")
    Bounds(south_deg=0.0, west_deg=0.0, north_deg=90, east_deg=180)
    """
    bounds = WORLD
    for quarter in tile_id[len(WORLD_TILE_ID) :]:
        bounds = bounds.quadrants()[int(quarter)]
    return bounds


def children_of(tile_id: str) -> tuple[str, ...]:
    """Return the ids of the four quarters of a tile."""
    return tuple(tile_id + quarter for quarter in QUARTERS)


# Half of the source's cap and less in four tiles together: one tile is enough. Nine tenths of
# it in one: cut it before it loses aircraft. The gap between the two keeps the tree calm.
MERGE_AT_MOST = 700
SPLIT_AT_LEAST = 1_350


@dataclass(frozen=True)
class Tiling:
    """The leaves of the tree, each with the aircraft it held when last asked, or ``None``."""

    counts: Mapping[str, int | None] = field(default_factory=lambda: {WORLD_TILE_ID: None})

    def __post_init__(self) -> None:
        """Raise ``ValueError`` where the leaves miss a part of the globe or have one twice."""
        for tile_id in self.counts:
            if not is_tile_id(tile_id):
                raise ValueError(f"{tile_id!r} is no tile of at most {MAX_DEPTH} quarterings")
        # Leaves of which none lies in another cover the globe if their areas add up to it.
        nested = [id_ for id_ in self.counts if any(a in self.counts for a in _ancestors_of(id_))]
        if nested:
            raise ValueError(f"tiles lie inside others: {', '.join(sorted(nested))}")
        if sum(_area_of(tile_id) for tile_id in self.counts) != _area_of(WORLD_TILE_ID):
            raise ValueError("tiles do not cover the globe")

    @property
    def tile_ids(self) -> tuple[str, ...]:
        """The leaves, neighbours near each other."""
        return tuple(sorted(self.counts))

    def split(self, tile_id: str) -> "Tiling":
        """Return the tiling with a leaf cut into its four quarters, not yet asked."""
        counts = dict(self.counts)
        del counts[tile_id]
        return Tiling(counts | dict.fromkeys(children_of(tile_id)))

    def after(self, counts: Mapping[str, int]) -> "Tiling":
        """Return the tiling for the next sweep, given what the leaves held in this one.

        Crowded leaves are split, quarters that are sparse together are merged. A leaf that is
        not in ``counts`` gave no answer: it stays as it is, and so do its siblings.
        """
        tiling = Tiling({**self.counts, **counts})
        for tile_id, count in counts.items():
            if count >= SPLIT_AT_LEAST and depth_of(tile_id) < MAX_DEPTH:
                tiling = tiling.split(tile_id)
        return _merged(tiling, known=dict(counts))

    def to_json(self) -> str:
        """Return the tiling as the text that :meth:`from_json` reads."""
        return json.dumps({"version": 1, "tiles": dict(sorted(self.counts.items()))}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Tiling":
        """Return the tiling in a text; raise ``ValueError`` with the reason where it has none."""
        content = json.loads(text)
        tiles = content.get("tiles") if isinstance(content, dict) else None
        if not isinstance(tiles, dict) or content.get("version") != 1:
            raise ValueError("no tiles of version 1 in it")
        for tile_id, count in tiles.items():
            if count is not None and (type(count) is not int or count < 0):
                raise ValueError(f"tile {tile_id} has the count {count!r}")
        return cls(tiles)


def is_tile_id(text: str) -> bool:
    """Return whether a text names a tile."""
    return (
        text.startswith(WORLD_TILE_ID)
        and set(text) <= set(QUARTERS)
        and depth_of(text) <= MAX_DEPTH
    )


def _ancestors_of(tile_id: str) -> Iterable[str]:
    return (tile_id[:end] for end in range(len(WORLD_TILE_ID), len(tile_id)))


def _area_of(tile_id: str) -> int:
    """Return a tile's share of the globe, in smallest tiles."""
    return int(4 ** (MAX_DEPTH - depth_of(tile_id)))


def _merged(tiling: Tiling, known: dict[str, int]) -> Tiling:
    """Return the tiling with sparse families merged, deepest first, so that merges climb."""
    counts = dict(tiling.counts)
    parents = {tile_id[:-1] for tile_id in counts} - {""}
    for depth in range(MAX_DEPTH, -1, -1):
        for parent in sorted(id_ for id_ in parents if depth_of(id_) == depth):
            children = children_of(parent)
            if not all(child in counts and child in known for child in children):
                continue
            together = sum(known[child] for child in children)
            if together > MERGE_AT_MOST:
                continue
            for child in children:
                del counts[child]
            counts[parent] = known[parent] = together
            parents.add(parent[:-1])
    return Tiling(counts)


# The tree of the first sweep, when nothing is remembered: coarse over oceans and the south, finer
# where aircraft crowd (North America 002 and 003, Europe 0102, Asia 012). Too coarse costs one
# request per split; too fine costs four more for each tile that turns out to be empty.
FIRST_SPLITS = ("0", "00", "002", "003", "0030", "01", "010", "0102", "012")


def first_tiling() -> Tiling:
    """Return the tiling of a sweep that remembers nothing: 28 tiles."""
    tiling = Tiling()
    for tile_id in FIRST_SPLITS:
        tiling = tiling.split(tile_id)
    return tiling
