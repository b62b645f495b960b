"""Whether what the adapter builds on is installed; importable without it."""

from importlib.util import find_spec

from tamdp_theory.errors import InputError

MODULES = ("transformers", "trl", "peft", "datasets", "accelerate", "PIL")
COMMAND = 'pip install "tamdp-theory[lvlm]"'


def require(modules: tuple[str, ...] = MODULES, what: str = "vision-language models") -> None:
    """Raise InputError naming the command that installs the extra if one of the modules that ``what`` needs cannot be
    found.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"{what} need {', '.join(missing)}; install the extra: {COMMAND}")
