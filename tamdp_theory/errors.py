"""One error tree. Every message says what is wrong, where, and what to do about it."""


class TamdpError(Exception):
    """Base of every error the toolkit raises on purpose; the command line prints it on one line and exits with 2."""


class InputError(TamdpError, ValueError):
    """A file, an argument or an array that does not mean what it should."""


class CapacityError(TamdpError):
    """An exact computation that would not fit. The message names its size, the limit and what would fit."""
