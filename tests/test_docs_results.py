"""The page of the studies that were run is what its CSVs say, and its reports load nothing from elsewhere."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
REPORTS = sorted((DOCS / "results").glob("*.html"))


def test_the_page_is_what_the_trials_say() -> None:
    made = runpy.run_path(str(DOCS / "make_results.py"))["page"]()
    assert made == (DOCS / "results.md").read_text(encoding="utf-8"), "run `python docs/make_results.py`"


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_report_is_whole_and_names_no_machine(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!#)""", text), "it loads or links something"
    assert not re.search(r"""[\s:"'>]/\w[\w.-]*/\w""", text), "it names an absolute path"
    assert text.count("<figure") >= 4
    assert (DOCS / "results" / f"{report.stem}.csv").exists()
