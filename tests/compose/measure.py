"""What the containers take: ``python -m tests.compose.measure [MINUTES] > table``. Needs an engine.

The table of docs/operations.md is made by this, on a simulated sky at one poll a minute.
"""

import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from .engine import engine, why_none
from .proofs import answered_questions
from .stack import NAME, Stack, eventually, running

POLL_EVERY_S = 60
UNITS = {"B": 1e-6, "KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
SETTLED = "select count(*) from bronze.raw_polls"


@dataclass
class Taken:
    """Samples of one container: processor as a share of one core in per cent, memory in MiB."""

    cpu_pct: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)


def mib(text: str) -> float:
    """Return the MiB of what the engine prints, such as ``1.2GiB``."""
    unit = next(each for each in ("KiB", "MiB", "GiB", "B") if text.endswith(each))
    return float(text.removesuffix(unit)) * UNITS[unit]


def sample(stack: Stack, taken: dict[str, Taken]) -> None:
    """Add what each container takes now."""
    printed = stack.engine.run("stats", "--no-stream", "--format", "{{json .}}")
    for line in printed.splitlines():
        found = json.loads(line)
        service = found["Name"].removeprefix(f"{NAME}-").rpartition("-")[0]
        taken[service].cpu_pct.append(float(found["CPUPerc"].rstrip("%")))
        taken[service].memory_mib.append(mib(found["MemUsage"].split(" / ")[0]))


def disk_mib(stack: Stack) -> tuple[float, float]:
    """Return what the warehouse and Kafka's log take now."""
    [[database]] = stack.sql("select pg_database_size(current_database())")
    log = stack.compose("exec", "-T", "kafka", "du", "-sk", "/var/lib/kafka/data").split()[0]
    return float(database) / 2**20, float(log) / 1024


def polls(stack: Stack) -> int:
    return int(stack.sql(SETTLED)[0][0])


def watch(stack: Stack, minutes: float) -> tuple[dict[str, Taken], tuple[float, float]]:
    """Return what the containers took meanwhile, and the disk of a day at this rate, in GiB."""
    taken: dict[str, Taken] = defaultdict(Taken)
    before, first = disk_mib(stack), polls(stack)
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        sample(stack, taken)
    count = max(1, polls(stack) - first)
    a_day = 86_400 / POLL_EVERY_S / count / 1024
    after = disk_mib(stack)
    return taken, ((after[0] - before[0]) * a_day, (after[1] - before[1]) * a_day)


def table(taken: dict[str, Taken]) -> str:
    """Return the table in Markdown, the largest first."""
    lines = ["| container | memory, MiB, at most | processor, mean, % of a core |", "|---|---|---|"]
    by_memory = sorted(taken.items(), key=lambda each: -max(each[1].memory_mib))
    lines += [
        f"| `{name}` | {max(of.memory_mib):,.0f} | {mean(of.cpu_pct):.1f} |"
        for name, of in by_memory
    ]
    memory = sum(max(of.memory_mib) for of in taken.values())
    lines.append(f"| all | {memory:,.0f} | {sum(mean(of.cpu_pct) for of in taken.values()):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Start a stack, wait for its answers, watch it, print, and remove it."""
    missing = why_none()
    if missing is not None:
        sys.exit(missing)
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with engine() as found, tempfile.TemporaryDirectory() as place:
        began_at = time.monotonic()
        every = f"{POLL_EVERY_S}s"
        with running(found, Path(place), profiles="simulator", every=every) as stack:
            up_s = time.monotonic() - began_at
            assert eventually(lambda: len(answered_questions(stack)) == 10, within_s=900)
            answered_s = time.monotonic() - began_at
            taken, (database, log) = watch(stack, minutes)
    print(table(taken))
    print(
        f"\nFrom nothing, with images that are there: healthy after {up_s:.0f} s, all ten answers "
        f"after {answered_s:.0f} s. A day\nof polls takes {database:.1f} GiB in the warehouse and "
        f"{log:.1f} GiB in Kafka, before anything is pruned."
    )


if __name__ == "__main__":
    main()
