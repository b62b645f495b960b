"""Loading a vision-language model with its processor, and putting LoRA on it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tamdp_theory.errors import InputError, one_line, quote
from tamdp_theory.guards import check_integer
from tamdp_theory.lvlm.extra import require

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LANGUAGE_Q_V = r".*\blanguage_model\..*\b(q_proj|v_proj)"
"""The query and value projections of the language model; bare names would match the vision tower's too."""
IMAGE_TOKENS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "audio_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)


@dataclass(frozen=True, eq=False)
class VisionLanguageModel:
    """A model in evaluation mode, its processor (tokenizer, image part, chat template), and the torch device that it is
    on.
    """

    model: Any
    processor: Any
    device: torch.device

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def base(self) -> Any:
        """The transformers model itself, without peft around it; adapters stay in place."""
        return base_model(self.model)

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and completion together, None if the model sets no limit."""
        limit = getattr(self.base.config.get_text_config(), "max_position_embeddings", None)
        return None if limit is None else int(limit)

    @property
    def image_tokens(self) -> tuple[int, ...]:
        """Ids that stand for images; a policy that wrote them would claim an image that is not there, so they are
        suppressed.
        """
        found = {getattr(self.base.config, name, None) for name in IMAGE_TOKENS} | {
            getattr(self.processor, "image_token_id", None)
        }
        return tuple(sorted(token for token in found if isinstance(token, int)))

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """Ids that end a completion."""
        ends = getattr(self.base.generation_config, "eos_token_id", None)
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return tuple(ends) if isinstance(ends, (list, tuple)) else () if ends is None else (int(ends),)


def base_model(model: Any) -> Any:
    """The transformers model inside a peft model, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def load(path: str | Path, device: str = "auto", dtype: str = "auto") -> VisionLanguageModel:
    """Load a model with its processor from a folder or a hub id; safetensors only, and no code from the model's side.

    device: "auto" (CUDA if there is one), "cpu", "cuda", ..; dtype: "auto" (the checkpoint's), "float64", "float32",
    "bfloat16", "float16". Raises InputError, naming the remedy: no such folder or model, not a vision-language model,
    no image processor, no chat template, unknown device or dtype, extra not installed.
    """
    require(("transformers", "PIL"))
    place, number = _device(device), _dtype(dtype)
    source, config = _configuration(path)
    from transformers import AutoModelForImageTextToText

    if type(config) not in AutoModelForImageTextToText._model_mapping:
        raise InputError(
            f"{source}: a {quote(str(config.model_type))} model does not answer images in text; choose a "
            f"vision-language model (image-text-to-text)"
        )
    processor = _processor(source)
    try:
        model, report = AutoModelForImageTextToText.from_pretrained(
            source, dtype=number, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # what the libraries raise for a broken file has no common base
        raise InputError(
            f"{source}: the weights do not load ({one_line(error)}); need safetensors files that fit config.json"
        ) from error
    if report["missing_keys"]:  # transformers would fill them with random numbers and go on
        missing = sorted(report["missing_keys"])
        raise InputError(
            f"{source}: the weights lack {len(missing)} of the model's tensors, {quote(missing[0])} first; need the "
            f"whole checkpoint"
        )
    return VisionLanguageModel(model.to(place).requires_grad_(False), processor, place)


def with_lora(
    loaded: VisionLanguageModel, rank: int = 8, seed: int = 0, target: str = LANGUAGE_Q_V, alpha: float | None = None
) -> VisionLanguageModel:
    """Put trainable LoRA of a rank on the modules whose full name matches ``target``; everything else is frozen.
    Changes the model in place.

    alpha: LoRA's scale times the rank, 2 * rank if None. B starts at zero, so the policy is unchanged and the gradient
    with respect to A vanishes until B has moved: at the start only the B half of a score is nonzero. Raises InputError.
    """
    require(("peft",))
    from peft import LoraConfig, get_peft_model

    check_integer("rank", rank, 1)
    _no_adapter(loaded)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank if alpha is None else alpha, lora_dropout=0.0, target_modules=target
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            model = get_peft_model(loaded.model, config)
        except ValueError as error:
            raise InputError(
                f"target: {quote(target)} fits no linear layer of the model ({one_line(error)}); see "
                f"model.named_modules()"
            ) from error
    return replace(loaded, model=model.eval())


def with_adapter(loaded: VisionLanguageModel, folder: str | Path) -> VisionLanguageModel:
    """Put a saved LoRA adapter (peft's folder, safetensors) on the model, trainable. Changes the model in place. Raises
    InputError.
    """
    require(("peft",))
    from peft import PeftModel

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (Path(folder) / name).is_file():
            raise InputError(f"{folder}: no {name}; give the folder that peft's save_pretrained wrote")
    _no_adapter(loaded)
    try:
        model = PeftModel.from_pretrained(loaded.model, str(folder), is_trainable=True)
    except Exception as error:  # as in load
        raise InputError(f"{folder}: the adapter does not fit the model ({one_line(error)})") from error
    return replace(loaded, model=model.to(loaded.device).eval())


def _no_adapter(loaded: VisionLanguageModel) -> None:
    if hasattr(loaded.base, "peft_config"):
        raise InputError("model: has an adapter already; load it again before putting on another")


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise InputError(f"device: {name!r} cannot be used here ({one_line(error)}); try auto or cpu") from error
    return place


def _dtype(name: str) -> Any:
    if name != "auto" and name not in DTYPES:
        raise InputError(f"dtype: must be auto, {', '.join(DTYPES)}, got {name!r}")
    return DTYPES.get(name, "auto")


def _configuration(path: str | Path) -> tuple[str, Any]:
    """Where to load from, and the model's configuration."""
    from transformers import AutoConfig

    folder, text = Path(path).expanduser(), str(path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a model folder, it has no config.json; give what save_pretrained wrote")
        text = str(folder)
    elif folder.exists() or folder.is_absolute() or text.startswith(".") or text.count("/") != 1:
        raise InputError(f"{quote(text)}: no such folder; give a model's folder or a hub id like owner/name")
    try:
        return text, AutoConfig.from_pretrained(text)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{text}: no configuration could be read ({one_line(error)}); is it the right folder, or a hub id that can "
            f"be reached?"
        ) from error


def _processor(source: str) -> Any:
    from transformers import AutoProcessor

    from tamdp_theory.lvlm.processors import register_processors

    register_processors()
    try:
        processor = AutoProcessor.from_pretrained(source)
    except (OSError, ValueError, ImportError, TypeError, KeyError) as error:
        raise InputError(
            f"{source}: the processor does not load ({one_line(error)}); need the processor's, tokenizer's and image "
            f"processor's files"
        ) from error
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise InputError(
            f"{source}: got a bare {type(processor).__name__}, images would be lost; add processor_config.json, or "
            f"install what its image or video part needs"
        )
    if not getattr(processor, "chat_template", None):
        raise InputError(f"{source}: no chat template; add chat_template.jinja, or use an instruction-tuned model")
    return processor
