"""Log-probabilities and scores of tiny models, each number a second way: generation's own logits, finite differences,
exact enumeration.
"""

import re
from types import MethodType

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch
from PIL import Image
from transformers import GenerationConfig

from experiments.demo_model.tiny import tiny_llava, tiny_qwen3_vl
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.loading import load, with_lora
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.scores import evaluating, log_probabilities, scores
from tamdp_theory.lvlm.sequences import Sequence, batches, collate

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


BUILDERS = {"llava": tiny_llava, "qwen": tiny_qwen3_vl}


TEMPERATURE = 0.7


def moved(loaded, seed: int = 0):
    """LoRA with B away from zero, so that both halves have a gradient."""
    loaded = with_lora(loaded, rank=2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trained(loaded.model):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return loaded


def trained(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def prompt(loaded, colour: str, text: str, images: int = 1):
    content = [{"type": "image", "image": Image.new("RGB", (32, 32), colour)} for _ in range(images)] + [
        {"type": "text", "text": text}
    ]
    messages = [{"role": "user", "content": content}]
    return dict(
        loaded.processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    )


def followed(context, tokens, own=None) -> Sequence:
    """A context with tokens after it, all written by the policy unless ``own`` says otherwise."""
    length = context["input_ids"].shape[1]
    inputs = {
        name: torch.nn.functional.pad(v, (0, len(tokens)), value=int(name == "attention_mask"))
        if v.ndim == 2 and v.shape[1] == length
        else v
        for name, v in context.items()
    }
    inputs["input_ids"] = torch.cat([context["input_ids"], torch.tensor([list(tokens)])], dim=1)
    return Sequence(inputs, torch.tensor([False] * length + list([True] * len(tokens) if own is None else own)))


def mixed(loaded) -> list[Sequence]:
    """Prompts of several lengths and images, completions of several lengths, one with a tool's words in between."""
    rng = np.random.default_rng(0)
    out = []
    for k, (colour, images) in enumerate([("red", 1), ("blue", 2), ("green", 1), ("white", 1), ("red", 1)]):
        out.append(
            followed(prompt(loaded, colour, "x" * (3 * k), images), rng.integers(0, 250, size=2 + 2 * k).tolist())
        )
    out.append(
        followed(
            prompt(loaded, "black", "tools"),
            rng.integers(0, 250, size=9).tolist(),
            [True] * 3 + [False] * 4 + [True] * 2,
        )
    )
    return out


@pytest.fixture(scope="module", params=list(BUILDERS))
def folder(request, tmp_path_factory):
    return BUILDERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def exact(folder):
    """The model in float64 with LoRA; its norms too, which transformers computes in float32 whatever the model's
    format.
    """
    loaded = moved(load(folder, device="cpu", dtype="float64"))
    for module in loaded.model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = MethodType(
                lambda self, x: (
                    self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)
                ),
                module,
            )
    return loaded


def test_teacher_forcing_gives_what_generation_sampled_from(folder):
    """The same numbers from the key-value cache, left padding and transformers' own logits processors."""
    loaded = moved(load(folder, device="cpu"))
    contexts = [
        prompt(loaded, colour, text)
        for colour, text in (("red", "a"), ("blue", "quite a bit longer"), ("green", "so so"))
    ]
    suppressed = [*loaded.image_tokens, *range(100, 256)]
    config = GenerationConfig(
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=0,
        top_p=1.0,
        max_new_tokens=12,
        suppress_tokens=suppressed,
        eos_token_id=None,
        pad_token_id=257,
        output_scores=True,
        return_dict_in_generate=True,
    )
    torch.manual_seed(0)
    output = loaded.base.generate(**collate(contexts, 257, "left"), generation_config=config)
    written = output.sequences[:, -12:]
    steps = torch.stack(output.scores, dim=1).log_softmax(-1).gather(-1, written[..., None])[..., 0]
    sequences = [followed(context, tokens) for context, tokens in zip(contexts, written.tolist(), strict=True)]
    found = log_probabilities(loaded.model, sequences, TEMPERATURE, suppressed)
    np.testing.assert_allclose(found, steps.sum(dim=1).double().numpy(), atol=2e-4)


def test_by_hand(exact):
    """Whole forward pass of every sequence alone, one token after the other."""
    banned = [*exact.image_tokens, 7]
    sequences = [s for s in mixed(exact) if not set(s.inputs["input_ids"][0, s.generated].tolist()) & set(banned)]
    assert len(sequences) >= 4
    expected = []
    for sequence in sequences:
        with torch.no_grad():
            logits = (
                exact.model(
                    **{k: v.double() if v.is_floating_point() else v for k, v in sequence.inputs.items()}
                ).logits[0]
                / TEMPERATURE
            )
        total = 0.0
        for place in sequence.generated.nonzero().flatten().tolist():
            weight = logits[place - 1].exp()
            weight[banned] = 0
            total += float((weight[sequence.inputs["input_ids"][0, place]] / weight.sum()).log())
        expected.append(total)
    np.testing.assert_allclose(log_probabilities(exact.model, sequences, TEMPERATURE, banned), expected, atol=1e-9)


@pytest.mark.parametrize("method", ["loop", "batched"])
def test_scores_are_finite_differences(exact, method):
    sequences = mixed(exact)
    generator = torch.Generator().manual_seed(1)
    direction = [
        torch.randn(parameter.shape, generator=generator, dtype=torch.float64) for parameter in trained(exact.model)
    ]
    values = []
    step = 1e-5
    for sign in (1, -2, 1):  # there, across, back
        with torch.no_grad():
            for parameter, part in zip(trained(exact.model), direction, strict=True):
                parameter.add_(part, alpha=sign * step)
        values.append(log_probabilities(exact.model, sequences, TEMPERATURE, exact.image_tokens))
    value, rows = scores(exact.model, sequences, TEMPERATURE, exact.image_tokens, method=method)
    np.testing.assert_allclose(
        rows @ torch.cat([part.flatten() for part in direction]).numpy(),
        (values[0] - values[1]) / (2 * step),
        rtol=1e-6,
        atol=1e-6,
    )
    np.testing.assert_allclose(value, values[2], rtol=1e-12)
    assert (abs(rows).sum(axis=1) > 1).all()


def test_the_coordinates_are_the_parameters_in_order(exact):
    """One parameter nudged moves the log-probability by its own coordinate."""
    sequence = mixed(exact)[1]
    _, rows = scores(exact.model, [sequence])
    before = log_probabilities(exact.model, [sequence])[0]
    offset = 0
    for parameter in trained(exact.model):
        place = parameter.numel() // 3
        with torch.no_grad():
            parameter.view(-1)[place] += 1e-6
        slope = (log_probabilities(exact.model, [sequence])[0] - before) / 1e-6
        with torch.no_grad():
            parameter.view(-1)[place] -= 1e-6
        assert slope == pytest.approx(rows[0, offset + place], rel=1e-3, abs=1e-4)
        offset += parameter.numel()
    assert offset == rows.shape[1]


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_loop_and_batched_agree(exact, batch_size):
    loop = scores(exact.model, mixed(exact), TEMPERATURE, exact.image_tokens, batch_size, method="loop")
    batched = scores(exact.model, mixed(exact), TEMPERATURE, exact.image_tokens, batch_size, method="batched")
    np.testing.assert_allclose(batched[0], loop[0], atol=1e-10)
    np.testing.assert_allclose(batched[1], loop[1], atol=1e-9)


def test_loop_and_batched_agree_on_other_linear_layers(folder):
    """The head and biased layers of the language model, without peft."""
    model = load(folder, device="cpu", dtype="float64")
    for name, module in model.model.named_modules():
        if "language_model" in name and name.endswith("down_proj"):
            module.bias = torch.nn.Parameter(torch.zeros(module.out_features, dtype=torch.float64))
    for name, parameter in model.model.named_parameters():
        parameter.requires_grad_("lm_head" in name or ("language_model" in name and "mlp" in name))
    loop, batched = (scores(model.model, mixed(model)[:3], method=method)[1] for method in ("loop", "batched"))
    np.testing.assert_allclose(batched, loop, atol=1e-9)


@pytest.mark.parametrize("part", ["vision_tower|visual", r"(vision_tower|visual).*(fc1|fc2)\.", "embed_tokens", "norm"])
def test_auto_takes_the_loop_where_batched_does_not_hold(folder, part):
    loaded = load(folder, device="cpu", dtype="float64")
    for name, parameter in loaded.model.named_parameters():
        parameter.requires_grad_(re.search(part, name) is not None)
    sequences = mixed(loaded)[:2]
    with pytest.raises(InputError, match="batched needs"):
        scores(loaded.model, sequences, method="batched")
    np.testing.assert_array_equal(scores(loaded.model, sequences)[1], scores(loaded.model, sequences, method="loop")[1])


def test_one_token_completions_sum_to_one_and_scores_to_zero(exact):
    context = prompt(exact, "red", "go")
    tokens = [token for token in range(len(exact.tokenizer)) if token not in exact.image_tokens]
    value, rows = scores(
        exact.model, [followed(context, [token]) for token in tokens], TEMPERATURE, exact.image_tokens, batch_size=64
    )
    assert np.exp(value).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.exp(value) @ rows, 0, atol=1e-10)
    assert abs(rows).max() > 0.1


