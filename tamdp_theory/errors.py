"""One error tree. Every message says what is wrong, where, and what to do about it, on one line."""


class TamdpError(Exception):
    """Base of every error the toolkit raises on purpose; the command line prints it on one line and exits with 2."""


class InputError(TamdpError, ValueError):
    """A file, an argument or an array that does not mean what it should."""


class CapacityError(TamdpError):
    """An exact computation that would not fit. The message names its size, the limit and what would fit."""


def printable(text: str) -> str:
    """Return a text with control characters (line breaks, terminal escapes) as backslash escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def quote(name: str) -> str:
    """Return a name from a file as it goes into a message: quoted, printable, at most 80 characters of it."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def one_line(error: BaseException) -> str:
    """An error's message on one line, shortened."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def told(error: Exception) -> str:
    """The same for an error that nobody expected: with its kind, unless the toolkit raised it on purpose."""
    return one_line(error) if isinstance(error, TamdpError) else f"{type(error).__name__}: {one_line(error)}"
