"""The command line: what each command takes, which function does it, and which exit code each ending has.

The result goes to stdout, progress and errors to stderr. A command's module is imported when it is called, so that
`--help` answers at once and reading commands load neither torch nor Ray.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

DONE, FAILED, USAGE, INVALID, NOT_FOUND, CONFLICT, UNREACHABLE, WITH_FAILURES, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 8, 130

Option = tuple[tuple[str, ...], dict[str, Any]]


def option(*names: str, **settings: Any) -> Option:
    """One argument of a command, as argparse takes it; of those that are `alone` in one group, one may be given."""
    return names, settings


def count(text: str) -> int:
    """A whole number from 1, as argparse reads one."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; write a whole number from 1")
    return int(text)


JSON = option("--json", action="store_true", help="print JSON instead of text")
FILE = option("file", help="the study's YAML file")
STUDY = option("study", help="the study's name")

COMMANDS: dict[str, tuple[str, str, tuple[Option, ...]]] = {
    "init": (
        "studies.commands.starting:init",
        "a first study file, with the schema that editors check it by",
        (
            option("file", nargs="?", help="the file to write (default: study.yaml, or the name given by --from)"),
            option("--kind", choices=["design", "search"], default="design", help="which example", alone="start"),
            option("--from", metavar="NAME", dest="origin", help="a study of the catalogue", alone="start"),
            option("--list", action="store_true", help="what the catalogue has, and write nothing", alone="start"),
            option("--data", default=None, help="its data source (default: digits)"),
            JSON,
        ),
    ),
    "validate": ("studies.commands.reading:validate", "check a study file; every mistake with its line", (FILE, JSON)),
    "plan": (
        "studies.commands.reading:plan",
        "what a study will train and what that costs, before it runs",
        (FILE, JSON),
    ),
    "run": (
        "studies.commands.running:run",
        "run a study on this machine, or go on with it",
        (
            FILE,
            option("--inline", action="store_true", help="in this process, one trial after the other, without Ray"),
            option("--pilot", action="store_true", help="a few trials of a design study, to learn how noisy they are"),
            option("--quiet", action="store_true", help="no progress display"),
            JSON,
        ),
    ),
    "list": ("studies.commands.reading:list_studies", "every study in the store", (JSON,)),
    "show": (
        "studies.commands.reading:show",
        "a study's trials and its winner or verdict",
        (STUDY, option("--trial", type=int, help="one trial, with its epochs and layers"), JSON),
    ),
    "report": (
        "studies.commands.reporting:report",
        "a study as one file to be read offline, at any time: verdict, figures, tables, how to run it again",
        (
            STUDY,
            option("--out", metavar="FILE", help="report.html, or report.md (default: <study>.html)"),
            option("--csv", metavar="FILE", help="write every trial, its metrics and costs"),
            JSON,
        ),
    ),
    "export": (
        "studies.commands.running:export",
        "a network to take home: plain PyTorch, ONNX, weights, predict.py, card",
        (
            STUDY,
            option("--trial", type=int, help="this trial instead of the winner", alone="which"),
            option("--best", action="store_true", help="the winner, or the best trial so far", alone="which"),
            option("--under", metavar="COSTS", help="the best trial within costs: macs=2M,params=60k", alone="which"),
            option("--dense", action="store_true", help="fully connected layers as convolutions, for larger inputs"),
            option(
                "--without",
                action="append",
                default=[],
                choices=["onnx", "pt2"],
                help="leave a form out that torch cannot make of this network",
            ),
            option("--out", default=None, help="the folder to write (default: bundles/<study>)"),
            JSON,
        ),
    ),
    "describe": (
        "studies.commands.describing:describe",
        "a network in a figure, its layers, costs, and advice; `describe zoo` lists the published ones",
        (
            option(
                "what",
                help="zoo:NAME, a study's or blueprint's YAML file, a bundle's folder, a study's name, or just zoo",
            ),
            option("--trial", type=int, help="which trial of the study"),
            option(
                "--set",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="a variable's value, or a parameter of zoo:NAME such as width=0.5",
            ),
            option("--input", help="channels x height x width of a blueprint (default: the published, or 1x8x8)"),
            option("--outputs", type=count, help="classes or targets of a blueprint (default: the published, or 10)"),
            option("--batch", type=count, help="the batch size for the memory and the advice"),
            option("--layers", action="store_true", help="list every layer, however many there are"),
            option("--svg", metavar="FILE", help="write the figure"),
            option("--volumes", metavar="FILE", help="write the maps as boxes, as papers draw them (SVG)"),
            option("--html", metavar="FILE", help="write a page with figures and layers, to be read offline"),
            option("--source", metavar="FILE", help="write the network as plain PyTorch"),
            JSON,
        ),
    ),
    "schema": ("studies.commands.reading:schema", "the JSON schema of a study file, for editors", ()),
    "dashboard": (
        "studies.commands.running:dashboard",
        "show the store in a browser",
        (
            option("--port", type=int, default=8501),
            option("--host", default=None, help="the address to listen on (default: 127.0.0.1)"),
        ),
    ),
    "db": (
        "studies.commands.reading:db",
        "create the store's schema or bring it up to date",
        (option("verb", choices=["upgrade"]),),
    ),
    "doctor": ("studies.commands.doctor:doctor", "check this installation and the store", (JSON,)),
    "demo": (
        "studies.commands.running:demo",
        "a small search on handwritten digits, from nothing to an exported network",
        (option("--folder", default="demo", help="where its store and bundle lie"),),
    ),
}


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = argparse.ArgumentParser(
        prog="archstudy",
        description="Architecture search and equal-cost design studies for convolutional networks.",
        epilog="The store is ARCHSTUDY_STORE, by default sqlite:///archstudy.db in this folder.",
    )
    top.add_argument("--version", action="store_true", help="print the version and end")
    commands = top.add_subparsers(dest="command", metavar="command")
    for name, (_, about, options) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        groups: dict[str | None, Any] = {None: command}
        for names, settings in options:
            group = settings.get("alone")
            if group not in groups:
                groups[group] = command.add_mutually_exclusive_group()
            groups[group].add_argument(*names, **{key: value for key, value in settings.items() if key != "alone"})
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it ended."""
    parsed = parser().parse_args(arguments)
    if parsed.version:
        return _version()
    if parsed.command is None:
        parser().print_help(sys.stderr)
        return USAGE
    try:
        code = _function(parsed.command)(parsed)
        print(end="", flush=True)  # here, where a broken pipe or a full disk is still ours to tell
        return code
    except KeyboardInterrupt:
        print("archstudy: interrupted; what was written stands, run the same command to go on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `archstudy show x | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if parsed.debug:
            traceback.print_exc()
        code, text = explained(error)
        print(text, file=sys.stderr)
        return code


def explained(error: Exception) -> tuple[int, str]:
    """An error as an exit code and what the user reads."""
    from searchspace.language.problems import SpecError
    from studies.errors import Conflict, NotFound
    from studies.store import LeaseHeld, LeaseLost, StoreError

    if isinstance(error, SpecError):
        return INVALID, str(error)
    for kinds, code in (
        ((NotFound,), NOT_FOUND),
        ((Conflict, LeaseHeld, LeaseLost), CONFLICT),
        ((StoreError,), UNREACHABLE),
    ):
        if isinstance(error, kinds):
            return code, f"archstudy: {error}"
    if isinstance(error, ModuleNotFoundError):
        return FAILED, f"archstudy: {error.name} is not installed; pip install 'archstudy[all]'"
    if isinstance(error, ValueError | OSError):
        return FAILED, f"archstudy: {error}"
    return FAILED, f"archstudy: {type(error).__name__}: {error} (run it with --debug for the whole story)"


def _function(command: str) -> Callable[[argparse.Namespace], int]:
    module, _, name = COMMANDS[command][0].partition(":")
    function: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), name)
    return function


def _version() -> int:
    from importlib.metadata import version

    print(f"archstudy {version('archstudy')}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
