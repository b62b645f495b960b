"""The checks attached to somebody's GRPO training by TRL:

    from experiments.lvlm.theory_check import TheoryCheck

    trainer = GRPOTrainer(...)                          # as usual
    check = TheoryCheck("results/lvlm").attach(trainer)
    trainer.train()                                     # numbers in the trainer's log, theory/..., then verdicts
    check.report()                                      # the same again, as data

Training steps show silent groups, Q, ||E g||^2 and the drift as they change. Claims about the update at one policy need
many groups under that policy: they are read off the last evaluation, so give the trainer held-out prompts
(``eval_dataset``, ``eval_strategy="steps"``) and, to see the variance too, ``num_generations_eval`` of twice
``num_generations``. The same evaluations give the PAC-Bayes bound over the run's checkpoints: the class is the run
itself, its prior uniform, and both are fixed before the held-out prompts are looked at as long as training does not use
them (no early stopping, no choice of settings by them).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from transformers import TrainerCallback

from bounds import Evaluation
from bounds.rollouts.statistics import Statistics
from experiments.console import console, plain
from experiments.lvlm import verdicts
from experiments.lvlm.trl_scheme import trl_scheme
from tamdp_theory import InputError
from tamdp_theory.errors import told
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.lvlm.loading import base_model
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.ranges import Ranges
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl.recording import Recorder
from tamdp_theory.sources import RolloutGroups, rewards_of


class TheoryCheck:
    """Records a training run and judges it.

    out: folder for results (records, checks.json, table.csv), also what a resumed run goes on from. level: confidence
    of each verdict; delta: probability with which the PAC-Bayes bound may fail. scored: per-completion gradients too,
    on every ``scores_every``-th step and, if ``score_evaluations``, on evaluations; without them only what rewards
    show. projection: dimension of the random projection of gradients, None for none; batch_size: completions per
    backward pass; seed: of projection and bootstrap; announce: print and save the verdicts when training ends; ranges:
    name -> (low, high), of rewards that are not in [0, 1].

    Once training runs, nothing here ends it: what cannot be judged is counted and told at the end, and the first thing
    that goes wrong ends the recording with one warning.
    """

    def __init__(
        self,
        out: str | Path = "results/lvlm",
        *,
        level: float = 0.99,
        delta: float = 0.05,
        scored: bool = True,
        scores_every: int = 1,
        score_evaluations: bool = True,
        projection: int | None = 2048,
        batch_size: int = 16,
        seed: int = 0,
        announce: bool = True,
        ranges: Ranges | None = None,
    ) -> None:
        self.out, self.level, self.delta, self.seed, self._announce = Path(out), level, delta, seed, announce
        self._scored, self._every, self._score_evaluations, self._batch_size = (
            scored,
            scores_every,
            scored and score_evaluations,
            batch_size,
        )
        self._ranges = ranges
        self._projection = None if projection is None else Projection(projection, seed)
        self._recorder: Recorder | None = None
        self.scheme = Scheme(2, "center")

    def attach(self, trainer: Any) -> Self:
        """Start watching a ``GRPOTrainer`` that has not trained yet. InputError for settings that no claim
        speaks of.
        """
        self.scheme = scheme_of(trainer.args)
        score = None
        if self._scored:
            _check_sampling(trainer.args)
            given = (trainer.args.generation_kwargs or {}).get("suppress_tokens")
            suppressed = tuple(
                given or getattr(base_model(trainer.model).generation_config, "suppress_tokens", None) or ()
            )
            score = partial(
                scores,
                temperature=trainer.args.temperature,
                suppressed=suppressed,
                batch_size=self._batch_size,
                projection=self._projection,
            )
        self._recorder = Recorder(
            score=score,
            scores_every=self._every,
            score_evaluations=self._score_evaluations,
            on_step=self._log,
            ranges=self._ranges,
            folder=self.out / "records",
        ).attach(trainer)
        trainer.add_callback(_AtTheEnd(self))
        return self

    @property
    def recorder(self) -> Recorder:
        """What was recorded. InputError before ``attach``."""
        if self._recorder is None:
            raise InputError("theory check: not attached; call attach(trainer)")
        return self._recorder

    def report(self) -> verdicts.Findings:
        """Judge what was recorded so far. InputError if nothing was."""
        recorder = self.recorder
        if not recorder.steps:
            lost = f"all {recorder.dropped} groups lack a reward or leave its range"
            reason = recorder.failure or (lost if recorder.dropped else "train first")
            raise InputError(f"theory check: no step was recorded; {reason}")
        training = [recorder.groups(step) for step in recorder.steps]
        last = recorder.evaluated()
        fixed = training[-1] if last is None else last
        scheme = replace(self.scheme, group_size=min(self.scheme.group_size, fixed.group_size))
        where = f"step {recorder.steps[-1]}" if last is None else f"evaluation at step {recorder.evaluations[-1].step}"
        return verdicts.judge(
            fixed,
            scheme,
            self.level,
            self.seed,
            training=training,
            evaluation=self.evaluation(),
            label=where,
            everything=rewards_of(training),
        )

    def evaluation(self) -> Evaluation | None:
        """Losses of the run's checkpoints on the prompts that all of its evaluations have."""
        events = self.recorder.evaluations
        if not events or any(
            len(event.prompt) != len(events[0].prompt) or (event.prompt != events[0].prompt).any() for event in events
        ):
            return None
        weights = np.array([float(w) for w in self.recorder.records.weights])
        losses = np.stack([1 - event.mean @ weights / weights.sum() for event in events])
        return None if losses.shape[1] < 2 else Evaluation(np.clip(losses, 0.0, 1.0), self.delta)

    def _log(self, step: int, groups: RolloutGroups) -> Mapping[str, float]:
        statistics = Statistics(groups, self.scheme, self.level, self.seed)
        numbers = {"silent_groups": statistics.silent.value, "Q": statistics.gap.value}
        if groups.scores is not None and len(groups.prompt) > 1:
            numbers |= {
                "update_norm2": statistics.update.value,
                "drift": statistics.drift.value,
                "score_energy": statistics.score_energy.value,
            }
        return numbers

    def _finish(self) -> None:
        if not self._announce:
            return
        screen, recorder = console(), self.recorder
        if recorder.steps:
            try:
                findings = self.report()
                verdicts.save(findings, self.out)
                screen.print(verdicts.tables(findings))
            except Exception as error:  # the trainer's last words are still to come
                screen.print(plain(f"theory check: no verdicts, {told(error)}"))
        if recorder.failure is not None:
            screen.print(plain(f"theory check: recorded up to {recorder.failure}"))
        if recorder.dropped:
            screen.print(
                f"theory check: {recorder.dropped} groups of training left out, since a reward of theirs is missing "
                f"(None or NaN) or outside its range"
            )


