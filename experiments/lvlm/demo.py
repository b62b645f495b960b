"""``tamdp lvlm demo``: the whole way on one machine, from a language model to verdicts next to the exact twin's.

    OUT/base      the language model with a small, random vision tower         OUT/model     after supervised warm start
    OUT/run       GRPO by TRL with LoRA: checkpoints, the adapter              OUT/records   what was recorded of it
    OUT/checks.json, table.csv, transcripts.json, lvlm.png                    the trained model under the checks

Each part is made once: broken off, the same command goes on where it stopped, GRPO at its last checkpoint. The decoder
is pretrained, what it sees with is trained on synthetic pictures: call it that.
"""

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.console import console, plain
from experiments.demo_model.warm_start import WarmStart, imperfect_policy, last_checkpoint, warm_start
from experiments.lvlm import check, verdicts
from experiments.lvlm.quiet import one_bar, quiet
from experiments.lvlm.theory_check import TheoryCheck
from experiments.plots import load_figure
from tamdp_theory import InputError, storage
from tamdp_theory.environments import NumberLine
from tamdp_theory.lvlm import loading
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.source import Settings
from tamdp_theory.lvlm.trl.tasks import dataset, reward_functions, reward_weights

PIXELS, MAX_NEW_TOKENS, RANK, PROJECTION = 64, 16, 8, 2048
LEARNING_RATE = 3e-4
RIGHT, UNPARSED = 0.8, 0.1  # of the teacher's answers
SCORES_EVERY = 3  # steps: a gradient for every completion costs as much as the step itself
CHECKED = 20  # groups of the check at the end


def run(options: Any) -> int:
    """Build, warm up, train, judge, draw; 1 if a claim is violated."""
    from accelerate import PartialState

    _check(options)
    out, state = options.out, PartialState()
    storage.check_writable(out)
    _same_run(out / "demo.json", options)
    task = NumberLine(max_steps=1, max_distance=1, thoughts=False, pixels=PIXELS)
    with quiet():
        return _run(options, task, out, state)


def _run(options: Any, task: NumberLine, out: Path, state: Any) -> int:
    if state.is_main_process:
        _model(options, task, out)
        if last_checkpoint(out / "run") is None and not _trained(out / "run"):
            shutil.rmtree(
                out / "records", ignore_errors=True
            )  # of a run that broke off before its first checkpoint: it begins again
    state.wait_for_everyone()
    watched = _train(options, task, out)
    if not state.is_main_process:
        return 0
    loaded = loading.with_adapter(loading.load(out / "model"), out / "run" / "adapter")
    settings = Settings(MAX_NEW_TOKENS, 1.0, 64, True, Projection(PROJECTION, options.seed))
    _say(f"the trained model plays {CHECKED} groups of {2 * options.group_size}")
    played = check.play(loaded, task, settings, group_size=2 * options.group_size, groups=CHECKED, seed=options.seed)
    training = [watched.recorder.groups(step) for step in watched.recorder.steps]
    findings = check.report(
        played,
        watched.scheme,
        watched.level,
        seed=options.seed,
        process=task.twin,
        out=out,
        training=training,
        evaluation=watched.evaluation(),
        label="after training",
    )
    drawn = load_figure("lvlm").draw(out / "table.csv", out)
    _say(f"figure: {', '.join(str(path) for path in drawn)}")
    return int(verdicts.failed(findings.checks))


def _check(options: Any) -> None:
    for name, least in (
        ("steps", 1),
        ("warm_steps", 1),
        ("group_size", 2),
        ("prompts_per_step", 1),
        ("held_out", 2),
        ("seed", 0),
    ):
        if getattr(options, name) is not None and getattr(options, name) < least:
            raise InputError(f"{name.replace('_', '-')}: must be at least {least}, got {getattr(options, name)}")


def _same_run(file: Path, options: Any) -> None:
    """Note the settings of this folder, and refuse to go on under others."""
    settings = {name: value for name, value in asdict(options).items() if name not in ("out", "vllm")}
    if file.exists():
        try:
            before = json.loads(storage.read_bytes(file))
        except ValueError as error:
            raise InputError(f"{file}: damaged; remove the folder, or choose another with --out") from error
        if before != settings:
            raise InputError(
                f"{file.parent}: holds a demo with other settings; repeat them, remove the folder, or choose another "
                f"with --out"
            )
    storage.write_atomically(file, json.dumps(settings) + "\n")


