"""Recording groups of rollouts while someone trains with TRL's GRPOTrainer as usual.

    recorder = Recorder().attach(trainer)
    trainer.train()
    recorder.groups(0)              # RolloutGroups of the first optimizer step

Public hooks give the component rewards (the trainer's reward functions are wrapped) and the rhythm of training (a
callback); the trainer's own advantages and the token ids that scores need come through ``hooks``. Nothing that the
trainer computes is changed: same losses, same parameters, to the bit. Once training runs, nothing here ends it: the
first thing that goes wrong is told by one warning and ends the recording (``failure``), what was recorded before it
stays.

Rules. Step t has the rollouts drawn under theta_t, the parameters after t optimizer steps; where TRL reuses a
generation batch (``num_iterations``, ``steps_per_generation``) the later steps have no record. A reward None or NaN
leaves its whole group out of the record, counted in ``dropped`` (TRL treats it as 0, or ignores the completion if all
of its rewards are missing); so does one outside its range, with a warning for the first of each name. Groups with equal
rewards, which are silent, are recorded like any other. A run that breaks off within a step leaves the step's batches so
far. With several processes every process gathers all groups, in TRL's order; scores need the whole model in each of
them (no FSDP, no ZeRO-3).
"""

import functools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from transformers import TrainerCallback

from tamdp_theory.errors import InputError, quote, told
from tamdp_theory.guards import check_integer
from tamdp_theory.lvlm.ranges import Ranges, Scale, check_names
from tamdp_theory.lvlm.trl import hooks
from tamdp_theory.lvlm.trl.columns import load_records, save_records
from tamdp_theory.lvlm.trl.records import Batch, EvaluationRecord, Records, joined, record_files
from tamdp_theory.lvlm.trl.taps import Score, as_array, prompts_of, scored, tapped
from tamdp_theory.model import Floats
from tamdp_theory.numbers import reals
from tamdp_theory.sources import RolloutGroups
from tamdp_theory.storage import check_writable

PREFIX = "theory/"
T = TypeVar("T")


