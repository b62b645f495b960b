"""Small languages that TRL trains (``language_training``): the next token depends on the last one alone, so a process
is the exact twin of the model, and every group of completions can be listed.

A language says what may be written after a token: a text of one or more tokens, the first of which is chosen and the
rest forced, with its rewards, or None where writing goes on after its last token.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tamdp_theory import TAMDP, TabularSoftmax

ENDS = ("yes", "no")  # tokens that end a completion
NEVER = -1e9  # a logit that leaves a probability of exactly zero
Rewards = tuple[Fraction, ...]


@dataclass(frozen=True)
class Completion:
    """Tokens, rewards, the choices (state, text) that were made, and the probability of them all."""

    tokens: tuple[str, ...]
    rewards: Rewards
    choices: tuple[tuple[str, str], ...]
    probability: float


@dataclass(frozen=True)
class Language:
    """moves: state to text to rewards. Prompts are the states that no text leads to. Logits are drawn."""

    moves: Mapping[str, Mapping[str, Sequence[str] | None]]
    weights: tuple[str, ...] = ("1",)
    seed: int = 0

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        reached = {text.split()[-1] for texts in self.moves.values() for text, end in texts.items() if end is None}
        return tuple(state for state in self.moves if state not in reached)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        written = (token for texts in self.moves.values() for text in texts for token in text.split())
        return tuple(dict.fromkeys(["<pad>", *ENDS, *self.moves, *written]))

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """(state, text), in the order of the logits."""
        return [(state, text) for state, texts in self.moves.items() for text in texts]

    @cached_property
    def logits(self) -> np.ndarray:
        """What float32 can hold."""
        drawn = np.random.default_rng(self.seed).standard_normal(len(self.choices))
        return drawn.astype(np.float32).astype(float)

    @cached_property
    def probability(self) -> dict[tuple[str, str], float]:
        found = {}
        for state in self.moves:
            weight = {c: np.exp(x) for c, x in zip(self.choices, self.logits, strict=True) if c[0] == state}
            found |= {c: w / sum(weight.values()) for c, w in weight.items()}
        return found

    def completions(self, state: str, before: tuple[tuple[str, str], ...] = ()) -> Iterator[Completion]:
        """All of them after a state."""
        for text, rewards in self.moves[state].items():
            choices = (*before, (state, text))
            if rewards is None:
                yield from self.completions(text.split()[-1], choices)
            else:
                tokens = tuple(token for _, part in choices for token in part.split())
                probability = float(np.prod([self.probability[c] for c in choices]))
                yield Completion(tokens, tuple(map(Fraction, rewards)), choices, probability)

    def groups(self, prompt: str, size: int) -> Iterator[tuple[float, tuple[Completion, ...]]]:
        """Ordered groups with their probabilities."""
        for group in itertools.product(self.completions(prompt), repeat=size):
            yield float(np.prod([completion.probability for completion in group])), group

    @cached_property
    def twin(self) -> TAMDP:
        """The process: a text is an action that takes as many tokens."""
        names = [f"reward{k}" for k in range(len(self.weights))]

        def edge(text: str, rewards: Sequence[str] | None) -> dict[str, Any]:
            return {"probability": 1} | ({"node": text.split()[-1]} if rewards is None else {"rewards": [*rewards]})

        nodes = [
            {
                "id": state,
                "depth": 0,
                "actions": [
                    {"name": text, "kind": "answer", "tokens": len(text.split()), "next": [edge(text, rewards)]}
                    for text, rewards in texts.items()
                ],
            }
            for state, texts in self.moves.items()
        ]
        chance = f"1/{len(self.prompts)}"
        return TAMDP.from_dict(
            {
                "schema": "tamdp/1",
                "name": "language",
                "max_tool_depth": 0,
                "components": [{"name": n, "weight": w} for n, w in zip(names, self.weights, strict=True)],
                "prompts": [{"name": p, "probability": chance, "start": p} for p in self.prompts],
                "nodes": nodes,
            }
        )

    @property
    def policy(self) -> TabularSoftmax:
        """The twin's."""
        parameters = np.zeros(self.twin.n_nodes * self.twin.n_actions)
        parameters[self.places] = self.logits
        return TabularSoftmax(self.twin).with_parameters(parameters)

    @cached_property
    def places(self) -> list[int]:
        """Of the choices among the twin's parameters."""
        env = self.twin
        found = {
            (env.node_ids[env.pair_node[pair]], env.action_names[pair]): int(env.pair_parameter[pair])
            for pair in range(env.n_pairs)
        }
        return [found[choice] for choice in self.choices]

    def table(self) -> torch.Tensor:
        """Logits (last token, next token)."""
        place = self.tokens.index
        found = torch.full((len(self.tokens), len(self.tokens)), NEVER)
        for (state, text), logit in zip(self.choices, self.logits, strict=True):
            first, *rest = text.split()
            found[place(state), place(first)] = logit
            for last, following in itertools.pairwise([first, *rest]):
                found[place(last), place(following)] = 0.0
        return found

    def model(self) -> LlamaForCausalLM:
        """A Llama without layers whose head is the table."""
        count = len(self.tokens)
        config = LlamaConfig(
            vocab_size=count,
            hidden_size=count,
            intermediate_size=1,
            num_hidden_layers=0,
            num_attention_heads=1,
            head_dim=2,
            rms_norm_eps=0.0,
            tie_word_embeddings=False,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=[self.tokens.index(end) for end in ENDS],
        )
        model = LlamaForCausalLM(config)
        with torch.no_grad():
            model.model.embed_tokens.weight.copy_(torch.eye(count))
            model.model.norm.weight.fill_(count**-0.5)
            model.lm_head.weight.copy_(self.table().T)
        model.model.requires_grad_(False)
        return model

    def tokenizer(self) -> PreTrainedTokenizerFast:
        words = Tokenizer(models.WordLevel({t: i for i, t in enumerate(self.tokens)}, unk_token="<pad>"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token=ENDS[0])

    def reward(self, component: int) -> Callable[..., list[float]]:
        """A reward function of TRL."""
        place = self.tokens.index
        known = {
            (prompt, *map(place, c.tokens)): float(c.rewards[component])
            for prompt in self.prompts
            for c in self.completions(prompt)
        }

        def function(prompts: Sequence[str], completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
            return [known[(prompt, *ids)] for prompt, ids in zip(prompts, completion_ids, strict=True)]

        function.__name__ = f"reward{component}"
        return function
