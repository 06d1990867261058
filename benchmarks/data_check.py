"""What the check of a set of images finds, and how fast it looks.

    OMP_NUM_THREADS=1 python -m benchmarks.data_check [--data FOLDER] [--each 40]

Without a folder, tiles of the photographs that come with scikit-image are used. Prints one JSON line: pictures of 45 kB
looked at in a CPU second, false pairs among distinct pictures, the share of each of twelve kinds of planted copies that
is found, and the share of planted label errors in the first 2 x planted of the list.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.timing import options, report
from core.data.scan import looks
from core.data.sources import open_dataset
from core.workflows.data_check.copies import copies, limits_of
from core.workflows.data_check.edits import EDITS
from core.workflows.data_check.features import Eye, features_of
from core.workflows.data_check.suspects import suspects

PHOTOS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png")
KB = 45_000


def main() -> None:
    """Measures once and prints the figures."""
    arguments = options(__doc__, data="", each=40)
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.data or str(_tiles(Path(folder) / "tiles"))
        dataset = open_dataset(source)
        seen = looks.look_at(dataset)
        labels = np.array([dataset.items[place].label for place in seen.positions])
        eye = Eye()
        features = features_of((dataset.load(int(place)) for place in seen.positions), seen.digests, eye)
        among = copies(seen.thumbs, features, labels, limits_of(seen.thumbs, features, labels), sizes=seen.sizes)
        rng = np.random.default_rng(0)
        kinds = list(EDITS)
        own = rng.integers(0, len(seen), arguments.each * len(kinds))
        images = [
            EDITS[kinds[number % len(kinds)]](dataset.load(int(seen.positions[row]))) for number, row in enumerate(own)
        ]
        rows = [looks._seen(b"", image.size, image.convert("L")).thumb for image in images]
        planted = [eye.look([eye.pixels(image) for image in images[s : s + 32]]) for s in range(0, len(images), 32)]
        thumbs = np.concatenate([seen.thumbs, np.stack(rows)])
        sizes = np.concatenate([seen.sizes, [image.size for image in images]])
        features_all = np.concatenate([features, *planted])
        labels_all = np.concatenate([labels, labels[own]])
        begin = time.process_time()
        pairs = copies(thumbs, features_all, labels_all, limits_of(thumbs, features_all, labels_all), sizes=sizes)
        search = time.process_time() - begin
        origin = [*range(len(seen)), *own.tolist()]
        found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        hits = [(int(row), len(seen) + number) in found for number, row in enumerate(own)]
        errors = [_label_errors(features, labels, seed) for seed in range(5)]
        report(
            "data_check",
            images=len(seen),
            looked_at_a_cpu_second=round(_rate(Path(folder) / "jpeg", dataset)),
            false_pairs=len(among.first),
            wrong_among_planted=sum(origin[a] != origin[b] for a, b in found),
            planted=len(own),
            found=round(float(np.mean(hits)), 4),
            by_kind={kind: round(float(np.mean(hits[k :: len(kinds)])), 3) for k, kind in enumerate(kinds)},
            search_cpu_seconds=round(search, 2),
            label_errors_found=[round(error, 3) for error in errors],
        )


def _tiles(folder: Path, side: int = 128) -> Path:
    """Cuts the photographs into tiles, a class a photograph."""
    import skimage

    for name in PHOTOS:
        path = Path(skimage.__file__).parent / "data" / name
        if not path.is_file():
            continue
        photo = Image.open(path).convert("RGB")
        (folder / path.stem).mkdir(parents=True)
        for top in range(0, photo.height - side + 1, side):
            for left in range(0, photo.width - side + 1, side):
                tile = photo.crop((left, top, left + side, top + side))
                if np.asarray(tile.convert("L")).std() > 12:
                    tile.resize((256, 256)).save(folder / path.stem / f"{top}-{left}.jpg", quality=92)
    return folder


def _rate(folder: Path, dataset: looks.Dataset, count: int = 200) -> float:
    """Returns how many JPEG files of 45 kB are looked at in a CPU second, on one thread."""
    folder.mkdir()
    files = []
    for place in range(min(count, len(dataset))):
        image = dataset.load(place)
        image = image.resize((500, round(500 * image.height / image.width)), Image.Resampling.BICUBIC)
        files.append(min((_jpeg(image, quality) for quality in (99, 97, 95, 92, 88, 80)), key=_away))
    rounds = []
    for _ in range(3):
        begin = time.process_time()
        for data in files:
            looks._quick(data)
        rounds.append(time.process_time() - begin)
    print(f"files of {np.mean([len(data) for data in files]) / 1000:.0f} kB")
    return len(files) / float(np.median(rounds))


def _away(data: bytes) -> int:
    return abs(len(data) - KB)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _label_errors(features: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Plants 2 % wrong labels and returns which share of them stands in the first 2 x planted of the list."""
    rng = np.random.default_rng(seed)
    count = max(4, round(0.02 * len(labels)))
    wrong = rng.choice(len(labels), count, replace=False)
    changed = labels.copy()
    classes = int(labels.max()) + 1
    changed[wrong] = (labels[wrong] + rng.integers(1, classes, count)) % classes
    listed = [suspect.row for suspect in suspects(features, changed)][: 2 * count]
    return len(set(listed) & set(wrong.tolist())) / count


if __name__ == "__main__":
    main()
