"""A question with a picture, as tokens."""

import pytest

pytest.importorskip("transformers")
from PIL import Image

QUESTION = [{"role": "user", "content": [{"type": "text", "text": "Which way?"}]}]


def question(colour):
    image = {"type": "image", "image": Image.new("RGB", (40, 40), colour)}
    return [{"role": "user", "content": [image, *QUESTION[0]["content"]]}]


def encode(loaded, messages):
    return loaded.processor.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
