"""Pages of docs/ of which a part is made by a program: between two marks, the first naming it."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
END = "<!-- end of what is made -->"


def page_with(page: Path, maker: str, made: str) -> str:
    """Return the page with what ``python -m maker`` makes in its place.

    Raises ``SystemExit`` where the page has no such place.
    """
    begin = f"<!-- made by python -m {maker} -->"
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise SystemExit(f"{page.name} has no place between {begin} and {END}")
    return f"{before}{begin}\n\n{made}\n\n{END}{after}"
