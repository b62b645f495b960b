"""An environment's task as TRL takes it: dataset rows and reward functions. First for episodes that end after one
decision:

    environment = NumberLine(max_steps=1, max_distance=1)
    GRPOTrainer(
        reward_funcs=reward_functions(environment), train_dataset=dataset(environment, 64, generator),
        args=GRPOConfig(reward_weights=reward_weights(environment), ...), ...)

A row is a prompt of the twin, drawn from its distribution, with a seed. Everything before the decision (the picture) is
drawn from the row's seed and so common to a group; everything after it (a random fallback, a card) from a seed of the
completion's own: the row's, the step, its place among the row's completions and the process. So the members of a group
are independent given their prompt, the K reward functions see the same outcome, and a run repeats itself. Then for
image repair, whose tools TRL calls while the model writes:

    environment = ImageRepair()
    GRPOTrainer(
        reward_funcs=tool_reward_functions(environment), train_dataset=tool_dataset(environment, 64, generator),
        environment_factory=lambda: RepairTools(environment), ...)

TRL reads the calls itself; one that it cannot read stays in the text, where the environment finds it, and one that
never reaches a tool (unknown name, wrong arguments) is a bad call. TRL's reading of a call is more lenient than the
environment's: several calls in one message are made one after the other, and a key may come twice.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from tamdp_theory.environments.base import Environment, Message
from tamdp_theory.environments.image_repair import ImageRepair, ImageRepairEpisode
from tamdp_theory.errors import InputError
from tamdp_theory.guards import check_integer

SEEDS = 2**31


def dataset(environment: Environment, count: int, generator: np.random.Generator) -> Dataset:
    """``count`` rows: prompt (messages without their image), image, prompt_index (of the twin), seed.

    Raises InputError if an episode may have more than one decision, or if its messages are not text with one image at
    the head of the first message of a user, which is where TRL puts it.
    """
    _check(environment)
    rows = []
    for prompt, seed in _draw(environment, count, generator):
        messages = environment.start(prompt, np.random.default_rng(seed)).messages
        texts, image = _text_and_image(messages, environment.name)
        rows.append({"prompt": texts, "image": image, "prompt_index": prompt, "seed": seed})
    return Dataset.from_list(rows)


def reward_weights(environment: Environment) -> list[float]:
    """The environment's weights (K,), for ``GRPOConfig``."""
    return [float(weight) for weight in environment.twin.exact_weights]


def reward_functions(environment: Environment) -> list[Callable[..., list[float]]]:
    """One function per component, named like it, in the order of the twin's components; they need the columns of
    ``dataset``.
    """
    _check(environment)
    return [_reward(environment, k, name) for k, name in enumerate(environment.twin.component_names)]


def outcomes(
    environment: Environment,
    completions: Sequence[Any],
    prompt_index: Sequence[int],
    seed: Sequence[int],
    step: int = 0,
) -> list[tuple[float, ...]]:
    """Component rewards (K,) of each completion, a text or a list of messages. InputError if an episode goes on after
    it.

    Args:
        environment: what the completions play.
        completions: (n,) texts or lists of messages.
        prompt_index: prompt of each (n,).
        seed, step: drive what is random in the episodes.
    """
    places: Counter[int] = Counter()
    found = []
    for completion, prompt, row in zip(completions, prompt_index, seed, strict=True):
        generator = np.random.default_rng(row)
        episode = environment.start(int(prompt), generator)
        # the episode holds this generator: from here on it is the completion's own
        own = np.random.SeedSequence([int(row), int(step), places[row], int(os.environ.get("RANK", "0"))])
        generator.bit_generator.state = np.random.default_rng(own).bit_generator.state
        places[row] += 1
        episode.act(text_of(completion))
        if not episode.done:
            raise InputError(
                f"{environment.name}: an episode goes on after one decision; TRL has one completion per prompt"
            )
        found.append(episode.rewards)
    return found


