"""A packed run comes in again as it was; what was changed, leads elsewhere or holds code leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from core.cli import main
from core.errors import Cancelled, InputError
from core.models.network import save_state
from core.runs import launch
from core.runs.store import Run, RunStore
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, Mix, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import resume_state
from core.workflows.network_loading import network_of_run
from core.workflows.packing.pack import epoch_bytes, pack
from core.workflows.packing.unpack import import_run
from core.workflows.trainer_process import worker

Files = dict[str, bytes]


@pytest.fixture
def finished(earlier: dict[str, Run]) -> Run:
    return earlier["finished"]


def packed(run: Run, *, epochs: bool = True) -> bytes:
    buffer = io.BytesIO()
    pack(run, buffer, epochs=epochs)
    return buffer.getvalue()


def taken_in(data: bytes, runs: Path) -> Run:
    return import_run(io.BytesIO(data), "run.zip", runs)


def contents(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def honest(files: Files, **changes: object) -> Files:
    """Returns files with a manifest that fits them, as somebody who forges a zip would write it."""
    (place,) = (name for name in files if name.endswith("/manifest.json"))
    record = json.loads(files[place])
    root = place.rpartition("/")[0]
    record["files"] = {
        name.removeprefix(f"{root}/"): {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
        if name != place
    }
    return {**files, place: json.dumps({**record, **changes}).encode()}


def test_a_run_comes_in_as_it_was_and_its_network_answers_the_same(finished: Run, tmp_path: Path) -> None:
    data = packed(finished)
    again = taken_in(data, tmp_path / "elsewhere")
    assert again.id == finished.id
    assert again.experiment == finished.experiment
    assert again.classes() == finished.classes()
    assert again.metrics() == finished.metrics()
    assert again.state == "finished"
    names = {path.relative_to(again.path).as_posix() for path in again.path.rglob("*") if path.is_file()}
    assert "best.safetensors" in names
    one, other = network_of_run(finished).model.state_dict(), network_of_run(again).model.state_dict()
    assert all((one[name] == other[name]).all() for name in one)
    assert taken_in(packed(again), tmp_path / "further").id == finished.id


def test_a_run_of_an_earlier_version_leaves_its_pickle_and_its_epochs_can_stay_behind(
    earlier: dict[str, Run], tmp_path: Path
) -> None:
    run = earlier["paused"]
    names = contents(packed(run))
    assert not any(name.endswith((".pt", "control.jsonl", ".lock")) for name in names)
    assert any("/weights/" in name for name in names)
    assert epoch_bytes(run) > 0
    assert not any("/weights/" in name for name in contents(packed(run, epochs=False)))
    again = taken_in(packed(run), tmp_path / "elsewhere")
    assert again.state == "paused"
    assert not again.can_resume


def test_the_command_line_says_that_a_run_paused_by_an_earlier_version_goes_on_only_here(
    earlier: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "run.zip")
    assert main(["pack", str(earlier["paused"].path), "--out", file]) == 0
    assert "can be resumed here, but not elsewhere" in capsys.readouterr().out
    assert main(["import", file, "--runs-dir", str(tmp_path / "elsewhere")]) == 0
    assert "it is paused and cannot go on here" in capsys.readouterr().out
    assert main(["pack", str(earlier["finished"].path), "--out", file]) == 0
    assert "elsewhere" not in capsys.readouterr().out


@pytest.fixture
def paused(image_folder: Callable[..., Path], tmp_path: Path) -> Run:
    """Returns a run that was paused after the second of three epochs, with all that a state can hold."""
    phases = (Phase("head", "head", 1, lr=0.01), Phase("all", "plan", 2, "sgd", lr=0.01, nesterov=True))
    spec = TrainingSpec("custom", phases, 8, 3, "cpu", "fp32", mix=Mix(mixup=0.2, cutmix=1.0), ema=0.9)
    one = Experiment(
        DataSpec(str(image_folder(images=10))),
        ModelSpec("mnist_cnn", "none"),
        spec,
        FreezePlan("all"),
        AugmentSpec.preset("basic"),
    )
    run = RunStore(tmp_path / "runs").create(one)
    worker.work(run, lambda record: run.request("pause") if record.get("epoch") == 2 else None)
    assert run.state == "paused"
    return run


@pytest.mark.parametrize("epochs", [True, False])
def test_a_paused_run_goes_on_elsewhere_to_the_same_end(paused: Run, tmp_path: Path, epochs: bool) -> None:
    again = taken_in(packed(paused, epochs=epochs), tmp_path / "elsewhere")
    assert again.can_resume
    ends = []
    for run in (paused, again):
        launch.resume_here(run)
        assert worker.work(run).state == "finished"
        stored = {key: value.tobytes() for key, value in load_file(run.path / "last.safetensors").items()}
        ends.append((stored, [row["train_loss"] for row in run.metrics()[0]], run.recorded.val_accuracy))
    assert ends[0] == ends[1]
    assert not again.has_state


def _state(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Returns what forges a state: its parts are changed, and it is written as a genuine one is."""

    def forge(folder: Path) -> None:
        state = resume_state.read(folder)
        change(state)
        resume_state.save(state, folder / resume_state.STATE, state.pop("stamp"))

    return forge


