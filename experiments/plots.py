"""Figures by name, found in the package ``figures`` when they are asked for: this room does not import theirs."""

from types import ModuleType

from tamdp_theory.discovery import load, modules_with

PACKAGE = "figures"


def figure_names() -> tuple[str, ...]:
    """Every figure: a module with ``SOURCE`` (path of a result), ``COMMAND`` (what makes it), ``draw(source, out)``."""
    return tuple(modules_with(PACKAGE, "SOURCE"))


def load_figure(name: str) -> ModuleType:
    """A figure's module. InputError, naming those that there are, for another name."""
    return load(PACKAGE, name, "SOURCE", "figure")