class Recorder:
    """Watches one trainer.

    score: per-completion log-probabilities and scores, called on the generation batches of every ``scores_every``-th
        step under the parameters before the update, in eval mode (no dropout), with generators, gradients and modes
        restored after it; its rows are kept in memory, so let d be thousands, not millions. Use the trainer's
        temperature in it. TRL itself generates and updates with dropout, if the model has any:
        GRPOConfig(disable_dropout=True) makes the two agree.
    score_evaluations: score the completions of evaluations too; those of the last one are kept.
    on_step: called before each optimizer step that has groups; its numbers go into the trainer's log as theory/NAME,
        to every reporter, averaged over the steps since the last log (NaN: undefined at that step, left out).
    ranges: name -> (low, high), of rewards that are not in [0, 1]; they are recorded in [0, 1], and their weights with
        them (``lvlm.ranges``). TRL's own penalties are known.
    folder: the run is saved there after every step and evaluation, before the trainer saves its checkpoint; a run that
        is resumed from a checkpoint goes on from there, forgetting the steps after it.
    private_hooks: False for public hooks alone: no advantages, no scores.
    prompt_column: dataset column with the integer of a prompt; without such a column a digest of its messages and
        images.
    """

    def __init__(
        self,
        *,
        score: Score | None = None,
        scores_every: int = 1,
        score_evaluations: bool = False,
        on_step: Callable[[int, RolloutGroups], Mapping[str, float]] | None = None,
        ranges: Ranges | None = None,
        folder: str | Path | None = None,
        private_hooks: bool = True,
        prompt_column: str = "prompt_index",
    ) -> None:
        check_integer("scores_every", scores_every, 1)
        if score_evaluations and score is None:
            raise InputError("score_evaluations: needs a score")
        if score is not None and not private_hooks:
            raise InputError(
                "score: the token ids of a batch are private to the trainer; allow private_hooks, or record without "
                "scores"
            )
        self._score, self._scores_every, self._score_evaluations, self._on_step = (
            score,
            scores_every,
            score_evaluations,
            on_step,
        )
        self._folder, self._private, self._prompt_column = (
            None if folder is None else Path(folder),
            private_hooks,
            prompt_column,
        )
        self.failure: str | None = None
        """What ended the recording before the training; None if nothing did."""
        self._ranges = ranges or {}
        self._scales: tuple[Scale, ...] = ()
        self._outside: set[str] = set()  # rewards that were told to leave their range
        self._saves = True
        self._trainer: Any = None
        self._earlier = False  # whether the folder had records of another process
        self._records = Records((), ())
        self._columns: dict[int, list[Any]] = {}
        self._batch: Batch | None = None
        self._evaluating: list[Batch] = []
        self._unlogged: list[dict[str, float]] = []
        self._written: frozenset[str] = frozenset()

    def attach(self, trainer: Any) -> Self:
        """Start watching a ``GRPOTrainer`` that has not trained yet. InputError for rewards, weights or a folder that
        cannot be recorded.
        """
        if self._trainer is not None:
            raise InputError("recorder: attached already; make one recorder for each trainer")
        for name, function in zip(trainer.reward_func_names, trainer.reward_funcs, strict=True):
            if isinstance(function, torch.nn.Module):
                raise InputError(
                    f"reward {quote(name)}: a reward model gives logits; wrap it in a function whose values are in [0, "
                    f"1]"
                )
        if self._score is not None and trainer.args.mask_truncated_completions:
            raise InputError(
                "mask_truncated_completions: leaves completions out of the update that have a score; set it to False, "
                "or record without scores"
            )
        check_names(self._ranges, trainer.reward_func_names)
        self._scales = _scales(trainer, self._ranges)
        records = Records(tuple(trainer.reward_func_names), tuple(scale.weight for scale in self._scales))
        if self._folder is not None:
            check_writable(self._folder)
        if self._folder is not None and record_files(self._folder):
            found = load_records(self._folder)
            if (found.component_names, found.weights) != (records.component_names, records.weights):
                raise InputError(f"{self._folder}: holds records of other components or weights; choose another folder")
            records, self._earlier = found, bool(found.steps or found.evaluations)
        self._trainer, self._records = trainer, records
        if self._private:
            hooks.check_version()
            hooks.after_generation(trainer, self._guarded(self._generated))
        trainer.reward_funcs = [
            tapped(function, self._guarded(functools.partial(self._rewarded, k)))
            for k, function in enumerate(trainer.reward_funcs)
        ]
        callback = _Callback(self)
        trainer.add_callback(callback)
        callbacks = trainer.callback_handler.callbacks
        callbacks.insert(
            0, callbacks.pop(callbacks.index(callback))
        )  # before the reporters, which then see what it adds to the log
        return self

    @property
    def records(self) -> Records:
        """Everything recorded so far."""
        return self._records

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps that have groups, in order."""
        return tuple(sorted(step for step, record in self._records.steps.items() if record.groups is not None))

    @property
    def evaluations(self) -> tuple[EvaluationRecord, ...]:
        """Evaluations so far, in order."""
        return self._records.evaluations

    @property
    def dropped(self) -> int:
        """Groups left out of all steps because a reward was missing."""
        return sum(record.dropped for record in self._records.steps.values())

    def groups(self, step: int) -> RolloutGroups:
        """The groups drawn under theta_step. InputError if there are none."""
        record = self._records.steps.get(step)
        if record is None or record.groups is None:
            raise InputError(f"step {step}: nothing recorded; recorded steps are {_some(self.steps)}")
        return record.groups

    def advantages(self, step: int) -> Floats | None:
        """The advantages (n, G) that the trainer used at a step; None without private hooks. InputError if the step has
        no groups.
        """
        self.groups(step)
        return self._records.steps[step].advantages

    def evaluated(self) -> RolloutGroups | None:
        """The groups of the last evaluation, all under one policy; None without an evaluation, or with one rollout a
        prompt.
        """
        if not self.evaluations or self.evaluations[-1].rollouts < 2 or not len(self.evaluations[-1].prompt):
            return None
        last = self.evaluations[-1]
        return RolloutGroups(
            self._records.component_names,
            self._records.weights,
            last.prompt,
            rewards=last.rewards,
            log_probability=last.log_probability,
            scores=last.scores,
        )

    def save(self, folder: str | Path) -> None:
        """Write everything recorded so far; each file replaces its predecessor whole. InputError if it cannot be
        written.
        """
        own = self._folder is not None and Path(folder) == self._folder
        names = save_records(self._records, folder, self._written if own else frozenset())
        if own:
            self._written = names

    def _guarded(self, watch: Callable[..., None]) -> Callable[..., None]:
        """The same, whose first failure ends the recording in place of the training."""

        def guarded(*given: Any) -> None:
            if self.failure is None:
                try:
                    watch(*given)
                except Exception as error:  # whatever it is, the training is not to blame
                    self.failure = f"step {int(self._trainer.state.global_step)}: {told(error)}"
                    warnings.warn(f"recording ends at {self.failure}; the training goes on", stacklevel=2)

        return guarded

    def _together(self, compute: Callable[[], T]) -> T:
        """What is computed here alone, before processes wait for each other: fails in all of them, or in none."""
        result: T | None = None
        error: Exception | None = None
        try:
            result = compute()
        except Exception as found:
            error = found
        if self._gather(np.array([error is not None])).any():
            raise error or InputError("another process could not record")
        assert result is not None
        return result

    def _rewarded(self, index: int, values: list[Any], given: Mapping[str, Any]) -> None:
        """One reward function has answered for a batch; all have: the batch is known."""
        self._columns[index] = values
        trainer = self._trainer
        if len(self._columns) < len(trainer.reward_funcs):
            return
        columns, self._columns = [self._columns[k] for k in range(len(trainer.reward_funcs))], {}
        training = bool(trainer.model.training)
        size = int(trainer.num_generations if training else trainer.num_generations_eval)
        step = int(trainer.state.global_step)
        own = self._together(lambda: (prompts_of(given, self._prompt_column), _table(columns)))
        prompt, rewards = self._gather(own[0]), self._gather(own[1])
        if len(rewards) % size:
            raise InputError(
                f"step {step}: {len(rewards)} completions are no whole groups of {size}; make the batch size a "
                f"multiple of the group size"
            )
        prompt, rewards = prompt.reshape(-1, size), rewards.reshape(-1, size, len(columns))
        self._check_weights(step)
        rewards = self._in_range(rewards, step)
        if (prompt != prompt[:, :1]).any():
            raise InputError(
                f"step {step}: {size} consecutive completions have different prompts; a group must share one, images "
                f"included"
            )
        batch = Batch(step, training, prompt[:, 0].copy(), rewards)
        if self._private:
            self._batch = batch
        else:
            self._store(batch)

    def _generated(self, output: dict[str, Any]) -> None:
        """The trainer is done with a generation batch, whose rewards came just before."""
        batch, self._batch = self._batch, None
        if batch is None:
            raise InputError(
                "recorder: a batch was generated without calls of its reward functions; do not replace "
                "trainer.reward_funcs after attach"
            )
        shape = batch.rewards.shape[:2]
        hooks.check_output(output)
        advantages = self._gather(as_array(output["advantages"])).reshape(shape)
        batch = replace(batch, advantages=advantages)
        due = batch.step % self._scores_every == 0 if batch.training else self._score_evaluations
        if self._score is not None and due:
            log_probability, scores = self._together(lambda: self._scored(output))
            scores = self._gather(scores)
            batch = replace(
                batch,
                log_probability=self._gather(log_probability).reshape(shape),
                scores=scores.reshape(*shape, scores.shape[1]),
            )
        self._store(batch)

    def _scored(self, output: dict[str, Any]) -> tuple[Floats, Floats]:
        """Log-probabilities (B,) and scores (B, d) of this process's completions."""
        assert self._score is not None
        log_probability, scores = scored(self._trainer.model, self._score, hooks.sequences(output))
        rows = len(output["prompt_ids"])
        if log_probability.shape != (rows,) or scores.ndim != 2 or len(scores) != rows:
            raise InputError(
                f"score: expected shapes ({rows},) and ({rows}, d), got {log_probability.shape} and {scores.shape}"
            )
        return log_probability, scores

    def _in_range(self, rewards: Floats, step: int) -> Floats:
        """Rewards (n, G, K) in [0, 1], NaN where they are outside their range, which is told once for each name."""
        brought = rewards.copy()
        for k, (name, scale) in enumerate(zip(self._records.component_names, self._scales, strict=True)):
            outside = scale.outside(rewards[..., k])
            brought[..., k] = scale(np.where(outside, math.nan, rewards[..., k]))
            if outside.any() and name not in self._outside:
                self._outside.add(name)
                warnings.warn(
                    f"reward {quote(name)}: {rewards[..., k][outside][0]:g} at step {step} is not in [{scale.low}, "
                    f"{scale.high}]; groups with such rewards are left out and counted; give its range in ranges",
                    stacklevel=2,
                )
        return brought

    def _check_weights(self, step: int) -> None:
        """InputError if the trainer's weights are not those that it began with."""
        if _scales(self._trainer, self._ranges) != self._scales:
            raise InputError(
                f"reward_weights: changed before step {step} to {', '.join(map(str, _weights(self._trainer)))}, so "
                f"later groups have another composite reward; record from there on into another folder"
            )

    def _gather(self, values: Any) -> Any:
        accelerator = self._trainer.accelerator
        if accelerator.num_processes == 1:
            return values
        return accelerator.gather(torch.as_tensor(values, device=accelerator.device)).cpu().numpy()

    def _store(self, batch: Batch) -> None:
        if not batch.training:
            self._evaluating.append(batch)
            return
        records, steps = self._records, dict(self._records.steps)
        record = batch.record(records.component_names, records.weights)
        steps[batch.step] = joined(steps[batch.step], record) if batch.step in steps else record
        self._records = replace(records, steps=steps)

    def _begin(self, step: int) -> None:
        """Training starts at a step: what was recorded from there on, or broke off before, belongs to a run that is not
        this one's past.
        """
        self._columns, self._batch, self._evaluating, self._unlogged = {}, None, [], []
        self.failure, self._saves = None, True
        if step == 0 and (self._records.steps or self._earlier):
            place = "the recorder" if self._folder is None else str(self._folder)
            raise InputError(
                f"{place}: holds records of an earlier run; resume from its checkpoint, or record into another folder "
                f"with a new recorder"
            )
        kept = self._records.before(step)
        if (len(kept.steps), len(kept.evaluations)) != (len(self._records.steps), len(self._records.evaluations)):
            self._records, self._written = kept, frozenset()

    def _before_update(self, step: int) -> None:
        record = self._records.steps.get(step)
        if self._on_step is not None and record is not None and record.groups is not None:
            found = self._on_step(step, record.groups)
            self._unlogged.append({name: float(value) for name, value in found.items()})

    def _evaluated(self, step: int) -> None:
        batches, self._evaluating = self._evaluating, []
        if batches:
            whole = [np.isfinite(batch.rewards).all(axis=(1, 2)) for batch in batches]

            def joined_rows(name: str) -> Any:
                parts = [getattr(batch, name) for batch in batches]
                return (
                    None
                    if any(part is None for part in parts)
                    else np.concatenate([part[kept] for part, kept in zip(parts, whole, strict=True)])
                )

            dropped = sum(int((~kept).sum()) for kept in whole)
            event = EvaluationRecord(
                step,
                joined_rows("prompt"),
                joined_rows("rewards"),
                dropped=dropped,
                log_probability=joined_rows("log_probability"),
                scores=joined_rows("scores"),
            )
            before = tuple(replace(earlier, log_probability=None, scores=None) for earlier in self._records.evaluations)
            self._records = replace(self._records, evaluations=(*before, event))
            self._written = frozenset(
                name for name in self._written if name.startswith("step-")
            )  # the earlier one's file changes

    def _flush(self) -> dict[str, float]:
        """Means of the numbers since the last log."""
        taken, self._unlogged = self._unlogged, []
        series: dict[str, list[float]] = {}
        for numbers in taken:
            for name, value in numbers.items():
                series.setdefault(f"{PREFIX}{name}", []).append(value)
        finite = {name: [value for value in values if math.isfinite(value)] for name, values in series.items()}
        return {name: math.fsum(values) / len(values) for name, values in finite.items() if values}

    def _autosave(self, main: bool) -> None:
        if self._folder is None or not main or not self._saves:
            return
        try:
            self.save(self._folder)
        except Exception as error:
            self._saves = False  # of the main process alone: the others go on, so must the recording
            warnings.warn(f"records are no longer saved: {told(error)}; the training goes on", stacklevel=2)


