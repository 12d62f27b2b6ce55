"""Who may write to a study: one conductor at a time, by a lease with a heartbeat and a fencing number."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, update

from studies.store.connect import writing
from studies.store.errors import LeaseHeld, StoreError
from studies.store.tables import now, study

Holder = dict[str, Any]
"""A process for ever: host, machine (with the namespace of its process ids), boot_id, pid, start_time."""


def this_process() -> Holder:
    """Who we are, so that others can tell for certain whether we still live."""
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "boot_id": _read("/proc/sys/kernel/random/boot_id") or _ask("sysctl", "-n", "kern.bootsessionuuid"),
        "pid": os.getpid(),
        "start_time": _start_time(os.getpid()),
    }


def provably_dead(holder: Holder) -> bool:
    """Whether the holder ran on this very machine and its process is gone. A doubt means False."""
    here = this_process()
    if any(holder.get(name, here[name]) != here[name] for name in ("host", "machine")):
        return False
    if holder["boot_id"] != here["boot_id"]:
        return None not in (holder["boot_id"], here["boot_id"])
    if not _exists(holder["pid"]):
        return True
    started = _start_time(holder["pid"])
    return None not in (started, holder["start_time"]) and started != holder["start_time"]


def acquire(engine: Engine, study_id: int, holder: Holder | None = None, seconds: float = 60.0) -> int:
    """Take the study if it is free, expired or its holder provably dead, and return the token for `Writer`."""
    lease = select(study.c.lease_holder, study.c.lease_token, study.c.lease_until - now())
    with writing(engine) as connection:
        row = connection.execute(lease.where(study.c.id == study_id).with_for_update()).one_or_none()
        if row is None:
            raise StoreError(f"there is no study with id {study_id}; `archstudy list` shows the studies")
        standing, token, left = row
        if standing is not None and left > 0 and not provably_dead(standing):
            raise LeaseHeld(standing, left)
        taken = {"lease_holder": holder or this_process(), "lease_token": token + 1, "lease_until": now() + seconds}
        connection.execute(update(study).where(study.c.id == study_id).values(taken))
    return int(token) + 1


def release(engine: Engine, study_id: int, token: int) -> None:
    """Give the study back; nothing happens if another has taken it over."""
    ours = (study.c.id == study_id) & (study.c.lease_token == token)
    with writing(engine) as connection:
        connection.execute(update(study).where(ours).values(lease_holder=None, lease_until=None))


def _machine() -> str:
    # In two containers one host name and one process id may be two processes: the namespace tells them apart.
    namespace = os.readlink("/proc/self/ns/pid") if os.path.exists("/proc/self/ns/pid") else ""
    return f"{_read('/etc/machine-id') or ''} {namespace}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _stat(pid)[:1] not in (["Z"], ["X"])  # killed, but not yet fetched by its parent


def _start_time(pid: int) -> str | None:
    """In ticks since the boot (Linux) or as a date (macOS); None if it cannot be told."""
    if sys.platform != "linux":
        return _ask("ps", "-o", "lstart=", "-p", str(pid))
    return stat[19] if (stat := _stat(pid)) else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third (the state) on: the second may hold blanks and brackets."""
    return (_read(f"/proc/{pid}/stat") or ")").rpartition(")")[2].split()


def _read(file: str) -> str | None:
    try:
        return Path(file).read_text().strip() or None
    except OSError:
        return None


def _ask(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
