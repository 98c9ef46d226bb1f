"""Which alerts are due: the same problem once, again after a while, and a word when it is over.

Plain decisions over problems and what each receiver has been told; nothing is sent here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from flight_assets.core.health import Level, Problem

Kind = Literal["new", "again", "over"]

# What may pass by itself is told when it is still there after this.
PATIENCE = timedelta(seconds=90)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one receiver has been told of a problem; ``told_at`` is ``None`` while it was not."""

    problem: Problem
    first_seen_at: datetime
    told_at: datetime | None = None
    told_level: Level | None = None


Memory = Mapping[str, Seen]  # by the key of the problem


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing to tell a receiver."""

    kind: Kind
    problem: Problem
    since: datetime


def seen_now(memory: Memory, found: Iterable[Problem], *, now: datetime) -> dict[str, Seen]:
    """Return the memory with what is found now in it; what is not found now stays as it was."""
    known = dict(memory)
    for problem in found:
        before = known.get(problem.key)
        known[problem.key] = (
            Seen(problem=problem, first_seen_at=now)
            if before is None
            else replace(before, problem=problem)
        )
    return known


def due(memory: Memory, *, now: datetime, repeat_after: timedelta) -> list[Alert]:
    """Return what a receiver is to be told of problems that are there."""
    alerts = []
    for seen in memory.values():
        kind = _kind(seen, now, repeat_after)
        if kind is not None:
            since = seen.problem.since or seen.first_seen_at
            alerts.append(Alert(kind=kind, problem=seen.problem, since=since))
    return alerts


def _kind(seen: Seen, now: datetime, repeat_after: timedelta) -> Kind | None:
    if seen.told_at is None:
        may_pass = seen.problem.may_pass and now - seen.first_seen_at < PATIENCE
        return None if may_pass else "new"
    has_worsened = seen.problem.level == "trouble" and seen.told_level == "warning"
    return "again" if has_worsened or now - seen.told_at >= repeat_after else None


def over(memory: Memory, found: Iterable[Problem], *, unknown_parts: Sequence[str]) -> list[Seen]:
    """Return what is there no more. What cannot be seen now is not known to be over."""
    there = {problem.key for problem in found}
    return [
        seen
        for key, seen in memory.items()
        if key not in there and not set(seen.problem.parts) & set(unknown_parts)
    ]


def told(memory: Memory, alert: Alert, *, now: datetime) -> dict[str, Seen]:
    """Return the memory after a receiver has been told; what is over is forgotten."""
    key = alert.problem.key
    if alert.kind == "over":
        return {other: seen for other, seen in memory.items() if other != key}
    level = alert.problem.level
    return {**memory, key: replace(memory[key], told_at=now, told_level=level)}


def encode(memory: Memory) -> str:
    """Return a memory as JSON."""
    return msgspec.json.encode(memory).decode()


def decode(text: str | None) -> dict[str, Seen]:
    """Return the memory in JSON, an empty one where there is none or it is of another version."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Seen])
    except msgspec.DecodeError:
        return {}
