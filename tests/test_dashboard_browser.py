"""The dashboard in a real Chromium, on a real server: clicks, and pages that update themselves.

Without a Chromium these tests are skipped; with ARCHSTUDY_NEED_BROWSER=1 they fail instead.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studies.candidate import candidate
from studies.load import from_tree, load
from studies.store import Engine, Writer, acquire, connect, create_study

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
SOON = 15_000  # milliseconds


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "no Chromium on this machine (apt-get install chromium)"
        if os.environ.get("ARCHSTUDY_NEED_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, process: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the dashboard did not come up in 30 seconds")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('browser')}/archstudy.db"


@pytest.fixture(scope="module")
def address(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard on a store that does not exist yet."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    command = [sys.executable, "-m", "dashboard.serve", "--port", str(port)]
    log = tmp_path_factory.mktemp("dashboard") / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=environment | {"ARCHSTUDY_STORE": store}, stdout=file, stderr=file, text=True
        )
    wait_for(f"http://127.0.0.1:{port}", process, log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def engine(store: str) -> Iterator[Engine]:
    opened = connect(store)
    yield opened
    opened.dispose()


def a_search(engine: Engine) -> tuple[Writer, int]:
    """A search with one trial under way, at its first of eight epochs."""
    tree = load(ROOT / "studies" / "examples" / "search-digits.yaml").tree
    study = {"kind": "search", "spec": tree, "yaml": "", "fingerprint": "f", "seed": 7, "provenance": {}}
    study |= {"metric": "val_accuracy", "direction": "maximize", "state": "running"}
    study_id = create_study(engine, name="search-digits", **study)
    assignment = {"block": "plain", "depth": 2, "width": 8, "kernel": 3, "place": "none", "lr": 0.1}
    made = candidate(from_tree(tree, ""), assignment)
    assert made.cost is not None
    row = {"assignment": assignment, "blueprint": made.blueprint, "recipe": made.recipe, "seed": 1, "phase": "search"}
    row |= {name: getattr(made.cost, name) for name in ("params", "macs", "activations")}
    writer = Writer(engine, study_id, acquire(engine, study_id))
    (trial,) = writer.add_trials([row])
    writer.start_trial(trial["id"], {})
    epoch(writer, trial["id"], 1)
    return writer, trial["id"]


def epoch(writer: Writer, trial_id: int, number: int) -> None:
    metrics = {"val_accuracy": number / 10, "train_loss": 1 / number}
    writer.write_epoch(trial_id, number, metrics, number / 10, 0.5, 1)


def waits_for_url(page: Any, part: str) -> None:
    page.wait_for_function("part => location.href.includes(part)", arg=part, timeout=SOON)


def test_from_an_empty_store_to_a_trial_without_a_reload(chromium: Any, address: str, engine: Engine) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1600})
    page.goto(address)
    page.get_by_text("The store holds no study yet").wait_for(timeout=SOON)
    page.evaluate("window.stays = true")

    # A study begins: it appears by itself, and its name leads to its page.
    writer, trial_id = a_search(engine)
    page.get_by_role("link", name="search-digits").click(timeout=SOON)
    page.get_by_text("epoch 1 of 8").wait_for(timeout=SOON)
    waits_for_url(page, "/study?study=search-digits")

    # Its trial goes on: the page follows.
    for number in (2, 3):
        epoch(writer, trial_id, number)
        page.get_by_text(f"epoch {number} of 8").wait_for(timeout=SOON)
    page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first.wait_for(timeout=SOON)

    # What is chosen stands in the URL.
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="train_loss").click()
    waits_for_url(page, "metric=train_loss")

    # It ends: the page says so and rests.
    writer.finish_trial(trial_id, "complete", value=0.3, metrics={"val_accuracy": 0.3})
    writer.finish_study("complete")
    page.get_by_text("complete", exact=True).first.wait_for(timeout=SOON)
    page.wait_for_timeout(2_000)

    # A click on a cell of the table opens that trial; the table is a canvas that follows the mouse.
    table = page.locator("[data-testid=stDataFrame] canvas").first.bounding_box()
    page.mouse.move(table["x"] + 150, table["y"] + 50)
    page.wait_for_timeout(300)
    page.mouse.click(table["x"] + 151, table["y"] + 52, delay=60)
    waits_for_url(page, "/network?study=search-digits&trial=0")
    page.locator("div.network img").wait_for(timeout=SOON)
    assert page.evaluate("window.stays"), "nothing of this was a reload"
    assert page.locator("[data-testid=stException]").count() == 0


def test_a_phone_scrolls_down_and_never_sideways(chromium: Any, address: str, engine: Engine) -> None:
    phone = chromium.new_page(viewport={"width": 390, "height": 800})
    for path in ("/", "/study?study=search-digits", "/network?study=search-digits&trial=0"):
        phone.goto(address + path)
        phone.get_by_text("search-digits").first.wait_for(timeout=SOON)
        phone.wait_for_timeout(500)
        assert phone.evaluate("document.scrollingElement.scrollWidth") <= 390, path


def test_a_port_in_use_is_one_sentence(address: str, store: str) -> None:
    connect(store).dispose()
    port = address.rpartition(":")[2]
    ended = subprocess.run(
        [sys.executable, "-m", "dashboard.serve", "--port", port],
        env=os.environ | {"ARCHSTUDY_STORE": store},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"port {port} is in use; choose another with --port" in ended.stderr


def test_a_store_that_cannot_be_is_one_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dashboard.serve", "--port", str(free_port())],
        env=os.environ | {"ARCHSTUDY_STORE": "sqlite:////no/such/folder/archstudy.db"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 6
    assert ended.stderr.count("\n") == 1
    assert "the folder '/no/such/folder' does not exist; create it or correct ARCHSTUDY_STORE" in ended.stderr
