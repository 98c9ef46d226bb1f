import uuid

import pytest

from flight_assets.local import kafka


def test_a_cluster_id_never_reads_as_an_option(monkeypatch: pytest.MonkeyPatch):
    # 0xf8 begins with the bits of "-" in base64url
    drawn = iter([uuid.UUID(bytes=b"\xf8" + bytes(15)), uuid.UUID(bytes=bytes(16))])
    monkeypatch.setattr(kafka.uuid, "uuid4", lambda: next(drawn))
    assert kafka.new_cluster_id() == "A" * 22
