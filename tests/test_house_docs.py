"""The reference of the study file says what the models say, and the pages link to what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_reference_is_up_to_date() -> None:
    code = "import runpy; print(runpy.run_path('docs/make_spec.py')['page'](), end='')"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "docs/spec.md").read_text(encoding="utf-8"), "run `python docs/make_spec.py`"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_pages_work(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not link.startswith("http") and not there(page, link)]
    assert not missing, f"{page.name} links to what is not there: {missing}"


def there(page: Path, link: str) -> bool:
    """Whether the file exists and, behind a `#`, has that heading."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_paths_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:searchspace|worker|studies|dashboard|tests)/[\w./]+?)(?::\w+)?`", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert named
    assert not missing, f"docs/architecture.md names what is not there: {missing}"
