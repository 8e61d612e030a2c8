"""What goes wrong with results."""


class ResultsError(Exception):
    """The results folder cannot be read or used; the message says which file and why."""
