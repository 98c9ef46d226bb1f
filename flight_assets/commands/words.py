"""Words of strangers in a terminal: what the feed or Kafka says is shown, and not obeyed.

Programs get them as they are, in JSON and CSV.
"""

from rich.text import Text


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey: control characters as escapes."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def cell(text: str) -> Text:
    """Return a cell of a table that is no markup, whatever brackets are in it."""
    return Text(printable(text))
