"""Command lines read by tyro, in one style."""

from collections.abc import Sequence
from typing import Any

import tyro


def parse(command: Any, prog: str, arguments: Sequence[str]) -> Any:
    """The command's dataclass from its arguments; prints help, or what is wrong with exit code 2, and exits."""
    return tyro.cli(
        command,
        prog=prog,
        args=list(arguments),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )


def listing(entries: dict[str, str]) -> str:
    """Names and what they are, aligned."""
    width = max(map(len, entries))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in entries.items())