def test_two_token_completions_of_a_micro_vocabulary(exact):
    """The law truncated at two tokens: an end token ends it, a cut completion has no factor for one."""
    context, end = prompt(exact, "red", "go"), exact.end_tokens[0]
    kept = [end, 65, 66, 67]
    suppressed = [token for token in range(len(exact.tokenizer)) if token not in kept]
    completions = [[end]] + [[first, second] for first in kept[1:] for second in kept]
    value, rows = scores(exact.model, [followed(context, tokens) for tokens in completions], TEMPERATURE, suppressed)
    assert np.exp(value).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.exp(value) @ rows, 0, atol=1e-10)


def test_padding_and_company_change_nothing(folder):
    loaded = moved(load(folder, device="cpu"))
    sequences = mixed(loaded)
    alone = log_probabilities(loaded.model, sequences, batch_size=1)
    np.testing.assert_allclose(log_probabilities(loaded.model, sequences, batch_size=6), alone, atol=1e-4)
    order = [3, 1, 5, 0, 4, 2]
    np.testing.assert_allclose(
        log_probabilities(loaded.model, [sequences[k] for k in order], batch_size=4), alone[order], atol=1e-4
    )


def test_padding_and_company_change_nothing_in_float64(exact):
    sequences = mixed(exact)
    alone = log_probabilities(exact.model, sequences, batch_size=1)
    np.testing.assert_allclose(log_probabilities(exact.model, sequences[::-1], batch_size=6)[::-1], alone, atol=1e-10)


