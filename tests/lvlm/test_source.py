"""The source of rollouts: what it reports is what transformers generated, and the law that it draws from is the
softmax.
"""

from dataclasses import replace
from functools import cached_property
from itertools import product

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch
from PIL import Image
from transformers import GenerationConfig

from experiments.demo_model.tiny import tiny_llava, tiny_qwen3_vl
from tamdp_theory.environments import NumberLine
from tamdp_theory.environments.base import Decision, Environment, Episode
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.loading import load, with_lora
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.scores import log_probabilities, scores
from tamdp_theory.lvlm.sequences import Sequence
from tamdp_theory.lvlm.source import Settings, TransformersSource
from tamdp_theory.model import TAMDP

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]
BUILDERS = {"llava": tiny_llava, "qwen": tiny_qwen3_vl}
COLOURS = ("red", "blue")


def see(colour: str, text: str = "?", role: str = "user"):
    return {
        "role": role,
        "content": [{"type": "image", "image": Image.new("RGB", (32, 32), colour)}, {"type": "text", "text": text}],
    }


class Talk(Environment):
    """One or more turns about a colour, with history; reward: whether the last text has a letter, and how short it all
    was.
    """

    name = "talk"

    def __init__(self, turns: int, question: str = "?", stop: bool = False, end: str | None = None) -> None:
        self.turns, self.question, self.stop, self.end = turns, question, stop, end

    @property
    def thought_end(self) -> str | None:
        return self.end

    @cached_property
    def twin(self) -> TAMDP:
        end = [{"probability": 1, "rewards": [1, 1]}]
        return TAMDP.from_dict(
            {
                "schema": "tamdp/1",
                "name": "talk",
                "max_tool_depth": 0,
                "components": [{"name": "letter", "weight": "3/4"}, {"name": "short", "weight": "1/4"}],
                "prompts": [
                    {"name": "red", "probability": "1/4", "start": "red"},
                    {"name": "blue", "probability": "3/4", "start": "blue"},
                ],
                "nodes": [
                    {"id": c, "depth": 0, "observation": c, "actions": [{"name": "say", "kind": "answer", "next": end}]}
                    for c in COLOURS
                ],
            }
        )

    def start(self, prompt, generator):
        return Chat(self, COLOURS[prompt], generator)

    def phrase(self, action, generator):
        return "x"


class Chat(Episode):
    def __init__(self, environment, colour, generator):
        self.environment, self.colour, self.said, self.decisions, self.luck = (
            environment,
            colour,
            [],
            [],
            generator.random(),
        )
        self.history = [see(colour, environment.question)]

    @property
    def messages(self):
        return list(self.history)

    @property
    def node(self):
        return self.colour

    @property
    def done(self):
        return len(self.said) == self.environment.turns or (
            self.environment.stop and len(self.said) == 1 and self.luck < 0.5
        )

    def act(self, text):
        assert not self.done
        self.said.append(text)
        self.decisions.append(Decision(self.colour, "say"))
        self.history += [
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
            see("green", "again " * len(self.said)),
        ]

    @property
    def rewards(self):
        return float(any(c.isascii() and c.isalpha() for c in self.said[-1])), 1 / (1 + sum(map(len, self.said)))


