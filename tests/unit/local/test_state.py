import threading
from pathlib import Path

import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import ProcessRecord
from flight_assets.local.state import STATE_NAME, locked_state, read_state


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    with locked_state(tmp_path / "home") as state:
        state.record("postgres", ProcessRecord(12, "then"), postgres=20_001)
        state.forget("unknown")
    found = read_state(tmp_path / "home")
    assert found.processes == {"postgres": ProcessRecord(12, "then")}
    assert found.running("postgres") is None


def test_a_forgotten_process_leaves_its_port(tmp_path: Path) -> None:
    with locked_state(tmp_path) as state:
        state.record("postgres", ProcessRecord(12, "then"), postgres=20_001)
        state.forget("postgres")
    assert read_state(tmp_path).processes == {}
    assert read_state(tmp_path).ports == {"postgres": 20_001}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"processes": {"postgres": 3}}'])
def test_a_damaged_state_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_NAME).write_text(text)
    with pytest.raises(FlightAssetsError, match=r"stack\.json is damaged .* remove it") as error:
        read_state(tmp_path)
    assert "\n" not in str(error.value)


def test_a_second_holder_waits_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        def say(text: str) -> None:
            said.append(text)
            waits.set()

        with locked_state(tmp_path, say):
            order.append("second")

    with locked_state(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert len(said) == 1


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FlightAssetsError, match="set FLIGHT_ASSETS_HOME"),
        locked_state(tmp_path / "file" / "home"),
    ):
        pass