class _Callback(TrainerCallback):  # type: ignore[misc]
    """The rhythm of training, told to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.recorder._begin(state.global_step)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.recorder._guarded(self.recorder._before_update)(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **given: Any) -> None:
        if not any(name.startswith("eval_") for name in logs):
            numbers = self.recorder._flush()
            logs.update(numbers)
            state.log_history[-1].update(numbers)  # written before the callbacks are asked

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.recorder._guarded(self.recorder._evaluated)(state.global_step)
        self.recorder._autosave(state.is_world_process_zero)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.recorder._autosave(
            state.is_world_process_zero
        )  # before the trainer's checkpoint, so that none is ahead of the records

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.recorder._autosave(state.is_world_process_zero)


def _weights(trainer: Any) -> tuple[Fraction, ...]:
    """The trainer's weights, float32, as the shortest decimals that they are: 0.2 is 1/5."""
    weights = tuple(Fraction(str(np.float32(weight))) for weight in trainer.reward_weights.tolist())
    if not any(weights):
        raise InputError(f"reward_weights: some must not be 0, got {[float(w) for w in weights]}")
    return weights


def _scales(trainer: Any, ranges: Ranges) -> tuple[Scale, ...]:
    """What brings each of the trainer's rewards to [0, 1], at its weights of now."""
    named = zip(trainer.reward_func_names, _weights(trainer), strict=True)
    return tuple(Scale.of(name, weight, ranges) for name, weight in named)


def _table(columns: list[list[Any]]) -> Floats:
    """Rewards (B, K), NaN where there is none."""
    rows = [[math.nan if value is None else float(reals(value, "reward")) for value in column] for column in columns]
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).T)


def _some(steps: tuple[int, ...]) -> str:
    if not steps:
        return "none"
    return ", ".join(map(str, steps)) if len(steps) <= 8 else f"{steps[0]}, {steps[1]}, .., {steps[-1]}"