def test_another_image_another_probability(exact):
    values = log_probabilities(
        exact.model, [followed(prompt(exact, colour, "same"), [80, 81, 82]) for colour in ("red", "blue")]
    )
    assert abs(values[0] - values[1]) > 1e-3


def test_projected_scores_are_scores_projected(exact):
    sequences = mixed(exact)
    projection = Projection(64, seed=5)
    plain = scores(exact.model, sequences)[1]
    for method in ("loop", "batched"):
        np.testing.assert_allclose(
            scores(exact.model, sequences, method=method, projection=projection)[1], projection(plain), atol=1e-9
        )


def test_model_and_random_state_stay_as_they_were(folder):
    """Dropout is off inside, on again outside; no gradient is left."""
    from peft import LoraConfig, get_peft_model

    base = load(folder, device="cpu")
    plain = scores(moved(load(folder, device="cpu")).model, mixed(base))
    model = get_peft_model(
        base.model, LoraConfig(r=2, lora_alpha=4, lora_dropout=0.5, target_modules=r".*language_model.*(q_proj|v_proj)")
    )
    with torch.no_grad():
        for parameter, value in zip(trained(model), trained(moved(load(folder, device="cpu")).model), strict=True):
            parameter.copy_(value)
    model.train()
    frozen = next(module for module in model.modules() if isinstance(module, torch.nn.Linear))
    frozen.eval()
    before = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    found = scores(model, mixed(base))
    assert before == [module.training for module in model.modules()] and not all(before)
    assert torch.equal(state, torch.get_rng_state()) and all(parameter.grad is None for parameter in model.parameters())
    np.testing.assert_allclose(found[0], plain[0], atol=1e-4)
    np.testing.assert_allclose(found[1], plain[1], atol=1e-3)
    with pytest.raises(ZeroDivisionError), evaluating(model):
        raise ZeroDivisionError
    assert before == [module.training for module in model.modules()]


