"""The household after ALFWorld (arXiv 2010.03768) in pictures and text; its rules and facts are those of
``families.household``.

At every turn the policy sees one message, without history: a floor plan, the task, where one is, the commands that are
admissible and how many are left, and the format of the answer, a JSON object with "thoughts" and an "action".
A text names the one command that is found after its last "action" (``parsing``): if it is admissible it is done, else
nothing happens ("refused"); a text that names none, or several, is "unparsed", and a random admissible command is done
(RL4VLM, arXiv 2405.10292, where thoughts weigh .2). Departures: a floor plan is drawn, and no picture of AI2-THOR.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from tamdp_theory import families
from tamdp_theory.environments.base import Message
from tamdp_theory.environments.floor_plan import floor_plan
from tamdp_theory.environments.parsing import legal_action
from tamdp_theory.environments.turns import Turns, choose, in_json, prompt_name, user
from tamdp_theory.environments.twins import UNPARSED, Game, with_unparsed
from tamdp_theory.families._build import End, Number
from tamdp_theory.families._worlds import REFUSED
from tamdp_theory.families.household import HELD, OBJECTS, TASKS, every_command, game
from tamdp_theory.model import TAMDP

ELSEWHERE = ("close fridge", "heat apple", "clean book", "use lamp", "go to garden", "examine table", "inventory")
COMMANDS = (*every_command(), *ELSEWHERE)  # that a text can name; those from elsewhere are never admissible
THOUGHTS = ("What is missing is not here.", "That brings it where it belongs.")
UNPARSABLE = (
    "",
    "look",
    '{"action": ""}',
    '{"action": "sleep"}',
    '{"action": "go"}',
    '{"action": "look or inventory"}',
    '{"action": "take apple and go to kitchen, then look"}',
    "{'action': 'look'}",
    '{"thoughts": "look", "Action" : "look"}',
    '{"action": "\x00"}',
    "I would tidy up.",
)


class Household(Game):
    """tasks, max_steps, weights: as in ``families.household``; thoughts: whether the format asks for them before the
    action; pixels: side of the picture, 32 to 1024. Raises InputError.
    """

    def __init__(
        self,
        tasks: Iterable[str] = TASKS,
        max_steps: int = 8,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        weights: Sequence[Number] | None = None,
    ) -> None:
        self.tasks, self.rules = game(tasks, max_steps)
        process = families.household(self.tasks, max_steps, weights=weights)
        super().__init__(process.name, lambda: process, thoughts, pixels)

    @cached_property
    def twin(self) -> TAMDP:
        return with_unparsed(self.process, (REFUSED,))

    def start(self, prompt: int, generator: np.random.Generator) -> "HouseholdEpisode":
        prompt_name(self.process, prompt)
        return HouseholdEpisode(self, prompt, generator)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        wordings = {command: in_json(command, THOUGHTS, self.thoughts) for command in every_command()}
        refused = tuple(text for command in ELSEWHERE for text in in_json(command, THOUGHTS, self.thoughts))
        return choose({UNPARSED: UNPARSABLE, REFUSED: refused, **wordings}, action, generator)


class HouseholdEpisode(Turns):
    """A task being done."""

    def __init__(self, environment: Household, task: int, generator: np.random.Generator) -> None:
        super().__init__()
        self.environment, self.task, self.generator = environment, task, generator
        self.at = environment.rules.begin(task)
        self.parsed = True

    @property
    def commands(self) -> tuple[str, ...]:
        """What is admissible."""
        return tuple(self.environment.rules.worlds[self.task].commands(self.at.state))

    @property
    def image(self) -> object:
        """The picture of the next decision."""
        return floor_plan(self.at.state, self.environment.pixels)

    @property
    def question(self) -> str:
        """The text of the next decision."""
        home = self.at.state
        held = next((item for item, place in zip(OBJECTS, home.places, strict=True) if place == HELD), None)
        thoughts = '"thoughts": "what is where, what is missing", ' if self.environment.thoughts else ""
        return (
            f"You live in the household of the floor plan. Task: {self.environment.tasks[self.task]}. You are in the "
            f"{home.room}, and hold {f'the {held}' if held else 'nothing'}. Commands left: "
            f"{self.environment.rules.max_steps - self.at.steps}. Admissible: {', '.join(self.commands)}. Answer in "
            f'JSON:\n{{{thoughts}"action": "command"}}'
        )

    @property
    def messages(self) -> list[Message]:
        return [user(self.image, self.question)]

    @property
    def node(self) -> str:
        own = self.environment.rules.label(self.at)
        prompt = self.environment.tasks[self.task]
        return "/".join([prompt, *([own] if own else []), *([] if self.parsed else [UNPARSED])])

    def _take(self, text: str) -> None:
        named, admissible = legal_action(text, COMMANDS), self.commands
        if named is None:
            self._decide(UNPARSED)
            self.parsed = False
            command = admissible[int(self.generator.integers(len(admissible)))]
        else:
            command = named if named in admissible else REFUSED
            self._decide(command)
        after = self.environment.rules.after(self.at, command)
        if isinstance(after, End):
            self._end(int(self.parsed), *after.rewards[1:])
        else:
            self.at = after


ENVIRONMENTS = {"household": lambda role: Household()}
