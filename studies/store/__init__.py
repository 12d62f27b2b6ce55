"""The memory of archstudy: studies, trials and epochs in SQL. The only home of sqlalchemy and alembic."""

from sqlalchemy import Engine

from studies.store.connect import connect, files_folder, upgrade, url
from studies.store.errors import LeaseHeld, LeaseLost, StoreError, StudyExists
from studies.store.lease import acquire, provably_dead, release, this_process
from studies.store.write import Writer, create_study, request_state

__all__ = [
    "Engine",
    "LeaseHeld",
    "LeaseLost",
    "StoreError",
    "StudyExists",
    "Writer",
    "acquire",
    "connect",
    "create_study",
    "files_folder",
    "provably_dead",
    "release",
    "request_state",
    "this_process",
    "upgrade",
    "url",
]
