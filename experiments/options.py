"""Command lines read by tyro, in one style."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from tamdp_theory import TAMDP
    from tamdp_theory.environments import Environment


def parse(command: Any, prog: str, arguments: Sequence[str]) -> Any:
    """The command's dataclass from its arguments; prints help, or what is wrong with exit code 2, and exits.

    A command with ``more_help`` has that text after its own, made when help is asked for.
    """
    asked = any(one in ("-h", "--help") for one in arguments) and hasattr(command, "more_help")
    return tyro.cli(
        command,
        prog=prog,
        description=f"{inspect.cleandoc(command.__doc__)}\n\n{command.more_help()}" if asked else None,
        args=list(arguments),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )


def listing(entries: dict[str, str]) -> str:
    """Names and what they are, aligned."""
    width = max(map(len, entries))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in entries.items())


def estimators_listing(of_batches: bool = False) -> str:
    """Every estimator's name and what it is, for help texts; with those of whole batches, if they are taken."""
    from tamdp_theory import estimators

    groups = dict(zip(estimators.names(), estimators.families().values(), strict=True))
    told = f"Estimators (K is a number; what is in brackets may be left out):\n{listing(_texts(groups))}"
    if not of_batches:
        return told
    batches = dict(zip(estimators.batch_names(), estimators.batch_families().values(), strict=True))
    return f"{told}\n\nOf whole batches, with --batch:\n{listing(_texts(batches))}"


def _texts(entries: Mapping[str, object]) -> dict[str, str]:
    return {name: (type(one).__doc__ or "").strip().split("\n")[0] for name, one in entries.items()}


def environment_at(text: str) -> Environment | None:
    """The environment of this name; None if there is none, or there is a file of this name."""
    from tamdp_theory import environments

    return environments.make(text) if text in environments.names() and not Path(text).exists() else None


def process_at(text: str) -> TAMDP:
    """The process of a tamdp/1 file, or the twin of the environment of this name. InputError if it is neither."""
    from tamdp_theory import TAMDP, InputError, environments

    environment = environment_at(text)
    if environment is not None:
        return environment.twin
    if text.isidentifier() and not Path(text).exists():
        raise InputError(
            f"{text}: neither a file nor the name of an environment; there are {', '.join(environments.names())}"
        )
    return TAMDP.load(text)
