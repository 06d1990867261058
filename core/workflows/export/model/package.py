"""A network packed to leave the lab: the file, its classes, how images become its input, a model card, a program."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from core.errors import InputError
from core.models.catalog import catalog
from core.models.network import Network
from core.runs.store import Run
from core.text_templates import templates
from core.translations import Words
from core.workflows.checkpoints import network_at
from core.workflows.evaluate import recorded
from core.workflows.export.model import formats
from core.workflows.export.model.int8 import LARGEST_FALL, Int8, quantise
from core.workflows.export.model.parity import LIMIT, Parity, compare, pictures_of
from core.workflows.export.tables import csv_table, excel_table
from core.workflows.images import reopen
from core.workflows.report import recipe

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Exported:
    """A network that was written and agrees with its checkpoint.

    Attributes:
        format: Name in :data:`core.workflows.export.model.formats.FORMATS`.
        bytes: Size of the network's file.
        parity: How far its answers are from the checkpoint's.
        int8: What rounding to whole numbers changed, where that was done; then its parity is no promise of equality.
    """

    format: str
    bytes: int
    parity: Parity
    int8: Int8 | None = None

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {
            "format": self.format,
            "bytes": self.bytes,
            "opset": formats.OPSET if "onnxruntime" in formats.FORMATS[self.format].needs else None,
            **asdict(self.parity),
            **({"int8": asdict(self.int8)} if self.int8 is not None else {}),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Exported:
        """Reads what :meth:`as_record` wrote."""
        parity = Parity(**{name: record[name] for name in Parity.__dataclass_fields__})
        int8 = Int8(**record["int8"]) if "int8" in record else None
        return cls(str(record["format"]), int(record["bytes"]), parity, int8)


def export_file(
    run: Run,
    name: str,
    path: Path,
    *,
    checkpoint: str = "best",
    roots: Sequence[Path] | None = None,
    step: Callable[[str], object] = str,
) -> Exported:
    """Writes a run's network into one file, and takes it away again where it does not answer as the checkpoint does.

    Args:
        run: With weights.
        name: A format of :data:`core.workflows.export.model.formats.FORMATS`.
        path: The file.
        checkpoint: Which weights, as for :func:`core.workflows.checkpoints.network_at`.
        roots: Folders that the run's images must lie under, links resolved; ``None`` for no limit.
        step: Called with what is being done.

    Raises:
        InputError: There are no such weights or no such format, the exporter cannot write this network, or what it
            wrote answers otherwise; or it is to be rounded to whole numbers, and its accuracy falls clearly.
        OSError: The file cannot be written.
    """
    form = formats.format_named(name)
    if form.rounded:
        reopen(run, roots=roots)  # says before the work that the pictures are gone which it needs
    step("building the network")
    network = network_at(run, checkpoint, roots=roots)
    images, own = pictures_of(run, roots=roots)
    step("writing the file")
    try:
        with network.lock:
            form.write(formats.Deployed(network.model, network.preprocessing).eval(), network, path)
        step("comparing its answers")
        parity = compare(network, form.open(path, run.experiment.model, network.classes), images, own=own)
    except (OSError, InputError):
        raise
    except Exception as error:
        path.unlink(missing_ok=True)
        raise InputError(
            "{format} cannot hold this network ({reason}). Take another format.",
            format=form.title,
            reason=str(error).strip().split("\n", 1)[0][:200] or type(error).__name__,
        ) from error
    if not parity.agrees:
        path.unlink(missing_ok=True)
        raise InputError(
            "The {format} file answers otherwise than the checkpoint: by up to {difference}, where {limit} is allowed. "
            "It is not handed out; take another format.",
            format=form.title,
            difference=f"{parity.max_difference:.2g}",
            limit=f"{LIMIT:.0e}",
        )
    if not form.rounded:
        return Exported(name, path.stat().st_size, parity)
    try:
        return _rounded(run, name, path, network, parity, roots, step)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _rounded(
    run: Run,
    name: str,
    path: Path,
    network: Network,
    exact: Parity,
    roots: Sequence[Path] | None,
    step: Callable[[str], object],
) -> Exported:
    """Rounds a file that agrees to whole numbers, unless the accuracy falls clearly."""
    found = quantise(path, run, network, roots=roots, step=step)
    if found.falls:
        raise InputError(
            "Rounded to whole numbers, the network gets {after} of {n} {split} images right rather than {before}. A "
            "fall of more than {limit} is not handed out; take ONNX.",
            after=f"{100 * found.accuracy:.1f}\u00a0%",
            before=f"{100 * found.float_accuracy:.1f}\u00a0%",
            n=found.pictures,
            split="test" if found.split == "test" else "validation",
            limit=f"{100 * LARGEST_FALL:.0f}\u00a0%",
        )
    parity = replace(
        exact, max_difference=found.max_difference, pictures=found.pictures, milliseconds=found.milliseconds
    )
    return Exported(name, path.stat().st_size, parity, found)


def export_package(
    run: Run,
    name: str,
    target: Path | IO[bytes],
    *,
    checkpoint: str = "best",
    roots: Sequence[Path] | None = None,
    step: Callable[[str], object] = str,
) -> Exported:
    """Writes a zip with the network's file and all that is needed to use it without this project.

    Args:
        run: As for :func:`export_file`, as are the others.
        name: Likewise.
        target: The zip.
        checkpoint: Likewise.
        roots: Likewise.
        step: Likewise.

    Raises:
        InputError: As for :func:`export_file`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{formats.format_named(name).ending}"
        found = export_file(run, name, path, checkpoint=checkpoint, roots=roots, step=step)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            archive.write(path, path.name)
            for inside, text in companions(run, found, checkpoint).items():
                archive.writestr(inside, text)
    return found


