"""The commands that do: run a study, export a network, serve the dashboard, the demo."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path

from studies import exporting, screens, store
from studies.candidate import Study
from studies.cli import DONE, FAILED, WITH_FAILURES
from studies.commands.reading import found, open_store
from studies.design import screens as design_screens
from studies.errors import Conflict
from studies.load import from_tree, load
from studies.progress import shown, silent
from studies.run import Driver, Ended
from studies.run import run as run_study
from studies.store import query
from worker import table
from worker.datasource import catalog


def run(arguments: argparse.Namespace) -> int:
    """Run a study to its end, on this machine."""
    ended = run_file(Path(arguments.file), arguments.inline, arguments.quiet, arguments.pilot)
    print(json.dumps(ended.study, indent=2, default=str) if arguments.json else "\n".join(_ending(ended)))
    if ended.study["state"] not in ("complete", *["paused"] * arguments.pilot):
        return FAILED
    failed = query.trials(open_store(), ended.study["id"], states=("failed",), columns=("id",))
    return WITH_FAILURES if failed else DONE


def run_file(file: Path, inline: bool = False, quiet: bool = False, pilot: bool = False) -> Ended:
    """Load, connect, drive."""
    study = load(file)
    if pilot and study.spec.design is None:
        raise Conflict("--pilot is for design studies, and this one is a search; run it without")
    if not study.facts.images and not study.spec.evaluate:
        catalog(study.spec.data, study.spec.task)  # fetches it, or says why not: planning can do without, running not
        study = load(file)
    url = store.url()
    engine = store.connect(url)
    try:
        watch = silent if quiet else shown
        ended = run_study(study, engine, store.files_folder(url), _driver(study, inline), watch, pilot)
    finally:
        engine.dispose()
    if not ended.worked:
        print(f"{study.spec.name} is complete; nothing was done (raise its budget to go on)", file=sys.stderr)
    return ended


def _driver(study: Study, inline: bool) -> Driver:
    """Ray's, or this very process; a table is read here, without Ray and torch."""
    if study.spec.evaluate:
        from studies.inline import drive

        return partial(drive, train=table.answers, evaluate=table.tested)
    if not inline:
        from studies import tune

        return tune.drive
    from studies.inline import drive
    from worker.trainer import evaluate, train

    return partial(drive, train=train, evaluate=evaluate)


def _ending(ended: Ended) -> list[str]:
    """What a run prints at its end: the winner or the verdict, and what to type next."""
    name = ended.study["name"]
    lines = [f"{name}: {ended.study['state']}; {ended.study['note']}"] if ended.study["note"] else []
    if ended.study["kind"] == "search":
        lines += screens.winner(ended.study)
    else:
        study = from_tree(ended.study["spec"], ended.study["yaml"])
        lines += design_screens.results(study, query.trials(open_store(), ended.study["id"]))
    lines += screens.baselines(ended.study)
    export = [f"      archstudy export {name}"] if _exportable(ended) else []
    return [*lines, "", f"next: archstudy show {name}", *export, "      archstudy dashboard"]


def _exportable(ended: Ended) -> bool:
    """Whether there is a winner with weights; a table has none."""
    return "exported" in (ended.study["conclusion"] or {}) and not ended.study["spec"].get("evaluate")


def export(arguments: argparse.Namespace) -> int:
    """Write a bundle: the winner of a search, the best trial, or any complete one."""
    engine = open_store()
    row = found(engine, arguments.study)
    out = Path(arguments.out or f"bundles/{row['name']}")
    wanted = exporting.Wanted(
        trial=arguments.trial,
        best=arguments.best,
        under=exporting.limits(arguments.under) if arguments.under else None,
        dense=arguments.dense,
        without=frozenset(arguments.without),
    )
    facts = exporting.export(engine, row, wanted, out, store.files_folder(store.url()))
    print(json.dumps(facts, indent=2) if arguments.json else "\n".join(exporting.told(facts)))
    return DONE


def dashboard(arguments: argparse.Namespace) -> int:
    """Serve the dashboard until it is interrupted."""
    host = ["--host", arguments.host] if arguments.host else []
    return subprocess.call([sys.executable, "-m", "dashboard.serve", "--port", str(arguments.port), *host])


def demo(arguments: argparse.Namespace) -> int:
    """A search on handwritten digits in a folder of its own, through local Ray and SQLite, to an exported network."""
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "search-digits.yaml"
    if not file.exists():
        file.write_text(_example("search-digits.yaml"))
    os.chdir(folder)
    os.environ["ARCHSTUDY_STORE"] = "sqlite:///archstudy.db"
    os.environ.pop("ARCHSTUDY_FILES", None)
    ended = run_file(Path(file.name))
    if not ended.study["conclusion"]:
        print("\n".join(_ending(ended)))
        return FAILED
    out = Path("bundle")
    facts = exporting.export(open_store(), ended.study, exporting.Wanted(), out, store.files_folder(store.url()))
    print(
        "\n".join([*screens.winner(ended.study), "", *exporting.told(facts), "", *_next(folder, ended.study["name"])])
    )
    return DONE


def _next(folder: Path, name: str) -> list[str]:
    program = "archstudy" if shutil.which("archstudy") == str(Path(sys.argv[0]).resolve()) else sys.argv[0]
    with_store = f"ARCHSTUDY_STORE=sqlite:///{folder}/archstudy.db {program}"
    return [
        "next:",
        f"  {with_store} dashboard    # see it in a browser",
        f"  {with_store} show {name}    # every trial",
        f"  {program} run studies/examples/depth-width-filter.yaml    # deeper, wider, or larger filters?",
    ]


def _example(name: str) -> str:
    return files("studies").joinpath("examples", name).read_text(encoding="utf-8")
