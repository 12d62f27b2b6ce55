"""The commands that read: they load neither torch nor Ray nor Streamlit."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from searchspace.language.problems import SpecError, dotted
from studies import planning, screens, store
from studies.candidate import Study
from studies.cli import DONE
from studies.design import screens as design_screens
from studies.errors import NotFound
from studies.load import load, stored
from studies.noise import UNKNOWN, Known, known
from studies.store import Engine, query

Row = dict[str, Any]


def validate(arguments: argparse.Namespace) -> int:
    """Say that a file is sound, or let the SpecError say what is not."""
    try:
        study = load(Path(arguments.file))
    except SpecError as error:
        if arguments.json:
            _print(arguments, {"file": arguments.file, "valid": False, "problems": _problems(error)}, [])
        raise
    kind = "search" if study.spec.search else "design study"
    _print(
        arguments,
        {"file": arguments.file, "name": study.spec.name, "valid": True},
        [f"{study.spec.name}: a sound {kind}"],
    )
    return DONE


def _problems(error: SpecError) -> list[Row]:
    """Its problems as JSON has them; line and column 0 where the place in the file is not known."""
    return [
        {"where": dotted(one.where), "line": one.line, "column": one.column, "message": one.message}
        for one in error.problems
    ]


def plan(arguments: argparse.Namespace) -> int:
    """Print what a study will do."""
    study = load(Path(arguments.file))
    facts = planning.plan(study, _known(study))
    _print(arguments, facts, screens.plan(study, facts))
    return DONE


def _known(study: Study) -> Known:
    """What the store tells of a design that is planned, if there is a store that can be read."""
    if study.spec.design is None:
        return UNKNOWN
    try:
        engine = open_store()
    except store.StoreError:
        return UNKNOWN
    return known(engine, study)


def list_studies(arguments: argparse.Namespace) -> int:
    """Print every study of the store."""
    rows = query.studies(open_store())
    _print(arguments, rows, screens.studies(rows))
    return DONE


def show(arguments: argparse.Namespace) -> int:
    """Print a study, or one of its trials."""
    engine = open_store()
    row = found(engine, arguments.study)
    study = stored(row)
    if arguments.trial is not None:
        trial = found_trial(engine, row, arguments.trial)
        epochs = query.epochs(engine, row["id"], [trial["id"]])
        _print(arguments, trial | {"epochs": epochs}, screens.trial(study, row, trial, epochs))
        return DONE
    trials = query.trials(engine, row["id"])
    said = {"verdict": design_screens.sentences(study, trials)} if study.spec.design else {}
    _print(arguments, row | said | {"trials": trials}, screens.study(study, row, trials))
    return DONE


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON schema of a study file."""
    from studies.schema import study_schema

    print(json.dumps(study_schema(), indent=2))
    return DONE


def db(arguments: argparse.Namespace) -> int:
    """Bring the store's schema up to date."""
    store.upgrade(store.url())
    print("the store is up to date")
    return DONE


def open_store() -> Engine:
    """The store, which must exist."""
    return store.connect(store.url(), create=False)


def found(engine: Engine, name: str) -> Row:
    """A study's row; NotFound names those that are there."""
    row = query.find_study(engine, name)
    if row is None:
        known = ", ".join(one["name"] for one in query.studies(engine)) or "none yet"
        raise NotFound(f"there is no study {name!r} in the store; it holds: {known}")
    return row


def found_trial(engine: Engine, study: Row, number: int) -> Row:
    """A trial's row by its number."""
    row = query.trial(engine, study["id"], number)
    if row is None:
        raise NotFound(f"{study['name']!r} has no trial {number}; `archstudy show {study['name']}` lists them")
    return row


def _print(arguments: argparse.Namespace, facts: Any, lines: list[str]) -> None:
    print(json.dumps(facts, indent=2, default=str) if arguments.json else "\n".join(lines))
