"""The ``tamdp`` command. Each subcommand is a dataclass in ``experiments.commands``."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import tyro

from experiments.commands.bound import Bound
from experiments.commands.certify import Certify
from experiments.commands.claims import Claims
from experiments.commands.exact import Exact
from experiments.commands.falsify import Falsify
from experiments.commands.figures import Figures
from experiments.commands.lvlm import Lvlm
from experiments.commands.report import Report
from experiments.commands.run import Studies
from experiments.commands.show import Show
from experiments.commands.train import Train
from experiments.commands.verify import Verify
from experiments.console import fail
from tamdp_theory import TamdpError, __version__

Command = (
    Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Exact, tyro.conf.subcommand("exact")]
    | Annotated[Claims, tyro.conf.subcommand("claims")]
    | Annotated[Falsify, tyro.conf.subcommand("falsify")]
    | Annotated[Certify, tyro.conf.subcommand("certify")]
    | Annotated[Bound, tyro.conf.subcommand("bound")]
    | Annotated[Studies, tyro.conf.subcommand("run")]
    | Annotated[Figures, tyro.conf.subcommand("figures")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Lvlm, tyro.conf.subcommand("lvlm")]
)

DESCRIPTION = """Exact numbers for the theory of reinforcement fine-tuning with tools.

Examples:
  tamdp verify                                        check every claim on the reference suite
  tamdp show examples/search-small.json               what a process looks like
  tamdp exact examples/search-small.json --group-size 8 --normalization center
  tamdp claims T1.stationary                          statement, assumptions, standing, reference
  tamdp falsify T2.printed                            search for an instance that violates a claim
  tamdp certify results/falsify/T2.printed.json       verify a certificate from its file alone
  tamdp bound --risk 0.2 --n 500 --kl 3               PAC-Bayes bounds for numbers of your own
  tamdp run transfer --quick                          a study: cells in parallel, one table
  tamdp figures transfer                              redraw a figure from saved results
  tamdp report                                        one page with every verdict, figure and claim
  tamdp train examples/search-small.json --mode sampled --seeds 16
  tamdp lvlm check --model MODEL_FOLDER               the same checks on a vision-language model"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 fine, 1 a claim fails, 2 bad input; as shells do, 130 interrupted, 141 the reader of a
    pipe left.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = _run(arguments)
        except KeyboardInterrupt:
            code = fail("interrupted", 130)
        finally:
            sys.stdout.flush()  # a broken pipe shows here, not while Python shuts down
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(__version__)
        return 0
    command = tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="tamdp",
        description=DESCRIPTION,
        args=given or ["--help"],
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        return command.run()
    except TamdpError as error:
        return fail(str(error))
