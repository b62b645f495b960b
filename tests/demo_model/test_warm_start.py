"""The supervised warm start: its teacher, its demonstrations, what it changes and what it leaves."""

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from experiments.demo_model.warm_start import (
    Collator,
    Demonstration,
    Demonstrations,
    SightCollator,
    WarmStart,
    imperfect_policy,
    warm_start,
)
from tamdp_theory import exact, families
from tamdp_theory.environments.number_line import NumberLine
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.loading import load
from tamdp_theory.policies import TabularSoftmax
from tests.helpers.demo_models import QUESTION, encode, question

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def environment():
    return NumberLine(size=4, max_steps=2, max_distance=2, pixels=32)


def test_teacher_has_the_probabilities_asked_for(environment):
    twin = environment.twin
    policy = imperfect_policy(twin, 0.6, {"unparsed": 0.1})
    table = {
        (twin.node_ids[x], name): p
        for x, name, p in zip(twin.pair_node, twin.action_names, policy.pair_probability, strict=True)
    }
    assert [table["0to2", name] for name in ("+1", "-1", "unparsed")] == pytest.approx([0.6, 0.3, 0.1])
    assert [table["3to1", name] for name in ("+1", "-1", "unparsed")] == pytest.approx([0.3, 0.6, 0.1])
    shared = imperfect_policy(twin, 0.6, {})
    assert shared.pair_probability[twin.pair_node == twin.node_ids.index("0to2")] == pytest.approx([0.2, 0.6, 0.2])


def test_teacher_gets_what_its_errors_leave():
    """One step: format 0.9; success 0.6, or by chance after an unparsed text."""
    environment = NumberLine(size=6, max_steps=1, max_distance=1)
    values = exact.values(environment.twin, imperfect_policy(environment.twin, 0.6, {"unparsed": 0.1}))
    assert values.components[:2] == pytest.approx([0.9, 0.6 + 0.1 / 2])


def test_teacher_shares_among_equally_good_actions():
    process = families.number_line(
        4, 1
    )  # two steps away and one step left: format and executability are all there is to get
    policy = imperfect_policy(process, 0.5, {})
    far = process.node_ids.index("1to3")
    assert policy.pair_probability[process.pair_node == far] == pytest.approx(
        [0.5, 0.5]
    )  # scaled: no action is left for the other half


@pytest.mark.parametrize(
    ("right", "fixed", "message"),
    [
        (0.6, {"fly": 0.1}, "no action 'fly'"),
        (0.9, {"unparsed": 0.1}, "leave something"),
        (0.0, {}, r"\(0, 1\)"),
        (0.5, {"unparsed": -0.1}, r"\(0, 1\)"),
    ],
)
def test_teacher_refuses(environment, right, fixed, message):
    with pytest.raises(InputError, match=message):
        imperfect_policy(environment.twin, right, fixed)


def test_demonstrations_are_what_the_teacher_does(environment):
    """Twice: the texts, played back, give decisions with the teacher's frequencies; and item i does not depend on what
    was asked before.
    """
    twin = environment.twin
    policy = imperfect_policy(twin, 0.7, {"unparsed": 0.1})
    data = Demonstrations(environment, policy, 3, 1500)
    right, unparsed, total = 0, 0, 0
    for item in range(len(data)):
        for decision in data[item]:
            text = decision.text
            assert decision.messages[0]["content"][0]["type"] == "image"
            total += 1
            unparsed += ('"action": "-"' not in text and '"action": "+"' not in text) or '"or"' in text
    firsts = [data[item][0].text for item in range(len(data))]
    starts = [
        np.random.default_rng([3, item]).choice(twin.n_prompts, p=twin.prompt_probability) for item in range(len(data))
    ]
    for prompt, text in zip(starts, firsts, strict=True):
        episode = environment.start(int(prompt), np.random.default_rng(0))
        sign = "+1" if episode.target > episode.current else "-1"
        episode.act(text)
        right += episode.decisions[0].action == sign
    assert abs(right / len(data) - 0.7) < 5 * np.sqrt(0.7 * 0.3 / len(data))
    assert abs(unparsed / total - 0.1) < 5 * np.sqrt(0.1 * 0.9 / total)
    assert [decision.text for decision in data[9]] == [
        decision.text for decision in Demonstrations(environment, policy, 3, 10)[9]
    ]
    assert max(len(data[item]) for item in range(50)) == 2


