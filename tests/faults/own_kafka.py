"""A Kafka of a module's own, that its tests may freeze, stop and start again."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient

from flight_assets.feed.topics import PARTITION_COUNTS
from flight_assets.local import kafka
from flight_assets.local.processes import wait_until
from flight_assets.local.state import locked_state
from tests.apache_kafka import libs_or_skip


class OwnKafka:
    """One broker in a home of its own; it keeps its address and its data over a stop."""

    def __init__(self, home: Path, libs: Path) -> None:
        self._home, self._libs = home, libs
        self.start()

    def start(self) -> None:
        with locked_state(self._home) as state:
            self.bootstrap = kafka.start(state, self._libs)
            process = state.running(kafka.NAME)
            assert process is not None
            self._pid = process.pid

    def stop(self) -> None:
        with locked_state(self._home) as state:
            kafka.stop_server(state)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the broker do nothing at all while the block runs: it takes bytes, and is silent."""
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    def forget_topics(self) -> None:
        """Delete the topics of the feed."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for deleted in admin.delete_topics(list(PARTITION_COUNTS)).values():
            deleted.result()
        assert wait_until(
            lambda: not admin.list_topics(timeout=20).topics.keys() & PARTITION_COUNTS.keys(),
            timeout_s=60,
        )


@contextmanager
def own_kafka() -> Iterator[OwnKafka]:
    """Give a running broker; skip where this machine cannot run one."""
    libs = libs_or_skip()
    home = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    broker = OwnKafka(home, libs)
    try:
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(home)