def _model(options: Any, task: NumberLine, out: Path) -> None:
    """The warm-started model in OUT/model, unless it is there."""
    if (out / "model" / "done").exists():
        return
    if not (out / "base" / "done").exists():
        if options.tiny:
            from experiments.demo_model.tiny import tiny_llava

            tiny_llava(out / "base", options.seed)
        else:
            from experiments.demo_model.grafting import graft

            _say("grafting a vision tower to SmolLM2-135M-Instruct (Apache-2.0)")
            graft(out / "base", image_size=PIXELS, seed=options.seed)
        storage.write_atomically(out / "base" / "done", "")
    settings = WarmStart() if options.warm_steps is None else WarmStart(steps=options.warm_steps)
    _say(
        f"warm start: {settings.steps} supervised steps on synthetic pictures, from a teacher that is right with "
        f"probability {RIGHT}"
    )
    teacher = imperfect_policy(task.twin, RIGHT, {"unparsed": UNPARSED})
    generator = np.random.default_rng([options.seed, 1])
    warm_start(
        loading.load(out / "base"),
        task,
        teacher,
        generator=generator,
        folder=out / "model",
        settings=settings,
        prepare=partial(one_bar, text="warm start"),
    )
    storage.write_atomically(out / "model" / "done", "")


def _train(options: Any, task: NumberLine, out: Path) -> TheoryCheck:
    """GRPO by TRL with the checks attached; goes on from the last checkpoint, or only reads the records if it had
    ended.
    """
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    folder, size, prompts = out / "run", options.group_size, options.prompts_per_step
    every = max(1, options.steps // 3)
    last = last_checkpoint(folder)
    loaded = loading.load(out / "model")
    cpu = loaded.device.type == "cpu"
    arguments = GRPOConfig(
        output_dir=str(folder),
        max_steps=options.steps,
        num_generations=size,
        per_device_train_batch_size=size * prompts,
        num_generations_eval=1,
        per_device_eval_batch_size=size * prompts,
        max_completion_length=MAX_NEW_TOKENS,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        reward_weights=reward_weights(task),
        beta=0.0,
        logging_steps=1,
        save_steps=every,
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=last is None,
        log_completions=False,
        seed=options.seed,
        report_to="none",
        use_cpu=cpu,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        **({"use_vllm": True, "vllm_mode": "server"} if options.vllm else {}),
    )
    rows = [
        dataset(task, count, np.random.default_rng([options.seed, place]))
        for place, count in ((2, options.steps * prompts), (3, options.held_out))
    ]
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=loading.LANGUAGE_Q_V)
    trainer = GRPOTrainer(
        loaded.model,
        reward_functions(task),
        arguments,
        rows[0],
        rows[1],
        processing_class=loaded.processor,
        peft_config=lora,
    )
    one_bar(trainer, "GRPO")
    watched = TheoryCheck(
        out,
        scores_every=SCORES_EVERY,
        score_evaluations=False,
        projection=PROJECTION,
        batch_size=size,
        seed=options.seed,
        announce=False,
    ).attach(trainer)
    if not _trained(folder):
        _say(
            f"GRPO by TRL: {options.steps} steps of {prompts} prompts and {size} completions, LoRA of rank {RANK}, "
            f"held-out prompts every {every} steps"
        )
        trainer.train(resume_from_checkpoint=last)
        trainer.save_model(str(folder / "adapter"))
        if trainer.is_world_process_zero():
            storage.write_atomically(folder / "adapter" / "done", "")
    if len(watched.recorder.steps) < options.steps:
        raise InputError(
            f"{out / 'records'}: not the records of {options.steps} steps; remove {folder}, and the run is made again"
        )
    return watched


def _trained(folder: Path) -> bool:
    return (folder / "adapter" / "done").exists()


def _say(text: str) -> None:
    console(stderr=True).print(plain(text), soft_wrap=True)
