"""Slide a digit network over a canvas of digits, for docs/bundle.md: `python docs/make_dense.py`, in half a minute.

It trains the network of docs/bundle.md, exports it with --dense, runs the bundle's own predict.py on a canvas of
validation digits, and keeps what came out in docs/dense-digits.json. The picture is drawn from that file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
KEPT, PICTURE = DOCS / "dense-digits.json", "dense-digits.svg"
SIDE, GAP, ROWS, COLUMNS = 8, 3, 2, 6
PIXEL, LEFT, TOP, BELOW = 11, 8, 24, 34
COLORS = ("#0064a4", "#a34a00", "#00704f", "#8a3f80", "#b3261e", "#4a5560", "#7a6a00", "#00798c", "#6a3fb5", "#5b4636")
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


def study() -> str:
    """The study of the page."""
    page = (DOCS / "bundle.md").read_text(encoding="utf-8")
    return page.split("```yaml\n")[1].split("```")[0]


def made() -> dict[str, Any]:
    """The canvas, which digits stand where, and what the exported network says of every window."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "study.yaml").write_text(study(), encoding="utf-8")
        for command in (
            ["run", "study.yaml", "--inline", "--quiet"],
            ["export", "slide", "--best", "--dense", "--out", "b"],
        ):
            _run([sys.executable, "-m", "studies.cli", *command], folder)
        canvas, places = _canvas()
        _saved(canvas, folder / "canvas.npy")
        told = json.loads(_run([sys.executable, "b/predict.py", "canvas.npy", "--onnx", "--json"], folder))[0]
    scores = [[round(score, 2) for score in row] for row in told["scores"]]
    rows = ["".join(row) for row in told["map"]]
    return {"canvas": canvas, "places": places, "map": rows, "scores": scores}


def _run(command: list[str], folder: Path) -> str:
    root = {"PYTHONPATH": str(DOCS.parent), "ARCHSTUDY_STORE": f"sqlite:///{folder / 'a.db'}"}
    ended = subprocess.run(command, cwd=folder, env=os.environ | root, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return ended.stdout


def _canvas() -> tuple[list[list[int]], list[list[Any]]]:
    """Validation digits in rows with gaps between them, and (top, left, digit) of each."""
    from worker import data
    from worker.datasource import DataSpec

    spec = DataSpec(source="digits")
    images = data.raw_images(spec, "classification", "validation", ROWS * COLUMNS)[..., 0].astype(int)
    labels = data.load(spec, "classification").validation.y.tolist()
    step = SIDE + GAP
    canvas = [[0] * (COLUMNS * step + GAP) for _ in range(ROWS * step + GAP)]
    places = []
    for number, image in enumerate(images.tolist()):
        top, left = GAP + number // COLUMNS * step, GAP + number % COLUMNS * step
        places.append([top, left, str(labels[number])])
        for y, row in enumerate(image):
            canvas[top + y][left : left + SIDE] = row
    return canvas, places


def _saved(canvas: list[list[int]], file: Path) -> None:
    import numpy as np

    np.save(file, np.array(canvas, dtype=np.float32))


# --- the picture ------------------------------------------------------------------------------------------------------


def pictures() -> dict[str, str]:
    """The picture by its file's name, from the numbers that were kept."""
    return {PICTURE: drawn(json.loads(KEPT.read_text(encoding="utf-8")))}


def drawn(told: dict[str, Any]) -> str:
    """Above the canvas, below the map: a cell in the middle of each window, its class by colour, sure ones opaque."""
    height, width = len(told["canvas"]), len(told["canvas"][0])
    size = (2 * LEFT + width * PIXEL, TOP + 2 * height * PIXEL + BELOW + LEFT)
    right = sum(_at(told, top, left) == digit for top, left, digit in told["places"])
    total = len(told["places"])
    words = f"{right} of {total} digits are read right where they stand; between them the network has to answer too."
    box = f'width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} '
        f'role="img" aria-labelledby="dense-t dense-d" font-family="{FONT}">',
        '<title id="dense-t">A digit network slides over a canvas</title>',
        f'<desc id="dense-d">{words}</desc>',
        _text(LEFT, TOP - 8, f"canvas, {height}x{width}"),
        *_canvas_marks(told["canvas"]),
        _text(
            LEFT,
            TOP + height * PIXEL + BELOW - 8,
            f"map of predictions, {len(told['map'])}x{len(told['map'][0])}: {words}",
        ),
        f'<rect x="{LEFT}" y="{TOP + height * PIXEL + BELOW}" width="{width * PIXEL}" height="{height * PIXEL}" '
        'fill="none" stroke="#808080" stroke-dasharray="4 3"/>',
        *_map_marks(told, TOP + height * PIXEL + BELOW),
        "</svg>",
    ]
    return "\n".join(parts)


def _at(told: dict[str, Any], top: int, left: int) -> str:
    return str(told["map"][top][left])


def _text(x: float, y: float, text: str, size: int = 12, color: str = "#767676", anchor: str = "start") -> str:
    style = f'font-size="{size}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{text}</text>'


def _canvas_marks(canvas: list[list[int]]) -> Iterator[str]:
    height, width = len(canvas) * PIXEL, len(canvas[0]) * PIXEL
    yield f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" fill="#111111"/>'
    for level in range(1, 17):
        cells = [(x, y) for y, row in enumerate(canvas) for x, value in enumerate(row) if value == level]
        gray = round(17 + level * (238 / 16))
        yield _cells(cells, LEFT, TOP, f'fill="#{gray:02x}{gray:02x}{gray:02x}"')


def _map_marks(told: dict[str, Any], top: int) -> Iterator[str]:
    """Cells by class and by how sure the network is, in three steps; rings where digits stand."""
    left, middle = LEFT + SIDE // 2 * PIXEL - PIXEL // 2, top + SIDE // 2 * PIXEL - PIXEL // 2
    for digit, color in enumerate(COLORS):
        for low, high, opacity in ((0, 0.5, 0.15), (0.5, 0.9, 0.4), (0.9, 1.1, 0.85)):
            cells = [
                (x, y)
                for y, row in enumerate(told["map"])
                for x, said in enumerate(row)
                if said == str(digit) and low <= told["scores"][y][x] < high
            ]
            yield _cells(cells, left, middle, f'fill="{color}" fill-opacity="{opacity}"')
    for y, x, digit in told["places"]:
        here = left + (x + 0.5) * PIXEL, middle + (y + 0.5) * PIXEL
        said = _at(told, y, x)
        color = COLORS[int(said)]
        stroke = color if said == digit else "#d00000"
        yield f'<circle cx="{here[0]:g}" cy="{here[1]:g}" r="12" fill="#ffffff" stroke="{stroke}" stroke-width="2.5"/>'
        yield _text(here[0], here[1] + 5, said, 15, color, "middle")


def _cells(cells: list[tuple[int, int]], left: float, top: float, style: str) -> str:
    """One path of squares."""
    squares = "".join(f"M{left + x * PIXEL:g} {top + y * PIXEL:g}h{PIXEL}v{PIXEL}h-{PIXEL}z" for x, y in cells)
    return f'<path d="{squares}" {style}/>' if cells else ""


if __name__ == "__main__":
    KEPT.write_text(json.dumps(made()) + "\n", encoding="utf-8")
    for file, text in pictures().items():
        (DOCS / "pictures" / file).write_text(text, encoding="utf-8")
        print(f"docs/pictures/{file}  {len(text.encode()) / 1000:.0f} kB")
