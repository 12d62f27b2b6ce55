"""Sets of the hub, from a small HTTP server that speaks as much of its protocol as fetching needs; then offline."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from imagesets import parquet

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOLD = """
import json, sys
from worker.datasource import DataSpec, describe, digest
for fields in json.loads(sys.argv[1]):
    spec = DataSpec.model_validate(fields)
    try:
        facts = describe(spec, "classification")
        print(facts.shape, facts.images, facts.outputs, digest(spec))
    except ValueError as error:
        print(error)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers for the sets `me/pets`, one set in data/, and `me/two`, two configurations."""

    files: dict[str, bytes]
    asked: list[str]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/")
        self.asked.append(path)
        kind, _, rest = path.partition("datasets/")
        name, _, where = rest.partition("/revision/" if kind else "/resolve/")
        if kind:
            name = "/".join(rest.split("/")[:2])
            inside = [file for file in self.files if file.startswith(f"{name}/")]
            paths = [file.removeprefix(f"{name}/") for file in inside]
            if not paths:
                return self.answer(b"", 404)
            if "/tree/" in rest:
                sizes = [len(self.files[file]) for file in inside]
                tree = [
                    {"type": "file", "path": path, "size": size, "oid": "0" * 40}
                    for path, size in zip(paths, sizes, strict=True)
                ]
                return self.answer(json.dumps(tree).encode())
            info = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in paths]}
            return self.answer(json.dumps(info).encode())
        return self.answer(self.files[f"{name}/{where.partition('/')[2]}"])

    def answer(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    files = {}
    for name in ("me/pets/data", "me/two/coarse", "me/two/fine"):
        file = tmp_path_factory.mktemp("hub") / "train.parquet"
        parquet(file)
        files[f"{name}/train-00000-of-00001.parquet"] = file.read_bytes()
    handler = type("Pets", (Hub,), {"files": files, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def told(sources: list[str | dict], home: Path, **environment: str) -> list[str]:
    """What a new process says of each source, with a home of its own for the hub's files."""
    own = {"HF_HOME": str(home / "hf"), "ARCHSTUDY_CACHE": str(home / "cache"), "PYTHONPATH": str(ROOT)}
    own |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1"}
    specs = [{"source": source} if isinstance(source, str) else source for source in sources]
    command = [sys.executable, "-c", TOLD, json.dumps(specs)]
    ended = subprocess.run(
        command, env={**os.environ, **own, **environment}, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_sets_are_fetched_once_and_read_offline(hub: str, tmp_path: Path) -> None:
    asked = ["hf:me/pets", "hf:me/two", "hf:me/two/gold", "hf:me/two/fine", "hf:me/none"]
    pets, two, gold, fine, none = told(asked, tmp_path, HF_ENDPOINT=hub)
    assert pets.startswith("(3, 8, 8) 30 3 ")
    assert two == "hf:me/two: it has coarse, fine; name one of them, as in hf:me/two/coarse"
    assert gold == "hf:me/two/gold: there is no 'gold' in it, but coarse, fine; name one"
    assert fine.startswith("(3, 8, 8) 30 3 ")
    assert none.startswith("hf:me/none: it is not here and cannot be fetched (")
    assert sorted(path.parent.name for path in (tmp_path / "hf").rglob("*.parquet")) == ["data", "fine"]
    known = told(["hf:me/pets", "hf:me/two/fine"], tmp_path, HF_HUB_OFFLINE="1", ARCHSTUDY_CACHE=str(tmp_path / "new"))
    assert known == [pets, fine]


def test_a_set_that_is_not_here(tmp_path: Path) -> None:
    planned = {"source": "hf:me/pets", "image": [32, 32, 3], "classes": 5}
    absent, stand_in = told(["hf:me/pets", planned], tmp_path, HF_HUB_OFFLINE="1")
    assert absent.startswith("hf:me/pets: it is not here and cannot be fetched (")
    assert absent.endswith("; unset HF_HUB_OFFLINE or fetch it first")
    assert stand_in == "(3, 32, 32) 0 5 None"
