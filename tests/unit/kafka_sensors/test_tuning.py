import gc
import sys

import pytest

from kafka_sensors.tuning import SELDOM, SWITCH_S, tuned


def settings() -> tuple[object, object]:
    return gc.get_threshold(), sys.getswitchinterval()


def test_the_interpreter_is_as_before_when_the_last_block_ends() -> None:
    before = settings()
    first, second = tuned(), tuned()
    with pytest.raises(LookupError), first:
        assert settings() == (SELDOM, pytest.approx(SWITCH_S))
        second.__enter__()
        raise LookupError
    assert settings() == (SELDOM, pytest.approx(SWITCH_S))
    second.__exit__(None, None, None)
    assert settings() == before
