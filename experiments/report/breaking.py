"""Long formulas in running text, cut where a line may end: browsers break no line inside a formula."""

import re

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_OPENS, _CLOSES = {"{", "(", "[", r"\{"}, {"}", ")", "]", r"\}"}
_STARTS = {":", "=", "<", ">", r"\le", r"\leq", r"\ge", r"\geq", r"\approx", r"\to", r"\in", "+"}
LONGEST = 30  # characters of LaTeX that stay together


def broken(latex: str) -> list[str]:
    """The formula in parts, each begun by a relation or "+" or after a comma, outside of all brackets; as it is where
    it is short or its brackets do not match.
    """
    if len(latex) <= LONGEST:
        return [latex]
    parts, depth, fence, last = [""], 0, False, ""
    for token in _TOKEN.findall(latex):
        if fence:  # the bracket of \left or \right belongs to it
            fence = token.isspace()
        elif token in (r"\left", r"\right"):
            depth, fence = depth + (1 if token == r"\left" else -1), True
        elif token in _OPENS:
            depth += 1
        elif token in _CLOSES:
            depth -= 1
        elif depth == 0 and token in _STARTS and parts[-1].strip() and last not in (":", "^", "_"):
            parts.append("")
        parts[-1] += token
        if depth == 0 and token == ",":
            parts.append("")
        last = token if not token.isspace() else last
    return [part.strip() for part in parts if part.strip()] if depth == 0 else [latex]
