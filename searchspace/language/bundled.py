"""`{bundle: DIR}` in the place of a blueprint: that of an exported network, read from the folder once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as Folder
from typing import Any

from searchspace.language import yamlio
from searchspace.language.problems import Path, Problem, SpecError, nearest, shown

BUNDLE, FILE = "bundle", "blueprint.yaml"
BESIDE = ("classes", "head", "silence", "strict_division")
"""The fields of a blueprint that may stand beside `bundle:`, in the place of the bundle's own."""
CURE = "give the folder that archstudy export wrote"


def unpacked(tree: Any, folder: Folder, where: Path = ()) -> tuple[Any, list[Problem]]:
    """The tree with every `{bundle: DIR}` in it replaced, and what is wrong; relative paths start at `folder`.

    A bundle's blueprint is of built-in words only, so nothing depends on the folder any more.
    """
    if isinstance(tree, Mapping) and BUNDLE in tree:
        return _network(tree, folder, where)
    found: list[Problem] = []
    if isinstance(tree, Mapping):
        made: Any = {key: _kept(value, folder, (*where, key), found) for key, value in tree.items()}
        return made, found
    if isinstance(tree, list):
        return [_kept(value, folder, (*where, index), found) for index, value in enumerate(tree)], found
    return tree, found


def _kept(tree: Any, folder: Folder, where: Path, found: list[Problem]) -> Any:
    made, problems = unpacked(tree, folder, where)
    found += problems
    return made


def _network(tree: Mapping[str, Any], folder: Folder, where: Path) -> tuple[Any, list[Problem]]:
    """The bundle's blueprint with the fields beside `bundle:`; an empty one where it cannot be read."""
    name, found = tree[BUNDLE], []
    for key in tree:
        if key == "stages":
            problem = "a blueprint has bundle: or stages:, and this one has both; remove one of the two"
            found.append(Problem((*where, key), problem))
        elif key not in (BUNDLE, *BESIDE):
            found.append(Problem((*where, key), f"unknown field {key!r}{nearest(key, BESIDE)}"))
    at = (*where, BUNDLE)
    if not isinstance(name, str):
        return {"stages": []}, [*found, Problem(at, f"got {shown(name)}; {CURE}")]
    try:
        blueprint = read(folder / name)
    except ValueError as error:
        return {"stages": []}, [*found, Problem(at, str(error))]
    return {**blueprint, **{key: tree[key] for key in BESIDE if key in tree}}, found


def read(folder: Folder) -> dict[str, Any]:
    """The blueprint in a bundle's folder as plain data; a ValueError where there is none."""
    file = folder / FILE
    if not file.is_file():
        raise ValueError(f"there is no bundle in {folder}; {CURE}")
    try:
        data = yamlio.read(file).data
    except SpecError as error:
        raise ValueError(f"{file} cannot be read ({error.problems[0].message}); {CURE}") from None
    if not isinstance(data, dict) or "stages" not in data:
        raise ValueError(f"{file} is no blueprint of a bundle; {CURE}")
    return data
