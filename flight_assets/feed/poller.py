"""One sweep of the world: every tile asked, every flight once, and the record of how it went.

Nothing is published here (``feed.producer``) and nothing waits for the next sweep
(``feed.rhythm``).
"""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from flight_assets.core.observations import Observation, RefusedRow, from_feed_row
from flight_assets.core.polls import Poll
from flight_assets.core.tiling import MAX_DEPTH, Tiling, children_of, depth_of
from flight_assets.feed.client import TileAnswer
from flight_assets.feed.failures import FeedError, OutOfTimeError

log = logging.getLogger(__name__)


class TileSource(Protocol):
    """What a sweep needs of the client."""

    clock: Callable[[], float]

    @property
    def request_count(self) -> int:
        """Requests made so far."""

    def tile(self, tile_id: str, *, trusts_empty: bool, give_up_at: float) -> TileAnswer:
        """Return the answer to a tile, or raise ``FeedError``.

        ``OutOfTimeError`` where it was not asked, as ``give_up_at`` has come.
        """


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What one sweep found: each flight once, the rows refused, the record, the next tree."""

    observations: Sequence[Observation]
    refused: Sequence[RefusedRow]
    poll: Poll
    tiling: Tiling


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the source gave: of the leaves, of the tiles that were split, and of which nothing."""

    leaves: Sequence[TileAnswer]
    split: Sequence[TileAnswer]
    saturated_tile_ids: Sequence[str]
    failed_tile_ids: Sequence[str]
    tiling: Tiling


# The source gives at most so many rows of a tile: as many as that means that some are missing.
ROW_CAP = 1_500
# A sweep ends well before the next minute's begins, with what it has.
SWEEP_LIMIT_S = 50.0


def sweep(
    client: TileSource,
    tiling: Tiling,
    *,
    source: str,
    now: Callable[[], float] = time.time,
    limit_s: float = SWEEP_LIMIT_S,
) -> Sweep:
    """Return what one sweep over the tiles of a tree found.

    Takes at most ``limit_s``; what is not asked by then is named in the poll. Raises
    ``FeedError`` where no tile at all was answered, for then there is no poll. ``now`` is the
    system's clock, by which a live poll lives; others live on the clock of their source.
    """
    began_at, requests_before = now(), client.request_count
    answers = ask_all(client, tiling, give_up_at=client.clock() + limit_s)
    began_at, ended_at = _span(source, answers, began_at, now())
    poll_id = new_poll_id(began_at)
    observations, refused, duplicate_count = sort_out(answers, poll_id)
    full_counts = [a.full_count for a in (*answers.leaves, *answers.split) if a.full_count]
    poll = Poll(
        poll_id=poll_id,
        source=source,
        started_at=began_at,
        ended_at=ended_at,
        observation_count=len(observations),
        refused_count=len(refused),
        duplicate_count=duplicate_count,
        full_count=max(full_counts, default=None),
        request_count=client.request_count - requests_before,
        tile_count=len(answers.tiling.tile_ids),
        saturated_tile_ids=list(answers.saturated_tile_ids),
        failed_tile_ids=list(answers.failed_tile_ids),
    )
    counts = {answer.tile_id: len(answer.rows) for answer in answers.leaves}
    return Sweep(
        observations=observations,
        refused=refused,
        poll=poll,
        tiling=answers.tiling.after(counts),
    )


