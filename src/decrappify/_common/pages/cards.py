"""Compact HTML of an object for notebooks: a heading, a thumbnail and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from decrappify._common.pages.png import data_url
from decrappify.errors import printable

# Colors are those of the notebook, also of dark themes.
_STYLE = "display:flex;gap:1em;align-items:flex-start;margin:.3em 0"
_CELL = "text-align:left;padding:1px 8px 1px 0;vertical-align:top;white-space:pre-line"


def html_card(kind: str, name: str, rows: Sequence[tuple[str, str]], png: bytes | None = None, note: str = "") -> str:
    """Return the HTML of an object; all texts are escaped.

    Parameters
    ----------
    kind, name : str
        Class and name of the object, for the heading.
    rows : sequence of (str, str)
        Labels and values; a value may have several lines.
    png : bytes, optional
        Thumbnail.
    note : str
        Text below the table.

    Examples
    --------
    >>> html_card("Movie", "<cells>", [("dtype", "uint16")])[:67]
    '<div style="display:flex;gap:1em;align-items:flex-start;margin:.3em'
    >>> "&lt;cells&gt;" in html_card("Movie", "<cells>", [])
    True
    """
    image = "" if png is None else f'<img src="{data_url(png)}" alt="thumbnail">'
    heading = f"<div><b>{_text(kind)}</b> {_text(name)}</div>"
    body = "".join(_row([label, value], "td") for label, value in rows)
    below = f"<div>{_text(note)}</div>" if note else ""
    return f'<div style="{_STYLE}">{image}<div>{heading}<table>{body}</table>{below}</div></div>'


def html_table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, bold: Sequence[tuple[int, int]] = (), note: str = ""
) -> str:
    """Return the HTML of a table with a heading; all texts are escaped.

    Parameters
    ----------
    heading, rows : sequence of str, sequence of sequence of str
        Texts of the cells.
    bold : sequence of (int, int)
        Row and column of cells in bold.
    note : str
        Text below the table.

    Examples
    --------
    >>> html_table(["a", "b"], [["1", "<2>"]], bold=[(0, 1)]).count("<b>&lt;2&gt;</b>")
    1
    """
    cells = [_row(heading, "th")]
    for number, row in enumerate(rows):
        cells.append(_row(row, "td", {column for at, column in bold if at == number}))
    below = f"<div>{_text(note)}</div>" if note else ""
    return f"<div><table>{''.join(cells)}</table>{below}</div>"


def _row(texts: Sequence[str], tag: str, bold: set[int] | None = None) -> str:
    cells = [f"<b>{_text(text)}</b>" if i in (bold or ()) else _text(text) for i, text in enumerate(texts)]
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{cell}</{tag}>' for cell in cells) + "</tr>"


def _text(text: str) -> str:
    """Return escaped text, with control characters of file names and metadata made visible."""
    return "\n".join(escape(printable(line)) for line in text.split("\n"))
