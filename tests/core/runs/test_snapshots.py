"""Snapshots as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs import snapshots
from core.runs.snapshots import Pinned, PinnedImage, PinnedLayer, Snapshot


def moment(epoch: int, *, heat: bool = True) -> Snapshot:
    return Snapshot(
        epoch,
        np.array([[0.25, 0.75]], np.float32),
        np.full((1, 4, 4), epoch, np.uint8) if heat else None,
        np.array([1.5], np.float32),
        (np.zeros((1, 3, 8, 8), np.uint8), np.ones((1, 2, 4, 4), np.uint8)),
        ((0.0, 2.0), (-1.0, 1.0)),
        None if heat else np.ones((2, 3, 3, 3), np.float16),
    )


@pytest.mark.parametrize("heat", [True, False])
def test_what_is_written_is_read(tmp_path: Path, heat: bool) -> None:
    (tmp_path / snapshots.SNAPSHOT_FOLDER).mkdir()
    there = moment(12, heat=heat)
    snapshots.write(tmp_path, there)
    assert (tmp_path / "snapshots" / "epoch-000012.npz").is_file()
    found = snapshots.read(tmp_path, 12)
    assert np.array_equal(found.probabilities, there.probabilities)
    assert (found.heat is None) is not heat
    assert (found.kernels is None) is heat
    assert found.ranges == there.ranges
    assert [maps.shape for maps in found.maps] == [(1, 3, 8, 8), (1, 2, 4, 4)]


def test_pins_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert snapshots.pinned_of(tmp_path) is None
    pinned = Pinned((PinnedImage("a.png", "red", "val"),), (PinnedLayer("conv", "stage1", (0, 3)),), "conv", "")
    images = np.zeros((1, 5, 5, 3), np.uint8)
    snapshots.pin(tmp_path, pinned, {"images": images})
    assert snapshots.pinned_of(tmp_path) == pinned
    assert np.array_equal(snapshots.pinned_arrays(tmp_path)["images"], images)


def test_a_torn_or_absent_file_is_said(tmp_path: Path) -> None:
    (tmp_path / snapshots.SNAPSHOT_FOLDER).mkdir()
    (tmp_path / "snapshots" / "epoch-000003.npz").write_bytes(b"PK\x03\x04 torn")
    for epoch in (3, 4):
        with pytest.raises(InputError, match="cannot be read"):
            snapshots.read(tmp_path, epoch)
    (tmp_path / "snapshots" / "pinned.json").write_text('{"images": 3}')
    assert snapshots.pinned_of(tmp_path) is None


def test_other_files_are_no_snapshots(tmp_path: Path) -> None:
    assert snapshots.epochs(tmp_path) == []
    (tmp_path / snapshots.SNAPSHOT_FOLDER).mkdir()
    for name in ("epoch-000010.npz", "epoch-000002.npz", ".epoch-000003.npz.12.tmp", "pinned.npz"):
        (tmp_path / "snapshots" / name).touch()
    assert snapshots.epochs(tmp_path) == [2, 10]
    snapshots.drop(tmp_path, [2, 5])
    assert snapshots.epochs(tmp_path) == [10]


def test_a_long_run_keeps_few_snapshots_evenly() -> None:
    from core.training.monitoring.time_budget import is_due

    there: list[int] = []
    for epoch in range(1, 10_001):
        if is_due(epoch, there[-1] if there else 0, snapshots.MAX_SNAPSHOTS):
            there.append(epoch)
            gone = set(snapshots.surplus(there, {777} & set(there)))
            there = [kept for kept in there if kept not in gone]
    gaps = np.diff(there)
    assert 150 <= len(there) <= snapshots.MAX_SNAPSHOTS
    assert there[0] == 1
    assert there[-1] > 9_900
    assert gaps.max() <= 2.5 * np.median(gaps)


def test_first_last_and_best_stay() -> None:
    there = list(range(1, 21))
    gone = snapshots.surplus(there, {7}, most=4)
    assert {1, 7, 20} <= set(there) - set(gone)
    assert len(gone) == 16
    assert snapshots.surplus(there, set(there), most=4) == []


def test_images_are_pinned_at_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs import launch
    from core.specs import DataSpec, Experiment, ModelSpec, Phase, TrainingSpec

    wishes: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        launch, "spawn", lambda folder, *_words, **_more: wishes.append(snapshots.requested_keys(folder))
    )
    phases = (Phase("head", "head", 1),)
    task = Experiment(DataSpec("photos"), ModelSpec("mnist_cnn", "none"), TrainingSpec("custom", phases, device="cpu"))
    run = launch.start(task, tmp_path, pinned=("a/1.png", "b/2.png"))
    assert wishes == [("a/1.png", "b/2.png")]  # they stand there before the process begins
    assert snapshots.requested_keys(run.path) == wishes[0]
