"""HTML from Python: every text is escaped unless it was made here."""

from html import escape

from tamdp_theory.errors import printable

VOID = frozenset({"meta", "link", "img", "input", "br", "wbr"})


class Markup(str):
    """Finished markup; any other string is text."""

    __slots__ = ()


def tag(element: str, *children: str, **attributes: str | int | bool | None) -> Markup:
    """An element. ``class_`` and ``data_value`` become class and data-value; None and False leave an attribute out."""
    given = {
        name.rstrip("_").replace("_", "-"): value
        for name, value in attributes.items()
        if value is not None and value is not False
    }
    shown = "".join(
        f' {name}="{escape(printable("" if value is True else str(value)))}"' for name, value in given.items()
    )
    if element in VOID:
        return Markup(f"<{element}{shown}/>")
    return Markup(f"<{element}{shown}>{join(*children)}</{element}>")


def join(*children: str) -> Markup:
    """Children one after another, texts escaped."""
    return Markup("".join(child if isinstance(child, Markup) else text(child) for child in children))


_READ = {"<=": "≤", ">=": "≥", "||": "‖", "^2": "²"}


def prose(content: str) -> str:
    """A text of the registry with the signs that it spells in ASCII."""
    for spelled, sign in _READ.items():
        content = content.replace(spelled, sign)
    return content


def text(content: str) -> Markup:
    """A text as it reads: nothing in it is markup, and control characters show as escapes."""
    return Markup(escape(printable(content), quote=False))