@pytest.fixture(scope="module", params=list(BUILDERS))
def loaded(request, tmp_path_factory):
    """LoRA with B away from zero, and half of all bytes end a completion, so that lengths differ."""
    loaded = with_lora(load(BUILDERS[request.param](tmp_path_factory.mktemp(request.param)), device="cpu"), rank=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    loaded.model.generation_config.eos_token_id = [256, *range(60)]
    return loaded


def same(first, second) -> bool:
    groups = [
        (play.groups.rewards, play.groups.log_probability, play.groups.scores, play.groups.prompt)
        for play in (first, second)
    ]
    return first.texts == second.texts and all(np.array_equal(a, b) for a, b in zip(*groups, strict=True))


def test_the_seed_fixes_every_bit_and_leaves_torch_alone(loaded):
    source = TransformersSource(loaded, Talk(2), Settings(max_new_tokens=5, batch_size=4))
    state = torch.get_rng_state()
    first = source.play(3, 4, np.random.default_rng(1))
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(123)
    assert same(first, source.play(3, 4, np.random.default_rng(1)))
    assert not same(first, source.play(3, 4, np.random.default_rng(2)))
    texts = [said for group in first.texts for said in group]
    assert len(set(texts)) > len(texts) // 2  # batches and members differ from each other


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_totals_are_those_of_generations_own_numbers(loaded, monkeypatch, temperature):
    """Record what generate was asked and what it answered; add up its step scores to the first end token, and take
    gradients token by token.
    """
    turns = []
    generate = loaded.base.generate

    def recorded(generation_config, **inputs):
        generation_config.output_scores = generation_config.return_dict_in_generate = True
        output = generate(generation_config=generation_config, **inputs)
        written = output.sequences[:, inputs["input_ids"].shape[1] :]
        steps = torch.stack(output.scores, dim=1).log_softmax(-1).gather(-1, written[..., None])[..., 0]
        turns.append((inputs, written, steps))
        return output.sequences

    monkeypatch.setattr(loaded.base, "generate", recorded)
    play = TransformersSource(
        loaded, Talk(2, stop=True), Settings(max_new_tokens=6, temperature=temperature, batch_size=99)
    ).play(3, 3, np.random.default_rng(5))
    lengths = [len(texts) for group in play.texts for texts in group]
    assert {1, 2} == set(lengths)
    # episodes that go on: in the first turn all, in the second those with a second text; one batch each
    order = [list(range(9)), [k for k, length in enumerate(lengths) if length == 2]]
    assert [len(written) for _, written, _ in turns] == [len(places) for places in order]
    value, gradient = np.zeros(9), [0.0] * 9
    parameters = [parameter for parameter in loaded.model.parameters() if parameter.requires_grad]
    ended = set()
    said = [list(texts) for group in play.texts for texts in group]
    for (inputs, written, steps), places in zip(turns, order, strict=True):
        images = inputs["pixel_values"].shape[0] // len(places)
        for row, place in enumerate(places):
            end = [k for k, token in enumerate(written[row].tolist()) if token in loaded.end_tokens]
            count = end[0] + 1 if end else 6
            ended.add(bool(end))
            assert said[place].pop(0) == loaded.tokenizer.decode(written[row, :count], skip_special_tokens=True)
            value[place] += float(steps[row, :count].sum())
            keep = inputs["attention_mask"][row].bool()
            alone = {
                name: v[row : row + 1, keep]
                for name, v in inputs.items()
                if name in ("input_ids", "attention_mask", "mm_token_type_ids")
            }
            context = dict(alone, pixel_values=inputs["pixel_values"][row * images : (row + 1) * images])
            if "image_grid_thw" in inputs:
                grids = len(inputs["image_grid_thw"]) // len(places)
                context["image_grid_thw"] = inputs["image_grid_thw"][row * grids : (row + 1) * grids]
            total = 0.0
            for token in written[row, :count].tolist():
                logits = loaded.model(**context).logits[0, -1] / temperature
                allowed = torch.ones_like(logits, dtype=torch.bool)
                allowed[list(loaded.image_tokens)] = False
                total = total + logits[token] - torch.logsumexp(logits[allowed], dim=0)
                for name, new in (("input_ids", token), ("attention_mask", 1), ("mm_token_type_ids", 0)):
                    if name in context:
                        context[name] = torch.cat([context[name], torch.tensor([[new]])], dim=1)
            gradient[place] += torch.cat([part.flatten() for part in torch.autograd.grad(total, parameters)]).numpy()
    assert ended == {True, False} and not any(said)
    np.testing.assert_allclose(play.groups.log_probability.ravel(), value, atol=3e-4)
    np.testing.assert_allclose(play.groups.scores.reshape(9, -1), np.array(gradient), atol=3e-3)
    assert abs(play.groups.scores).max() > 1


def test_frequencies_are_the_softmax_whatever_the_checkpoint_prefers(loaded):
    """The checkpoint asks for top-k, penalties and its own temperature; the first token's frequencies follow the plain
    law all the same.
    """
    usual = loaded.base.generation_config
    eager = GenerationConfig(
        do_sample=True, top_k=3, top_p=0.4, min_p=0.3, temperature=3.0, repetition_penalty=5.0, no_repeat_ngram_size=1
    )
    eager.eos_token_id, eager.pad_token_id = usual.eos_token_id, usual.pad_token_id
    eager.suppress_tokens = list(range(100, 256))
    loaded.base.generation_config = eager
    temperature, draws = 0.5, 1500
    source = TransformersSource(
        loaded, Talk(1), Settings(max_new_tokens=1, temperature=temperature, batch_size=500, scored=False)
    )
    try:
        context = source.context([see("red")])
        play = source.play(draws, 1, np.random.default_rng(0))
        assert loaded.base.generation_config is eager
    finally:
        loaded.base.generation_config = usual
    colour = COLOURS[play.groups.prompt[0]]
    context = source.context([see(colour)])
    tokens = [token for token in range(len(loaded.tokenizer)) if token not in loaded.image_tokens]
    length = context["input_ids"].shape[1]

    def joined(token: int) -> Sequence:
        return Sequence(
            {
                name: torch.cat([v, torch.tensor([[{"input_ids": token, "attention_mask": 1}.get(name, 0)]])], 1)
                if v.shape == (1, length)
                else v
                for name, v in context.items()
            },
            torch.arange(length + 1) == length,
        )

    law = log_probabilities(loaded.model, [joined(token) for token in tokens], temperature, loaded.image_tokens, 64)
    assert np.exp(law).sum() == pytest.approx(1, abs=1e-5)
    drawn = play.groups.log_probability[0]
    # tokens are known by their log-probabilities: how often one among the likelier half of the mass, and the mean of
    # log pi
    mean, variance = np.exp(law) @ law, np.exp(law) @ law**2 - (np.exp(law) @ law) ** 2
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(variance / draws)
    likely = law > np.median(law)
    share = np.exp(law)[likely].sum()
    assert abs((drawn > np.median(law)).mean() - share) < 5 * np.sqrt(share * (1 - share) / draws)
    assert play.groups.scores is None


def test_groups_carry_the_environments_rewards_and_prompts(loaded):
    environment = Talk(2)
    play = TransformersSource(loaded, environment, Settings(max_new_tokens=4, projection=Projection(7))).play(
        4, 6, np.random.default_rng(3)
    )
    groups = play.groups
    assert groups.component_names == ("letter", "short") and groups.weights == environment.twin.exact_weights
    assert groups.rewards.shape == (6, 4, 2) and groups.scores.shape == (6, 4, 7) and set(groups.prompt) == {0, 1}
    for n, group in enumerate(play.texts):
        for member, said in enumerate(group):
            assert len(said) == 2
            expected = float(any(c.isascii() and c.isalpha() for c in said[-1])), 1 / (1 + sum(map(len, said)))
            assert tuple(groups.rewards[n, member]) == expected
            assert play.decisions[n][member] == (Decision(COLOURS[groups.prompt[n]], "say"),) * 2


def test_prompts_are_drawn_from_rho(loaded):
    groups = TransformersSource(loaded, Talk(1), Settings(max_new_tokens=1, scored=False, batch_size=500)).rollouts(
        2, 400, np.random.default_rng(0)
    )
    assert abs((groups.prompt == 1).mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 400)


def test_what_is_seen_matters(loaded):
    """The image goes through the source into the model: a token's probability depends on the colour."""
    source = TransformersSource(loaded, Talk(1))
    laws = []
    for colour in COLOURS:
        with torch.no_grad():
            laws.append(loaded.model(**source.context([see(colour)])).logits[0, -1].softmax(-1))
    assert (laws[0] - laws[1]).abs().sum() > 0.05


def test_special_tokens_never_reach_a_later_context(loaded):
    """Neither as tokens nor spelled out in bytes, nested or not."""
    source = TransformersSource(loaded, Talk(1))
    image = loaded.processor.image_token
    spelled = f"a{image}b{image[:3]}{image}{image[3:]}c<|im_<|im_end|>start|>d"
    ids = [token for letter in spelled for token in loaded.tokenizer.encode(letter)]  # byte by byte
    assert not set(ids) & set(loaded.image_tokens)
    ids += [loaded.tokenizer.convert_tokens_to_ids("<|im_start|>"), 256]
    sequence = Sequence({"input_ids": torch.tensor([[65, *ids]])}, torch.arange(len(ids) + 1) > 0)
    assert source.text(sequence) == "abcd"


def written(source, text: str) -> Sequence:
    """A text after a prompt, letter by letter."""
    context = source.context([see("red")])
    length = context["input_ids"].shape[1]
    tokens = torch.tensor([[token for letter in text for token in source.loaded.tokenizer.encode(letter)]])
    inputs = dict(context, input_ids=torch.cat([context["input_ids"], tokens], dim=1))
    for name, fill in (("attention_mask", 1), ("mm_token_type_ids", 0)):
        if name in context:
            inputs[name] = torch.nn.functional.pad(context[name], (0, tokens.shape[1]), value=fill)
    return Sequence(inputs, torch.arange(length + tokens.shape[1]) >= length)


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ('{"thoughts": "x", "action": "-"}', '{"thoughts": "x", "action":'),
        ('{"Action": "\xe4", "action": "-"}', '{"Action":'),
        ("\xe4 no action", "\xe4 no action"),
        ('"action":', '"action":'),
    ],
)
def test_the_thought_ends_with_the_first_marker(loaded, text, thought):
    environment = NumberLine(4, 4)
    source = TransformersSource(loaded, environment, Settings(think_weight=0.5))
    sequence = written(source, text)
    weighed = source.weighted(sequence)
    own = weighed.weight[sequence.generated].tolist()
    tokens = len([token for letter in thought for token in loaded.tokenizer.encode(letter)])
    assert own == [0.5] * tokens + [1.0] * (len(own) - tokens)
    assert set(weighed.weight[~sequence.generated].tolist()) == {1.0}
    assert TransformersSource(loaded, environment).weighted(sequence).weight is None