def test_labels_are_the_written_tokens_and_the_end(grafted, environment):
    """Loss of a padded batch against each text alone, token by token from plain logits."""
    loaded = load(grafted)
    collator = Collator(loaded.processor)
    decisions = [
        Demonstration(question(c), 0, text) for c, text in (("red", "Up."), ("blue", '{"action": "-"}'), ("green", ""))
    ]
    batch = collator([decisions[:2], decisions[2:]])
    assert batch["logits_to_keep"] == len('{"action": "-"}') + 2
    total, count = 0.0, 0
    with torch.no_grad():
        loss = loaded.model(**batch).loss
        for decision in decisions:
            prompt = encode(loaded, decision.messages)
            written = [
                *loaded.tokenizer(decision.text, add_special_tokens=False)["input_ids"],
                loaded.tokenizer.eos_token_id,
            ]
            ids = torch.cat([prompt["input_ids"], torch.tensor([written])], dim=1)
            logits = (
                loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=prompt["pixel_values"])
                .logits[0]
                .double()
            )
            for place, token in enumerate(written):
                total -= float(logits[len(prompt["input_ids"][0]) + place - 1].log_softmax(-1)[token])
                count += 1
    assert float(loss) == pytest.approx(total / count, rel=1e-5)


def test_tower_learns_nodes_from_the_newest_image(grafted, environment):
    loaded = load(grafted)
    old, new = question("red"), question("blue")
    batch = SightCollator(loaded.processor)(
        [[Demonstration([*old, *QUESTION, *new], 3, "a")], [Demonstration(old, 1, "b"), Demonstration(new, 3, "")]]
    )
    assert batch["labels"].tolist() == [3, 1, 3]
    assert torch.equal(batch["pixel_values"][0], batch["pixel_values"][2]) and not torch.equal(
        batch["pixel_values"][0], batch["pixel_values"][1]
    )
    with pytest.raises(InputError, match="without an image"):
        SightCollator(loaded.processor)([[Demonstration(QUESTION, 0, "a")]])
    data = Demonstrations(environment, imperfect_policy(environment.twin, 0.7, {"unparsed": 0.1}), 0, 40)
    decisions = [decision for item in range(40) for decision in data[item]]
    pictures = {decision.node: decision.messages[0]["content"][0]["image"].tobytes() for decision in decisions}
    assert all(
        decision.messages[0]["content"][0]["image"].tobytes() == pictures[decision.node] for decision in decisions
    )
    assert {environment.twin.node_ids[decision.node] for decision in (data[item][0] for item in range(40))} <= set(
        environment.twin.prompt_names
    )