def _texts(**about: str) -> Callable[[Path], None]:
    return lambda folder: save_state({}, folder / resume_state.STATE, stamp="a", about={"state_format": "1", **about})


FORGED_STATES: dict[str, Callable[[Path], object]] = {
    "no state": lambda folder: (folder / resume_state.STATE).write_bytes(b"x" * 64),
    "weights": lambda folder: shutil.copy(folder / "last.safetensors", folder / resume_state.STATE),
    "a newer format": _texts(state_format="2", state="{}"),
    "no JSON": _texts(state="{"),
    "very deep": _texts(state='{"list":[' * 20_000),
    "a word": _texts(state='"x"'),
    "a bare list": _texts(state="[1]"),
    "an unknown kind": _texts(state='{"set":[]}'),
    "tensors that are not there": _texts(state='{"dict":[["a",{"tensor":"0","order":[]}]]}'),
    "a tensor turned beyond its axes": _texts(state='{"dict":[["a",{"tensor":"0","order":[0,1]}]]}'),
    "a negative epoch": _state(lambda state: state["position"].update(epoch=-1)),
    "a phase beyond the last": _state(lambda state: state["position"].update(phase=9)),
    "counters more": _state(lambda state: state["position"].update(wish=1)),
    "a word for a count": _state(lambda state: state["position"].update(step="many")),
    "sums of two": _state(lambda state: state["position"].update(sums=[0.0, 1.0])),
    "no optimizer": _state(lambda state: state.pop("optimizer")),
    "no generators": _state(lambda state: state.update(chances=[])),
}


def test_a_forged_state_is_refused(paused: Run, tmp_path: Path) -> None:
    genuine = (paused.path / resume_state.STATE).read_bytes()
    for name, forge in FORGED_STATES.items():
        (paused.path / resume_state.STATE).write_bytes(genuine)
        forge(paused.path)
        with pytest.raises(InputError, match=r"resume\.safetensors in run\.zip is damaged|cannot be read"):
            pytest.fail(f"{name}: {taken_in(packed(paused), tmp_path / 'elsewhere')}")
        assert list((tmp_path / "elsewhere").iterdir()) == [], name
    (paused.path / resume_state.STATE).write_bytes(genuine)
    _state(lambda state: state.update(stamp="of other weights"))(paused.path)
    again = taken_in(packed(paused), tmp_path / "elsewhere")
    assert not again.has_state
    assert not again.can_resume


def test_a_state_of_other_tensors_is_refused_in_words(paused: Run, tmp_path: Path) -> None:
    def other(state: dict[str, Any]) -> None:
        state["optimizer"]["state"] = {
            place: {name: torch.zeros(77) if isinstance(value, torch.Tensor) else value for name, value in kept.items()}
            for place, kept in state["optimizer"]["state"].items()
        }

    _state(other)(paused.path)
    again = taken_in(packed(paused), tmp_path / "elsewhere")
    launch.resume_here(again)
    with pytest.raises(InputError, match="does not fit its experiment"):
        worker.work(again)
    assert again.state == "failed"


def test_a_process_that_the_status_names_is_not_believed(finished: Run, tmp_path: Path) -> None:
    status = json.loads((finished.path / "status.json").read_text())
    (finished.path / "status.json").write_text(json.dumps({**status, "state": "running", "pid": 1, "owner": "eve"}))
    again = taken_in(packed(finished), tmp_path / "elsewhere")
    assert again.state == "interrupted"
    assert (again.recorded.pid, again.recorded.owner) == (None, "")


def test_it_is_taken_in_once(finished: Run) -> None:
    with pytest.raises(InputError, match="is here already"):
        taken_in(packed(finished), finished.path.parent)
    assert finished.exists


