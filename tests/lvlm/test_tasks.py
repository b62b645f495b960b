"""Datasets and reward functions for TRL, against the episodes themselves and the exact values of their twins."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")

from datasets import Dataset
from PIL import Image

from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.environments import Environment, NumberLine
from tamdp_theory.environments.image_repair import ImageRepair
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl import tasks
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.training import LORA, Gradients, make

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]

LINE = NumberLine(max_steps=1, max_distance=1, pixels=32)
UNPARSABLE = "I cannot tell."


def test_rows_are_prompts_with_their_pictures():
    rows = tasks.dataset(LINE, 40, np.random.default_rng(5))
    assert rows.column_names == ["prompt", "image", "prompt_index", "seed"]
    assert rows.to_dict() == tasks.dataset(LINE, 40, np.random.default_rng(5)).to_dict()
    assert len(set(rows["seed"])) == 40
    for row in rows:
        (message,) = LINE.start(row["prompt_index"], np.random.default_rng(row["seed"])).messages
        picture, text = message["content"]
        assert row["prompt"] == [{"role": "user", "content": text["text"]}]
        assert np.array_equal(np.asarray(row["image"]), np.asarray(picture["image"]))


def test_prompts_come_from_the_twins_distribution():
    count = 2000
    drawn = Counter(tasks.dataset(LINE, count, np.random.default_rng(1))["prompt_index"])
    law = LINE.twin.prompt_probability
    assert law.max() > 1.5 * law.min()
    for prompt, probability in enumerate(law):
        assert abs(drawn[prompt] / count - probability) < 5.5 * np.sqrt(probability * (1 - probability) / count)


def test_means_are_the_twins_exact_values():
    """A policy with known probabilities, through texts and reward functions; unparsed texts fall back to random
    actions.
    """
    twin = LINE.twin
    policy = TabularSoftmax.random(twin, np.random.default_rng(3))
    generator, group = np.random.default_rng(4), 4
    prompts = np.repeat(generator.choice(twin.n_prompts, size=1500, p=twin.prompt_probability), group)
    seeds = np.repeat(generator.integers(2**31, size=1500), group)
    probabilities, completions = policy.probabilities(), []
    for prompt in prompts:
        node = int(twin.prompt_start[prompt])
        action = twin.action_names[twin.pair_start[node] + generator.choice(twin.n_actions, p=probabilities[node])]
        completions.append([{"role": "assistant", "content": LINE.phrase(action, generator)}])
    found = [
        function(completions=completions, prompt_index=prompts, seed=seeds) for function in tasks.reward_functions(LINE)
    ]
    expected = exact.values(twin, policy).components
    assert min(abs(expected)) > 0.1 and max(expected) < 0.99
    for values, value in zip(found, expected, strict=True):
        means = np.reshape(values, (-1, group)).mean(axis=1)
        assert abs(means.mean() - value) < 5.5 * means.std() / np.sqrt(len(means))


def test_members_of_a_group_fall_back_independently():
    """Two unparsed texts of one row: accuracies agree half of the time; so do those of two steps; again the same call
    gives the same.
    """
    rows = 2000
    seeds = np.repeat(np.arange(rows), 2)
    prompt = LINE.twin.prompt_names.index("2to3")

    def accuracy(step):
        return np.array(
            [r[1] for r in tasks.outcomes(LINE, [UNPARSABLE] * 2 * rows, [prompt] * 2 * rows, seeds, step)]
        ).reshape(rows, 2)

    first, second = accuracy(0), accuracy(1)
    np.testing.assert_array_equal(first, accuracy(0))
    noise = 5.5 * 0.5 / np.sqrt(rows)
    assert abs(first.mean() - 0.5) < noise
    assert abs((first[:, 0] == first[:, 1]).mean() - 0.5) < noise
    assert abs((first == second).mean() - 0.5) < noise


def test_processes_fall_back_independently(monkeypatch):
    seeds = np.arange(500)
    both = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        both.append([r[1] for r in tasks.outcomes(LINE, [UNPARSABLE] * 500, [0] * 500, seeds)])
    assert abs(np.mean(np.equal(*both)) - 0.5) < 5.5 * 0.5 / np.sqrt(500)


def test_the_functions_see_one_outcome():
    """At 0, an unparsed text either clamps or moves: executability 0 comes with accuracy 0, and accuracy 1 with
    executability 1.
    """
    prompt = LINE.twin.prompt_names.index("0to1")
    completions, given = [UNPARSABLE] * 400, {"prompt_index": [prompt] * 400, "seed": list(range(400))}
    format_, accuracy, executability = (
        np.array(f(completions=completions, **given)) for f in tasks.reward_functions(LINE)
    )
    assert not format_.any() and 0.3 < accuracy.mean() < 0.7
    np.testing.assert_array_equal(accuracy, executability)


def test_training_with_trl(tmp_path):
    rows = tasks.dataset(LINE, 4, np.random.default_rng(2))
    calls = []

    def note(completions, prompt_index, seed, **_):
        calls.append((completions, prompt_index, seed))
        return [0.0] * len(completions)

    trainer = make(
        tmp_path, [*tasks.reward_functions(LINE), note], train=rows, reward_weights=[*tasks.reward_weights(LINE), 0.0]
    )
    recorder = Recorder().attach(trainer)
    trainer.train()
    groups = recorder.groups(1)
    assert groups.component_names == (*LINE.twin.component_names, "note")
    assert groups.weights == (*LINE.twin.exact_weights, 0)
    assert np.repeat(groups.prompt, 4).tolist() == calls[1][1]
    expected = tasks.outcomes(LINE, *calls[1], step=1)
    assert expected != tasks.outcomes(LINE, *calls[1], step=0)
    np.testing.assert_array_equal(groups.rewards[..., :3].reshape(-1, 3), expected)


class OneWord(Environment):
    """The family of a bandit under messages of any kind."""

    name = "one word"

    def __init__(self, messages):
        self.shown = messages

    twin = families.number_line(3, 1)

    def start(self, prompt, generator):
        shown = self.shown

        class Shown:
            messages = shown

        return Shown()

    def phrase(self, action, generator):
        return action


PICTURE = {"type": "image", "image": Image.new("RGB", (2, 2))}
WORDS = {"type": "text", "text": "what is it?"}


def test_messages_that_trl_would_rearrange_are_refused():
    system = {"role": "system", "content": "be brief"}
    good = tasks.dataset(OneWord([system, {"role": "user", "content": [PICTURE, WORDS]}]), 1, np.random.default_rng(0))
    assert good[0]["prompt"] == [system, {"role": "user", "content": "what is it?"}]
    for messages in (
        [{"role": "user", "content": [WORDS, PICTURE]}],
        [{"role": "user", "content": [PICTURE, PICTURE, WORDS]}],
        [{"role": "user", "content": "what is it?"}],
        [{"role": "user", "content": [WORDS]}, {"role": "user", "content": [PICTURE]}],
        [{"role": "system", "content": [PICTURE]}, {"role": "user", "content": [WORDS]}],
    ):
        with pytest.raises(InputError, match="one word: a prompt must have one image, at the head"):
            tasks.dataset(OneWord(messages), 1, np.random.default_rng(0))


def test_longer_episodes_are_refused():
    for call in (lambda e: tasks.dataset(e, 1, np.random.default_rng(0)), tasks.reward_functions):
        with pytest.raises(InputError, match="up to 2 decisions, a completion is one"):
            call(NumberLine(max_steps=2))
    with pytest.raises(InputError, match="an episode goes on"):
        tasks.outcomes(
            NumberLine(max_steps=3), ['{"action": "-"}'], [NumberLine().twin.prompt_names.index("3to0")], [0]
        )
    with pytest.raises(InputError, match="count: must be an integer of at least 1, got 0"):
        tasks.dataset(LINE, 0, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("a", "a"),
        ([], ""),
        ([{"role": "assistant", "content": None}], ""),
        ([{"role": "assistant", "content": "b"}], "b"),
        ([{"role": "assistant", "content": "b"}, {"role": "tool", "content": "c"}], ""),
        ([{"role": "assistant", "tool_calls": []}], ""),
        ([{"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]}], "bc"),
    ],
)
def test_text_of(completion, text):
    assert tasks.text_of(completion) == text


TURN = '<tool_call>\n{"name": "rotate", "arguments": {"degrees": 90}}\n</tool_call>'
CROP = '<tool_call>\n{"name": "crop", "arguments": {"region": "centre"}}\n</tool_call>'
SCRIPTS = [
    [
        ["<answer>red circle</answer>"],
        ["x"],
        [TURN, TURN, "<answer>red circle</answer>"],
        [TURN, TURN, CROP, "<answer>red circle</answer>"],
    ],
    [
        ['<tool_call>{"name": "rotate", "arguments": {"degrees": 45}}</tool_call>', "<answer>red circle</answer>"],
        ['<tool_call>{"name": "fly", "arguments": {}}</tool_call>', "<answer>red square</answer>"],
        ['<tool_call>{"name": "rotate", "arguments": {"angle": 90}}</tool_call>', TURN, "<answer>red circle</answer>"],
        ["<tool_call>{bad</tool_call>"],
    ],
]


def play(environment, prompt, texts):
    episode = environment.start(prompt, np.random.default_rng(0))
    for text in texts:
        if not episode.done:
            episode.act(text)
    while not episode.done:
        episode.act("")
    return episode.rewards


def test_tools_in_trl_are_those_of_the_environment(tmp_path):
    """TRL's own tool loop on scripted texts: rewards of the same texts played in the environment; and scores that leave
    the tools' tokens and take their pictures make the trainer's gradient."""
    environment = ImageRepair(prompts=8, max_tool_depth=2, pixels=32)
    rows = Dataset.from_list(
        [
            tasks.tool_dataset(environment, 1, np.random.default_rng(0))[0] | {"prompt_index": prompt}
            for prompt in (0, 3)
        ]
    )
    gradients = Gradients()
    trainer = make(
        tmp_path,
        tasks.tool_reward_functions(environment),
        "tiny_qwen3_vl",
        train=rows,
        callbacks=[gradients],
        max_steps=1,
        max_completion_length=500,
        loss_type="dr_grpo",
        reward_weights=tasks.reward_weights(environment),
        more={"environment_factory": lambda: tasks.RepairTools(environment), "peft_config": LORA},
    )
    assert [tool.__name__ for tool in trainer.tools] == ["brighten", "crop", "rotate"]
    recorder = Recorder(score=scores).attach(trainer)
    tokenizer = trainer.processing_class.tokenizer
    scripts = [script for group in SCRIPTS for script in group]
    turn, pictures = 0, []

    def write(prompt_ids, images, fields, num_generations, has_tool_images=False):
        nonlocal turn
        active = [script for script in scripts if len(script) > turn]
        assert len(prompt_ids) == len(active)
        turn += 1
        pictures.append([len(shown) for shown in images])
        return [[*tokenizer(script[turn - 1])["input_ids"], tokenizer.eos_token_id] for script in active], None

    trainer._generate_single_turn = write
    trainer.train()
    assert (
        turn == 4 and pictures[0] == [1] * 8 and pictures[2] == [3, 3, 2]
    )  # after two calls, of which the last had one bad
    groups = recorder.groups(0)
    assert (
        groups.component_names == environment.twin.component_names and groups.weights == environment.twin.exact_weights
    )
    expected = [
        [play(environment, prompt, script) for script in group]
        for prompt, group in zip(groups.prompt, SCRIPTS, strict=True)
    ]
    np.testing.assert_array_equal(groups.rewards, expected)
    assert len({tuple(r) for r in groups.rewards.reshape(-1, 4)}) >= 4
    update = -np.einsum("ni,nid->d", recorder.advantages(0), groups.scores) / (8 * 500)
    assert np.linalg.norm(update) > 1e-5
    assert np.linalg.norm(gradients.found[0] - update) < 1e-4 * np.linalg.norm(update)


def test_rewards_of_tools_are_the_same_when_asked_again():
    environment = ImageRepair(prompts=8, max_tool_depth=2, pixels=32)
    tools = tasks.RepairTools(environment)
    with pytest.raises(InputError, match="no episode has begun"):
        tools.rotate(90)
    for _ in range(2):  # instances are used again
        picture, text = tools.reset(prompt_index=3, seed=0, prompt=[], environment=None)
        assert picture["type"] == "image" and text["text"] == environment.task
        completion = [
            {"role": "assistant", "tool_calls": [{"type": "function"}]},
            {"role": "tool", "content": "error"},
            {"role": "assistant", "content": "x"},
        ]
        found = [
            function(completions=[completion], environments=[tools])
            for function in tasks.tool_reward_functions(environment)
        ]
        assert found == [[0.0], [0.0], [0.0], [0.0]]
        tools.reset(prompt_index=0, seed=0)
        answered = [{"role": "assistant", "content": "<answer>red circle</answer>"}]
        expected = play(environment, 0, ["<answer>red circle</answer>"])
        assert (
            tuple(f(completions=[answered], environments=[tools])[0] for f in tasks.tool_reward_functions(environment))
            == expected
            == (1, 1, 1, 1)
        )