def test_tower_learns_to_tell_starts_apart(grafted, tmp_path):
    """The closest two pictures of different nodes, relative to the spread of all, by the tower's mean patch: further
    apart than before.
    """
    environment = NumberLine(size=4, max_steps=1, max_distance=1, pixels=32)
    images = [
        environment.start(q, np.random.default_rng(0)).messages[0]["content"][0]["image"]
        for q in range(environment.twin.n_prompts)
    ]

    def separation(folder):
        loaded = load(folder)
        pixels = loaded.processor.image_processor(images, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            features = loaded.model.model.vision_tower(pixels).last_hidden_state[:, 1:].mean(dim=1)
        return float(torch.pdist(features).min() / features.norm(dim=1).mean())

    trained = train(grafted, environment, tmp_path, steps=1, batch_size=8, sight_steps=100)
    assert separation(trained) > 5 * separation(grafted)


def train(source, environment, folder, seed=0, **settings):
    policy = imperfect_policy(environment.twin, 0.7, {"unparsed": 0.1})
    return warm_start(
        load(source),
        environment,
        policy,
        generator=np.random.default_rng(seed),
        folder=folder,
        settings=WarmStart(**{"sight_steps": 1, **settings}),
    )


def likelihood(folder, environment):
    """Mean log-likelihood per token of fresh demonstrations."""
    loaded = load(folder)
    data = Demonstrations(environment, imperfect_policy(environment.twin, 0.7, {"unparsed": 0.1}), 99, 24)
    with torch.no_grad():
        return -float(loaded.model(**Collator(loaded.processor)([data[item] for item in range(24)])).loss)


def test_warm_start_learns_and_changes_only_what_it_says(grafted, environment, tmp_path):
    trained = train(
        grafted, environment, tmp_path, steps=30, batch_size=8, learning_rate=5e-3, save_every=30, rank=4, sight_steps=5
    )
    assert likelihood(trained, environment) > likelihood(grafted, environment) + 0.5
    before, after = (load(folder).model.state_dict() for folder in (grafted, trained))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(
        "vision_tower" in name or "projector" in name or ".q_proj." in name or ".v_proj." in name for name in changed
    )
    for part in (
        "vision_tower",
        "projector",
        "language_model.layers.0.self_attn.q_proj",
        "language_model.layers.1.self_attn.v_proj",
    ):
        assert any(part in name for name in changed), part


def test_interrupted_training_ends_with_the_same_bits(grafted, environment, tmp_path):
    settings = {"steps": 4, "batch_size": 2, "save_every": 2}
    whole = train(grafted, environment, tmp_path / "whole", **settings)
    again = train(grafted, environment, tmp_path / "again", **settings)
    other = train(grafted, environment, tmp_path / "other", seed=1, **settings)
    drawn = Demonstrations.__getitem__
    seen = []

    def counted(self, item):
        seen.append(item)
        if len(seen) == 2 + 7:
            raise KeyboardInterrupt  # killed after the first checkpoint
        return drawn(self, item)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Demonstrations, "__getitem__", counted)
        with pytest.raises(KeyboardInterrupt):
            train(grafted, environment, tmp_path / "cut", **settings)
        assert (
            not (tmp_path / "cut" / "model.safetensors").exists()
            and (tmp_path / "cut" / "checkpoints" / "checkpoint-2").is_dir()
        )
        resumed = train(grafted, environment, tmp_path / "cut", **settings)
    assert len(seen) == 2 + 7 + 2 + 4  # the tower's step, again, and two steps of two episodes that were left
    weights = {
        name: load(folder).model.state_dict()
        for name, folder in (("whole", whole), ("again", again), ("other", other), ("cut", resumed))
    }
    for name in ("again", "cut"):
        assert all(torch.equal(weights["whole"][key], weights[name][key]) for key in weights["whole"]), name
    assert any(not torch.equal(weights["whole"][key], weights["other"][key]) for key in weights["whole"])
    with pytest.raises(InputError, match="checkpoints of a run with another seed"):
        train(grafted, environment, tmp_path / "cut", seed=1, **settings)


def test_warm_start_refuses(grafted, environment, tmp_path):
    stranger = TabularSoftmax(families.number_line(5))
    with pytest.raises(InputError):
        warm_start(load(grafted), environment, stranger, np.random.default_rng(0), tmp_path)
    for name in ("steps", "batch_size", "save_every", "rank", "sight_steps"):
        with pytest.raises(InputError, match=f"{name}: must be an integer of at least 1"):
            WarmStart(**{name: 0})
    with pytest.raises(InputError, match="learning_rate"):
        WarmStart(learning_rate=0.0)
    with_adapter = load(grafted)
    from tamdp_theory.lvlm.loading import with_lora

    with pytest.raises(InputError, match="has an adapter already"):
        warm_start(
            with_lora(with_adapter), environment, TabularSoftmax(environment.twin), np.random.default_rng(0), tmp_path
        )