@pytest.mark.parametrize("method", ["loop", "auto"])
def test_weighted_scores_are_sums_over_tokens(loaded, method):
    """Of each token's gradient, taken one by one; log-probabilities do not change."""
    source = TransformersSource(loaded, NumberLine(4, 4), Settings(think_weight=0.25))
    sequences = [written(source, text) for text in ('"action": x', "thought")]
    plain, parts = scores(loaded.model, sequences)
    weighed, found = scores(loaded.model, [source.weighted(one) for one in sequences], method=method)
    np.testing.assert_allclose(weighed, plain, atol=1e-5)
    for sequence, text, score, whole in zip(sequences, ('"action": x', "thought"), found, parts, strict=True):
        places = sequence.generated.nonzero().flatten().tolist()
        single = []
        for place in places:
            alone = torch.zeros(sequence.length, dtype=torch.bool)
            alone[place] = True
            single.append(scores(loaded.model, [Sequence(sequence.inputs, alone)], method="loop")[1][0])
        weights = np.where(np.arange(len(text)) < len('"action":'), 0.25, 1.0)
        np.testing.assert_allclose(score, weights @ np.array(single), atol=1e-4)
        np.testing.assert_allclose(whole, np.sum(single, axis=0), atol=1e-4)
        assert abs(score - whole).max() > 0.01


