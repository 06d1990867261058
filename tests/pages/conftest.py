"""What the pages' tests share: a page by itself, and a finished run on disk without training one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core.runs.jobs import Job, JobStore
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.jobs.data_check import CheckRequest
from pages.ui.explaining import map_grid


def _page(name: str) -> None:
    import importlib

    from pages.ui.kit.page_states import boundary

    with boundary():
        importlib.import_module(f"pages.{name}.page").render()


@pytest.fixture(scope="session", autouse=True)
def installed_components() -> Iterator[None]:
    """Looks for other packages' components once; Streamlit reads what is installed for each page that a test opens."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture(autouse=True)
def check_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a check of images done at once, without a process and without the network."""
    from core.workflows.jobs import job_process

    def done(request: CheckRequest, **_: Any) -> Job:
        job = JobStore(request.kind).create(replace(request, features=False).as_record())
        job_process.work(job)
        return job

    monkeypatch.setattr("pages.data.problems.check_job.start_job", done)


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Runs a page by its name, with ``query`` in its address and ``session`` in its state."""

    def opened(name: str, *, session: dict[str, Any] | None = None, **query: str) -> AppTest:
        app = AppTest.from_function(_page, args=(name,), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        for key, value in (session or {}).items():
            app.session_state[key] = value
        return app.run()

    return opened


@pytest.fixture
def params() -> Callable[[AppTest], dict[str, str]]:
    """Returns what a page's address carries."""

    def carried(app: AppTest) -> dict[str, str]:
        return {name: value if isinstance(value, str) else value[-1] for name, value in dict(app.query_params).items()}

    return carried


@pytest.fixture
def words() -> Callable[[AppTest], str]:
    """Returns everything a page says, as one text; spaces that hold a figure together are plain ones in it."""

    def said(app: AppTest) -> str:
        parts = [getattr(element.proto, "body", "") or str(getattr(element, "value", "")) for element in app.main]
        found: list[str] = []

        def walk(block: Any) -> None:
            for child in getattr(block, "children", {}).values():
                walk(child)
            proto = getattr(block, "proto", None)
            for field in ("body", "label", "text"):
                value = getattr(proto, field, "")
                if isinstance(value, str) and value:
                    found.append(value)

        walk(app.main)
        return "\n".join([*parts, *found]).replace("\u00a0", " ")

    return said


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Makes a run's folder in any state, with epochs but without a process."""

    def make(state: str = "finished", epochs: int = 3, preset: str = "linear-probe", **status: Any) -> Run:
        recipe = make_recipe(preset)
        run = RunStore().create(
            Experiment(
                data=DataSpec("shapes", test_share=0.2),
                model=ModelSpec("efficientnet_lite0", recipe.weights),
                training=TrainingSpec(preset, recipe.phases),
                freeze=recipe.freeze,
                name="A run <b>of</b> mine",
            )
        )
        rows = [
            {
                "epoch": n + 1,
                "phase": "head",
                "phase_index": 0,
                "train_loss": 1.0 / (n + 1),
                "lr": 1e-3,
                "train_accuracy": 0.6 + 0.1 * n,
                "val_loss": 1.1 / (n + 1),
                "val_accuracy": 0.5 + 0.1 * n,
                "seconds": 1.0,
                "images_per_second": 100.0,
                "improved": True,
            }
            for n in range(epochs)
        ]
        (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        record = {
            "state": state,
            "started": time.time() - 60,
            "begun": time.time() - 58,
            "seconds": 58.0,
            "epochs": 10,
            "epochs_done": epochs,
            "steps": 80,
            "step": 8 * epochs,
            "epoch": epochs,
            "best_epoch": epochs,
            "best_val_accuracy": 0.7,
            "val_accuracy": 0.7,
            "test_accuracy": 0.65,
            "trainable_parameters": 5124,
            "total_parameters": 3_376_132,
            "images_per_second": 120.0,
            "device": "cpu",
            "memory_bytes": 900_000_000,
            "phase": "head",
            "doing": "training",
            **status,
        }
        (run.path / "status.json").write_text(json.dumps(record))
        return run

    return make


@pytest.fixture
def alive() -> dict[str, Any]:
    """Returns the status keys that make a run look alive: this test's own process."""
    from core.runs.process import process_stamp

    return process_stamp()


@pytest.fixture
def learned(image_folder: Callable[..., Path]) -> Callable[..., Run]:
    """Makes a small run that left weights and predictions behind: two classes, one mistake among its test images."""

    def make(
        *,
        judged: bool = True,
        test_share: float = 0.25,
        classes: tuple[str, ...] = ("red", "blue"),
        folder: str = "colours",
        **status: Any,
    ) -> Run:
        import numpy as np

        from core.data.sources import open_dataset
        from core.data.splits import split
        from core.evaluation.predictions import write_predictions
        from core.models.network import assemble, save
        from core.runs.recorder import Recorder

        data = DataSpec(str(image_folder(folder, classes)), val_share=0.25, test_share=test_share)
        model = ModelSpec("shufflenet_v2_x0_5", "none", image_size=64)
        recipe = make_recipe("linear-probe")
        run = RunStore().create(Experiment(data, model, TrainingSpec("linear-probe", recipe.phases), name="Small one"))
        dataset = split(open_dataset(data.source), data)
        recorder = Recorder(run)
        recorder.classes(dataset.classes)
        recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
        recorder.epoch(
            {
                "epoch": 1,
                "phase": "head",
                "phase_index": 0,
                "train_loss": 0.4,
                "val_loss": 0.5,
                "train_accuracy": 0.9,
                "val_accuracy": 0.8,
                "lr": 0.001,
            }
        )
        save(assemble(model, dataset.classes, seed=0).model, run.path / "best.safetensors")
        if judged:
            held = [item for item in dataset.items if item.split in ("val", "test")]
            sure = np.where(np.arange(len(classes))[None] == np.array([item.label for item in held])[:, None], 0.9, 0.1)
            last = "test" if test_share else "val"
            wrong = next(i for i, item in enumerate(held) if item.split == last)
            sure[wrong] = sure[wrong, ::-1]
            write_predictions(run.path / "predictions.parquet", held, sure.astype(np.float32), dataset.classes)
        record = {"state": "finished", "epochs": 1, "best_epoch": 1, "pid": None, "seconds": 3.0, **status}
        (run.path / "status.json").write_text(json.dumps(record))
        return run

    return make


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, float]]:
    """Of each heatmap that a page draws, by its caption: how strongly, and how strong its class's evidence is."""
    found: dict[str, tuple[float, float]] = {}
    real = map_grid._tile

    def tile(cell: Any, level: Any, look: Any, size: Any) -> Any:
        found[cell.caption] = (float(level.max()), cell.probability * float(cell.heat.figures.max()))
        return real(cell, level, look, size)

    monkeypatch.setattr(map_grid, "_tile", tile)
    return found
