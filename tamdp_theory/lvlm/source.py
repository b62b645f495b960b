"""A vision-language model playing a text environment: a source of rollouts like any other.

All active episodes of a call advance turn by turn. A turn is one call of ``generate`` per batch, at the settings'
temperature over the whole vocabulary but the image tokens: no top-k, no top-p, no penalties, whatever the checkpoint's
own generation settings say, since the policy of the theory is the softmax. Then the turn's log-probability and score
are taken by teacher forcing, and the text goes to the episode. Every turn is a sequence of its own, its context given;
a rollout's log-probability and score are sums over its turns.

Thoughts may weigh less in the score, as in RL4VLM (arXiv 2405.10292): log pi(action) + lambda log pi(thought). The
thought is everything up to the token that completes the environment's ``thought_end``; a text without one is all
thought. RL4VLM splits before the last ``"action":`` in the text. Where that is depends on what is written later, so a
weight would depend on tokens after its own and the mean score would not be zero; here a token's weight depends on the
tokens before it alone.
"""

from bisect import bisect_left
from collections.abc import Callable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import GenerationConfig

from tamdp_theory.environments.base import Decision, Environment, Episode, Message
from tamdp_theory.errors import InputError
from tamdp_theory.guards import check_unit
from tamdp_theory.lvlm.loading import VisionLanguageModel
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.scores import evaluating, log_probabilities, on_model, scores
from tamdp_theory.lvlm.sequences import Inputs, Sequence, batches, collate
from tamdp_theory.sources import RolloutGroups


@dataclass(frozen=True)
class Settings:
    """How a model plays. max_new_tokens >= 1 a turn; temperature > 0; batch_size >= 1; scored: whether scores are
    computed; projection of them; think_weight: of thoughts in them, in [0, 1].

    The batch size is part of what a seed fixes: another one draws other rollouts.
    """

    max_new_tokens: int = 64
    temperature: float = 1.0
    batch_size: int = 16
    scored: bool = True
    projection: Projection | None = None
    think_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"settings: {name} must be an integer of at least 1, got {value!r}")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"settings: temperature must be positive and finite, got {self.temperature!r}")
        check_unit("think_weight", self.think_weight)


@dataclass(frozen=True, eq=False)
class Play:
    """Rollouts with what was said: texts[n][G][turn] as the environment got them, and decisions[n][G][turn] that they
    amounted to.
    """

    groups: RolloutGroups
    texts: tuple[tuple[tuple[str, ...], ...], ...]
    decisions: tuple[tuple[tuple[Decision, ...], ...], ...]