def test_the_mean_weighted_score_is_zero(loaded):
    """Over every text of three letters. Split in hindsight, before the last marker, it would not be."""
    source = TransformersSource(loaded, Talk(1, end="b"), Settings(think_weight=0.0))
    letters = [source.loaded.tokenizer.encode(letter)[0] for letter in "ab"]
    others = tuple(token for token in range(len(loaded.tokenizer)) if token not in letters)
    texts = ["".join(text) for text in product("ab", repeat=3)]
    sequences = [source.weighted(written(source, text)) for text in texts]

    def hindsight(sequence: Sequence, text: str) -> Sequence:
        weight = torch.ones(sequence.length)
        weight[sequence.length - 3 : sequence.length - 3 + text.rfind("b") + 1] = 0
        return replace(sequence, weight=weight)

    log, found = scores(loaded.model, sequences, suppressed=others)
    late = [hindsight(one, text) for one, text in zip(sequences, texts, strict=True)]
    biased = scores(loaded.model, late, suppressed=others)[1]
    assert np.exp(log).sum() == pytest.approx(1, abs=1e-5)
    assert abs(np.exp(log) @ found).max() < 1e-5
    assert abs(np.exp(log) @ biased).max() > 1e-2
    assert abs(found).max() > 1e-2


def test_thoughts_weigh_in_the_scores_alone(loaded):
    """The same texts and log-probabilities; scores are linear in the weight."""
    plays = [
        TransformersSource(loaded, Talk(2, end="\ufffd"), Settings(8, batch_size=4, think_weight=weight)).play(
            3, 4, np.random.default_rng(1)
        )
        for weight in (0.0, 0.5, 1.0)
    ]
    for play, weight in zip(plays, (0.0, 0.5, 1.0), strict=True):
        assert play.texts == plays[0].texts and play.groups.think_weight == weight
        np.testing.assert_allclose(play.groups.log_probability, plays[0].groups.log_probability, atol=1e-5)
    none, half, full = (play.groups.scores for play in plays)
    np.testing.assert_allclose(half, (none + full) / 2, atol=1e-3)
    assert abs(none).max() > 0.1 and abs(full - none).max() > 0.1


