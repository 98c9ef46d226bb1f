"""What counts as a change of the project's own files."""

from pathlib import Path

from flight_assets.sources import newest_change


def test_what_is_made_here_is_no_change(tmp_path: Path):
    source = tmp_path / "models" / "a.sql"
    source.parent.mkdir()
    source.touch()
    before = newest_change([tmp_path])
    assert before == source.stat().st_mtime
    for made in ("target/b.sql", "models/__pycache__/c.py", "models/d.log"):
        (tmp_path / made).parent.mkdir(exist_ok=True)
        (tmp_path / made).touch()
    assert newest_change([tmp_path]) == before
    (tmp_path / "e.yml").touch()
    assert newest_change([tmp_path]) > before


def test_nothing_was_never_changed(tmp_path: Path):
    assert newest_change([tmp_path]) == 0
