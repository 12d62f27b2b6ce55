"""Make all pictures anew: both example studies are run, and a real browser looks at the dashboard.

    python docs/pictures.py            about three minutes; needs pip install -e '.[dev]' and a Chromium

The store lies in a temporary folder. Every picture is 1400 pixels wide (the phone's 780) and below 300 kB. The drawings
of networks and the charts of the zoo need no browser; `make_figures.py` and `make_zoo.py` write them in seconds.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from studies.store import connect, query

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "pictures"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
LARGEST = 300_000  # bytes of a picture
DRAWN = ("make_figures.py", "make_zoo.py")
"""The scripts that draw without a browser."""
STUDIES = ("depth-width-filter", "search-digits")
CHART = "[data-testid=stVegaLiteChart] :is(canvas, svg)"


@dataclass(frozen=True)
class Picture:
    """A page, how large its window is, how many pixels a point has, and how many charts must stand in it."""

    name: str
    path: str
    width: int
    height: int
    scale: float = 1.0
    charts: int = 0


PICTURES = (
    Picture("studies", "/", 1400, 330),
    Picture("study", "/study?study=search-digits", 1400, 1460, charts=2),
    Picture("design", "/design?study=depth-width-filter", 1400, 1320, charts=2),
    Picture("network", "/network?study=search-digits&trial={deepest}", 1400, 1230, charts=2),
    Picture("phone", "/design?study=depth-width-filter", 390, 844, 2.0, charts=2),
)
REPORTS = (
    Picture("report", "", 1000, 1000, 1.2),
    Picture("report-effects", "#effects", 1000, 760, 1.2),
)
"""Of the offline report, at its head and at a heading."""


def main() -> None:
    """Draw what needs no browser, run the studies, start the dashboard, take every picture."""
    FOLDER.mkdir(exist_ok=True)
    for script in DRAWN:
        subprocess.run([sys.executable, str(Path(__file__).with_name(script))], check=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"ARCHSTUDY_STORE": f"sqlite:///{folder}/archstudy.db"}
        for study in STUDIES:
            file = ROOT / "studies" / "examples" / f"{study}.yaml"
            run = [sys.executable, "-m", "studies.cli", "run", str(file), "--inline", "--quiet"]
            subprocess.run(run, env=environment, check=True)
        number = deepest(environment["ARCHSTUDY_STORE"], "search-digits")
        with dashboard(environment) as address, browser() as chromium:
            for picture in PICTURES:
                take(chromium, address, replace(picture, path=picture.path.format(deepest=number)))
            report = [sys.executable, "-m", "studies.cli", "report", STUDIES[0], "--out", f"{folder}/report.html"]
            subprocess.run(report, env=environment, check=True)
            for picture in REPORTS:
                take(chromium, Path(folder, "report.html").as_uri(), picture)


def deepest(store: str, name: str) -> int:
    """The complete trial of a search with the most to see: residual blocks, and many of them."""
    engine = connect(store, create=False)
    study = query.find_study(engine, name)
    assert study is not None
    trials = query.trials(engine, study["id"], phase="search", states=("complete",))
    engine.dispose()
    best = max(trials, key=lambda row: (row["assignment"]["block"] == "residual", row["assignment"]["depth"]))
    return int(best["number"])


@contextmanager
def dashboard(environment: dict[str, str]) -> Iterator[str]:
    """The dashboard on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "dashboard.serve", "--port", str(port)], env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str) -> None:
    """Until something answers there, half a minute at most."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the dashboard did not come up in 30 seconds")


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise SystemExit("there is no Chromium on this machine; apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


def take(chromium: Browser, address: str, picture: Picture) -> None:
    """One picture, once its charts are drawn and nothing on the page is an error."""
    size: Any = {"width": picture.width, "height": picture.height}
    page = chromium.new_page(viewport=size, device_scale_factor=picture.scale, color_scheme="light")
    page.goto(address + picture.path)
    if address.startswith("http"):
        settle(page, picture.charts)
    file = FOLDER / f"{picture.name}.png"
    page.screenshot(path=file)
    page.close()
    bytes_ = file.stat().st_size
    assert bytes_ < LARGEST, f"{file} has {bytes_} bytes, {LARGEST} may be; make its window smaller"
    print(f"{file.relative_to(ROOT)}  {bytes_ / 1000:.0f} kB")


def settle(page: Page, charts: int) -> None:
    """Until the charts are there and the page rests."""
    page.locator("h1").first.wait_for()
    if charts:
        page.locator(CHART).nth(charts - 1).wait_for()
    page.locator("[data-test-script-state=notRunning]").first.wait_for(state="attached")
    page.wait_for_timeout(1_500)
    errors = page.locator("[data-testid=stException]")
    assert errors.count() == 0, errors.first.inner_text()


if __name__ == "__main__":
    main()
