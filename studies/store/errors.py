"""What can go wrong with a store, each in one sentence with its cure; a password is never in it.

StoreError   the store cannot be used: missing, unreachable, full, of another version (ValueError)
StudyExists  a study of this name stands already (ValueError)
LeaseHeld    another conductor runs the study (ValueError)
LeaseLost    another conductor has taken the study over: stop at once (RuntimeError)
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import IntegrityError, OperationalError

_CURES = (
    ("not a database|malformed", "{store} is no SQLite database; set ARCHSTUDY_STORE to another file"),
    ("unable to open", "{store} cannot be opened; it must be a file in a folder that exists and is writable"),
    ("readonly database", "{store} is read-only; make the file and its folder writable"),
    ("is full|disk I/O|No space left", "the disk that holds {store} is full or failing; free space and run again"),
    ("is locked", "another process has kept {store} locked for 30 seconds; end it, or use PostgreSQL"),
    ("password", "{store} refuses the password; correct it in ARCHSTUDY_STORE"),
    ("invalid connection option", "{store} has an {error}; correct ARCHSTUDY_STORE"),
    (r"database .* does not exist", "{store} does not exist on its server; create it with `createdb`"),
    (
        r"(table|relation) \S+ already exists",
        "{store} holds another program's tables ({error}); set ARCHSTUDY_STORE to another database",
    ),
    ("permission denied", "{store} does not allow this ({error}); grant its user the rights"),
)
_UNREACHABLE = "{store} cannot be reached ({error}); start the server or correct ARCHSTUDY_STORE"


class StoreError(ValueError):
    """The store cannot be used."""


class StudyExists(ValueError):
    """A study of this name stands already."""


class LeaseHeld(ValueError):
    """Another conductor holds the study, for `seconds` more at the least."""

    def __init__(self, holder: dict[str, Any], seconds: float) -> None:
        self.holder = holder
        self.seconds = seconds
        where = f"{holder.get('host')} (process {holder.get('pid')})"
        super().__init__(f"the study is being run on {where}; end that run, or wait {seconds:.0f} s after it has died")


class LeaseLost(RuntimeError):
    """Another conductor has taken the study over; nothing was written."""


def shown(url: URL) -> str:
    """The store's name on screens: the file of SQLite, the address without secrets of PostgreSQL."""
    if url.get_backend_name() == "sqlite":
        return url.database or "sqlite"
    open_query = {key: value for key, value in url.query.items() if "pass" not in key}
    return url.set(drivername="postgresql", password=None, query=open_query).render_as_string()


def explain(context: ExceptionContext) -> StoreError | None:
    """SQLAlchemy's `handle_error` hook: the sentence for what the user can cure; None leaves the error as it is."""
    if context.is_pre_ping or context.engine is None or isinstance(context.sqlalchemy_exception, IntegrityError):
        return None
    message = _first_line(context.original_exception, context.engine.url)
    template = _template(message, context)
    return template and StoreError(template.format(store=shown(context.engine.url), error=message))


def _template(message: str, context: ExceptionContext) -> Any:
    for pattern, template in _CURES:
        if re.search(pattern, message):
            return template
    of_server = context.dialect.name == "postgresql" and isinstance(context.sqlalchemy_exception, OperationalError)
    return _UNREACHABLE if of_server else None


def _first_line(error: BaseException, url: URL) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.replace(str(url.password), "***") if url.password else line
