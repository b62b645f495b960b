"""What libraries print while they load and train, put in order for a terminal."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.utils import logging

from experiments.console import progress_bar


@contextmanager
def quiet() -> Iterator[None]:
    """No loading bars, no notes, no warnings about coming changes of libraries among each other; errors stay."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def one_bar(trainer: Any, text: str) -> None:
    """Replace a trainer's own bars and printed logs by one bar."""
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(_Bar(text))


class _Bar(TrainerCallback):  # type: ignore[misc]
    """A bar over optimizer steps with the mean reward."""

    def __init__(self, text: str) -> None:
        self.text, self.bar = text, progress_bar()
        self.task = self.bar.add_task(text, total=None)

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        if state.is_world_process_zero:
            self.bar.update(self.task, total=state.max_steps, completed=state.global_step)
            self.bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.bar.update(self.task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **given: Any) -> None:
        if logs and "reward" in logs:
            self.bar.update(self.task, description=f"{self.text}, reward {logs['reward']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.bar.stop()