@dataclass(frozen=True, eq=False)
class TransformersSource:
    """A ``RolloutSource``: prompts from the twin's rho, completions from the model. progress(finished, all) after every
    batch of a turn. InputError for a weight of thoughts where the environment asks for none.
    """

    loaded: VisionLanguageModel
    environment: Environment
    settings: Settings = Settings()
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        if self.settings.think_weight != 1 and self.environment.thought_end is None:
            raise InputError(
                f"think_weight: {self.environment.name} asks for no thoughts, so {self.settings.think_weight:g} would "
                f"weigh nothing; leave it at 1, or take an environment with thoughts"
            )

    def rollouts(self, group_size: int, count: int, generator: np.random.Generator) -> RolloutGroups:
        """``count`` groups of prompts drawn from rho. InputError where a prompt does not fit the model."""
        return self.play(group_size, count, generator).groups

    def play(self, group_size: int, count: int, generator: np.random.Generator) -> Play:
        """The same with texts and decisions."""
        if group_size < 2 or count < 1:
            raise InputError(f"rollouts: need at least one group of at least two, got {count} of {group_size}")
        twin = self.environment.twin
        prompt = generator.choice(twin.n_prompts, size=count, p=twin.prompt_probability)
        episodes = [self.environment.start(int(q), _child(generator)) for q in np.repeat(prompt, group_size)]
        texts: list[list[str]] = [[] for _ in episodes]
        value, gradient = np.zeros(len(episodes)), None
        while active := [place for place, episode in enumerate(episodes) if not episode.done]:
            contexts = [self.context(episodes[place].messages) for place in active]
            for part in batches(contexts, self.settings.batch_size):
                places = [active[k] for k in part]
                sequences = self._write([contexts[k] for k in part], generator)
                logs, slopes = self._measure(sequences)
                value[places] += logs
                if slopes is not None:
                    gradient = np.zeros((len(episodes), slopes.shape[1])) if gradient is None else gradient
                    gradient[places] += slopes
                for place, sequence in zip(places, sequences, strict=True):
                    texts[place].append(self.text(sequence))
                    episodes[place].act(texts[place][-1])
                if self.progress is not None:
                    self.progress(sum(episode.done for episode in episodes), len(episodes))
        return self._collect(episodes, texts, prompt, value, gradient)

    def context(self, messages: list[Message]) -> Inputs:
        """A chat as model inputs of batch size 1, ready for the answer. InputError if the answer would not fit the
        model's context.
        """
        inputs = self.loaded.processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        length, limit = inputs["input_ids"].shape[1], self.loaded.context
        if limit is not None and length + self.settings.max_new_tokens > limit:
            raise InputError(
                f"prompt: {length} tokens and up to {self.settings.max_new_tokens} new ones do not fit the model's "
                f"context of {limit}; "
                "use smaller images, fewer turns or a lower max_new_tokens"
            )
        return dict(inputs)

    def text(self, sequence: Sequence) -> str:
        """What was written, without special tokens, spelled out or not: in a later turn's context they would stand for
        images or turns.
        """
        tokenizer = self.loaded.tokenizer
        text = str(tokenizer.decode(sequence.inputs["input_ids"][0, sequence.generated], skip_special_tokens=True))
        special = [*tokenizer.all_special_tokens, getattr(self.loaded.processor, "image_token", None)]
        while found := [token for token in special if token and token in text]:
            for token in found:
                text = text.replace(token, "")
        return text

    def _write(self, contexts: Ordered[Inputs], generator: np.random.Generator) -> list[Sequence]:
        """One completion of every context."""
        loaded, settings = self.loaded, self.settings
        model, ends, suppressed = loaded.base, loaded.end_tokens, loaded.image_tokens
        pad = loaded.tokenizer.pad_token_id
        pad = (ends[0] if ends else 0) if pad is None else pad
        config = GenerationConfig(
            do_sample=True,
            temperature=settings.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=settings.max_new_tokens,
            suppress_tokens=list(suppressed) or None,
            eos_token_id=list(ends) or None,
            pad_token_id=pad,
        )
        batch = on_model(collate(contexts, pad, "left"), model)
        start = batch["input_ids"].shape[1]
        usual = model.generation_config
        devices = [loaded.device] if loaded.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), evaluating(model), torch.no_grad():
            torch.manual_seed(int(generator.integers(2**63)))
            model.generation_config = GenerationConfig(
                eos_token_id=config.eos_token_id, pad_token_id=pad
            )  # generate fills every gap from it
            try:
                output = model.generate(**batch, generation_config=config)
            finally:
                model.generation_config = usual
        joined = zip(contexts, output[:, start:].cpu(), strict=True)
        return [self.weighted(_join(context, written, ends)) for context, written in joined]

    def weighted(self, sequence: Sequence) -> Sequence:
        """The sequence with the weights of its tokens, if thoughts have one of their own."""
        end, weight = self.environment.thought_end, self.settings.think_weight
        if weight == 1 or end is None:
            return sequence
        places = sequence.generated.nonzero().flatten()
        tokens, tokenizer = sequence.inputs["input_ids"][0, places], self.loaded.tokenizer

        def has_ended(count: int) -> bool:
            return end in str(tokenizer.decode(tokens[:count], skip_special_tokens=True)).lower()

        thought = bisect_left(range(len(tokens)), True, key=has_ended)
        weights = torch.ones(sequence.length, dtype=torch.float64)
        weights[places[:thought]] = weight
        return replace(sequence, weight=weights)

    def _measure(self, sequences: list[Sequence]) -> tuple[np.ndarray, np.ndarray | None]:
        model, settings, suppressed = self.loaded.model, self.settings, self.loaded.image_tokens
        if not settings.scored:
            return log_probabilities(model, sequences, settings.temperature, suppressed, settings.batch_size), None
        return scores(
            model,
            sequences,
            settings.temperature,
            suppressed=suppressed,
            batch_size=settings.batch_size,
            projection=settings.projection,
        )

    def _collect(
        self,
        episodes: list[Episode],
        texts: list[list[str]],
        prompt: np.ndarray,
        value: np.ndarray,
        gradient: np.ndarray | None,
    ) -> Play:
        twin, count = self.environment.twin, len(prompt)
        rewards = np.array([episode.rewards for episode in episodes], dtype=float)

        def grouped(values: np.ndarray) -> np.ndarray:
            return values.reshape(count, len(episodes) // count, *values.shape[1:])

        groups = RolloutGroups(
            twin.component_names,
            twin.exact_weights,
            prompt,
            rewards=grouped(rewards),
            log_probability=grouped(value),
            scores=None if gradient is None else grouped(gradient),
            think_weight=self.settings.think_weight,
        )
        size = groups.group_size
        rows = [slice(start, start + size) for start in range(0, len(episodes), size)]
        return Play(
            groups,
            tuple(tuple(tuple(said) for said in texts[row]) for row in rows),
            tuple(tuple(tuple(episode.decisions) for episode in episodes[row]) for row in rows),
        )


def _child(generator: np.random.Generator) -> np.random.Generator:
    """A stream of an episode's own, fixed by the parent's state."""
    return np.random.default_rng(generator.integers(2**32, size=4))


def _join(context: Inputs, written: torch.Tensor, ends: tuple[int, ...]) -> Sequence:
    """Context and completion, cut after the first end token; what follows it is padding."""
    stop = torch.isin(written, torch.tensor(ends, dtype=written.dtype)).nonzero() if ends else written.new_zeros(0)
    own = written[: int(stop[0]) + 1] if len(stop) else written
    length = context["input_ids"].shape[1]
    inputs = dict(context)
    inputs["input_ids"] = torch.cat([context["input_ids"], own[None].to(context["input_ids"].dtype)], dim=1)
    for name, fill in (("attention_mask", 1), ("mm_token_type_ids", 0), ("token_type_ids", 0)):
        if name in context:
            inputs[name] = torch.nn.functional.pad(context[name], (0, len(own)), value=fill)
    return Sequence(inputs, torch.arange(length + len(own)) >= length)
