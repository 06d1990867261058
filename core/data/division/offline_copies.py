"""Changed copies of training images, written to disk after the division: never before it.

Copies that are made before a division stand on both of its sides, and a network is then judged on what it learned.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from core.data.augment import views
from core.data.dataset import Dataset, Item
from core.data.division.on_disk import new_folder, place, stored
from core.messages import Progress
from core.specs import AugmentSpec

MOST_SIDE = 1024
"""Longer sides are reduced to this many pixels before they are changed."""
_ENDINGS = {".jpg": ("JPEG", ".jpg"), ".jpeg": ("JPEG", ".jpg")}


def write_copies(
    dataset: Dataset, spec: AugmentSpec, copies: int, target: Path, *, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Writes a divided data set as folders, each training image so many times: as it is, and changed.

    Validation and test images are written once, as they are. Copies bear the name of their image and a number, so that
    ``group_by="stem"`` knows them as relatives.

    Args:
        dataset: The images; each has a split.
        spec: The changes; copy ``k`` of an image is what a training with this seed sees of it in epoch ``k``.
        copies: Times that each training image is written, itself among them; 1 writes the images alone.
        target: The folder; it must not be there yet, or be empty.
        seed: Seed of the changes.
        progress: Called with the images written and all.

    Raises:
        InputError: The folder is not empty or cannot be written, or an image cannot be read. Nothing is left behind.
    """
    training = sum(item.split == "train" for item in dataset.items)
    total, done = len(dataset) + training * (copies - 1), 0
    with new_folder(target) as part:
        for position, item in enumerate(dataset.items):
            place(part, dataset, item).write_bytes(stored(dataset, item))
            done += 1
            if item.split == "train" and copies > 1:
                image = dataset.load(position)
                for number in range(1, copies):
                    _write(part, dataset, item, changed(image, spec, seed, number, position), f"_aug{number}")
                    done += 1
            if progress is not None:
                progress(done, total)
    return target


def changed(image: Image.Image, spec: AugmentSpec, seed: int, epoch: int, position: int) -> Image.Image:
    """Returns an image as a training sees it in an epoch, at its own size.

    What is no square is made one for the changes and gets its sides back.

    Args:
        image: RGB.
        spec: The changes.
        seed: Seed of the training.
        epoch: Epoch, from 0.
        position: Place of the image in its data set.
    """
    side = min(MOST_SIDE, max(image.size))
    square = image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BICUBIC)
    (found,) = views(square.convert("RGB"), spec, side, seed=seed, position=position, epochs=[epoch])
    return found if found.size == image.size else found.resize(image.size, Image.Resampling.BICUBIC)


def _write(part: Path, dataset: Dataset, item: Item, image: Image.Image, mark: str) -> None:
    kind, ending = _ENDINGS.get(Path(item.key).suffix.lower(), ("PNG", ".png"))
    if kind == "JPEG":
        image.save(place(part, dataset, item, mark, ending), kind, quality=95)
    else:
        image.save(place(part, dataset, item, mark, ending), kind, compress_level=1)
