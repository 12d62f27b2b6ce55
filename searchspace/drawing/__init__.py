"""A network on a screen: `svg` and `volumes` are figures, `html` a page, `terminal` and `layer_rows` for a console.

`confusion` draws what a trained one takes for what.
"""

from searchspace.drawing.confusion import confusion
from searchspace.drawing.figure import svg
from searchspace.drawing.page import html
from searchspace.drawing.table import LayerRow, layer_rows
from searchspace.drawing.terminal import layer_lines, terminal
from searchspace.drawing.volumes import volumes

__all__ = ["LayerRow", "confusion", "html", "layer_lines", "layer_rows", "svg", "terminal", "volumes"]
