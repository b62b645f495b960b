"""``tamdp lvlm``: the checks on a real vision-language model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.options import listing


@dataclass(frozen=True)
class Check:
    """Let a model play an environment and check every claim that its rollouts show; the exact twin has the model's
    action frequencies.

    Example: tamdp lvlm check --model MODEL_FOLDER --env number_line

    Example: tamdp lvlm check --model MODEL_FOLDER --env image_repair --groups 128 --dtype bfloat16 --device cuda

    Example: tamdp lvlm check --model MODEL_FOLDER --env blackjack --think-weight 0.5
    """

    model: str
    """Folder or hub id of an image-text-to-text model."""
    env: str = "number_line"
    """Name of an environment; tamdp show NAME shows it."""
    groups: int = 64
    """Groups drawn, each of twice the group size, so that the variance shows too; confidence intervals need
    16 or more.
    """
    group_size: int = 4
    """G."""
    normalization: str = "sum_then_normalize"
    """center, sum_then_normalize or normalize_then_sum."""
    eps: float = 0.0
    """Added to deviations; TRL uses 1e-4."""
    ddof: int = 0
    """Degrees of freedom removed in deviations; TRL uses 1."""
    level: float = 0.99
    """Confidence of each verdict."""
    adapter: str | None = None
    """Folder of a trained LoRA adapter; default: a fresh one of --lora-rank."""
    lora_rank: int = 8
    """Rank of the fresh LoRA whose parameters the scores are taken for; 0: no scores, rewards alone."""
    projection: int = 2048
    """Dimension of the random projection of the scores; 0: none."""
    max_new_tokens: int = 64
    """Longest answer in tokens."""
    temperature: float = 1.0
    """Of sampling."""
    think_weight: float = 1.0
    """Weight of thoughts in the scores, lambda in [0, 1]; RL4VLM takes 0.5 for card games and 0.2 for ALFWorld."""
    batch_size: int = 16
    """Completions at a time."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, .."""
    dtype: str = "auto"
    """auto, float64, float32, bfloat16 or float16."""
    seed: int = 0
    """Drives prompts, completions, projection and intervals."""
    out: Path = Path("results/lvlm")
    """Folder for checks, numbers and transcripts."""

    def run(self) -> int:
        """Load, play, judge, save; 1 if a claim is violated."""
        from experiments.lvlm import check

        return check.run(self)


@dataclass(frozen=True)
class FromLogs:
    """Check what the logs of a training run show: rewards alone, no scores.

    Example: tamdp lvlm from-logs OUTPUT_DIR/completions --weights 0.2 0.6 0.2
    """

    @staticmethod
    def more_help() -> str:
        """The formats."""
        from tamdp_theory.lvlm import logs

        formats = {name: module.FORMAT for name, module in logs.formats().items()}
        return f"Formats:\n{listing(formats)}\n\n{logs.NOTHING}."

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Files or folders of one log."""
    format: str | None = None
    """Name of the format; default: the one that knows the files by their names."""
    group_size: int | None = None
    """G; default: what the log tells (TRL's: read off the advantages)."""
    components: tuple[str, ...] = ()
    """Reward columns; default: what the log says."""
    ignore: tuple[str, ...] = ()
    """Columns that are no rewards."""
    weights: tuple[float, ...] = ()
    """Weight of each reward; default: what the log says, what the advantages tell, or 1 each."""
    ranges: tuple[str, ...] = ()
    """Rewards that are not in [0, 1], each as NAME=LOW:HIGH; they are rescaled, and their weights with them."""
    normalization: str | None = None
    """Estimator that the trainer used; default: the one whose advantages are those of the log."""
    level: float = 0.99
    """Confidence of each interval."""
    out: Path = Path("results/lvlm")
    """Folder for checks and numbers."""

    def run(self) -> int:
        """Read, judge, save; 1 if a claim is violated."""
        from experiments.lvlm import from_logs

        return from_logs.run(self)


@dataclass(frozen=True)
class Demo:
    """The whole way on one machine: a small model, a warm start, GRPO by TRL with LoRA, verdicts next to the exact
    twin's.

    A pretrained SmolLM2-135M (extra lvlm-demo) gets a small vision tower that is trained on synthetic pictures; --tiny
    takes random weights and a minute. Broken off, the same command goes on where it stopped. Uses a GPU if there is
    one; several: accelerate launch --config_file CONFIG -m experiments lvlm demo

    Example: tamdp lvlm demo

    Example: tamdp lvlm demo --tiny --steps 4 --out results/lvlm-tiny
    """

    tiny: bool = False
    """A tiny random model in place of SmolLM2: shows that everything runs, learns nothing."""
    steps: int = 27
    """Optimizer steps of GRPO."""
    warm_steps: int | None = None
    """Steps of the supervised warm start; default: the demo's own."""
    group_size: int = 8
    """G."""
    prompts_per_step: int = 4
    """Prompts in each step."""
    held_out: int = 64
    """Held-out prompts for the PAC-Bayes bound."""
    seed: int = 0
    """Drives everything random."""
    vllm: bool = False
    """Rollouts by a vLLM server that is already running (trl vllm-serve); passed through to TRL."""
    out: Path = Path("results/lvlm")
    """Folder for the model, checkpoints and results."""

    def run(self) -> int:
        """Build, warm up, train, judge, draw; 1 if a claim is violated."""
        from experiments.lvlm import demo

        return demo.run(self)


@dataclass(frozen=True)
class Lvlm:
    """The checks on a real vision-language model (extra lvlm): a model at rest, a training run by TRL, its logs, or the
    demo.

    Example: tamdp lvlm check --model MODEL_FOLDER --env number_line
    """

    command: Annotated[
        Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[FromLogs, tyro.conf.subcommand("from-logs")]
        | Annotated[Demo, tyro.conf.subcommand("demo")],
        tyro.conf.arg(name=""),
    ]

    def run(self) -> int:
        """Run it; InputError naming the command that installs the extra if what it needs is missing."""
        if not isinstance(self.command, FromLogs):  # a log's format says itself what it needs
            from tamdp_theory.lvlm.extra import require

            require()
        return self.command.run()


COMMAND = Lvlm