def companions(run: Run, found: Exported, checkpoint: str = "best") -> dict[str, str | bytes]:
    """Returns the files that belong beside the network: by name, their contents.

    ``config.json`` (how images become its input), the classes as CSV, JSON and Excel, ``MODEL_CARD.md``, and
    ``predict.py`` where the format runs without this project.
    """
    experiment, classes = run.experiment, run.classes()
    preprocessing = catalog.prepared(experiment.model)
    model = f"model.{formats.FORMATS[found.format].ending}"
    files: dict[str, str | bytes] = {
        "config.json": json.dumps(
            {
                "model": model,
                "input": {"name": formats.INPUT, "shape": ["N", 3, preprocessing.crop, preprocessing.crop]},
                "output": {"name": formats.OUTPUT, "shape": ["N", len(classes)]},
                "preprocessing": asdict(preprocessing),
                "normalisation": "beside" if found.format == "safetensors" else "inside",
                "classes": list(classes),
                "network": asdict(experiment.model),
                "run": run.id,
                "checkpoint": checkpoint,
                "parity": found.as_record(),
            },
            indent=2,
            ensure_ascii=False,
        ),
        "classes.csv": csv_table(("index", "name"), enumerate(classes)),
        "classes.json": json.dumps(list(classes), ensure_ascii=False, indent=0),
        "classes.xlsx": excel_table("classes", ("index", "name"), enumerate(classes)),
        "MODEL_CARD.md": model_card(run, found, checkpoint),
    }
    if found.format not in ("safetensors", "web"):
        template = templates(TEMPLATES).get_template("predict.py.j2")
        colour = tuple(round(255 * value) for value in preprocessing.mean)
        files["predict.py"] = template.render(format=found.format, prep=preprocessing, model=model, colour=colour)
    return files


def model_card(run: Run, found: Exported, checkpoint: str = "best") -> str:
    """Returns a model card (Mitchell et al. 2019, arXiv:1810.03993) in Markdown: data, recipe, figures, limits."""
    experiment, words = run.experiment, Words("en")
    splits = {name: sum(row["split"] == name for row in run.split_rows()) for name in ("train", "val", "test")}
    judged = recorded(run) if checkpoint == "best" else {}
    part = judged.get("test") or judged.get("val")
    figures = None if part is None else part.figures()
    return (
        templates(TEMPLATES)
        .get_template("model_card.md.j2")
        .render(
            run=run,
            backbone=recipe.title(experiment.model.backbone),
            recipe=recipe.in_words(experiment, words),
            data=recipe.data_in_words(run, experiment, words),
            classes=run.classes(),
            splits=splits,
            part=part,
            figures=figures,
            found=found,
            checkpoint=checkpoint,
            limit=LIMIT,
            title=formats.FORMATS[found.format].title,
        )
    )
