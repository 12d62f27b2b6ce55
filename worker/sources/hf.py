"""`hf:<dataset id>`: a set of the Hugging Face hub, fetched to the hub's own cache and read as parquet.

`hf:owner/name` may be followed by `/configuration` and by `@revision`. HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE are
respected. What was fetched whole once is used as it is; a study's digest tells if another machine has another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from worker.sources import memo
from worker.sources.catalog import extra
from worker.sources.split import NAMES

ID = re.compile(r"([\w.-]+(?:/[\w.-]+)?)(?:/([\w.-]+))?(?:@([\w./-]+))?")
CONVERTED = "refs/convert/parquet"
"""The revision at which the hub keeps a set that it turned into parquet itself."""


def checked(identifier: str) -> str:
    """The same; a ValueError unless it can name a set."""
    if not ID.fullmatch(identifier):
        raise ValueError(f"hf:{identifier} names no data set; write hf:owner/name, or hf:owner/name/configuration")
    return identifier


def folder(identifier: str) -> Path:
    """The folder of the set's parquet files on this machine, fetched if it is not there yet."""
    found = _folder(identifier)
    if isinstance(found, ValueError):
        raise ValueError(str(found))
    return found


def here(identifier: str) -> bool:
    """Whether the set can be read without asking the hub."""
    known = memo.recall(f"hf:{identifier}").get("")
    if known and Path(known[2]).is_dir():
        return True
    match = ID.fullmatch(identifier)
    assert match is not None
    try:
        return _cached(identifier, *match.groups()).is_dir()
    except Exception:  # the hub's client says in many ways that a set is not in its cache
        return False


@lru_cache(maxsize=8)
def _folder(identifier: str) -> Path | ValueError:
    """The same, asked once in a process: a hub that does not answer is waited for one time."""
    try:
        return _found(identifier)
    except ValueError as error:
        return error


def _found(identifier: str) -> Path:
    known = memo.recall(f"hf:{identifier}").get("")
    if known and Path(known[2]).is_dir():
        return Path(known[2])
    match = ID.fullmatch(identifier)
    assert match is not None
    return _fetched(identifier, *match.groups())


def _fetched(identifier: str, name: str, configuration: str | None, revision: str | None) -> Path:
    """The chosen configuration's folder in the snapshot; the other configurations are not fetched."""
    hub = extra("huggingface_hub", f"hf:{identifier}")
    offline = extra("huggingface_hub.constants", identifier).HF_HUB_OFFLINE
    where = {"repo_id": name, "repo_type": "dataset", "revision": revision}
    try:
        if offline:
            return _cached(identifier, name, configuration, revision)
        chosen = _chosen(identifier, name, configuration, hub.HfApi().list_repo_files(**where))
        pattern = "*.parquet" if chosen == "." else f"{chosen}/*.parquet"
        found = Path(hub.snapshot_download(**where, allow_patterns=[pattern])) / chosen
        memo.remember(f"hf:{identifier}", {"": [0, 0, str(found)]})
        return found
    except _Unclear as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # the hub's client lets several libraries' errors of the network out
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
        cure = "unset HF_HUB_OFFLINE or fetch it first" if offline else "check the id and the network, or HF_ENDPOINT"
        raise ValueError(f"hf:{identifier}: it is not here and cannot be fetched ({reason}); {cure}") from None


def _cached(identifier: str, name: str, configuration: str | None, revision: str | None) -> Path:
    """The same from the hub's own cache on this machine."""
    hub = extra("huggingface_hub", f"hf:{identifier}")
    pattern = f"{configuration}/*.parquet" if configuration else "*.parquet"
    where = {"repo_id": name, "repo_type": "dataset", "revision": revision}
    root = Path(hub.snapshot_download(**where, allow_patterns=[pattern], local_files_only=True))
    files = [file.relative_to(root).as_posix() for file in root.rglob("*.parquet")]
    return root / _chosen(identifier, name, configuration, files)


class _Unclear(Exception):
    """The set is there, but which of its files are meant is not clear."""


def _chosen(identifier: str, name: str, configuration: str | None, files: Iterable[str]) -> str:
    """The folder of the files that are meant, from the snapshot's root."""
    sets = sorted({_home(PurePosixPath(file)) for file in files if file.endswith(".parquet")})
    if not sets:
        raise _Unclear(f"hf:{identifier}: it has no parquet files; write hf:{name}@{CONVERTED}, which the hub makes")
    if configuration is None and len(sets) > 1:
        raise _Unclear(f"hf:{identifier}: it has {', '.join(sets[:8])}; name one of them, as in hf:{name}/{sets[0]}")
    if configuration not in (None, *sets):
        raise _Unclear(f"hf:{identifier}: there is no {configuration!r} in it, but {', '.join(sets[:8])}; name one")
    return configuration or sets[0]


def _home(file: PurePosixPath) -> str:
    """The folder of a file, without its part's: `default` of default/train/0000.parquet."""
    folders = [name for name in file.parts[:-1] if name not in NAMES]
    return "/".join(folders) or "."
