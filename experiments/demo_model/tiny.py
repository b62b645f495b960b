"""Complete vision-language models of a few hundred kilobytes with random weights: real architectures for tests and dry
runs.

A folder holds weights, configuration, a byte-level tokenizer (every text can be written), an image processor that needs
pillow alone, and a chat template, and loads back with ``load``. The weights are drawn wide enough that different images
and contexts give clearly different answers.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from tamdp_theory.lvlm.processors import ImageOnlyQwen3VLProcessor, register_processors

IMAGE_SIDE = 32
CONTEXT = 4096
SPREAD = 0.15  # standard deviation of the weights; the usual 0.02 leaves tiny models indifferent to what they see

CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for block in message.content %}
            {%- if block.type == 'image' %}
                {{- '<image>' }}
            {%- elif 'text' in block %}
                {{- block.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def tiny_llava(folder: str | Path, seed: int = 0) -> Path:
    """Write a LLaVA (CLIP tower, Llama) of about 0.2 million parameters and return its folder. Images become 32 x 32,
    16 tokens each.
    """
    tokenizer = _tokenizer("<image>")
    token = tokenizer.convert_tokens_to_ids
    image_processor = CLIPImageProcessorPil(
        size={"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        crop_size={"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        do_center_crop=False,
    )
    processor = LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=IMAGE_SIDE,
            patch_size=8,
            initializer_range=SPREAD,
            initializer_factor=5.0,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            initializer_range=SPREAD,
            **_special_ids(tokenizer),
        ),
        image_token_index=token("<image>"),
        image_seq_length=(IMAGE_SIDE // 8) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    return _write(folder, LlavaForConditionalGeneration, config, processor, seed)


def tiny_qwen3_vl(folder: str | Path, seed: int = 0) -> Path:
    """Write a Qwen3-VL of about 0.25 million parameters, chat template with tools, and return its folder. Images of 32
    x 32 take 4 tokens each.
    """
    tokenizer = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    token = tokenizer.convert_tokens_to_ids
    template = files("trl").joinpath("chat_templates/qwen3_vl.jinja").read_text(encoding="utf-8")
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=8,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": IMAGE_SIDE**2, "longest_edge": 4 * IMAGE_SIDE**2},
    )
    processor = ImageOnlyQwen3VLProcessor(image_processor, tokenizer, chat_template=template)
    config = Qwen3VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 8,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "initializer_range": SPREAD,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": CONTEXT,
            "initializer_range": SPREAD,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
            **_special_ids(tokenizer),
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    register_processors()
    return _write(folder, Qwen3VLForConditionalGeneration, config, processor, seed)


def _tokenizer(*vision: str) -> Any:
    """One token per byte, and the special ones."""
    vocabulary = {symbol: place for place, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", *vision],
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    return tokenizer


def _special_ids(tokenizer: Any) -> dict[str, int | None]:
    return {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}


def _write(folder: str | Path, model_class: Any, config: Any, processor: Any, seed: int) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)
