"""The house keeps its shape: the arrows between packages, one home per library, short files and functions."""

import ast
import importlib.metadata
import re
import statistics
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["searchspace", "worker", "studies", "dashboard"]
"""From left to right; a package may import itself and what stands to its left."""

HOMES = {
    "torch": ["worker/"],
    "sklearn": ["worker/"],
    "ray": ["worker/trainable.py", "studies/tune.py"],
    "optuna": ["studies/brain.py"],
    "sqlalchemy": ["studies/store/"],
    "alembic": ["studies/store/"],
    "streamlit": ["dashboard/"],
    "altair": ["dashboard/"],
}
"""Where a library may be imported: folders end in a slash."""

SEARCHSPACE_MAY = {"pydantic", "yaml"}
LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 350, 45, 12  # lines; the median stays below its number

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix() for top in ("benchmarks", "docs") for path in (ROOT / top).rglob("*.py")
)
every_file = pytest.mark.parametrize("name", NAMES)


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)


def imports(name: str) -> Iterator[tuple[str, int]]:
    """(top-level module, line) of every absolute import of a file, also inside functions and by `import_module`."""
    for node in ast.walk(tree(name)):
        match node:
            case ast.Import(names=aliases):
                yield from ((alias.name.split(".")[0], node.lineno) for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0], node.lineno
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ) if not module.startswith("."):
                yield module.split(".")[0], node.lineno


def third_party(name: str) -> Iterator[tuple[str, int]]:
    for module, line in imports(name):
        if module not in sys.stdlib_module_names and module not in PACKAGES:
            yield module, line


def functions(name: str) -> Iterator[tuple[str, int]]:
    """(name:line function, number of lines from `def` to the end, docstring included)."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{name}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def at_home(name: str, homes: list[str]) -> bool:
    return any(name.startswith(home) if home.endswith("/") else name == home for home in homes)


@every_file
def test_imports_point_to_the_left(name: str) -> None:
    package = name.split("/")[0]
    right = PACKAGES[PACKAGES.index(package) + 1 :]
    wrong = [f"{name}:{line} imports {module}" for module, line in imports(name) if module in right]
    assert not wrong, f"{wrong}: {package} stands left of it; pass the thing in, or move the code to the right"


@every_file
def test_no_import_reaches_into_tests_or_benchmarks(name: str) -> None:
    wrong = [f"{name}:{line}" for module, line in imports(name) if module in {"tests", "benchmarks", "docs"}]
    assert not wrong, f"{wrong}: what is installed cannot import what is not; move the code into a package"


@every_file
def test_every_library_stays_at_home(name: str) -> None:
    for module, line in imports(name):
        homes = HOMES.get(module, [name])
        assert at_home(name, homes), (
            f"{name}:{line} imports {module}, whose home is {' and '.join(homes)}: go through it"
        )


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("searchspace/")])
def test_searchspace_is_light(name: str) -> None:
    wrong = [f"{name}:{line} imports {module}" for module, line in third_party(name) if module not in SEARCHSPACE_MAY]
    assert not wrong, f"{wrong}: searchspace has the standard library, pydantic and yaml; move the code to worker/"


@pytest.mark.parametrize("name", [*NAMES, *SCRIPTS])
def test_files_are_short(name: str) -> None:
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, (
        f"{name} has {lines} lines, {LONGEST_FILE} may be: give its second subject its own file"
    )


@every_file
def test_functions_are_short(name: str) -> None:
    long = [f"{function} ({lines} lines)" for function, lines in functions(name) if lines > LONGEST_FUNCTION]
    assert not long, f"{long}: {LONGEST_FUNCTION} lines may be; name the parts and make them functions"


def test_most_functions_are_very_short() -> None:
    median = statistics.median(lines for name in NAMES for _, lines in functions(name))
    assert median < MEDIAN_FUNCTION, (
        f"the median function has {median} lines, below {MEDIAN_FUNCTION} is wanted: split some"
    )


STOPWATCHES = {"perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "timeit", "children_user"}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_no_test_holds_a_stopwatch(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in nodes}
    assert not names & STOPWATCHES, "a busy machine fails it: time it in benchmarks/, here count its `effort.calls`"


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(requirement: str) -> str:
    """`SQLAlchemy>=2.1` -> `sqlalchemy`; `ray[tune]==2.60.0` -> `ray`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def declared() -> set[str]:
    """What pyproject.toml asks for, in the base and in every extra but `dev`."""
    extras = project()["project"]["optional-dependencies"]
    lists = [project()["project"]["dependencies"], *(extras[extra] for extra in extras if extra != "dev")]
    return {canonical(requirement) for requirements in lists for requirement in requirements}


def pinned() -> dict[str, str]:
    """Name -> version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonical(name): version for name, version in pins}


@every_file
def test_every_library_is_declared(name: str) -> None:
    providers = importlib.metadata.packages_distributions()
    for module, line in third_party(name):
        names = {canonical(provider) for provider in providers.get(module, [module])}
        assert names & declared(), f"{name}:{line} imports {module}: add {sorted(names)} to pyproject.toml"


def test_every_requirement_is_pinned() -> None:
    development = {canonical(requirement) for requirement in project()["project"]["optional-dependencies"]["dev"]}
    missing = (declared() | development) - {"archstudy"} - set(pinned())
    assert not missing, f"{sorted(missing)}: pin them in constraints.txt (pip freeze says what is installed)"


def test_no_pin_holds_for_one_machine_only() -> None:
    local = [name for name, version in pinned().items() if "+" in version]
    assert not local, f"{local}: take the local part (+cpu) off the pin, it exists on no public index"


def test_pyproject_lists_the_packages_on_disk() -> None:
    on_disk = sorted({path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in FILES})
    listed = sorted(project()["tool"]["setuptools"]["packages"])
    assert listed == on_disk, "tool.setuptools.packages in pyproject.toml names each folder with Python files, by hand"


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_with_python_files_are_packages(package: str) -> None:
    bare = {path.parent for path in (ROOT / package).rglob("*.py")} - {
        p.parent for p in FILES if p.name == "__init__.py"
    }
    assert not bare, f"{sorted(map(str, bare))}: add an __init__.py"
