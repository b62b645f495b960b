"""Supervised warm start: a model with an untrained vision tower learns to see and to answer as an imperfect teacher
does.

Fine-tuning by rewards needs a policy that is sometimes right. Here a policy on the environment's twin plays episodes
through text (``Environment.phrase``), and the model is trained on what it wrote. A teacher that errs with known
probabilities leaves something to learn: the best that the student can do is to copy it, right answers, wrong ones and
unparsable ones. That says little about an image, a fraction of a nat in a whole text, too little for a random tower; so
first the tower alone learns to tell the nodes of the twin apart, which takes seconds. Both loops are transformers'
``Trainer``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import Dataset
from transformers import CLIPConfig, CLIPForImageClassification, Trainer, TrainingArguments

from tamdp_theory.environments.base import Environment, Message
from tamdp_theory.errors import InputError, quote
from tamdp_theory.exact.passes import best
from tamdp_theory.guards import check_integer
from tamdp_theory.lvlm.loading import LANGUAGE_Q_V, VisionLanguageModel
from tamdp_theory.lvlm.sequences import PER_TOKEN, Inputs, collate
from tamdp_theory.model import TAMDP, check_same_process
from tamdp_theory.policies import Policy, TabularSoftmax
from tamdp_theory.storage import check_writable, read_bytes, write_atomically

IGNORED = -100  # label of a token that is not to be learned, as in torch
TOWER, PROJECTOR = "vision_tower", "multi_modal_projector"


@dataclass(frozen=True)
class WarmStart:
    """How long and how hard to train.

    steps of batch_size episodes, both >= 1; learning_rate > 0, the highest of a cosine; rank >= 1 of LoRA; a checkpoint
    every save_every >= 1 steps; before that the tower's own steps, sight_steps >= 1, at sight_rate > 0.
    """

    steps: int = 60
    batch_size: int = 8
    learning_rate: float = 1.5e-3
    rank: int = 8
    save_every: int = 20
    sight_steps: int = 200
    sight_rate: float = 3e-4

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "save_every", "rank", "sight_steps"):
            value = getattr(self, name)
            check_integer(name, value, 1)
        for name in ("learning_rate", "sight_rate"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name}: must be above 0 and below 1, got {getattr(self, name)!r}")


def imperfect_policy(process: TAMDP, right: float, errors: Mapping[str, float]) -> Policy:
    """The policy that takes an optimal action with probability ``right``, in (0, 1), and errs in known ways.

    errors: probabilities of actions by name, at every node that has them; optimal actions (of the composite reward,
    none of ``errors``) share ``right``, all others what is left. At a node without others the probabilities are scaled
    to sum to one. Raises InputError.
    """
    for name in errors:
        if name not in process.action_names:
            raise InputError(f"errors: no action {quote(name)} in {process.name}")
    if not all(0 < p < 1 for p in (right, *errors.values())) or right + sum(errors.values()) >= 1:
        raise InputError("probabilities: each must be in (0, 1), and they must leave something for the other actions")
    value, pair_value = (array[:, 0] for array in best(process, process.class_composite[:, None]))
    own = np.array([errors.get(name, 0.0) for name in process.action_names])
    optimal = (pair_value >= process.spread_to_pairs(value) - 1e-9) & (own == 0)
    other = ~optimal & (own == 0)
    weight = own.copy()
    for members, share in ((optimal, right), (other, 1 - right - sum(errors.values()))):
        count = process.spread_to_pairs(process.node_sum(members.astype(np.float64)))
        weight[members] = share / count[members]
    logits = np.zeros(process.n_nodes * process.n_actions)
    logits[process.pair_parameter] = np.log(weight)
    return TabularSoftmax(process, logits.reshape(process.n_nodes, process.n_actions))


def warm_start(
    loaded: VisionLanguageModel,
    environment: Environment,
    teacher: Policy,
    generator: np.random.Generator,
    folder: str | Path,
    settings: WarmStart | None = None,
    prepare: Callable[[Trainer], None] = lambda trainer: None,
) -> Path:
    """Train a grafted model on what a teacher writes; save it with its processor in ``folder`` and return that.

    First the tower, on nodes; then, the tower fixed, the projector and LoRA on the language model's query and value
    projections, which is merged in the end: the folder holds a plain model. The loaded one is used up. teacher: a
    policy on ``environment.twin``. The loss is the mean negative log-likelihood of the tokens that the teacher wrote,
    end of sequence included. Progress bars run on standard error, unless ``prepare``, which gets both trainers, removes
    them. Checkpoints lie in ``folder/checkpoints``: after an interruption the same call, with the model as it was first
    and an equally seeded generator, goes on from the last one and ends with the same bits as if it had run through.
    Raises InputError, also if the checkpoints are of another run.
    """
    settings = WarmStart() if settings is None else settings
    missing = [
        name
        for name in (TOWER, PROJECTOR)
        if not any(found.split(".")[-1] == name for found, _ in loaded.model.named_modules())
    ]
    if missing or hasattr(loaded.base, "peft_config"):
        raise InputError(
            f"model: {f'has no {missing[0]}' if missing else 'has an adapter already'}; load a folder that graft wrote"
        )
    check_same_process(environment.twin, teacher.env)
    check_writable(folder)
    seed = int(generator.integers(2**31))
    checkpoints = Path(folder) / "checkpoints"
    run = {
        **asdict(settings),
        "environment": environment.name,
        "teacher": teacher.pair_probability.round(9).tolist(),
        "seed": seed,
    }
    _check_same_run(checkpoints / "run.json", json.dumps(run))
    adapter = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        lora_dropout=0.0,
        target_modules=LANGUAGE_Q_V,
        modules_to_save=[PROJECTOR],
    )
    data = Demonstrations(environment, teacher, seed, settings.steps * settings.batch_size)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _learn_to_see(
            loaded,
            Demonstrations(environment, teacher, seed + 1, settings.sight_steps * settings.batch_size),
            checkpoints,
            seed=seed,
            settings=settings,
            prepare=prepare,
        )
        model = get_peft_model(loaded.model, adapter)
        arguments = TrainingArguments(
            output_dir=str(checkpoints),
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=max(settings.steps // 20, 1),
            weight_decay=0.0,
            save_steps=settings.save_every,
            save_total_limit=1,
            logging_steps=10,
            seed=seed,
            data_seed=seed,
            remove_unused_columns=False,
            label_names=["labels"],
            report_to="none",
            use_cpu=loaded.device.type == "cpu",
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, arguments, data_collator=Collator(loaded.processor), train_dataset=data)
        prepare(trainer)
        trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    model.merge_and_unload().save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    return Path(folder)


def last_checkpoint(folder: Path) -> str | None:
    """The last of a trainer's checkpoints in a folder that was written to its end, which is the trainer's state; None
    if there is none.
    """
    found = [place for place in folder.glob("checkpoint-*") if place.name.removeprefix("checkpoint-").isdigit()]
    for place in sorted(found, key=lambda place: int(place.name.removeprefix("checkpoint-")), reverse=True):
        try:
            json.loads((place / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            continue
        return str(place)
    return None


def _learn_to_see(
    loaded: VisionLanguageModel,
    data: "Demonstrations",
    folder: Path,
    seed: int,
    settings: WarmStart,
    prepare: Callable[[Trainer], None],
) -> None:
    """Train the tower, in place, to tell the twin's nodes apart by the newest image; the classifier on its mean patch
    is thrown away.
    """
    tower = loaded.model.get_submodule(f"model.{TOWER}")
    config = CLIPConfig(vision_config=tower.config.to_dict(), num_labels=len(data.place))
    classifier = CLIPForImageClassification(config)
    classifier.vision_model = tower.requires_grad_(True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.sight_steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.sight_rate,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        save_strategy="no",
        logging_steps=50,
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        report_to="none",
        use_cpu=loaded.device.type == "cpu",
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        classifier.to(loaded.device), arguments, data_collator=SightCollator(loaded.processor), train_dataset=data
    )
    prepare(trainer)
    trainer.train()
    tower.requires_grad_(False)


def _check_same_run(file: Path, run: str) -> None:
    """Note what the checkpoints beside a file are of, and refuse to go on from those of something else."""
    if file.exists() and read_bytes(file).decode() != run:
        raise InputError(
            f"{file.parent}: checkpoints of a run with another seed, teacher or settings; remove it or choose another "
            f"folder"
        )
    write_atomically(file, run)


@dataclass(frozen=True)
class Demonstration:
    """One decision of a teacher: the messages it saw, the place of their node in the twin, what it wrote."""

    messages: list[Message]
    node: int
    text: str


class Demonstrations(Dataset[list[Demonstration]]):
    """Episodes that a teacher plays: item i is the decisions of the i-th, drawn from a generator of its own."""

    def __init__(self, environment: Environment, teacher: Policy, seed: int, count: int) -> None:
        self.environment, self.teacher, self.seed, self.count = environment, teacher, seed, count
        twin = environment.twin
        self.place = {node: x for x, node in enumerate(twin.node_ids)}
        self.probability = twin.prompt_probability

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> list[Demonstration]:
        generator = np.random.default_rng([self.seed, item])
        episode = self.environment.start(int(generator.choice(len(self.probability), p=self.probability)), generator)
        written = []
        while not episode.done:
            node = self.place[episode.node]
            text = self.environment.phrase(self._draw(node, generator), generator)
            written.append(Demonstration(episode.messages, node, text))
            episode.act(text)
        return written

    def _draw(self, node: int, generator: np.random.Generator) -> str:
        pairs = np.flatnonzero(self.teacher.env.pair_node == node)
        return self.teacher.env.action_names[int(generator.choice(pairs, p=self.teacher.pair_probability[pairs]))]


@dataclass(frozen=True)
class Collator:
    """Episodes into one batch of model inputs with labels for the tokens that the teacher wrote."""

    processor: Any

    def __call__(self, episodes: list[list[Demonstration]]) -> dict[str, Any]:
        """Padded on the left, so that all that is learned stands at the end and logits are needed there alone
        (``logits_to_keep``).
        """
        parts = [self.encode(decision.messages, decision.text) for episode in episodes for decision in episode]
        keep = max(len(written) for _, written in parts) + 1  # the token before predicts the first one written
        labels = torch.full((len(parts), keep), IGNORED)
        for row, (_, written) in zip(labels, parts, strict=True):
            row[keep - len(written) :] = torch.tensor(written)
        inputs = collate([inputs for inputs, _ in parts], self.processor.tokenizer.pad_token_id, "left")
        return {**inputs, "labels": labels, "logits_to_keep": keep}

    def encode(self, messages: list[Message], text: str) -> tuple[Inputs, list[int]]:
        """Inputs for prompt and text, and the ids of what was written: the text and the end of sequence."""
        tokenizer = self.processor.tokenizer
        written = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        prompt = self.processor.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        inputs = {
            name: torch.nn.functional.pad(values, (0, len(written))) if name in PER_TOKEN else values
            for name, values in prompt.items()
        }
        inputs["input_ids"][0, -len(written) :] = torch.tensor(written)
        return inputs, written


@dataclass(frozen=True)
class SightCollator:
    """Episodes into one batch of images, the newest of each decision, labelled with nodes."""

    processor: Any

    def __call__(self, episodes: list[list[Demonstration]]) -> dict[str, Any]:
        decisions = [decision for episode in episodes for decision in episode]
        newest = [_newest_image(decision.messages) for decision in decisions]
        pixels = self.processor.image_processor(newest, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "labels": torch.tensor([decision.node for decision in decisions])}


def _newest_image(messages: list[Message]) -> Any:
    """The last image among chat messages; InputError if there is none."""
    blocks = [block for message in messages if not isinstance(message["content"], str) for block in message["content"]]
    images = [block["image"] for block in blocks if block["type"] == "image"]
    if not images:
        raise InputError("environment: shows messages without an image; a tower learns to see from images")
    return images[-1]
