"""Files of JSON lines: one object a line, whatever else is in the file counted and left out."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tamdp_theory.errors import InputError

MAX_LINE = 64 * 2**20  # bytes; a longer one is no row of a log
_decoder = msgspec.json.Decoder()


class Lines:
    """Reads JSON lines and counts what it leaves out: ``dropped``, reason -> how many. A file that is there twice, by
    name and content, is read once. progress: is told how many bytes have been read, every 10,000 lines.
    """

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self.dropped: Counter[str] = Counter()
        self._progress, self._bytes, self._count = progress, 0, 0
        self._seen: set[object] = set()

    def of(self, path: Path, *, tail: int = 1, once: bool = False) -> Iterator[dict[str, Any]]:
        """The objects of a file, in its order.

        Args:
            path: the file.
            tail: parts of the path that tell files with equal content apart.
            once: lines say which rollout they are, so that equal ones are one.
        """
        try:
            with path.open("rb") as file:
                if self._again((path.parts[-tail:], hashlib.file_digest(file, "blake2b").digest())):
                    self.dropped["files that are there twice, read once"] += 1
                    return
                file.seek(0)
                for number, line in enumerate(file):
                    self._tell(len(line))
                    text = line.removeprefix(b"\xef\xbb\xbf") if not number else line
                    if once and text.strip() and self._again(hashlib.blake2b(text.strip(), digest_size=12).digest()):
                        self.dropped["lines that are there twice, read once"] += 1
                    elif text.strip() and (found := self._object(text)) is not None:
                        yield found
        except OSError as error:
            raise InputError(f"{path}: cannot read ({error.strerror}); check the path") from error

    def _again(self, key: object) -> bool:
        if key in self._seen:
            return True
        self._seen.add(key)
        return False

    def _tell(self, size: int) -> None:
        self._bytes, self._count = self._bytes + size, self._count + 1
        if self._progress is not None and self._count % 10_000 == 0:
            self._progress(self._bytes)

    def _object(self, line: bytes) -> dict[str, Any] | None:
        found = decoded(line) if len(line) <= MAX_LINE else None
        if not isinstance(found, dict):
            self.dropped["no JSON object in the line (half written?)"] += 1
            return None
        return found


def decoded(line: bytes) -> Any:
    """JSON content, with Python's literal NaN too; None for what is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def key(*parts: Any) -> bytes:
    """A short key of texts, or of anything else that JSON has."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def number(value: Any) -> float | None:
    """A finite number (or true, false) as a float; None for everything else, texts too."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    return None


def whole(value: Any) -> int | None:
    """An integer, also as text ("12") or float (12.0); None for everything else."""
    if isinstance(value, str):
        text = value.strip().removeprefix("-")
        return int(value) if text.isascii() and text.isdigit() and len(text) < 19 else None
    found = number(value)
    return (
        None if found is None or isinstance(value, bool) or found != int(found) or abs(found) >= 2**62 else int(found)
    )
