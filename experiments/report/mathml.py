r"""The LaTeX of the statements as MathML: the commands that they use, no more.

MathML Core alone, which browsers draw without help: names of functions are one upright ``mi``, fences stretch only
after ``\left``, limits go below a sum or a maximum in displayed formulas and beside it in running text. A command that
is not known is an error.
"""

import re
from collections.abc import Callable
from xml.etree import ElementTree

from experiments.report.markup import Markup
from tamdp_theory import InputError

Element = ElementTree.Element
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.S)
LETTERS = {
    "alpha": "α",
    "delta": "δ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "chi": "χ",
    "psi": "ψ",
    "beta": "β",
    "gamma": "γ",
    "epsilon": "ϵ",
    "varepsilon": "ε",
    "tau": "τ",
    "phi": "ϕ",
    "varphi": "φ",
    "omega": "ω",
    "nu": "ν",
    "xi": "ξ",
    "zeta": "ζ",
    "ell": "ℓ",
    "partial": "∂",
}
UPRIGHT = {
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
    "nabla": "∇",
    "star": "⋆",
    "top": "⊤",
    "infty": "∞",
    "#": "#",
    "prime": "′",
}
FUNCTIONS = ("ln", "log", "exp", "Pr", "det", "sin", "cos", "tan")
LIMITS = ("max", "min", "sup", "inf", "lim", "liminf", "limsup")
RELATIONS = {
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "equiv": "≡",
    "ne": "≠",
    "neq": "≠",
    "in": "∈",
    "to": "→",
    "approx": "≈",
    "sim": "∼",
    "mid": "∣",
    "propto": "∝",
    "subset": "⊂",
    "subseteq": "⊆",
    "ll": "≪",
    "gg": "≫",
    "mapsto": "↦",
    "iff": "⇔",
    "implies": "⇒",
}
BINARY = {"cdot": "⋅", "times": "×", "pm": "±", "mp": "∓", "cup": "∪", "cap": "∩", "setminus": "∖", "wedge": "∧"}
DOTS = {"dots": "…", "ldots": "…", "cdots": "⋯"}
LARGE = {"sum": "∑", "prod": "∏", "int": "∫"}
_OPEN = {"(": "(", "[": "[", r"\{": "{", r"\langle": "⟨"}
_CLOSE = {")": ")", "]": "]", r"\}": "}", r"\rangle": "⟩"}
_BARS = {"|": "|", r"\|": "‖", r"\lvert": "|", r"\rvert": "|", r"\lVert": "‖", r"\rVert": "‖"}
_BOARD = {"E": "𝔼", "P": "ℙ", "R": "ℝ", "N": "ℕ", "Z": "ℤ"}
_ACCENTS = {"hat": "ˆ", "bar": "¯", "tilde": "˜"}
_SPACES = {r"\,": "0.1667em", r"\;": "0.2778em", r"\ ": "0.25em", r"\quad": "1em", "~": "0.25em"}
_APART = {("ord", "op"), ("close", "op"), ("op", "op"), ("op", "ord")}  # a thin space between, as TeX has it
Atom = tuple[Element, str]  # with its class: ord, op, bin, rel, open, close, punct, sum, space


def formula(latex: str, display: bool = False) -> Markup:
    """LaTeX as a ``math`` element; InputError naming a command that is not known."""
    parser = _Parser(latex)
    root = _element(
        "math",
        *parser.row(None),
        xmlns="http://www.w3.org/1998/Math/MathML",
        display="block" if display else "inline",
        alttext=latex,
    )
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _element(name: str, *children: Element, text: str | None = None, **attributes: str) -> Element:
    made = Element(name, attributes)
    made.text = text
    made.extend(children)
    return made


def _name(text: str) -> Element:
    """A name in upright letters."""
    return _element("mi", text=text, mathvariant="normal") if len(text) == 1 else _element("mi", text=text)


def _together(elements: list[Element]) -> Element:
    return elements[0] if len(elements) == 1 else _element("mrow", *elements)


