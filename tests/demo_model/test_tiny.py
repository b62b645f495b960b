"""The tiny models: complete folders that load back, write any text and see their images."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")
import torch
from PIL import Image

from experiments.demo_model.tiny import tiny_llava, tiny_qwen3_vl
from tamdp_theory.lvlm.loading import load

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]
BUILDERS = {"llava": tiny_llava, "qwen": tiny_qwen3_vl}
TOKENS = {"llava": 16, "qwen": 4}  # per image of 32 x 32


def see(colour: str, size: tuple[int, int] = (32, 32)) -> dict[str, object]:
    return {"type": "image", "image": Image.new("RGB", size, colour)}


def say(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def encode(processor, messages):
    return processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


@pytest.fixture(scope="module", params=list(BUILDERS))
def kind(request, tmp_path_factory):
    return request.param, load(BUILDERS[request.param](tmp_path_factory.mktemp(request.param)), device="cpu")


def test_every_ascii_text_can_be_written(kind):
    tokenizer = kind[1].tokenizer
    text = "".join(map(chr, range(128)))
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == 128 and tokenizer.decode(ids) == text


def test_tokenizer_and_model_agree(kind):
    _, loaded = kind
    assert len(loaded.tokenizer) == loaded.model.config.get_text_config().vocab_size
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) < 300_000
    assert loaded.end_tokens == (loaded.tokenizer.convert_tokens_to_ids("<|im_end|>"),) and loaded.context == 4096


def test_the_seed_fixes_the_weights_and_leaves_torch_alone(kind, tmp_path):
    name, _ = kind
    state = torch.get_rng_state()
    written = [
        (BUILDERS[name](tmp_path / str(k), seed=seed) / "model.safetensors").read_bytes()
        for k, seed in enumerate((1, 1, 2))
    ]
    assert written[0] == written[1] != written[2]
    assert torch.equal(state, torch.get_rng_state())


def test_another_image_gives_another_law(kind):
    _, loaded = kind
    laws = []
    for colour in ("red", "blue"):
        with torch.no_grad():
            logits = loaded.model(
                **encode(loaded.processor, [{"role": "user", "content": [see(colour), say("which colour?")]}])
            ).logits
        laws.append(logits[0, -1].softmax(-1))
    assert (laws[0] - laws[1]).abs().sum() > 0.05


def test_template_takes_turns_tools_and_several_images(kind):
    name, loaded = kind
    messages = [
        {"role": "user", "content": [see("red"), say("first"), see("green")]},
        {"role": "assistant", "content": [say("call")]},
        {"role": "tool", "content": [say("result"), see("blue")]},
    ]
    inputs = encode(loaded.processor, messages)
    text = loaded.tokenizer.decode(inputs["input_ids"][0])
    assert int((inputs["input_ids"] == loaded.model.config.image_token_id).sum()) == 3 * TOKENS[name]
    assert (
        text.index("first")
        < text.index("call")
        < text.index("result")
        < text.index("<|im_start|>assistant\n", text.index("result"))
    )
    with torch.no_grad():
        assert torch.isfinite(loaded.model(**inputs).logits).all()


def test_path_comes_back(tmp_path):
    assert tiny_llava(str(tmp_path)) == Path(tmp_path)
