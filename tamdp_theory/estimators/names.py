"""Estimators by their names.

A module of this folder, or of ``batch`` in it, that has ``ESTIMATORS``, a tuple, is found by itself; nothing lists it
elsewhere. A name may carry options, which are the fields that an estimator adds to ``Estimator``, and of estimators of
batches ``over`` and ``guard`` too: "softmax(temperature=1/2)". Families whose names end in ``_k`` have their number in
its place: "pass_at_4".
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias, TypeVar

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import GUARDS, OVER, BatchEstimator
from tamdp_theory.estimators.batch.within import Within
from tamdp_theory.estimators.keep import RULES, KeepRule

Family: TypeAlias = Estimator | BatchEstimator
_Of = TypeVar("_Of", bound=Estimator | BatchEstimator | KeepRule)
_COMMON = {one.name for one in fields(Estimator)}
_CHOICES = {"over": tuple(OVER), "guard": tuple(GUARDS)}
_SPELLED = re.compile(r"([a-z_]+)\(([^()]*)\)")


def _found_in(package: str) -> dict[str, Any]:
    folder = import_module(package).__path__
    found: dict[str, Any] = {}
    for name in sorted(one.name for one in iter_modules(folder)):
        for one in getattr(import_module(f"{package}.{name}"), "ESTIMATORS", ()):
            if found.setdefault(one.name, one) is not one:
                raise ValueError(f"two estimators are called {one.name}")
    return found


@cache
def _listed() -> dict[str, Estimator]:
    return _found_in(__name__.rpartition(".")[0])


@cache
def _batches() -> dict[str, BatchEstimator]:
    return _found_in(f"{__name__.rpartition('.')[0]}.batch")


def names() -> tuple[str, ...]:
    """Names that ``resolve`` knows; K is a number, and what is in brackets may be left out."""
    return tuple(_shown(one) for one in _listed().values())


def batch_names() -> tuple[str, ...]:
    """Names of the estimators that look at the whole batch; what is in brackets may be left out."""
    return tuple(_shown(one) for one in _batches().values())


def families() -> Mapping[str, Estimator]:
    """Every estimator of groups by its plain name, with its options at their defaults."""
    return dict(_listed())


def batch_families() -> Mapping[str, BatchEstimator]:
    """Every estimator that looks at the whole batch by its plain name, with its options at their defaults."""
    return dict(_batches())


def named(name: str, **options: Any) -> Family:
    """The estimator of a name, with options of its own: ``named("pass_at_k", k=4)``, ``named("signed", negative=0)``,
    ``named("gdpo_batch", over="tokens")``.

    Numbers may be given as "a/b". InputError for a name or an option that is not known, naming the nearest.
    """
    family: Family | None = _listed().get(name) or _batches().get(name)
    if family is None:
        if options:
            known = {**_listed(), **_batches()}
            raise InputError(f"estimator: no {name!r}{_nearest(name, known)}; one of {', '.join(known)}")
        return _parsed(name, _batches()) or resolve(name)
    return _with_options(family, options)


def _with_options(family: _Of, options: Mapping[str, Any]) -> _Of:
    name, known = family.name, options_of(family)
    for option in options:
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputError(f"{name}: no option {option!r}{_nearest(option, known)}; {takes}")
    if "k" in known and "k" not in options:
        raise InputError(f"{name}: needs its number; write {name[:-1]}4, or give k")
    choices = {one.name: one.metadata.get("choices", _CHOICES.get(one.name)) for one in fields(family)}
    given = {option: _read(name, option, value, known[option], choices[option]) for option, value in options.items()}
    changed = {option: value for option, value in given.items() if value != known[option] or option == "k"}
    return replace(family, name=_spelled(name, changed), **given) if changed else family


def resolve(normalization: "str | Estimator") -> Estimator:
    """The group estimator of a name, or the one that is given. InputError for anything else, naming those that are
    known.
    """
    if isinstance(normalization, Estimator):
        return normalization
    found = _parsed(normalization, _listed()) if isinstance(normalization, str) else None
    if found is None:
        if isinstance(normalization, BatchEstimator) or str(normalization).partition("(")[0] in _batches():
            raise InputError(
                f"normalization: {normalization} looks at the whole batch; exact.batch_update takes it, and tamdp "
                "exact with --batch"
            )
        raise InputError(
            f"normalization: must be one of {', '.join(names())}; got {normalization!r}"
            + _nearest(str(normalization), _listed())
        )
    return found


def resolve_in_batch(estimator: "str | Family") -> BatchEstimator:
    """The batch estimator of a name, or the one that is given; of a group estimator, the same within each group.
    InputError for anything else.
    """
    if isinstance(estimator, BatchEstimator):
        return estimator
    if isinstance(estimator, str):
        if (found := _parsed(estimator, _batches())) is not None:
            return found
        if (group := _parsed(estimator, _listed())) is None:
            known = (*batch_names(), *names())
            raise InputError(
                f"estimator: must be one of {', '.join(known)}; got {estimator!r}"
                + _nearest(estimator, {**_batches(), **_listed()})
            )
        return Within(name=group.name, base=group)
    group = resolve(estimator)
    return Within(name=group.name, base=group)


def keep_rule(keep: "str | KeepRule") -> KeepRule:
    """The rule of a name such as "mean_in(low=1/100, high=99/100)", or the one that is given. InputError for anything
    else.
    """
    if isinstance(keep, KeepRule):
        return keep
    found = _parsed(keep, RULES) if isinstance(keep, str) else None
    if found is None:
        known = ", ".join(_shown(one) for one in RULES.values())
        raise InputError(f"keep: must be one of {known}; got {keep!r}{_nearest(str(keep), RULES)}")
    return found


def options_of(estimator: "Family | KeepRule") -> dict[str, Any]:
    """The options that an estimator's kind, or a rule's, has of its own, and their values."""
    common = _COMMON if isinstance(estimator, Estimator) else {"name"}
    return {one.name: getattr(estimator, one.name) for one in fields(estimator) if one.name not in common}


def _parsed(text: str, listed: Mapping[str, _Of]) -> _Of | None:
    if match := re.fullmatch(r"([a-z_]+_at_)([1-9][0-9]{0,5})(_[a-z]+)?", text):
        family = listed.get(f"{match[1]}k{match[3] or ''}")
        return None if family is None else _with_options(family, {"k": int(match[2])})
    if match := _SPELLED.fullmatch(text):
        parts = [part.partition("=") for part in match[2].split(",")]
        if match[1] not in listed or not all(sign for _, sign, _ in parts):
            return None
        return _with_options(listed[match[1]], {option.strip(): value.strip() for option, _, value in parts})
    family = listed.get(text)
    return None if family is None or "k" in options_of(family) else family


def _spelled(name: str, options: Mapping[str, Any]) -> str:
    rest = dict(options)
    if "k" in rest:
        name = name.replace("_at_k", f"_at_{rest.pop('k')}")
    return f"{name}({', '.join(f'{option}={value}' for option, value in rest.items())})" if rest else name


def _shown(family: "Family | KeepRule") -> str:
    known = options_of(family)
    plain = family.name.replace("_at_k", "_at_K")
    rest = [f"{option}={value}" for option, value in known.items() if option != "k"]
    return f"{plain}[({', '.join(rest)})]" if rest else plain


def _read(name: str, option: str, value: Any, default: Any, choices: tuple[str, ...] | None) -> Any:
    """An option's value, of the kind that its default has."""
    if choices is not None:
        if value not in choices:
            raise InputError(f"{name}: {option} must be one of {', '.join(choices)}; got {value!r}")
        return value
    if isinstance(default, bool):
        if str(value).lower() not in ("true", "false"):
            raise InputError(f"{name}: {option} must be true or false, got {value!r}")
        return str(value).lower() == "true"
    if isinstance(default, Estimator):
        return resolve(value)
    if isinstance(default, int):
        if not re.fullmatch(r"[1-9][0-9]{0,5}", str(value)):
            raise InputError(f"{name}: {option} must be an integer from 1 up, got {value!r}")
        return int(value)
    if isinstance(default, Fraction):
        try:
            return Fraction(str(value))
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f'{name}: {option} must be a number or "a/b", got {value!r}') from error
    raise InputError(f"{name}: {option} cannot be set by name")


def _nearest(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
