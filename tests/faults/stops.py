"""Stop a landing process at a named point of a slice, from outside of the product's code.

The process stops itself (SIGSTOP: all of its threads stand still where they are) and says where it
stands, so that a test can look at what the servers hold at that instant, and then kill it.
"""

import os
import signal
import struct
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from kafka_sensors import copying, landing, replay, slices
from kafka_sensors.client import Reader
from kafka_sensors.ledger import Entry, Ledger
from kafka_sensors.offsets import OffsetRange
from kafka_sensors.plain import PlainRows
from kafka_sensors.slices import Landing

# So small that a slice leaves in several blocks, and half of it is at the server.
BLOCK_BYTES = 1_024
# Where a row in COPY's form has what landing fills: behind a count and the lengths of columns.
PARTITION_AT = 2 + (4 + 8) + (4 + 8) + 4
OFFSET_AT = PARTITION_AT + 4 + 4


def say(*words: object) -> None:
    """Tell the test. A line goes out in one piece: ``print`` of two threads can mix."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


@dataclass
class Stop:
    """The point that a process is to stop at, when it passes it for the so-many-th time."""

    point: str
    nth: int
    writing: tuple[int, OffsetRange] | None = None  # the slice whose ledger row is written

    def passing(self, point: str, partition: int, offsets: OffsetRange) -> None:
        """Stand still here, if this is where to."""
        if point != self.point:
            return
        self.nth -= 1
        if self.nth == 0:
            say("at", partition, offsets.start, offsets.end)
            os.kill(os.getpid(), signal.SIGSTOP)


class StoppingConnection(psycopg.Connection[Any]):
    """A connection that can stop around the commit of a slice."""

    stop: Stop

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        """Do what psycopg does; a slice's transaction is the one that wrote the ledger."""
        with super().transaction(*arguments, **options) as transaction:
            yield transaction
            if self.stop.writing is not None:
                self.stop.passing("before commit", *self.stop.writing)
                if (self.stop.point, self.stop.nth) == ("inside commit", 1):
                    self.pgconn.send_query(b"commit")  # on its way, and nobody hears the answer
                    self.pgconn.flush()
                self.stop.passing("inside commit", *self.stop.writing)
        if self.stop.writing is not None:
            written, self.stop.writing = self.stop.writing, None
            self.stop.passing("after commit", *written)


def install(stop: Stop) -> None:
    """Put the points into the steps of this process's landing."""
    StoppingConnection.stop = stop
    stop_at_reads(stop)
    for module in (landing, replay):
        wrap(stop, module, "prepare", "decode", lambda batch, _: (batch.partition, batch.offsets))
    wrap(
        stop, slices, "copy_prepared", "copy",
        lambda _, __, prepared, **___: (prepared.batch.partition, prepared.batch.offsets),
    )  # fmt: skip
    stop_inside_copies(stop)
    wrap(stop, slices, "delete_slice", "delete", lambda *_, **at: (at["partition"], at["offsets"]))
    wrap(stop, Ledger, "remove", "remove", lambda _, old: (old.partition, old.offsets))
    wrap(stop, Ledger, "append", "ledger", lambda _, entry, **__: note(stop, entry))
    wrap(stop, Landing, "report", "report", lambda _, landed: (landed.partition, landed.offsets))
    wrap(stop, Reader, "commit", "tell", lambda _, landed: (0, OffsetRange(0, landed.get(0, 0))))


def wrap(
    stop: Stop,
    owner: Any,
    name: str,
    step: str,
    about: Callable[..., tuple[int, OffsetRange]],
) -> None:
    """Replace a function by itself between two points; ``about`` tells the slice it is about."""
    function = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        slice_ = about(*arguments, **options)
        stop.passing(f"before {step}", *slice_)
        result = function(*arguments, **options)
        stop.passing(f"after {step}", *slice_)
        return result

    setattr(owner, name, wrapped)


def note(stop: Stop, entry: Entry) -> tuple[int, OffsetRange]:
    """Remember which slice is being written: its transaction is about to end."""
    stop.writing = (entry.partition, entry.offsets)
    return stop.writing


def stop_at_reads(stop: Stop) -> None:
    """Put a point before and after each chunk that the broker gives."""
    read = Reader.read

    def stopping(
        self: Reader, partition: int, offsets: OffsetRange
    ) -> Generator[list[Any], None, None]:
        position = offsets.start
        with closing(read(self, partition, offsets)) as chunks:
            while True:
                stop.passing("before read", partition, OffsetRange(position, offsets.end))
                chunk: list[Any] | None = next(chunks, None)
                if chunk is None:
                    return
                position = chunk[-1].offset() + 1
                stop.passing("after read", partition, OffsetRange(chunk[0].offset(), position))
                yield chunk

    Reader.read = stopping  # type: ignore[method-assign]


def stop_inside_copies(stop: Stop) -> None:
    """Put a point in the middle of the rows that go to Postgres."""
    copy = copying.copy
    copying.BlockWriter.BLOCK_BYTES = BLOCK_BYTES

    def stopping(
        connection: Any, table: str, columns: Any, prefix: Sequence[Any], rows: Iterable[Any]
    ) -> None:
        sent = list(rows)

        def halting() -> Iterator[Any]:
            for index, row in enumerate(sent):
                if index == len(sent) // 2:
                    within = OffsetRange(sent[0][0], sent[-1][0] + 1)
                    stop.passing("inside copy", prefix[2], within)
                yield row

        copy(connection, table, columns, prefix, halting())  # type: ignore[arg-type]

    copying.copy = stopping
    copy_plain = copying.copy_plain

    def stopping_plain(
        connection: Any, table: str, columns: Any, slice_id: int, plain: Sequence[PlainRows]
    ) -> None:
        halves = [half for rows in plain if rows for half in halves_of(stop, rows)]
        copy_plain(connection, table, columns, slice_id, halves)  # type: ignore[arg-type]

    copying.copy_plain = stopping_plain


@dataclass(frozen=True)
class Half:
    """Half of the bytes of some rows; before the second one a process may stop."""

    rows: PlainRows
    is_second: bool
    before: Callable[[], None]

    def of_slice(self, slice_id: int) -> bytearray:
        """Return the bytes, when it is their turn."""
        self.before()
        data = self.rows.of_slice(slice_id)
        middle = len(data) // 2
        return data[middle:] if self.is_second else data[:middle]


def halves_of(stop: Stop, rows: PlainRows) -> list[Half]:
    """Return rows in two halves of their bytes, and a point between them."""
    starts = memoryview(rows.starts).cast("q")
    (partition,) = struct.unpack_from("!i", rows.rows, starts[0] + PARTITION_AT)
    first, last = (
        struct.unpack_from("!q", rows.rows, at + OFFSET_AT)[0] for at in (starts[0], starts[-1])
    )
    within = OffsetRange(first, last + 1)
    return [
        Half(rows, is_second=False, before=lambda: None),
        Half(rows, is_second=True, before=lambda: stop.passing("inside copy", partition, within)),
    ]
