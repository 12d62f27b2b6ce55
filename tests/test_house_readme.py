"""The README tells the truth: its commands exist, its file tree is the tree, its pictures are there.

What it must look like for that: a section `## Quickstart` with the two commands in a fenced `sh` or `console` block;
the file tree in a fenced block without a language (or `text`), one path per line, two spaces, a comment, deeper paths
indented; commands of ours in backticks or fenced blocks, as `archstudy <command>`.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELLS = {"sh", "console"}
SELF_EVIDENT = {".gitignore", ".dockerignore"}
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading that starts with `title`, to the next heading of its level or above."""
    # Comments in a shell block look like headings, so headings are searched for with the fences blanked out.
    blank = FENCE.sub(lambda fence: re.sub(r"[^\n]", " ", fence[0]), readme())
    start = re.search(rf"^(#+) {title}.*$", blank, re.MULTILINE | re.IGNORECASE)
    assert start, f"README.md needs a section {title!r}"
    end = re.compile(rf"^#{{1,{len(start[1])}}} ", re.MULTILINE).search(blank, start.end())
    return readme()[start.end() : end.start() if end else None]


def commands(block: str, language: str) -> list[str]:
    """The commands of a fenced block, without comments; in a `console` block those behind the `$`."""
    lines = [line.strip() for line in block.splitlines()]
    if language == "console":
        lines = [line[1:].strip() for line in lines if line.startswith("$")]
    return [stripped for line in lines if (stripped := re.sub(r"(^|\s+)#.*", "", line))]


def file_tree() -> list[str]:
    """The paths of the file tree, from the top: `studies/store/`."""
    blocks = [body for language, body in FENCE.findall(readme()) if language in {"", "text"}]
    trees = [body for body in blocks if re.search(r"^\W*searchspace/", body, re.MULTILINE)]
    assert len(trees) == 1, (
        f"README.md needs one fenced block with the file tree (searchspace/ ...), it has {len(trees)}"
    )
    paths: list[str] = []
    above: list[tuple[int, str]] = []  # (indent, folder) of the folders that a line may lie in
    for line in filter(str.strip, trees[0].splitlines()):
        plain = re.sub(r"[│├└─]", " ", line)
        indent = len(plain) - len(plain.lstrip())
        name = plain.split()[0]
        above = [(depth, folder) for depth, folder in above if depth < indent]
        path = (above[-1][1] if above else "") + name
        if name.endswith("/") and name != "archstudy/":
            above.append((indent, path))
        if name != "archstudy/":
            paths.append(path)
    return paths


def tracked() -> list[str]:
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.splitlines()


def targets() -> dict[str, str]:
    """Target -> its recipe, from the Makefile."""
    rules = re.findall(
        r"^(\w+):(?!=)[^\n]*\n((?:\t.*\n|\s*\n)*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M
    )
    return {target: recipe.strip() for target, recipe in rules if recipe.strip()}


def test_the_quickstart_is_two_commands() -> None:
    blocks = [commands(body, language) for language, body in FENCE.findall(section("Quickstart")) if language in SHELLS]
    assert [command for block in blocks for command in block] == ["make demo", "make test"]


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_quickstart_exists(command: str) -> None:
    assert command.removeprefix("make ") in targets(), f"`{command}` needs its target in the Makefile"


def test_every_make_target_that_is_named_exists() -> None:
    shown = re.findall(r"`make ([\w-]+)", readme())
    for language, body in FENCE.findall(readme()):
        if language in SHELLS:
            shown += [
                match[1] for command in commands(body, language) if (match := re.match(r"make ([\w-]+)", command))
            ]
    assert set(shown) <= set(targets()), f"no target in the Makefile: {sorted(set(shown) - set(targets()))}"


def test_ci_runs_the_tests_that_the_readme_names() -> None:
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert "make test" in lines, ".ci/run must run the README's own `make test`, not a copy of it"


def test_every_path_in_the_file_tree_exists() -> None:
    missing = [path for path in file_tree() if not (ROOT / path).exists()]
    assert not missing, f"the README's file tree names what is not there: {missing}"


def test_the_file_tree_is_whole() -> None:
    top = {path.split("/")[0] for path in tracked()} - SELF_EVIDENT
    shown = {path.split("/")[0] for path in file_tree()}
    assert not top - shown, f"add to the README's file tree, one path per line: {sorted(top - shown)}"


def test_every_command_that_is_named_exists() -> None:
    from studies.cli import COMMANDS

    text = readme()
    code = [body for _, body in FENCE.findall(text)] + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    named = {
        name for piece in code for name in re.findall(r"(?:^|[$/|&;]\s*)archstudy ([a-z]\w*)", piece, re.MULTILINE)
    }
    assert named, "README.md should show commands of archstudy"
    assert named <= set(COMMANDS), f"archstudy has no command {sorted(named - set(COMMANDS))}"


def test_every_link_into_the_repository_works() -> None:
    text = FENCE.sub("", readme())
    links = re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", text)
    inside = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link) and not link.startswith("#")]
    missing = [link for link in inside if not (ROOT / link).exists()]
    assert not missing, f"README.md links to what is not there: {missing}"


def test_pictures_are_kept_in_git() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)", readme()) + re.findall(r"<img[^>]*src=\"([^\"]+)\"", readme())
    lost = [picture for picture in pictures if not re.match(r"https?:", picture) and picture not in tracked()]
    assert not lost, f"pictures that are not in git show nothing to others: {lost}"
