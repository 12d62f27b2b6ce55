"""A network as one page (HTML) that needs nothing else: totals, block figure, feature maps and the layer table."""

from __future__ import annotations

from html import escape

from searchspace.core import Network
from searchspace.cost import cost
from searchspace.drawing.figure import svg
from searchspace.drawing.table import LayerRow, layer_rows
from searchspace.drawing.volumes import volumes
from searchspace.language.units import human

HEADINGS = {"name": False, "layer": False, "output": False, "params": True, "MACs": True} | {
    "receptive field": False, "stride": False
}  # fmt: skip
"""Of the columns of the table, and whether numbers stand in them."""
STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #59636e; --paper: #ffffff; --line: #d5dae0; --band: #f4f6f8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebee; --soft: #a2acb6; --paper: #14181c; --line: #363d45; --band: #1c2127 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 20px clamp(12px, 2vw, 24px) 48px; max-width: 1300px; background: var(--paper);
  color: var(--ink); font: 15px/1.45 ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
h1 { font-size: 24px; margin: 0 0 12px; overflow-wrap: anywhere }
h2 { font-size: 17px; margin: 28px 0 8px }
dl { display: flex; flex-wrap: wrap; gap: 10px 32px; margin: 0 }
dt { color: var(--soft); font-size: 13px }
dd { margin: 0; font-size: 19px; font-weight: 600 }
.scroll { overflow-x: auto; padding-bottom: 6px }
.scroll:focus-visible { outline: 2px solid #0072b2 }
svg { display: block; max-width: none }
svg text[fill="#767676"] { fill: var(--soft) }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap; font-variant-numeric: tabular-nums }
th, td { padding: 4px 12px; text-align: left; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 }
td:first-child { font-family: ui-monospace, Consolas, monospace; font-size: 12px }
tbody tr:nth-child(even) { background: var(--band) }
tfoot td { font-weight: 600; border-bottom: 0 }
.n { text-align: right }
""".strip()


def html(network: Network, title: str) -> str:
    """The whole page as text; `Infeasible` for a network that cannot exist."""
    name = escape(title)
    parts = [
        f"<h1>{name}</h1>",
        _totals(network),
        _section("Blocks", svg(network)),
        _section("Feature maps", volumes(network)),
        _section("Layers", _table(layer_rows(network))),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _totals(network: Network) -> str:
    whole = cost(network)
    facts = {
        "parameters": f"{whole.params:,}",
        "MACs": human(whole.macs),
        "activations": human(whole.activations),
        "receptive field": str(whole.field),
        "depth": str(whole.depth),
    }
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()) + "</dl>"


def _section(heading: str, content: str) -> str:
    """A heading, and what scrolls on its own where the screen is narrow."""
    return f'<h2>{heading}</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="{heading}">{content}</div>'


def _table(rows: list[LayerRow]) -> str:
    head = "".join(f'<th scope="col"{_right(number)}>{name}</th>' for name, number in HEADINGS.items())
    body = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    foot = f'<tr><td colspan="3">total</td>{_cell(params)}{_cell(macs)}<td colspan="2"></td></tr>'
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>\n<tfoot>{foot}</tfoot></table>"


def _cell(value: object) -> str:
    text = (f"{value:,}" if value else "–") if isinstance(value, int) else escape(str(value))
    return f"<td{_right(isinstance(value, int))}>{text}</td>"


def _right(number: bool) -> str:
    return ' class="n"' if number else ""
