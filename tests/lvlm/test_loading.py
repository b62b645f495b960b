"""Loading: what comes back, and one clear line for everything that is not a vision-language model."""

import json
import shutil
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, LlamaConfig, LlamaForCausalLM

from experiments.demo_model.tiny import tiny_llava, tiny_qwen3_vl
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm import extra
from tamdp_theory.lvlm.loading import load, with_adapter, with_lora

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return tiny_qwen3_vl(tmp_path_factory.mktemp("qwen"))


@pytest.fixture
def copy(llava, tmp_path):
    return shutil.copytree(llava, tmp_path / "copy")


def refused(call, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    for word in words:
        assert word in message


def test_a_loaded_model_is_frozen_in_evaluation_mode(llava):
    loaded = load(llava, device="cpu", dtype="float64")
    assert not loaded.model.training and not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {
        torch.float64
    } and loaded.device == torch.device("cpu")
    assert load(llava).model.dtype == torch.float32


def test_image_tokens_are_known(llava, qwen):
    for folder, names in (
        (llava, {"<image>"}),
        (qwen, {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"}),
    ):
        loaded = load(folder)
        assert set(loaded.tokenizer.convert_ids_to_tokens(list(loaded.image_tokens))) == names


def test_end_tokens_may_be_several(llava):
    loaded = load(llava)
    loaded.model.generation_config.eos_token_id = [3, 5]
    assert loaded.end_tokens == (3, 5)
    loaded.model.generation_config.eos_token_id = None
    assert loaded.end_tokens == (loaded.tokenizer.eos_token_id,)


@pytest.mark.parametrize("which", ["llava", "qwen"])
def test_lora_is_on_the_language_models_q_and_v_alone(which, request):
    loaded = with_lora(load(request.getfixturevalue(which)), rank=3, seed=0)
    names = [name for name, parameter in loaded.model.named_parameters() if parameter.requires_grad]
    assert len(names) == 2 * 2 * 2  # layers, projections, halves
    assert all("language_model" in name and ("q_proj" in name or "v_proj" in name) for name in names)
    assert not loaded.model.training


def test_lora_starts_at_the_same_policy_and_its_seed_fixes_it(llava):
    def parameters(seed: int) -> list[torch.Tensor]:
        state = torch.get_rng_state()
        loaded = with_lora(load(llava), rank=2, seed=seed)
        assert torch.equal(state, torch.get_rng_state())
        return [parameter.detach() for parameter in loaded.model.parameters() if parameter.requires_grad]

    first, again, other = parameters(1), parameters(1), parameters(2)
    assert all(map(torch.equal, first, again)) and not all(map(torch.equal, first, other))
    assert [bool((half == 0).all()) for half in first] == [False, True] * 4
    ids = torch.arange(5)[None]
    assert torch.equal(load(llava).model(input_ids=ids).logits, with_lora(load(llava)).model(input_ids=ids).logits)


def test_an_adapter_comes_back_from_its_folder(llava, tmp_path):
    loaded = with_lora(load(llava), rank=2, seed=3)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    loaded.model.save_pretrained(tmp_path / "adapter")
    again = with_adapter(load(llava), tmp_path / "adapter")
    ids = torch.arange(5)[None]
    assert torch.equal(loaded.model(input_ids=ids).logits, again.model(input_ids=ids).logits)
    assert sum(parameter.requires_grad for parameter in again.model.parameters()) == 8


def test_bad_adapters(llava, tmp_path):
    refused(lambda: with_lora(load(llava), rank=0), "rank")
    refused(lambda: with_lora(load(llava), rank=True), "rank")
    refused(lambda: with_lora(load(llava), target="no_such_layer"), "target", "no_such_layer")
    refused(lambda: with_lora(with_lora(load(llava))), "adapter already")
    refused(lambda: with_adapter(load(llava), tmp_path), "adapter_config.json")
    with_lora(load(llava)).model.save_pretrained(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    refused(lambda: with_adapter(load(llava), tmp_path), "adapter_model.safetensors")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"not weights")
    refused(lambda: with_adapter(load(llava), tmp_path), "adapter does not fit")


def test_paths_that_are_no_model(tmp_path, monkeypatch):
    refused(lambda: load(tmp_path / "missing"), "no such folder", "missing")
    refused(lambda: load(tmp_path), "config.json")
    (tmp_path / "file").write_text("x")
    refused(lambda: load(tmp_path / "file"), "no such folder")
    (tmp_path / "config.json").write_text("{")
    refused(lambda: load(tmp_path), "no configuration")
    refused(lambda: load("llava-typo"), "no such folder", "owner/name")  # without asking the hub
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(lambda: load("nobody/no-such-model"), "no configuration", "hub id")


def test_a_text_model_is_refused(tmp_path):
    config = LlamaConfig(vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    refused(lambda: load(tmp_path), "'llama'", "vision-language")


def test_a_model_that_sees_but_does_not_write_is_refused(tmp_path):
    CLIPConfig().save_pretrained(tmp_path)
    refused(lambda: load(tmp_path), "'clip'", "vision-language")


def test_a_lost_image_processor_is_seen(copy):
    (copy / "processor_config.json").unlink()
    refused(lambda: load(copy), "image processor")


def test_a_bare_tokenizer_is_seen(copy, monkeypatch):
    tokenizer = load(copy).tokenizer
    for bare in (tokenizer, SimpleNamespace(tokenizer=tokenizer, chat_template="x")):
        monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", lambda source, bare=bare: bare)
        refused(lambda: load(copy), "bare", type(bare).__name__, "images would be lost")


def test_a_missing_chat_template_is_seen(copy):
    (copy / "chat_template.jinja").unlink()
    refused(lambda: load(copy), "no chat template")


def test_weights_that_do_not_load(copy):
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    refused(lambda: load(copy), "safetensors")  # pickles are not opened
    (copy / "model.safetensors").write_bytes(b"not weights")
    refused(lambda: load(copy), "weights do not load")


def test_missing_weights_are_not_made_up(copy):
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in sorted(weights) if "k_proj" in name)
    del weights[name]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: load(copy), "lack 1", "k_proj")


def test_weights_of_another_shape(copy):
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["hidden_size"] = 32
    (copy / "config.json").write_text(json.dumps(config))
    refused(lambda: load(copy), "weights do not load")


def test_devices_and_dtypes(llava):
    refused(lambda: load(llava, device="abacus"), "device", "abacus")
    if not torch.cuda.is_available():
        refused(lambda: load(llava, device="cuda"), "device", "cuda")
    refused(lambda: load(llava, dtype="float7"), "dtype", "float7", "bfloat16")


def test_a_missing_extra_names_the_command(monkeypatch):
    extra.require()
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "peft" else object())
    refused(extra.require, "peft", 'pip install "tamdp-theory[lvlm]"')
    extra.require(("transformers",))
