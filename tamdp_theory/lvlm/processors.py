"""A processor for Qwen3-VL where torchvision is missing: images, no videos."""

from typing import Any, ClassVar

from transformers import AutoProcessor, ProcessorMixin, Qwen3VLConfig


class ImageOnlyQwen3VLProcessor(ProcessorMixin):  # type: ignore[misc]
    """Qwen3-VL's processor without its video slot, which needs torchvision; image placeholders grow to one token per
    merged patch.
    """

    return_mm_token_type_ids = True
    text_kwargs: ClassVar[dict[str, bool]] = {"return_token_type_ids": False}

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ) -> None:
        self.image_token = "<|image_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """Text that stands for one image."""
        return str(
            self.image_token
            * int(image_inputs["image_grid_thw"][image_idx].prod() // self.image_processor.merge_size**2)
        )

    @property
    def model_input_names(self) -> list[str]:
        """Names of what the model takes."""
        return [*super().model_input_names, "mm_token_type_ids"]


def register_processors() -> None:
    """Make AutoProcessor find ``ImageOnlyQwen3VLProcessor`` by its name; without, it would give the bare tokenizer."""
    AutoProcessor.register(Qwen3VLConfig, ImageOnlyQwen3VLProcessor, exist_ok=True)