def ask_all(client: TileSource, tiling: Tiling, *, give_up_at: float) -> Answers:
    """Return the answers to all tiles of a tree; a saturated tile is split and asked in quarters.

    One question after the other: the source is spared, and a wait that it wants holds for all.
    """
    outcomes: dict[str, TileAnswer | FeedError] = {}
    pending = deque(tiling.tile_ids)
    while pending and not _is_hopeless(list(outcomes.values())):
        tile_id = pending.popleft()
        trusts_empty = tiling.counts[tile_id] == 0
        outcome = _ask(client, tile_id, trusts_empty, give_up_at)
        if outcomes and isinstance(outcome, OutOfTimeError):
            pending.appendleft(tile_id)
            break
        outcomes[tile_id] = outcome
        if _is_saturated(outcome) and depth_of(tile_id) < MAX_DEPTH:
            tiling = tiling.split(tile_id)
            pending.extendleft(reversed(children_of(tile_id)))
    answers = [outcome for outcome in outcomes.values() if isinstance(outcome, TileAnswer)]
    failed = [tile_id for tile_id, outcome in outcomes.items() if isinstance(outcome, FeedError)]
    if not answers:
        raise FeedError(f"no poll: {outcomes[failed[-1]]}")
    if pending:
        log.warning("the poll ends early: %d tiles are not asked", len(pending))
    leaves = [answer for answer in answers if answer.tile_id in tiling.counts]
    return Answers(
        leaves=leaves,
        split=[answer for answer in answers if answer.tile_id not in tiling.counts],
        saturated_tile_ids=[answer.tile_id for answer in leaves if _is_saturated(answer)],
        failed_tile_ids=[*failed, *pending],
        tiling=tiling,
    )


def _ask(
    client: TileSource, tile_id: str, trusts_empty: bool, give_up_at: float
) -> TileAnswer | FeedError:
    try:
        return client.tile(tile_id, trusts_empty=trusts_empty, give_up_at=give_up_at)
    except FeedError as failure:
        log.warning("%s", failure)
        return failure


def _is_saturated(outcome: TileAnswer | FeedError) -> bool:
    return isinstance(outcome, TileAnswer) and len(outcome.rows) >= ROW_CAP


# So many tiles failing one after the other are a failing source, not failing tiles.
FAILURES_IN_A_ROW = 3


def _is_hopeless(outcomes: Sequence[TileAnswer | FeedError]) -> bool:
    """Return whether the last outcomes say that further questions are in vain."""
    last = [outcome for outcome in outcomes[-FAILURES_IN_A_ROW:] if isinstance(outcome, FeedError)]
    return len(last) == FAILURES_IN_A_ROW or (
        bool(last) and outcomes[-1] is last[-1] and last[-1].ends_sweep
    )


def sort_out(answers: Answers, poll_id: str) -> tuple[list[Observation], list[RefusedRow], int]:
    """Return each flight's newest observation, each refused row, and how often a flight came again.

    A flight comes again on a seam or as it flies on. The rows of a tile that was split only fill
    the gaps that its quarters leave; they are no repetition.
    """
    observations: dict[str, Observation] = {}
    refused: dict[str, RefusedRow] = {}
    duplicate_count = 0
    for record in _records(answers.leaves, poll_id):
        if isinstance(record, RefusedRow):
            duplicate_count += record.flight_id in refused
            refused.setdefault(record.flight_id, record)
            continue
        known = observations.get(record.flight_id)
        duplicate_count += known is not None
        if known is None or record.observed_at > known.observed_at:
            observations[record.flight_id] = record
    for record in _records(answers.split, poll_id):
        if record.flight_id in observations or record.flight_id in refused:
            continue
        if isinstance(record, RefusedRow):
            refused[record.flight_id] = record
        else:
            observations[record.flight_id] = record
    return list(observations.values()), list(refused.values()), duplicate_count


def _records(answers: Iterable[TileAnswer], poll_id: str) -> Iterable[Observation | RefusedRow]:
    for answer in answers:
        for flight_id, row in answer.rows.items():
            yield from_feed_row(flight_id, row, poll_id=poll_id, tile_id=answer.tile_id)


def _span(source: str, answers: Answers, began_at: float, ended_at: float) -> tuple[int, int]:
    """Return when the poll began and ended, Unix seconds on the clock of the source."""
    if source == "live":
        # a clock that is set back during the sweep must not end the poll before its beginning
        return int(began_at), max(int(began_at), int(ended_at))
    instants = [a.answered_at for a in (*answers.leaves, *answers.split) if a.answered_at]
    if not instants:
        raise FeedError(f"the {source} source tells no time; its answers need a Date header")
    return min(instants), max(instants)


def new_poll_id(started_at: int) -> str:
    """Return an id that sorts by time and is not given twice."""
    return f"{datetime.fromtimestamp(started_at, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
