"""Prepare the next things in a thread while the present one is being stored."""

import threading
from collections.abc import Generator
from queue import Empty, Full, Queue
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_S = 0.1  # how long a full queue waits before it looks whether it is still wanted


def ahead(items: Generator[T, None, None], *, depth: int = 1) -> Generator[T, None, None]:
    """Yield the items, computed in another thread at most ``depth`` ahead.

    An exception of ``items`` is raised here, in its turn. Closing this generator ends the thread.
    """
    queue: Queue[tuple[str, Any]] = Queue(maxsize=depth)
    is_unwanted = threading.Event()

    def put(kind: str, what: object) -> None:
        while not is_unwanted.is_set():
            try:
                queue.put((kind, what), timeout=LOOK_S)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if is_unwanted.is_set():
                    return
            put("end", None)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            put("error", error)
        finally:
            items.close()

    worker = threading.Thread(target=work, name="kafka_sensors.ahead", daemon=True)
    worker.start()
    try:
        while True:
            kind, what = queue.get()
            if kind == "end":
                return
            if kind == "error":
                raise what
            yield what
    finally:
        is_unwanted.set()
        drain(queue)
        worker.join()


def drain(queue: "Queue[Any]") -> None:
    """Empty a queue, so that what waits in it is freed."""
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return
