"""What every one of two processes runs in the test of distributed recording: torchrun -m tests.helpers.two_processes
FOLDER ROWS_PER_PROCESS.
"""

import os
import sys
from pathlib import Path

import numpy as np

from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.training import Gradients, make, rows


def main(folder: Path, batch: int) -> None:
    gradients = Gradients()
    trainer = make(
        folder,
        loss_type="dr_grpo",
        callbacks=[gradients],
        per_device_train_batch_size=batch,
        evaluation=rows(4),
        eval_strategy="steps",
        eval_steps=2,
        log_completions=True,
    )
    recorder = Recorder(score=scores, folder=folder / "records").attach(trainer)
    trainer.train()
    rank = os.environ["RANK"]
    recorder.save(folder / f"rank-{rank}")
    np.save(folder / f"gradients-{rank}.npy", np.stack(gradients.found), allow_pickle=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