class _AtTheEnd(TrainerCallback):  # type: ignore[misc]
    def __init__(self, check: TheoryCheck) -> None:
        self.check = check

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        if state.is_world_process_zero:
            self.check._finish()


def scheme_of(args: Any) -> Scheme:
    """The group scheme of a ``GRPOConfig``. InputError for scaling by the batch, which is none."""
    scale = str(args.scale_rewards)
    if args.multi_objective_aggregation == "normalize_then_sum":
        normalization: Normalization = "normalize_then_sum"
    elif scale in ("batch",):
        raise InputError(
            'scale_rewards: "batch" divides all groups by one number, and no claim speaks of that; use "group" '
            'or "none"'
        )
    else:
        normalization = "center" if scale in ("none", "False") else "sum_then_normalize"
    return trl_scheme(int(args.num_generations), normalization)


def _check_sampling(args: Any) -> None:
    """Scores are those of the softmax at the temperature; a cut distribution is another policy."""
    neutral = {"top_p": (None, 1.0), "top_k": (None, 0, -1), "min_p": (None, 0.0), "repetition_penalty": (None, 1.0)}
    given = vars(args) | dict(args.generation_kwargs or {})  # which override the others
    for name, values in neutral.items():
        if given.get(name) not in values:
            raise InputError(
                f"{name}: {given[name]!r} samples from another policy than the softmax whose scores are taken; leave "
                f"it at its default"
            )
