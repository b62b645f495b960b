"""Tasks in text and images, each with the finite process that it is.

    NumberLine    walk to a goal, after RL4VLM
    Blackjack     hit or stand, after RL4VLM
    EZPoints      write a formula of two cards that makes 12, after RL4VLM
    Points24      write a formula of four cards that makes 24, after RL4VLM
    Household     put objects where they belong, after ALFWorld
    Coding        mend a picture by code before answering, after Visual-ARFT
    Search        look things up in a real index before answering, after Visual-ARFT
    ImageRepair   name a shape in a picture that tools mend: the smaller task, with tool calls

``ScriptedSource`` plays a policy of the process through text. ``make`` gives an environment by the name that commands
have for it: a module of this folder with ``ENVIRONMENTS`` (names, and what makes one from the role of tool results) is
found by itself.
"""

from collections.abc import Callable
from importlib import import_module

from tamdp_theory.discovery import modules_with
from tamdp_theory.environments.base import Decision, Environment, Episode, Message
from tamdp_theory.environments.blackjack import Blackjack
from tamdp_theory.environments.coding import Coding
from tamdp_theory.environments.ez_points import EZPoints
from tamdp_theory.environments.household import Household
from tamdp_theory.environments.image_repair import ImageRepair
from tamdp_theory.environments.number_line import NumberLine
from tamdp_theory.environments.points24 import Points24
from tamdp_theory.environments.scripted import Played, ScriptedSource
from tamdp_theory.environments.search import Search
from tamdp_theory.errors import InputError

__all__ = [
    "Blackjack",
    "Coding",
    "Decision",
    "EZPoints",
    "Environment",
    "Episode",
    "Household",
    "ImageRepair",
    "Message",
    "NumberLine",
    "Played",
    "Points24",
    "ScriptedSource",
    "Search",
    "make",
    "names",
]


def names() -> tuple[str, ...]:
    """Names that ``make`` knows."""
    return tuple(_makers())


def make(name: str, result_role: str = "user") -> Environment:
    """An environment by its name. result_role: role of the messages with tool results, where there are tools ("tool" or
    "user", as the model's chat template knows them). InputError, naming those that there are, for another name.
    """
    makers = _makers()
    if name not in makers:
        raise InputError(f"env: no environment {name!r}; there are {', '.join(makers)}")
    return makers[name](result_role)


def _makers() -> dict[str, Callable[[str], Environment]]:
    modules = (import_module(f"{__name__}.{module}") for module in modules_with(__name__, "ENVIRONMENTS"))
    return {name: maker for module in modules for name, maker in module.ENVIRONMENTS.items()}
