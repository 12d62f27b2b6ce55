"""The bundle to take home: a network that no longer needs archstudy, in several forms that were checked to agree."""

from worker.bundle.contents import CARD, FILES, FORMS, Evidence, Parts
from worker.bundle.forms import read
from worker.bundle.writing import write

__all__ = ["CARD", "FILES", "FORMS", "Evidence", "Parts", "read", "write"]
