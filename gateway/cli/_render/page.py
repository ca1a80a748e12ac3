"""Pages to print and sign, which load nothing: their frame, tables and lists."""

from collections.abc import Sequence
from html import escape

STYLE = """
body{font:14px/1.4 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#000;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}
th,td{border:1px solid #888;padding:.25em .5em;text-align:left;vertical-align:top}
.signature{table-layout:fixed}
.signature td{height:3em}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}
"""


def to_page(title: str, body: str, style: str = "") -> str:
    """Return a page with a plain title, a body of HTML and more rules of style."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Return a table of plain texts, of a class of style."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f'<table class="{kind}"><tr>{head}</tr>{body}</table>'


def bullets(title: str, items: Sequence[str]) -> str:
    """Return a heading and a list of plain texts."""
    return f"<h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def signatures(*functions: str) -> str:
    """Return a table in which the persons with these functions sign."""
    rows = [("", function, "", "") for function in functions]
    return f"<h2>Signatures</h2>{table(('Name', 'Function', 'Date', 'Signature'), rows, 'signature')}"
