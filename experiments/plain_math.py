r"""LaTeX of the registry on one line of plain text: ``\frac{1}{2}\|v\|^2`` reads 1/2 ‖v‖². It knows the commands of
report/mathml.py.
"""

import re
import unicodedata

from experiments.report import mathml

_SIGNS = (
    mathml.LETTERS
    | mathml.UPRIGHT
    | {name: f" {sign} " for name, sign in (mathml.RELATIONS | mathml.BINARY).items()}
    | mathml.DOTS
    | mathml.LARGE
    | {"cdot": "·", "times": "×", "star": "*", "top": "ᵀ", "sum": "Σ", "prod": "Π"}
)
_MARKS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_SPACES = {r"\,": " ", r"\;": " ", r"\ ": " ", r"\quad": "  ", "~": " ", r"\{": "{", r"\}": "}"}
_FENCES = {r"\langle": "<", r"\rangle": ">", r"\|": "‖", r"\lvert": "|", r"\rvert": "|", r"\lVert": "‖", r"\rVert": "‖"}
_RAISED, _LOWERED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"), str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SMALL = re.compile(r"-?[0-9]+")


def read(latex: str) -> str:
    """The formula in Unicode; what is not known stays as it is written, without its backslash."""
    text = _Reader(mathml.TOKEN.findall(latex)).row(None)
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text).strip())


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [token for token in tokens if not token.isspace() or token == " "]
        self.place = 0

    def take(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1]

    def peek(self) -> str | None:
        while self.place < len(self.tokens) and self.tokens[self.place] == " ":
            self.place += 1
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def row(self, stop: str | None) -> str:
        parts: list[str] = []
        while (token := self.peek()) is not None and token != stop:
            parts.append(self.atom())
        if stop is not None and self.peek() == stop:
            self.take()
        return "".join(parts)

    def argument(self) -> str:
        if self.peek() == "{":
            self.take()
            return self.row("}").strip()
        return self.atom() if self.peek() is not None else ""

    def atom(self) -> str:
        token = self.take()
        if token == "{":
            return self.row("}")
        if token in "^_":
            return _script(token, self.argument())
        if token in "=<>":
            return f" {token} "
        if token in _SPACES:
            return _SPACES[token]
        if token in _FENCES:
            return _FENCES[token]
        name = token.removeprefix("\\")
        if name == token:
            return token
        if name in ("left", "right", "middle", "textstyle", "displaystyle"):
            return ""
        if name in ("frac", "tfrac"):
            above, below = self.argument(), self.argument()
            return f"{_bracketed(above)}/{_bracketed(below)} "
        if name == "binom":
            return f"C({self.argument()}, {self.argument()})"
        if name == "sqrt":
            return f"√{_bracketed(self.argument())}"
        if name in _MARKS:
            inside = self.argument()
            return inside[:1] + _MARKS[name] + inside[1:]
        if name in ("mathbb", "mathrm", "operatorname", "text", "mathcal"):
            return self.argument() + (" " if name == "operatorname" and self.peek() not in ("(", "[", "_", "^") else "")
        sign = _SIGNS.get(name, name)
        if name in mathml.LARGE or name in mathml.FUNCTIONS + mathml.LIMITS:
            while self.peek() in ("^", "_"):
                sign += _script(self.take(), self.argument())
            return sign if self.peek() in ("(", "[", r"\left", r"\{") else f"{sign} "
        return sign


def _script(token: str, inside: str) -> str:
    inside = inside.replace(" ", "")
    if inside == "*":
        return "*"
    if token == "^" and inside in ("ᵀ", "′"):
        return inside
    if _SMALL.fullmatch(inside) and not (token == "_" and inside.startswith("-")):
        return inside.translate(_RAISED if token == "^" else _LOWERED)
    return f"{token}{_bracketed(inside)}"


def _bracketed(text: str) -> str:
    plain = len(text) <= 1 or text.replace(".", "").isalnum()
    return text if plain else f"({text})"
