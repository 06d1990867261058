"""Requests to a run: checked when they are made, and passed over when somebody wrote nonsense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError
from core.runs import RunStore, control
from core.specs import DataSpec, Experiment, ModelSpec, Phase, TrainingSpec
from core.workflows.trainer_process import worker

HOSTILE = (
    b"\x00\xff\xfe{\n",
    b"null\n",
    b"[]\n",
    b'"stop"\n',
    b'{"kind": ["stop"]}\n',
    b'{"kind": "rate"}\n',
    b'{"kind": "rate", "value": -1}\n',
    b'{"kind": "rate", "value": NaN}\n',
    b'{"kind": "rate", "value": true}\n',
    b'{"kind": "extend", "value": 1e999}\n',
    b'{"kind": "extend", "value": 0.5}\n',
    b'{"kind": "extend"}\n',
    b'{"kind": "unfreeze", "value": NaN}\n',
    b'{"kind": "extend", "value": 1' + b"0" * 400 + b"}\n",
    b'{"kind": "halt", "value": 1}\n',
    b"[" * 200_000 + b"\n",
    b'{"kind": "ra\n',
)


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_nonsense_is_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / control.CONTROL_FILE).write_bytes(line)
    assert control.read(tmp_path) == ([], len(line))
    assert control.halt(tmp_path, 0) is None
    control.ask(tmp_path, "rate", 0.5)
    assert [row["value"] for row in control.read(tmp_path)[0]] == [0.5]


def test_a_torn_request_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / control.CONTROL_FILE
    path.write_bytes(b'{"kind": "pau')
    assert control.read(tmp_path) == ([], 0)
    with path.open("ab") as file:
        file.write(b'se", "value": 1}\n')
    assert control.halt(tmp_path, 0) == "pause"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("rate", 0.0),
        ("rate", float("nan")),
        ("unfreeze", float("nan")),
        ("extend", float("inf")),
        ("extend", 0.5),
        ("unfreeze", -1.0),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(tmp_path: Path, kind: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{kind} is"):
        control.ask(tmp_path, kind, value)
    assert not (tmp_path / control.CONTROL_FILE).exists()


def test_a_training_goes_on_over_nonsense(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    phases = (Phase("all", "plan", 3, lr=0.01),)
    training = TrainingSpec("custom", phases, 8, device="cpu", precision="fp32")
    spec = Experiment(DataSpec(str(image_folder())), ModelSpec("mnist_cnn", "none"), training)
    run = RunStore(tmp_path / "runs").create(spec)

    def spoil(record: dict[str, object]) -> None:
        if record["event"] == "epochend" and record["epoch"] == 1:
            with (run.path / control.CONTROL_FILE).open("ab") as file:
                file.write(b"".join(HOSTILE) + b'{"kind": "extend", "value": 1}\n')

    assert worker.work(run, spoil).state == "finished"
    assert [(act.kind, act.value) for act in run.experiment.training.acts] == [("extend", 1)]
    assert len(run.metrics()[0]) == 4
