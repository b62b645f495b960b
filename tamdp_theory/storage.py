"""Reading and writing whole files: one-line errors in, atomic replacement out."""

import os
import tempfile
from pathlib import Path

from tamdp_theory.errors import InputError


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file; InputError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error}); check the path") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r}: not a file name ({error})") from error


def check_writable(folder: str | Path) -> None:
    """Make a folder and see that files can be written in it, before long work; InputError otherwise."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: cannot write there ({getattr(error, 'strerror', None) or error}); choose another folder"
        ) from error


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part; InputError if it cannot
    be written.
    """
    target = Path(path)
    try:
        data = content.encode() if isinstance(content, str) else content
        if target.exists() and not (target.is_file() or target.is_dir()):  # a pipe or a device: nothing to replace
            target.write_bytes(data)
            return
        target = Path(os.path.realpath(target))  # a link stays, what it names is replaced
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror or error}); nothing was changed") from error
    except ValueError as error:  # a file name with a NUL, text with lone surrogates
        raise InputError(f"{str(path)!r}: cannot write ({error}); nothing was changed") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
