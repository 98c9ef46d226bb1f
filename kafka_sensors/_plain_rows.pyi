from typing import Any

# bytes before the value, kind, whether it may be null, column; least and most as ints, as floats
Field = tuple[bytes, int, int, int, int, int, float, float]

def make_plan(fields: tuple[Field, ...], end: bytes, event: int, /) -> Any: ...
def form(
    plan: Any,
    values: tuple[bytes | None, ...],
    offsets: tuple[int, ...],
    log_hour: int,
    partition: int,
    /,
) -> tuple[bytearray, bytes, bytes, list[int]]: ...
def set_slice(rows: bytearray, starts: bytes, slice_id: int, /) -> None: ...