class _Parser:
    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = [token for token in TOKEN.findall(latex) if not token.isspace()]
        self.raw = latex
        self.place = 0

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise self.error(f"expected {wanted or 'more'}, found {token or 'the end'}")
        self.place += 1
        return token

    def error(self, what: str) -> InputError:
        return InputError(f"formula {self.latex!r}: {what}")

    def row(self, stop: str | None) -> list[Element]:
        """Elements up to ``stop``, which is taken; thin spaces stand around names of functions."""
        atoms: list[Atom] = []
        while self.peek() != stop:
            if self.peek() == r"\textstyle":
                self.take()
                atoms.append((_element("mstyle", *self.row(stop), displaystyle="false"), "ord"))
                return _spaced(atoms)
            atoms.append(self.scripted(atoms[-1][1] if atoms else "open"))
        if stop is not None:
            self.take(stop)
        return _spaced(atoms)

    def scripted(self, before: str) -> Atom:
        """An atom with its sub- and superscripts."""
        base, kind = self.atom(before)
        below: Element | None = None
        above: list[Element] = []
        while self.peek() in ("_", "^", "'"):
            token = self.take()
            if token == "_":
                below = self.argument()
            else:
                above.append(_element("mo", text="′", lspace="0", rspace="0") if token == "'" else self.argument())
        limits = base.get("movablelimits") == "true"
        scripts = ([] if below is None else [below]) + ([_together(above)] if above else [])
        if not scripts:
            return base, kind
        name = ("under" if limits else "sub") * (below is not None) + ("over" if limits else "sup") * bool(above)
        return _element(f"m{name}", base, *scripts), kind

    def argument(self) -> Element:
        """What a command or a script applies to: a group or a single token."""
        if self.peek() == "{":
            self.take()
            return _together(self.row("}"))
        return self.atom("open", single=True)[0]

    def letters(self) -> str:
        """Plain text in braces."""
        self.take("{")
        inside = ""
        while self.peek() != "}":
            inside += self.take()
        self.take("}")
        return inside

    def atom(self, before: str, single: bool = False) -> Atom:
        token = self.take()
        if token == "{":
            return _together(self.row("}")), "ord"
        if token.isdigit() or token == ".":
            while not single and ((self.peek() or "").isdigit() or (self.peek() == "." and "." not in token)):
                token += self.take()
            return _element("mn", text=token), "ord"
        if token in "!*":
            return _element("mo", text=token, lspace="0", rspace="0"), "ord"
        if token.isalpha():
            return _element("mi", text=token), "ord"
        for table, kind in ((_OPEN, "open"), (_CLOSE, "close")):
            if token in table:
                return _element(
                    "mo", text=table[token], stretchy="false", form="prefix" if kind == "open" else "postfix"
                ), kind
        if token in _BARS:
            return _element("mo", text=_BARS[token], stretchy="false", lspace="0", rspace="0"), "punct"
        if token in _SPACES:
            return _element("mspace", width=_SPACES[token]), "space"
        if token in "+-":
            sign = "−" if token == "-" else "+"
            if before in ("open", "rel", "bin", "punct"):
                return _element("mo", text=sign, form="prefix", lspace="0", rspace="0"), "bin"
            return _element("mo", text=sign, form="infix"), "bin"
        if token == "/":
            return _element("mo", text=token, lspace="0", rspace="0"), "bin"
        if token in "=<>":
            return _element("mo", text=token), "rel"
        if token in ",:;":
            return _element("mo", text=token), "punct"
        return self.command(token.removeprefix("\\"))

    def command(self, name: str) -> Atom:
        if name in LETTERS:
            return _element("mi", text=LETTERS[name]), "ord"
        if name in UPRIGHT:
            return _element("mi", text=UPRIGHT[name], mathvariant="normal"), "ord"
        if name in FUNCTIONS:
            return _name(name), "op"
        if name in LIMITS:
            return _element("mo", text=name, movablelimits="true", lspace="0", rspace="0"), "op"
        if name in LARGE:
            return _element("mo", text=LARGE[name], movablelimits=str(name != "int").lower(), largeop="true"), "sum"
        if name in DOTS:
            return _element("mo", text=DOTS[name]), "ord"
        if name in RELATIONS or name in BINARY:
            return _element("mo", text=(RELATIONS | BINARY)[name]), "rel" if name in RELATIONS else "bin"
        made = _COMMANDS.get(name)
        if made is None:
            raise self.error(f"\\{name} is not known to the report; add it to experiments/report/mathml.py")
        return made(self)

    def fraction(self, style: str | None = None) -> Atom:
        found = _element("mfrac", self.argument(), self.argument())
        return (_element("mstyle", found, displaystyle=style) if style else found), "ord"

    def binomial(self) -> Atom:
        over = _element("mfrac", self.argument(), self.argument(), linethickness="0")
        fences = (_element("mo", text=text, stretchy="true") for text in "()")
        return _element("mrow", next(fences), over, next(fences)), "ord"

    def accent(self, mark: str) -> Atom:
        attributes = (
            {} if mark == "¯" else {"accent": "true"}
        )  # as an accent, the bar touches its letter in common fonts
        return _element("mover", self.argument(), _element("mo", text=mark, stretchy="false"), **attributes), "ord"

    def board(self) -> Atom:
        letter = self.letters()
        if letter not in _BOARD:
            raise self.error(f"no blackboard letter for {letter!r}")
        return _element("mi", text=_BOARD[letter]), "ord"

    def fenced(self) -> Atom:
        r"""``\left( ... \middle| ... \right)``."""
        fences = _OPEN | _CLOSE | _BARS
        parts = [_element("mo", text=fences[self.take()], form="prefix", fence="true", stretchy="true")]
        atoms: list[Atom] = []
        while self.peek() != r"\right":
            if self.peek() == r"\middle":
                self.take()
                parts += _spaced(atoms)
                parts.append(
                    _element(
                        "mo", text=fences[self.take()], form="infix", stretchy="true", lspace="0.12em", rspace="0.12em"
                    )
                )
                atoms = []
            else:
                atoms.append(self.scripted(atoms[-1][1] if atoms else "open"))
        self.take()
        parts += [
            *_spaced(atoms),
            _element("mo", text=fences[self.take()], form="postfix", fence="true", stretchy="true"),
        ]
        return _element("mrow", *parts), "close"


_COMMANDS: dict[str, Callable[[_Parser], Atom]] = {
    "mathrm": lambda parser: (_name(parser.letters()), "ord"),
    "operatorname": lambda parser: (_name(parser.letters()), "op"),
    "text": lambda parser: (_element("mtext", text=parser.letters()), "ord"),
    "mathbb": _Parser.board,
    "frac": _Parser.fraction,
    "tfrac": lambda parser: parser.fraction("false"),
    "binom": _Parser.binomial,
    "sqrt": lambda parser: (_element("msqrt", parser.argument()), "ord"),
    "left": _Parser.fenced,
    **{name: (lambda parser, mark=mark: parser.accent(mark)) for name, mark in _ACCENTS.items()},  # type: ignore[misc]
}


def _spaced(atoms: list[Atom]) -> list[Element]:
    found: list[Element] = []
    before = ""
    for element, kind in atoms:
        if (before, kind) in _APART:
            found.append(_element("mspace", width="0.1667em"))
        found.append(element)
        before = kind
    return found
