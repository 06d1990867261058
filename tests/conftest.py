"""What every test may use: folders of its own, and small sets of generated images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.runs.store import Run, RunStore

SPLIT_COUNTS = {"train": 8, "val": 4, "test": 4}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps runs, data and caches of a test in its own temporary folder, which need not outlast a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setenv("BACKBONE_LAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("BACKBONE_LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BACKBONE_LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir(exist_ok=True)


def picture(label: int, number: int, size: int = 48) -> Image.Image:
    """Draws one easily learned image: a class is a colour, its images differ by noise."""
    colours = np.array([(200, 60, 50), (50, 90, 200), (60, 190, 80), (210, 190, 60)])
    noise = np.random.default_rng(1000 * label + number).normal(0, 25, (size, size, 3))
    return Image.fromarray((colours[label % 4] + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a class-per-folder data set of noisy colours below the allowed root."""

    def make(
        name: str = "colours",
        classes: tuple[str, ...] = ("red", "blue"),
        images: int = 12,
        *,
        presplit: bool = False,
        suffix: str = ".png",
        start: int = 0,
    ) -> Path:
        root = tmp_path / "data" / name
        parts = SPLIT_COUNTS if presplit else {"": images}
        number = start
        for part, count in parts.items():
            for label, title in enumerate(classes):
                folder = root / part / title
                folder.mkdir(parents=True)
                for _ in range(count):
                    number += 1
                    picture(label, number).save(folder / f"{number:03d}{suffix}")
        return root

    return make


@pytest.fixture
def earlier(tmp_path: Path) -> dict[str, Run]:
    """Returns runs that commit 5a25077 trained, by their state: one that finished, one that was paused."""
    shutil.copytree(Path(__file__).parent / "data" / "runs-of-5a25077", tmp_path / "runs")
    return {run.recorded.state: run for run in RunStore(tmp_path / "runs").list()}