def text_of(completion: Any) -> str:
    """What the policy wrote last: the completion itself, or the text of its last message; "" after a tool's result,
    which is not the policy's.
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion and completion[-1].get("role") == "assistant" else None
    if isinstance(content, list):
        return "".join(str(block.get("text") or "") for block in content)
    return content if isinstance(content, str) else ""


class RepairTools:
    """One rollout of image repair for ``environment_factory``: its public methods are the tools that the model is told
    of.
    """

    def __init__(self, environment: ImageRepair) -> None:
        self._environment = environment
        self._episode: ImageRepairEpisode | None = None
        self._reached = 0

    def reset(self, prompt_index: int, seed: int, **_: Any) -> list[dict[str, Any]]:
        """Begin the episode of a row of ``tool_dataset``; returns its picture and the task."""
        self._episode = self._environment.start(prompt_index, np.random.default_rng(seed))
        self._reached = 0
        return [{"type": "image", "image": self._episode.image}, {"type": "text", "text": self._environment.task}]

    def rotate(self, degrees: int) -> list[dict[str, Any]]:
        return self._called().rotate(degrees)

    def brighten(self, factor: float) -> list[dict[str, Any]]:
        return self._called().brighten(factor)

    def crop(self, region: str) -> list[dict[str, Any]]:
        return self._called().crop(region)

    rotate.__doc__ = ImageRepairEpisode.rotate.__doc__
    brighten.__doc__ = ImageRepairEpisode.brighten.__doc__
    crop.__doc__ = ImageRepairEpisode.crop.__doc__

    def _called(self) -> ImageRepairEpisode:
        self._reached += 1
        return self._open()

    def _open(self) -> ImageRepairEpisode:
        if self._episode is None:
            raise InputError("image repair: no episode has begun; rows must come from tool_dataset")
        return self._episode

    def _rewards(self, completion: Sequence[dict[str, Any]]) -> tuple[float, ...]:
        """Component rewards (K,) after a whole completion; asked again, the same."""
        episode = self._open()
        written = sum(len(message.get("tool_calls") or ()) for message in completion)
        for _ in range(written - self._reached):
            if not episode.done:
                episode.refuse("the call reached no tool")
        if not episode.done:
            episode.act(text_of(completion))
        if not episode.done:  # a call in the last text: nothing comes after it
            episode.act("")
        return episode.rewards


def tool_dataset(environment: ImageRepair, count: int, generator: np.random.Generator) -> Dataset:
    """``count`` rows for image repair: prompt (an empty message of the user, which ``reset`` fills), prompt_index (of
    the twin), seed.
    """
    prompts = _draw(environment, count, generator)
    return Dataset.from_list(
        [
            {"prompt": [{"role": "user", "content": []}], "prompt_index": prompt, "seed": seed}
            for prompt, seed in prompts
        ]
    )


def tool_reward_functions(environment: ImageRepair) -> list[Callable[..., list[float]]]:
    """One function per component, in the order of the twin's components, for a trainer whose ``environment_factory``
    makes ``RepairTools``.
    """
    return [_tool_reward(k, name) for k, name in enumerate(environment.twin.component_names)]


def _tool_reward(component: int, name: str) -> Callable[..., list[float]]:
    def reward(completions: Sequence[Any], environments: Sequence[RepairTools], **_: Any) -> list[float]:
        return [
            tools._rewards(completion)[component] for tools, completion in zip(environments, completions, strict=True)
        ]

    reward.__name__ = name
    return reward


def _draw(environment: Environment, count: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Prompts of the twin from its distribution, each with a seed."""
    check_integer("count", count, 1)
    twin = environment.twin
    prompts = generator.choice(twin.n_prompts, size=count, p=twin.prompt_probability)
    return [(int(prompt), int(generator.integers(SEEDS))) for prompt in prompts]


def _reward(environment: Environment, component: int, name: str) -> Callable[..., list[float]]:
    def reward(
        completions: Sequence[Any],
        prompt_index: Sequence[int],
        seed: Sequence[int],
        trainer_state: Any = None,
        **_: Any,
    ) -> list[float]:
        step = 0 if trainer_state is None else trainer_state.global_step
        return [rewards[component] for rewards in outcomes(environment, completions, prompt_index, seed, step)]

    reward.__name__ = name
    return reward


def _check(environment: Environment) -> None:
    if environment.twin.horizon != 1:
        raise InputError(
            f"{environment.name}: episodes have up to {environment.twin.horizon} decisions, a completion is one; "
            f"shorten them (NumberLine: max_steps=1)"
        )


def _text_and_image(messages: list[Message], name: str) -> tuple[list[dict[str, str]], Any]:
    """The messages as texts, and their image."""
    texts: list[dict[str, str]] = []
    images: list[Any] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        first_user = message["role"] == "user" and not any(text["role"] == "user" for text in texts)
        for place, block in enumerate(blocks):
            if block["type"] == "image":
                images.append(block["image"])
                if place or not first_user:
                    images.append(None)  # not where TRL would put it
        texts.append(
            {
                "role": str(message["role"]),
                "content": "".join(block["text"] for block in blocks if block["type"] == "text"),
            }
        )
    if len(images) != 1:
        raise InputError(
            f"{name}: a prompt must have one image, at the head of the first user message, where TRL puts it"
        )
    return texts, images[0]
