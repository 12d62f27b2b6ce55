"""Errors for the user that belong to no single room; each is one sentence with its cure."""


class Conflict(ValueError):
    """The store holds another study under this name, or another process conducts it."""


class NotFound(ValueError):
    """No study, trial or file of this name."""
