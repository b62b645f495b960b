"""The recorder's files: saved, loaded, gone on with, refused when broken."""

import json
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")
import pyarrow as pa
import pyarrow.parquet as pq

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl.columns import load_records
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.recording import same
from tests.helpers.training import LORA, make, rows, variety

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


def test_save_and_load(tmp_path):
    trainer = make(tmp_path / "run", evaluation=rows(2), eval_strategy="steps", eval_steps=2)
    recorder = Recorder(score=scores).attach(trainer)
    trainer.train()
    recorder.save(tmp_path / "records")
    loaded = load_records(tmp_path / "records")
    assert (loaded.component_names, loaded.weights) == (("variety", "parity"), (Fraction(1, 5), Fraction(3, 5)))
    assert tuple(loaded.steps) == recorder.steps == (0, 1)
    for step in recorder.steps:
        same(loaded.steps[step].groups, recorder.groups(step))
        np.testing.assert_array_equal(loaded.steps[step].advantages, recorder.advantages(step))
    (event,), (own,) = loaded.evaluations, recorder.evaluations
    assert event.step == own.step == 2
    np.testing.assert_array_equal(event.prompt, own.prompt)
    np.testing.assert_array_equal(event.rewards, own.rewards)


def test_resumed_run_goes_on(tmp_path):
    """Cut after four steps of which the checkpoint has two: the records of the resumed run are those of one that was
    never cut.

    With LoRA: the Trainer of transformers 5.23 does not find the weights of a whole LLaVA in its own checkpoints, and
    goes on without them. Within one epoch: later ones are shuffled anew by a resumed run.
    """
    saving = {
        "save_strategy": "steps",
        "save_steps": 2,
        "evaluation": rows(1),
        "eval_strategy": "steps",
        "eval_steps": 1,
    }
    settings = {"more": {"peft_config": LORA}, "train": rows(8), "dropout": 0.3, **saving}
    whole = make(tmp_path / "whole", max_steps=4, **settings)
    reference = Recorder(score=scores, folder=tmp_path / "reference").attach(whole)
    whole.train()
    cut = make(tmp_path / "run", max_steps=4, **settings)
    Recorder(score=scores, folder=tmp_path / "records").attach(cut)
    cut.train()
    resumed = make(tmp_path / "run", max_steps=4, **settings)
    recorder = Recorder(score=scores, folder=tmp_path / "records").attach(resumed)
    assert recorder.steps == (0, 1, 2, 3)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert recorder.steps == reference.steps == (0, 1, 2, 3)
    assert [event.step for event in recorder.evaluations] == [1, 2, 3, 4]
    for records in (recorder.records, load_records(tmp_path / "records")):
        for step in reference.steps:
            same(records.steps[step].groups, reference.groups(step))


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    first = make(tmp_path / "run", max_steps=1)
    Recorder(folder=tmp_path / "records").attach(first)
    first.train()
    content = {path: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    again = make(tmp_path / "run", max_steps=1)
    Recorder(folder=tmp_path / "records").attach(again)
    with pytest.raises(InputError, match="holds records of an earlier run; resume"):
        again.train()
    with pytest.raises(InputError, match="other components or weights"):
        Recorder(folder=tmp_path / "records").attach(make(tmp_path / "run", [variety]))
    assert {path: path.read_bytes() for path in (tmp_path / "records").iterdir()} == content


def test_an_evaluation_of_a_run_that_broke_off_is_not_the_next_runs(tmp_path):
    """It would count twice in the class of checkpoints; one of this very run, made before training, stays."""
    settings = {"max_steps": 1, "evaluation": rows(2), "eval_strategy": "no"}
    first = make(tmp_path / "run", **settings)
    recorder = Recorder(folder=tmp_path / "records").attach(first)
    first.evaluate()
    again = make(tmp_path / "run", **settings)
    Recorder(folder=tmp_path / "records").attach(again)
    with pytest.raises(InputError, match="holds records of an earlier run; resume"):
        again.train()
    first.train()
    assert [event.step for event in recorder.evaluations] == [0] and recorder.steps == (0,)


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file/records: cannot write there"):
        Recorder(folder=tmp_path / "file" / "records").attach(make(tmp_path / "run"))


FIRST = "step-00000000.parquet"


def rewritten(folder, *, about=None, columns=None):
    """The first step's file with other metadata, or with other columns (None: left out)."""
    table = pq.ParquetFile(folder / FIRST).read()
    content = json.loads(table.schema.metadata[b"tamdp"]) | (about or {})
    for name, values in (columns or {}).items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.add_column(place, name, pa.array(values))
    pq.write_table(table.replace_schema_metadata({b"tamdp": json.dumps(content).encode()}), folder / FIRST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / FIRST).unlink(), "step-00000001.parquet: the file of step 0 is missing"),
        (lambda f: [path.unlink() for path in f.iterdir()], "no records of a run"),
        (lambda f: (f / FIRST).write_bytes(b"PAR1"), f"{FIRST}: not a readable parquet file"),
        (lambda f: (f / FIRST).write_bytes((f / FIRST).read_bytes()[:200]), f"{FIRST}: not a readable parquet file"),
        (lambda f: pq.write_table(pa.table({"prompt": [1]}), f / FIRST), f"{FIRST}: not of a recorded run"),
        (lambda f: rewritten(f, about={"schema": "x"}), "schema 'x'"),
        (lambda f: rewritten(f, about={"kind": "x"}), "not of a recorded run"),
        (lambda f: rewritten(f, about={"step": "[" * 10_000}), "not of a recorded run"),
        (lambda f: rewritten(f, about={"weights": ["1/0", 1]}), r"weights\[0\]"),
        (lambda f: rewritten(f, about={"weights": [1]}), "1 weights for 2 components"),
        (lambda f: rewritten(f, about={"weights": [1, 2]}), "components or weights are not those of"),
        (lambda f: rewritten(f, about={"components": ["variety", "other"]}), "no column 'reward other'"),
        (lambda f: rewritten(f, about={"group_size": 5}), "rows are no whole groups of 5"),
        (lambda f: rewritten(f, columns={"reward parity": None}), "no column 'reward parity'"),
        (lambda f: rewritten(f, columns={"prompt": ["a"] * 8}), "column 'prompt' has type string, expected int64"),
        (lambda f: rewritten(f, columns={"prompt": list(range(8))}), "column 'prompt' differs within a group"),
        (
            lambda f: rewritten(f, columns={"reward parity": [None] + [0.0] * 7}),
            "column 'reward parity' has type double",
        ),
        (lambda f: rewritten(f, columns={"reward parity": [2.0] * 8}), f"{FIRST}: rewards"),
    ],
)
def test_broken_records(tmp_path, change, message):
    trainer = make(tmp_path / "run", max_steps=2)
    Recorder(folder=tmp_path / "records").attach(trainer)
    trainer.train()
    load_records(tmp_path / "records")
    change(tmp_path / "records")
    with pytest.raises(InputError, match=message) as caught:
        load_records(tmp_path / "records")
    assert "\n" not in str(caught.value)
