"""The numbers and outputs in the pages: `python docs/make_examples.py` runs every example and writes them anew.

* A fenced `yaml` block whose first line is a comment with options, `# --input 3x224x224 --outputs 1000`, is described
  with them; the line with `>` after it is what was counted. `, the same as zoo:vgg16` compares fingerprints as well.
* One that begins with `# NAME.yaml` is a file for the commands after it; one with `apiVersion:` is `study.yaml`, and
  the latest described one is `network.yaml`.
* Lines of `sh` blocks that begin with `archstudy` must succeed; of a `console` block the first is a command behind `$`
  and the rest its output.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from studies.cli import DONE, main

FOLDER = Path(__file__).parent
PAGES = ("lectures.md", "networks.md", "training.md")
FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```\n(?P<said>\n>[^\n]*\n)?", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"# (?P<options>--input [\w -]+?)(?:, the same as zoo:(?P<zoo>\w+))?\n")
NAME = re.compile(r"# (?P<name>[\w-]+\.yaml)\n")
COUNTS = ("params", "macs", "train_macs", "activations", "units", "connections")


class Page:
    """A page while its examples run, one after the other, in the current folder; `counts` collects what they cost."""

    def __init__(self) -> None:
        self.examples = 0
        self.counts: set[int] = set()

    def again(self, found: re.Match[str]) -> str:
        """A fenced block with what it says now."""
        kind, body = found["kind"], found["body"]
        if kind == "yaml":
            return self._yaml(body) or found[0]
        if kind == "console":
            line = body.splitlines()[0]
            return f"```console\n{line}\n{printed(line.removeprefix('$ archstudy '))[1]}```\n{found['said'] or ''}"
        if kind == "sh":
            for line in body.splitlines():
                if line.startswith("archstudy "):
                    code, text = printed(re.sub(r"\s+# .*", "", line.removeprefix("archstudy ")))
                    assert code == DONE, f"{line!r} failed: {text}"
        return found[0]

    def _yaml(self, body: str) -> str | None:
        if body.startswith("apiVersion:"):
            Path("study.yaml").write_text(body, encoding="utf-8")
        elif name := NAME.match(body):
            Path(name["name"]).write_text(body, encoding="utf-8")
        elif first := OPTIONS.match(body):
            Path("network.yaml").write_text(body, encoding="utf-8")
            facts = described("network.yaml", first["options"])
            self.examples += 1
            self.counts |= {one[count] for one in (facts, *facts["layers"]) for count in COUNTS}
            return f"```yaml\n{body}```\n\n{counted(facts)}{same(facts, first['zoo'])}\n"
        return None


def remade(text: str) -> tuple[str, Page]:
    """A page with the numbers and outputs of its examples."""
    page = Page()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        return FENCE.sub(page.again, text), page


def printed(words: str) -> tuple[int, str]:
    """A command's exit code, and all that it prints."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(words.split())
    return code, said.getvalue()


def described(what: str, options: str = "") -> dict[str, Any]:
    """What `archstudy describe --json` says."""
    code, text = printed(f"describe {what} {options} --json")
    assert code == DONE, text
    return dict(json.loads(text))


def counted(facts: dict[str, Any]) -> str:
    """The line under an example: the shape after every stage, and the totals."""
    field = f"receptive field {facts['field']}"
    return f"> {' → '.join(_shapes(facts))}: {facts['params']:,} params, {facts['macs']:,} MACs, {field}."


def _shapes(facts: dict[str, Any]) -> Iterator[str]:
    """The input, what every stage ends in, and the outputs; what stays the same is said once."""
    ends = {".".join(one["name"].split(".")[:2]): one["out"] for one in facts["layers"] if not one["side"]}
    stages = [shape for name, shape in ends.items() if name.startswith("stages.")]
    before = None
    for shape in (facts["input"], *stages, [*ends.values()][-1]):
        if shape != before:
            yield "x".join(map(str, shape))
        before = shape


def same(facts: dict[str, Any], name: str | None) -> str:
    """That it is a network of the zoo, if it should be; an error if it is not."""
    if name is None:
        return ""
    assert facts["fingerprint"] == described(f"zoo:{name}")["fingerprint"], f"the example is not zoo:{name}"
    return f" The same network as `zoo:{name}`."


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"  # how wide terminals are in the pages
    for page in PAGES:
        file = FOLDER / page
        file.write_text(remade(file.read_text(encoding="utf-8"))[0], encoding="utf-8")
        print(f"wrote {page}")