def test_bad_arguments(exact):
    sequences = mixed(exact)
    token = int(sequences[2].inputs["input_ids"][0, -1])
    with pytest.raises(InputError, match=rf"sequences\[2\]: .*suppressed token {token}"):
        log_probabilities(exact.model, sequences[:3], suppressed=[token])
    for temperature in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="temperature"):
            log_probabilities(exact.model, sequences, temperature)
    with pytest.raises(InputError, match="token 100000 is not in the vocabulary"):
        scores(exact.model, sequences, suppressed=[100000])
    with pytest.raises(InputError, match="batch_size"):
        log_probabilities(exact.model, sequences, batch_size=0)


def test_a_frozen_model_has_no_score(folder):
    loaded = load(folder, device="cpu")
    with pytest.raises(InputError, match="no parameter is trainable"):
        scores(loaded.model, mixed(loaded))


@pytest.mark.parametrize("call", [log_probabilities, scores])
def test_nan_names_the_sequence(folder, call):
    loaded = moved(load(folder, device="cpu"))
    with torch.no_grad():
        loaded.base.get_input_embeddings().weight[200] = torch.nan
    context = prompt(loaded, "red", "go")
    with pytest.raises(InputError, match=r"sequences\[1\]: log-probability is nan: the model's logits"):
        call(loaded.model, [followed(context, [80, 81]), followed(context, [200, 80])], batch_size=1)


def test_bad_sequences():
    ids = torch.arange(4)[None]
    late = torch.tensor([False, False, True, True])
    assert Sequence({"input_ids": ids}, late).length == 4
    for inputs, generated, words in (
        ({}, late, "input_ids"),
        ({"input_ids": ids.repeat(2, 1)}, late, "one sequence at a time"),
        ({"input_ids": ids[0]}, late, "input_ids"),
        ({"input_ids": ids[:, :0]}, late[:0], "input_ids"),
        ({"input_ids": ids, "mm_token_type_ids": ids[:, :3]}, late, "mm_token_type_ids"),
        ({"input_ids": ids, "attention_mask": torch.tensor([[0, 1, 1, 1]])}, late, "strip the padding"),
        ({"input_ids": ids}, late[:3], "generated"),
        ({"input_ids": ids}, late.long(), "generated"),
        ({"input_ids": ids}, torch.tensor([True, False, False, True]), "no context"),
    ):
        with pytest.raises(InputError, match=words):
            Sequence(inputs, generated)


def test_batches_join_like_with_like():
    def item(length: int, **more: torch.Tensor):
        return {"input_ids": torch.ones(1, length, dtype=torch.long), **more}

    images = [torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 4, 4)]
    items = [
        item(3),
        item(5, pixel_values=images[0]),
        item(4),
        item(2, pixel_values=images[1]),
        item(2, pixel_values=images[2]),
        item(9),
    ]
    assert batches(items, 2) == [[0, 2], [5], [1, 3], [4]]
    joined = collate([items[1], items[3]], 9, "left")
    assert joined["pixel_values"].shape == (3, 3, 8, 8)
    assert joined["input_ids"].tolist() == [[1] * 5, [9, 9, 9, 1, 1]] and joined["attention_mask"].tolist() == [
        [1] * 5,
        [0, 0, 0, 1, 1],
    ]
    assert collate([items[1], items[3]], 9, "right")["input_ids"][1].tolist() == [1, 1, 9, 9, 9]
