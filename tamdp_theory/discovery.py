"""Modules of a package found by what they define, without importing the others.

A study, a figure, a command or a log format is a module with a certain name at its top level; nothing lists them
elsewhere, so adding one is adding a file.
"""

import ast
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType

from tamdp_theory.errors import InputError


def modules_with(package: str, name: str) -> dict[str, str]:
    """The modules of a package that define ``name`` at their top level, in alphabetical order, with the first line of
    their docstrings; read from the source. InputError if there is no such package.
    """
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise InputError(f"the package {package} is not installed; install tamdp-theory with all of its packages")
    found = {}
    for module in sorted(iter_modules(spec.submodule_search_locations), key=lambda module: module.name):
        source = _source(f"{package}.{module.name}")
        if source is not None and name in source:  # parsing takes longer than looking
            tree = ast.parse(source)
            if name in {defined for part in tree.body for defined in _defined(part)}:
                found[module.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def load(package: str, module: str, name: str, what: str) -> ModuleType:
    """A module that ``modules_with`` finds. InputError, naming those that there are, for another ``module``.

    Args:
        package: where it is, e.g. "figures".
        module: its name.
        name: what such modules define.
        what: the word for them in the error.
    """
    known = modules_with(package, name)
    if module not in known:
        raise InputError(f"no {what} {module!r}; there are {', '.join(known)}")
    return import_module(f"{package}.{module}")


def _source(module: str) -> str | None:
    spec = find_spec(module)
    loader = None if spec is None else spec.loader
    return loader.get_source(module) if isinstance(loader, InspectLoader) else None


def _defined(part: ast.stmt) -> list[str]:
    if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
        return [part.name]
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
