"""What a report is made of: the checks of a verification, judged, and the figures beside them."""

import base64
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bounds import CLAIMS, Check, Claim, Evidence, Standing, Verdict
from bounds.registry import SECTIONS, section
from experiments import verification
from experiments.plots import figure_names, load_figure
from tamdp_theory import InputError, storage
from tamdp_theory.errors import quote
from tamdp_theory.files import readable

FOLDERS = ("verify", "figures")  # of figures; the first that has one of a name is taken
_PNG = b"\x89PNG\r\n\x1a\n"


class _Record(msgspec.Struct):
    claim: str
    instance: str
    lhs: float | None
    rhs: float | None
    slack: float | None
    verdict: Verdict
    evidence: Evidence
    assumptions: dict[str, bool]
    error: float = 0.0
    note: str = ""


class _File(msgspec.Struct):
    checks: list[_Record]


@dataclass(frozen=True)
class Result:
    """A claim and its outcome; None if the verification did not check it."""

    claim: Claim
    outcome: verification.Outcome | None

    @property
    def verdict(self) -> str:
        """The verdict of the telling check, in a word; a violated claim that is printed to be refuted is "refuted"."""
        if self.outcome is None:
            return "not checked"
        verdict = self.outcome.telling.verdict
        if verdict is Verdict.VIOLATED and self.claim.standing is Standing.PRINTED:
            return "refuted"
        return "not applicable" if verdict is Verdict.ASSUMPTION_UNMET else str(verdict)

    @property
    def telling(self) -> Check | None:
        """The check to show."""
        return None if self.outcome is None else self.outcome.telling

    def count(self, verdict: Verdict) -> int:
        """Checks with this verdict."""
        return 0 if self.outcome is None else self.outcome.count(verdict)


@dataclass(frozen=True)
class Figure:
    """A picture as saved, and its caption."""

    name: str
    png: bytes
    caption: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height

    @property
    def address(self) -> str:
        """As a data: address."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Results:
    """Everything that a report shows. missing: a line for each figure left out; digest: of the file of checks."""

    claims: tuple[Result, ...]
    figures: tuple[Figure, ...]
    missing: tuple[str, ...]
    digest: str

    def groups(self) -> dict[str, list[Result]]:
        """Results by heading, in the order of the registry."""
        titles = list(SECTIONS.values())
        found: dict[str, list[Result]] = {}
        for result in self.claims:
            found.setdefault(titles[section(result.claim)], []).append(result)
        return found


def load(folder: Path, pictures: bool = True) -> Results:
    """Read the results in a folder; InputError if the checks are missing or damaged, a line in ``missing`` for every
    figure that is.
    """
    path = folder / "verify" / "checks.json"
    checks, digest = _checks(path)
    outcomes = verification.judge(checks)
    figures, missing = _figures(folder) if pictures else ([], [])
    return Results(
        tuple(Result(claim, outcomes.get(claim.id)) for claim in CLAIMS.values()),
        tuple(figures),
        tuple(missing),
        digest,
    )


def _checks(path: Path) -> tuple[list[Check], str]:
    if not path.exists():
        raise InputError(f"{path}: missing; make it with `tamdp verify`")
    content = storage.read_bytes(path)
    try:
        records = msgspec.json.decode(content, type=_File).checks
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: damaged ({readable(error)}); make it again with `tamdp verify`") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: damaged, not JSON ({error}); make it again with `tamdp verify`") from error
    if not records:
        raise InputError(f"{path}: holds no checks; make it again with `tamdp verify`")
    for place, record in enumerate(records):
        if record.claim not in CLAIMS:
            raise InputError(
                f"{path}: checks[{place}].claim: {quote(record.claim)} is not in the registry; make it again with "
                f"`tamdp verify`"
            )
    return [_check(record) for record in records], hashlib.sha256(content).hexdigest()


def _check(record: _Record) -> Check:
    values: dict[str, Any] = {name: getattr(record, name) for name in _Record.__struct_fields__ if name != "claim"}
    return Check(claim_id=record.claim, **values)


def _figures(folder: Path) -> tuple[list[Figure], list[str]]:
    found: dict[str, Figure] = {}
    missing: dict[str, str] = {}
    for path in (path for part in FOLDERS for path in sorted((folder / part).glob("*.png"))):
        name = path.stem
        if name in found:
            continue
        content = storage.read_bytes(path) if path.is_file() else b""
        if not content.startswith(_PNG) or len(content) < 24:
            missing[name] = f"{path}: damaged; make it again with `tamdp figures {name}`"
            continue
        caption = path.with_suffix(".txt")
        text = storage.read_bytes(caption).decode(errors="replace") if caption.is_file() else ""
        found[name] = Figure(name, content, " ".join(text.split()))
        missing.pop(name, None)
    for name in figure_names():
        if name not in found and name not in missing:
            module = load_figure(name)
            first = "" if (folder / module.SOURCE).exists() else f"`{module.COMMAND}` and then "
            missing[name] = f"{name}: not drawn yet; make it with {first}`tamdp figures {name}`"
    return [found[name] for name in sorted(found, key=lambda name: (name != "verdicts", name))], [
        missing[name] for name in sorted(missing)
    ]
