"""`make keep`: what it starts again and what it leaves, told by an engine of a few lines.

The containers' own tests have the real engine.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_assets.settings import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / "deploy" / "keep.sh"
PATIENCE_S = 30
# It tells of four ends: one was stopped, one removed, one is on its way again by the engine itself.
ENGINE = """#!/bin/sh
case "$1 $*" in
"inspect "*compose.project*) echo line ;;
"inspect "*again) echo "restarting unless-stopped" ;;
"inspect "*removed) exit 1 ;;
"inspect "*) echo "exited unless-stopped" ;;
"events "*--until*stopped*) echo stop ;;
"events "*--until*) ;;
"events "*) for id in stopped removed again killed; do echo "$id name-of-$id 1"; done; sleep 60 ;;
"start "*) echo "started $2" ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    program = tmp_path / "docker"
    # what it starts goes to a file, as the script is not to repeat it
    program.write_text(ENGINE.replace('echo "started $2"', f'echo "$2" >> {tmp_path}/started'))
    program.chmod(0o755)
    return program


@pytest.fixture
def keeper(engine: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [SCRIPT, "any"],
        env=os.environ | {"DOCKER": str(engine)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)


@pytest.mark.timeout(PATIENCE_S)
def test_only_what_was_killed_is_started_again(
    keeper: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert keeper.stdout is not None
    assert "line" in keeper.stdout.readline()
    assert keeper.stdout.readline() == "name-of-killed was killed: starting it again\n"
    started = tmp_path / "started"
    while not started.exists():
        time.sleep(0.05)
    time.sleep(0.5)  # the four were judged at the same time
    assert started.read_text().split() == ["killed"]


def test_without_a_container_it_says_what_to_do() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert done.returncode == 1
    assert "make up" in done.stderr
