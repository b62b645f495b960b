"""Text as LaTeX source."""

import unicodedata

from tamdp_theory.errors import printable

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_\allowbreak{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "²": "$^2$",
    "³": "$^3$",
    "½": r"$\frac12$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≡": r"$\equiv$",
    "∈": r"$\in$",
    "‖": r"$\|$",
    "∇": r"$\nabla$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "∂": r"$\partial$",
    "⟨": r"$\langle$",
    "⟩": r"$\rangle$",
    "→": r"$\to$",
    "←": r"$\gets$",
    "Σ": r"$\Sigma$",
    "Π": r"$\Pi$",
    "Ψ": r"$\Psi$",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "η": r"$\eta$",
    "θ": r"$\theta$",
    "κ": r"$\kappa$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "π": r"$\pi$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "φ": r"$\varphi$",
    "χ": r"$\chi$",
    "ψ": r"$\psi$",
    "ω": r"$\omega$",
}
_ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x308: '"', 0x30C: "v"}


def escaped(text: str) -> str:
    """A text as LaTeX source in ASCII; what has no LaTeX of its own becomes a question mark."""
    return "".join(_character(character) for character in printable(text))


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isascii():
        return character
    letter, *marks = list(unicodedata.normalize("NFKD", character))
    if len(marks) == 1 and ord(marks[0]) in _ACCENTS and letter.isascii():
        return f"\\{_ACCENTS[ord(marks[0])]}{{{letter}}}"
    return letter if letter.isascii() and letter.isalnum() else "?"
