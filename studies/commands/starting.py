"""`archstudy init`: a first study file, and beside it the schema that editors complete and check it with."""

from __future__ import annotations

import argparse
import json
import re
from importlib.resources import files
from pathlib import Path

from studies.catalogue import catalogue, entry
from studies.cli import DONE
from studies.errors import Conflict
from studies.text import table

SCHEMA = "archstudy.schema.json"
KINDS = {"design": "depth-width-filter.yaml", "search": "search-digits.yaml"}
"""The example that each kind of study starts from."""


def init(arguments: argparse.Namespace) -> int:
    """Write the study and the schema; a file that is there already is never touched."""
    if arguments.list:
        return _listed(arguments.json)
    from studies.schema import study_schema

    origin = arguments.origin and entry(arguments.origin)
    path = Path(arguments.file or (f"{origin.name}.yaml" if origin else "study.yaml"))
    if path.exists():
        raise Conflict(f"{path} is there already; give another name: archstudy init OTHER.yaml")
    if arguments.data is not None:
        _checked(arguments.data)
    text = started(origin.text if origin else example(arguments.kind), path.stem, arguments.data)
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}; make it first, or give a path in one that is there")
    path.write_text(text, encoding="utf-8")
    schema = path.with_name(SCHEMA)
    schema.write_text(json.dumps(study_schema(), indent=2) + "\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps({"study": str(path), "schema": str(schema)}))
    else:
        print(f"wrote {path} and {schema}; next: archstudy validate {path}, then plan, then run")
    return DONE


def _listed(as_json: bool) -> int:
    """The catalogue: names, and what each study asks."""
    found = catalogue()
    if as_json:
        print(json.dumps([{"name": one.name, "about": one.about, **one.told} for one in found], indent=2))
    else:
        print("\n".join(table(["study", "about"], [[one.name, one.about] for one in found])))
        print("\narchstudy init --from NAME writes one of them here")
    return DONE


def _checked(source: str) -> None:
    """A ValueError unless a data source is written as one; its file may still be to come."""
    from pydantic import ValidationError

    from worker.datasource import DataSpec

    try:
        DataSpec(source=source)
    except ValidationError as error:
        raise ValueError(f"--data: {error.errors()[0]['ctx']['error']}") from None


def example(kind: str) -> str:
    """The example of that kind."""
    return files("studies").joinpath("examples", KINDS[kind]).read_text(encoding="utf-8")


def started(text: str, name: str, data: str | None) -> str:
    """A study's text with its name, and its data where given, exchanged."""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "study"
    text = re.sub(r"(?m)^name: .*$", f"name: {safe}", text)
    return text if data is None else re.sub(r"(?m)^data: .*$", f"data: {{source: {json.dumps(data)}}}", text)
