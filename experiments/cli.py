"""The ``tamdp`` command. A subcommand is a module of ``experiments.commands`` with ``COMMAND``, loaded when it is asked
for: a dataclass with ``run``, or a function from the arguments to an object with ``run``.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from tamdp_theory.discovery import load, modules_with
from tamdp_theory.errors import TamdpError
from tamdp_theory.version import __version__

COMMANDS = "experiments.commands"
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
            code = _run(list(sys.argv[1:] if arguments is None else arguments))
        except KeyboardInterrupt:
            code = _fail("interrupted", 130)
        finally:
            sys.stdout.flush()  # a broken pipe shows here, not while Python shuts down
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _run(given: list[str]) -> int:
    if given == ["--version"]:
        print(__version__)
        return 0
    if not given or given[0] in ("-h", "--help"):
        print(_help())
        return 0
    name, rest = given[0], given[1:]
    try:
        chosen = load(COMMANDS, name, "COMMAND", "command").COMMAND
        if isinstance(chosen, type):
            from experiments.options import parse

            return int(parse(chosen, f"tamdp {name}", rest).run())
        return int(chosen(rest).run())
    except TamdpError as error:
        return _fail(str(error))


def _fail(message: str, code: int = 2) -> int:
    from experiments.console import fail

    return fail(message, code)


def _help() -> str:
    from experiments.options import listing

    texts = {name: text.partition(": ")[2] for name, text in modules_with(COMMANDS, "COMMAND").items()}
    usage = "usage: tamdp [-h] [--version] COMMAND ...        tamdp COMMAND --help says more\n"
    return f"{usage}\n{DESCRIPTION}\n\nCommands:\n{listing(texts)}"
