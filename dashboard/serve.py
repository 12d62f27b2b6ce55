"""Start the dashboard: `python -m dashboard.serve --port 8501`, which is what `archstudy dashboard` runs.

Streamlit runs as a child of this process, with settings that fit a tool on one's own machine: no usage statistics, no
watching of files, no browser started. Who may reach it is the address: the loopback, unless a host is named here or
STREAMLIT_SERVER_ADDRESS names one (as docker-compose.yml does).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from studies import store
from studies.store import StoreError

DONE, FAILED, UNREACHABLE, INTERRUPTED = 0, 1, 6, 130
LOOPBACK = "127.0.0.1"
APP = Path(__file__).with_name("app.py")
SETTINGS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#56B4E9",
}


def serve(host: str | None, port: int) -> int:
    """Serve until the child ends, and return its code; what is in the way is one sentence on stderr."""
    address = host or os.environ.get("STREAMLIT_SERVER_ADDRESS") or LOOPBACK
    try:
        url = store.url()
        _look(url)
    except StoreError as error:
        return _refused(str(error), UNREACHABLE)
    if in_use(address, port):
        return _refused(f"port {port} is in use; choose another with --port {port + 1}", FAILED)
    chosen = host or (None if os.environ.get("STREAMLIT_SERVER_ADDRESS") else LOOPBACK)
    print(f"archstudy: the dashboard is at http://{_reachable(address)}:{port} (Ctrl-C ends it)", file=sys.stderr)
    return _child(command(chosen, port), os.environ | {"ARCHSTUDY_STORE": url})


def command(host: str | None, port: int) -> list[str]:
    """The child's command line; without a host Streamlit takes STREAMLIT_SERVER_ADDRESS."""
    settings = SETTINGS | {"server.port": str(port)} | ({"server.address": host} if host else {})
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *flags]


def in_use(host: str, port: int) -> bool:
    """Whether something listens there already. An address that is not this machine's is Streamlit's to refuse."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        return error.errno in (98, 48)  # EADDRINUSE of Linux and of macOS
    return False


def _look(url: str) -> None:
    """Say where a store is missing, and go on: the dashboard waits for it. Anything else that is wrong ends here."""
    folder = Path(url.removeprefix("sqlite:///")).parent
    if url.startswith("sqlite:") and not folder.is_dir():
        raise StoreError(f"the folder {str(folder)!r} does not exist; create it or correct ARCHSTUDY_STORE")
    try:
        store.connect(url, create=False).dispose()
    except StoreError as error:
        if not str(error).startswith("no store"):
            raise
        print(f"archstudy: {error}; the dashboard waits for it", file=sys.stderr)


def _child(arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run it; Ctrl-C and a termination end it too, and are no errors."""
    with subprocess.Popen(arguments, env=environment) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while True:
            try:
                return max(child.wait(), DONE)  # a child ended by a signal has a negative code
            except KeyboardInterrupt:  # the terminal sent it to the child as well
                child.terminate()


def _reachable(address: str) -> str:
    return "localhost" if address in (LOOPBACK, "0.0.0.0", "::") else address


def _refused(reason: str, code: int) -> int:
    print(f"archstudy: {reason}", file=sys.stderr)
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of `python -m dashboard.serve`."""
    parser = argparse.ArgumentParser(prog="dashboard.serve", description="Serve the archstudy dashboard.")
    parser.add_argument("--host", help="the address to listen on (default: the loopback)")
    parser.add_argument("--port", type=int, default=8501)
    parsed = parser.parse_args(arguments)
    return serve(parsed.host, parsed.port)


if __name__ == "__main__":
    sys.exit(main())