def test_a_weight_without_thoughts(loaded):
    with pytest.raises(InputError, match=r"think_weight: talk asks for no thoughts, so 0\.5 would weigh nothing"):
        TransformersSource(loaded, Talk(1), Settings(think_weight=0.5))
    bare = NumberLine(4, 4, thoughts=False)
    with pytest.raises(InputError, match="asks for no thoughts"):
        TransformersSource(loaded, bare, Settings(think_weight=0.0))


def test_progress_counts_finished_episodes(loaded):
    calls = []
    settings = Settings(max_new_tokens=2, batch_size=3, scored=False)
    TransformersSource(loaded, Talk(2), settings, lambda done, total: calls.append((done, total))).rollouts(
        4, 2, np.random.default_rng(0)
    )
    assert calls == [(0, 8)] * 3 + [(3, 8), (6, 8), (8, 8)]


def test_a_prompt_that_does_not_fit(loaded):
    source = TransformersSource(loaded, Talk(1, question="x" * 4090), Settings(max_new_tokens=5))
    with pytest.raises(
        InputError, match=r"prompt: \d{4} tokens and up to 5 new ones do not fit the model's context of 4096"
    ):
        source.rollouts(2, 1, np.random.default_rng(0))
    length = TransformersSource(loaded, Talk(1), Settings(max_new_tokens=1)).context([see("red")])["input_ids"].shape[1]
    TransformersSource(loaded, Talk(1), Settings(max_new_tokens=4096 - length)).context([see("red")])
    with pytest.raises(InputError, match=f"prompt: {length} tokens and up to {4097 - length}"):
        TransformersSource(loaded, Talk(1), Settings(max_new_tokens=4097 - length)).context([see("red")])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"batch_size": True}, "batch_size"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_new_tokens": 1.5}, "max_new_tokens"),
        ({"think_weight": 1.5}, "think_weight"),
        ({"think_weight": float("nan")}, "think_weight"),
    ],
)
def test_bad_settings(arguments, words):
    with pytest.raises(InputError, match=words):
        Settings(**arguments)


@pytest.mark.parametrize(("size", "count"), [(1, 3), (2, 0)])
def test_bad_numbers_of_rollouts(loaded, size, count):
    with pytest.raises(InputError, match="at least"):
        TransformersSource(loaded, Talk(1)).rollouts(size, count, np.random.default_rng(0))


def test_the_number_line_is_played(loaded):
    from tamdp_theory.environments.number_line import NumberLine

    environment = NumberLine(size=3, max_steps=2)
    play = TransformersSource(loaded, environment, Settings(max_new_tokens=6)).play(2, 2, np.random.default_rng(0))
    legal = set(environment.twin.action_names)
    assert all(decision.action in legal for group in play.decisions for made in group for decision in made)
    assert play.groups.rewards.shape == (2, 2, 3) and (play.groups.log_probability < 0).all()
