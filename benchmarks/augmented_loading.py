"""Augmented batches of JPEG files: this project's store against ImageFolder, PIL transforms and two workers.

    python -m benchmarks.augmented_loading [cards|strip|page] --data FOLDER [--images 256] [--repeat 3]

The folder has one folder a class. The usual two recipes are flip with crop, and these with rotation and colour; "cards"
measures every operation by itself, done to every image. The other side's workers are started and warm before an epoch
is timed; ours has decoded its images, as from the second epoch on, and ``first`` is its first epoch, which decodes.
Sides take turns; figures are medians, in ms an image, of batches of 32 normalised images of 224 px: of wall time and of
processor time with that of the workers, which tells more where others use the machine. "strip" is what the Data page
does when a slider is moved: 7 draws on the card and 24 of all together, encoded. "page" is the whole of it: the
processor time of the server's run of that page without its frame, for each card of images. Prints one JSON line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.timing import options, report
from core.data.augment import Augmenter, views
from core.data.encoding import compact
from core.data.images import canvas, normalise
from core.data.operations.draws import drawn
from core.data.pixel_store import PixelStore, iterate
from core.data.sources import open_dataset
from core.device import reuse_freed_memory
from core.specs import OPERATIONS, AugmentSpec, Operation, Preprocessing

PREP = Preprocessing(256, 224)
BATCH, WORKERS = 32, 2
BILINEAR = v2.InterpolationMode.BILINEAR
CROP = [v2.Resize(256), v2.CenterCrop(224)]
USUAL = {
    "flip and crop": (AugmentSpec.preset("basic"), [v2.RandomResizedCrop(224, (0.7, 1.0)), v2.RandomHorizontalFlip()]),
    "with rotation and colour": (
        AugmentSpec.preset("strong"),
        [
            v2.RandomResizedCrop(224, (0.4, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(15, BILINEAR),
            v2.ColorJitter(0.3, 0.3, 0.3),
        ],
    ),
}
THEIRS = {
    "flip": v2.RandomHorizontalFlip(1.0),
    "vertical-flip": v2.RandomVerticalFlip(1.0),
    "rotation": v2.RandomRotation(15, BILINEAR),
    "shift": v2.RandomAffine(0, translate=(0.1, 0.1), interpolation=BILINEAR),
    "shear": v2.RandomAffine(0, shear=10, interpolation=BILINEAR),
    "zoom": v2.RandomAffine(0, scale=(0.8, 1.25), interpolation=BILINEAR),
    "perspective": v2.RandomPerspective(0.3, 1.0),
    "elastic": v2.ElasticTransform(50.0),
    "brightness": v2.ColorJitter(brightness=0.2),
    "contrast": v2.ColorJitter(contrast=0.2),
    "saturation": v2.ColorJitter(saturation=0.2),
    "hue": v2.ColorJitter(hue=0.1),
    "gray": v2.RandomGrayscale(1.0),
    "blur": v2.GaussianBlur(13, (0.1, 2.0)),
    "sharpness": v2.RandomAdjustSharpness(2.0, 1.0),
    "equalise": v2.RandomEqualize(1.0),
    "posterise": v2.RandomPosterize(5, 1.0),
    "solarise": v2.RandomSolarize(192, 1.0),
    "noise": v2.GaussianNoise(0.0, 0.05),
    "erasing": v2.RandomErasing(1.0),
    "autoaugment": v2.AutoAugment(),
    "randaugment": v2.RandAugment(),
    "trivialaugment": v2.TrivialAugmentWide(),
    "augmix": v2.AugMix(),
}
_ON_TENSORS = ("noise", "erasing")


def main() -> None:
    """Measures once and prints the figures."""
    arguments = options(__doc__, ("usual", "cards", "strip", "page"), data="", images=256, repeat=3)
    if arguments.what == "strip":
        report("augmented_loading strip", **_strip(arguments.data, arguments.repeat))
        return
    if arguments.what == "page":
        report("augmented_loading page", **_page(arguments.data, arguments.repeat))
        return
    torch.set_num_threads(WORKERS)
    reuse_freed_memory()  # as a training does
    cases = USUAL
    if arguments.what == "cards":
        cases = {name: (AugmentSpec(operations=(Operation(name),)), _theirs(name)) for name in OPERATIONS}
    figures = {}
    for name, (spec, transforms) in cases.items():
        figures[name] = _case(Path(arguments.data), arguments.images, spec, transforms, arguments.repeat)
        print(name, figures[name], flush=True)
    report(
        f"augmented_loading {arguments.what}",
        images=arguments.images,
        cases=figures,
        never_slower=all(row["times"] >= 1 for row in figures.values()),
    )


def _theirs(name: str) -> list[torch.nn.Module]:
    return [*CROP, *([v2.PILToTensor()] if name in _ON_TENSORS else []), *_floats(name), THEIRS[name]]


def _floats(name: str) -> list[torch.nn.Module]:
    return [v2.ToDtype(torch.float32, scale=True)] if name == "noise" else []


def _case(
    data: Path, count: int, spec: AugmentSpec, transforms: list[torch.nn.Module], repeat: int
) -> dict[str, float]:
    whole = v2.Compose(
        [*transforms, v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(PREP.mean, PREP.std)]
    )
    files = ImageFolder(str(data), whole)
    chosen = torch.randperm(len(files), generator=torch.Generator().manual_seed(0))[:count]
    loader = DataLoader(
        torch.utils.data.Subset(files, chosen.tolist()), BATCH, num_workers=WORKERS, persistent_workers=True
    )
    dataset = open_dataset(str(data), roots=[data.parent])
    places = torch.arange(len(dataset))[: len(chosen)]
    augmenter = Augmenter(spec, PREP.crop)

    def ours(store: PixelStore, epoch: int) -> Iterator[torch.Tensor]:
        for pixels, _, positions in iterate(store, places.split(BATCH)):
            yield normalise(augmenter(pixels, drawn(0, epoch, positions.numpy(), augmenter.numbers)), PREP)

    with PixelStore(dataset, PREP, canvas=True, max_bytes=1 << 30) as store:
        first, _ = _ms(lambda: ours(store, 0), len(places))
        _ms(lambda: iter(loader), len(places))
        rows = [
            (*_ms(lambda: iter(loader), len(places)), *_ms(partial(ours, store, epoch), len(places)))
            for epoch in range(1, repeat + 1)
        ]
    theirs, theirs_cpu, own, own_cpu = (median(column) for column in zip(*rows, strict=True))
    figures = {"theirs": theirs, "ours": own, "times": theirs / own, "first": first}
    figures |= {"theirs_cpu": theirs_cpu, "ours_cpu": own_cpu, "times_cpu": theirs_cpu / own_cpu}
    return {name: round(value, 2) for name, value in figures.items()}


def _ms(batches: Callable[[], Iterator[object]], count: int) -> tuple[float, float]:
    """Returns wall and processor time, the latter with that of the workers, in ms an image."""
    own = psutil.Process()

    def used() -> float:
        rows = [process.cpu_times() for process in (own, *own.children())]
        return sum(row.user + row.system for row in rows)

    begin, before = time.perf_counter(), used()
    for _ in batches():
        pass
    return 1000 * (time.perf_counter() - begin) / count, 1000 * (used() - before) / count


def _strip(data: str, repeat: int) -> dict[str, object]:
    """Returns the wall time of what a moved slider draws anew, in ms, of every card and of the preset strong."""
    dataset = open_dataset(data, roots=[Path(data).parent])
    square = canvas(dataset.load(0), PREP)
    strong = AugmentSpec.preset("strong")

    def moved(spec: AugmentSpec, both: AugmentSpec, seed: int) -> tuple[float, float]:
        begin = time.perf_counter(), time.process_time()
        for one, draws, side in ((spec, 7, 208), (both, 24, 184)):
            seen = views(square, one, PREP.crop, seed=seed, position=0, epochs=range(draws))
            for picture in seen:
                compact(picture, side, quick=True)
        return 1000 * (time.perf_counter() - begin[0]), 1000 * (time.process_time() - begin[1])

    rows, cpu = {}, {}
    for name in OPERATIONS:
        alone = AugmentSpec(operations=(Operation(name),))
        both = AugmentSpec(True, 0.4, 15.0, 0.3, alone.operations)
        moved(alone, both, 0)
        found = np.median([moved(alone, both, seed) for seed in range(repeat)], axis=0)
        rows[name], cpu[name] = (round(float(value), 1) for value in found)
    moved(strong, strong, 0)
    return {
        "on_top_of_strong": rows,
        "slowest": max(rows.values()),
        "slowest_cpu": max(cpu.values()),
        "strong": round(moved(strong, strong, 1)[0], 1),
    }


def _page(data: str, repeat: int) -> dict[str, object]:
    """Returns the processor time of the page Data after a moved slider, in ms, of every card on top of strong."""
    os.environ["BACKBONE_LAB_DATA"] = str(Path(data).resolve().parent)
    from streamlit.testing.v1 import AppTest

    from core.specs import DataSpec
    from pages.data.problems import check_job
    from pages.ui.session.train_form import TrainChoice

    check_job.start = lambda *_, **__: None  # no check of the images beside it
    rows = {}
    for name in OPERATIONS:
        app = AppTest.from_function(_rendered, default_timeout=300)
        app.query_params["view"], app.query_params["operation"] = "augmentation", name
        app.session_state["bl.data"] = DataSpec(str(Path(data).resolve()), test_share=0.2)
        app.session_state["bl.train"] = TrainChoice(augment=AugmentSpec(True, 0.4, 15.0, 0.3, (Operation(name),)))
        app.run()
        found = []
        for step in range(1, repeat + 1):
            slider = [one for one in app.slider if one.key in (f"bl-aug-{name}-range", f"bl-aug-{name}-p")][-1]
            low, high = slider.value if isinstance(slider.value, tuple) else (slider.value, None)
            moved = low - slider.step * step if low - slider.step * step > slider.min else low + slider.step * step
            slider.set_value(moved if high is None else (min(moved, high), high))
            begin = time.process_time()
            app.run()
            found.append(1000 * (time.process_time() - begin))
        if app.exception:
            raise SystemExit(f"{name}: {app.exception}")
        rows[name] = round(median(found), 1)
    return {"cpu_ms": rows, "slowest": max(rows.values())}


def _rendered() -> None:
    from pages.data.page import render

    render()


if __name__ == "__main__":
    main()