def _change(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: {key: data if key.endswith(f"/{name}") else value for key, value in files.items()}


def _root(files: Files) -> str:
    return next(iter(files)).partition("/")[0]


def _with(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, f"{_root(files)}/{name}": data}


def _objects() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, values=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


TAMPERED = {
    "a changed file": _change("metrics.jsonl", b"{}\n"),
    "changed weights": _change("best.safetensors", b"x" * 64),
    "a file more": _with("extra.json", b"{}"),
    "a file less": lambda files: {name: data for name, data in files.items() if not name.endswith("/classes.json")},
    "no manifest": lambda files: {name: data for name, data in files.items() if not name.endswith("/manifest.json")},
    "a manifest that is none": _change("manifest.json", b"[1"),
    "a list for a manifest": _change("manifest.json", b"[]"),
    "files on top": lambda files: {name.partition("/")[2]: data for name, data in files.items()},
    "two runs": lambda files: {**files, "other/experiment.json": b"{}"},
    "a hidden run": lambda files: {f".x/{name.partition('/')[2]}": data for name, data in files.items()},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_what_was_changed_since_is_refused(finished: Run, tmp_path: Path, change: Callable[[Files], Files]) -> None:
    refused(zipped(change(contents(packed(finished)))), tmp_path)


FORGED = {
    "a pickle": _with("resume.pt", pickle.dumps({"a": 1})),
    "a program": _with("run.py", b"print(1)"),
    "a hidden file": _with(".secret.json", b"{}"),
    "objects in an array": _with("snapshots/evil.npz", _objects()),
    "an array that is none": _with("snapshots/evil.npz", b"x"),
    "weights that are none": _change("best.safetensors", b"x" * 64),
    "predictions that are none": _change("predictions.parquet", b"x" * 64),
    "a damaged experiment": _change("experiment.json", b"{"),
    "an experiment of a newer schema": _change("experiment.json", b'{"schema": 99}'),
    "a damaged status": _change("status.json", b'{"state": "flying"}'),
    "classes that are none": _change("classes.json", b'{"classes": 3}'),
    "a path that leads away": _with("../evil.json", b"{}"),
    "a deep path": _with("a/b/c/d/e.json", b"{}"),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_what_is_forged_with_fitting_hashes_is_refused(
    finished: Run, tmp_path: Path, change: Callable[[Files], Files]
) -> None:
    refused(zipped(honest(change(contents(packed(finished))))), tmp_path)


def test_a_newer_version_is_named(finished: Run, tmp_path: Path) -> None:
    data = zipped(honest(contents(packed(finished)), schema=2))
    with pytest.raises(InputError, match="newer version"):
        taken_in(data, tmp_path / "elsewhere")


@pytest.mark.parametrize("run_id", ["..", "other", 7, ""])
def test_the_manifest_names_the_folder(finished: Run, tmp_path: Path, run_id: object) -> None:
    refused(zipped(honest(contents(packed(finished)), run=run_id)), tmp_path)


def test_links_bombs_and_what_is_no_zip_are_refused(finished: Run, tmp_path: Path) -> None:
    files = contents(packed(finished))
    buffer = io.BytesIO(zipped(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo(f"{_root(files)}/snapshots/link.json")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(buffer.getvalue(), tmp_path)
    bomb = honest({**files, f"{_root(files)}/log.txt": b"0" * 60_000_000})
    refused(zipped(bomb, zipfile.ZIP_DEFLATED), tmp_path)
    refused(b"", tmp_path)
    refused(b"PK\x03\x04 no zip", tmp_path)
    refused(packed(finished)[:-200], tmp_path)
    refused(zipped({}), tmp_path)


def test_a_cancelled_import_leaves_nothing(finished: Run, tmp_path: Path) -> None:
    def cancel(_done: int, _total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        import_run(io.BytesIO(packed(finished)), "run.zip", tmp_path / "elsewhere", progress=cancel)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_gone_is_not_packed(finished: Run) -> None:
    shutil.rmtree(finished.path)
    with pytest.raises(InputError, match="does not exist any more"):
        packed(finished)


def refused(data: bytes, tmp_path: Path) -> None:
    """Makes sure that a zip is refused in a sentence, and that nothing of it is left anywhere."""
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(InputError) as told:
        taken_in(data, elsewhere)
    assert str(told.value).endswith((".", "…"))
    assert not elsewhere.exists() or list(elsewhere.iterdir()) == []
    assert not list(tmp_path.glob("evil*"))
    assert not RunStore(elsewhere).list()
