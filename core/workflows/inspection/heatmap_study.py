"""The heatmaps of many pictures together: where a network looks as a rule, and where it does not look at the object.

One method explains every held-out picture of a run. What comes out is small (a map of 32 x 32 values a picture), so
that means, groups and boxes can be worked out afterwards, at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.errors import InputError
from core.interpret.explanation_metrics.localisation import border_share, box_mask, energy, hits, positive, seen_mask
from core.interpret.explanation_metrics.spray import clusters, shrunk
from core.messages import Progress
from core.specs import from_record

if TYPE_CHECKING:
    from core.models.network import Network

STUDY_SIDE = 32
"""Side of the maps that are kept."""
MAX_IMAGES = 400
"""Pictures that a study looks at, at most."""
BAND = 0.1
"""Width of the border band, as a share of the side."""
EVEN_BORDER = 1 - (1 - 2 * BAND) ** 2
"""Share of its heat that a map has in the border band when it is the same everywhere."""
CENTRE = (0.25, 0.25, 0.75, 0.75)
"""The middle quarter of the picture: left, top, right, bottom."""
OF = ("predicted", "truth")

Maps = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of a study.

    Attributes:
        key: The picture's key in its data set.
        truth: Its class.
        predicted: The most probable class.
        probability: Probability of the explained class.
        target: The explained class.
        empty: Whether nothing spoke for the class.
        border: Share of the heat in the border band.
        middle: Share of the heat in the middle quarter of the picture.
        inside: Share of the heat on the object; ``None`` where the object is not known.
        area: Share of the picture that the object covers; likewise.
        hit: Whether the strongest pixel lies on the object; likewise.
        group: Which of the class's groups of maps it belongs to, the largest 0; ``None`` before they are made.
    """

    key: str
    truth: str
    predicted: str
    probability: float
    target: str
    empty: bool
    border: float
    middle: float
    inside: float | None = None
    area: float | None = None
    hit: bool | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What a study found.

    Attributes:
        method: The method's id.
        layer: The layer looked at; ``None`` for methods that look at the input.
        of: Which class was explained, one of :data:`OF`.
        split: Split of the pictures.
        classes: The network's classes.
        rows: One a picture.
        seconds: Time it took.
        complete: Whether all pictures were looked at.
    """

    method: str
    layer: str | None
    of: str
    split: str
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float
    complete: bool

    def as_record(self) -> dict[str, Any]:
        """Returns it JSON-ready."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Study:
        """Reads what :meth:`as_record` wrote.

        Raises:
            InputError: It is damaged.
        """
        study = from_record(cls, "study", record)
        rows = tuple(from_record(Row, "row", row) for row in study.rows)
        return replace(study, rows=rows, classes=tuple(study.classes))

    def known_objects(self) -> bool:
        """Whether it is known where the objects are."""
        return any(row.inside is not None for row in self.rows)


def pictures(dataset: Dataset, most: int = MAX_IMAGES) -> tuple[str, list[int]]:
    """Returns the split to study (test, else validation, else all) and which of its pictures, evenly by class."""
    present = {item.split for item in dataset.items}
    split = next((name for name in ("test", "val") if name in present), "all")
    chosen = [index for index, item in enumerate(dataset.items) if split in ("all", item.split)]
    if len(chosen) <= most:
        return split, chosen
    of_class: dict[int, list[int]] = {}
    for index in chosen:
        of_class.setdefault(dataset.items[index].label, []).append(index)
    dealt = [
        of[place] for place in range(max(map(len, of_class.values()))) for of in of_class.values() if place < len(of)
    ]
    return split, sorted(dealt[:most])


def study(
    network: Network,
    dataset: Dataset,
    *,
    method: str = "grad-cam",
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    of: str = "predicted",
    most: int = MAX_IMAGES,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Study, Maps]:
    """Explains the held-out pictures of a data set, one after the other.

    Args:
        network: The network; its classes are those of the data set.
        dataset: Pictures, divided.
        method: Id of a row of :data:`core.interpret.attribution.explain.METHODS`.
        layer: Layer for methods that look at one; ``None`` for the network's own choice.
        settings: The method's own settings, by name.
        of: ``predicted`` or ``truth``: which class is explained.
        most: Pictures at most.
        progress: Called with pictures done and in all; what it raises ends the work.
        stop: Asked before every picture; what was found until then is kept.

    Returns:
        The study, and the maps behind it, N x :data:`STUDY_SIDE` x :data:`STUDY_SIDE`, 0 to 1, in the rows' order.
        Pictures that cannot be read are left out.

    Raises:
        InputError: The method does not work on this network, or no picture can be read.
    """
    if of not in OF:
        raise InputError("of is {value}. Choose one of: {known}.", value=of, known=", ".join(OF))
    if most < 1:
        raise InputError("A study of {count} pictures cannot be made. It needs one at least.", count=most)
    begun = time.perf_counter()
    split, chosen = pictures(dataset, most)
    rows: list[Row] = []
    maps: list[NDArray[np.float32]] = []
    looked: str | None = None
    complete = True
    how = {"method": method, "layer": layer, "settings": settings}
    for done, index in enumerate(chosen):
        if stop():
            complete = False
            break
        found = _one(network, dataset, index, of, how)
        if found is not None:
            row, heat, looked = found
            rows.append(row)
            maps.append(heat)
        if progress is not None:
            progress(done + 1, len(chosen))
    if not rows and complete:
        raise InputError("None of the pictures can be read, so there is nothing to study.")
    kept = np.stack(maps).astype(np.float16) if maps else np.zeros((0, STUDY_SIDE, STUDY_SIDE), np.float16)
    made = Study(
        method, looked, of, split, network.classes, tuple(_grouped(rows, kept)), time.perf_counter() - begun, complete
    )
    return made, kept


def _one(
    network: Network, dataset: Dataset, index: int, of: str, how: Mapping[str, Any]
) -> tuple[Row, NDArray[np.float32], str | None] | None:
    """Explains one picture; ``None`` if it cannot be read."""
    from core.data.images import to_tensor
    from core.interpret.attribution.explain import explain

    item = dataset.items[index]
    try:
        image = dataset.load(index)
    except InputError:
        return None
    x = to_tensor(image, network.preprocessing)
    found = explain(network, x, target=item.label if of == "truth" else None, **how)
    heat = found.heatmap
    strength = positive(heat.values)
    mask = dataset.mask(index)
    known = None if mask is None else seen_mask(mask, network.preprocessing)
    small = shrunk(strength / max(float(strength.max(initial=0.0)), 1e-12), STUDY_SIDE)
    row = Row(
        key=item.key,
        truth=dataset.classes[item.label],
        predicted=network.classes[found.predicted],
        probability=float(found.probabilities[heat.target]),
        target=network.classes[heat.target],
        empty=heat.empty,
        border=0.0 if heat.empty else border_share(strength, BAND),
        middle=energy(strength, box_mask(CENTRE, (strength.shape[0], strength.shape[1]))),
        inside=None if known is None else energy(strength, known),
        area=None if known is None else float(known.mean()),
        hit=None if known is None else hits(strength, known),
    )
    return row, small, heat.layer


def _grouped(rows: Sequence[Row], maps: Maps) -> list[Row]:
    """Divides the maps of each explained class into groups of alike ones."""
    found = list(rows)
    for name in dict.fromkeys(row.target for row in rows):
        places = [place for place, row in enumerate(rows) if row.target == name and not row.empty]
        if not places:
            continue
        small = np.stack([shrunk(maps[place].astype(np.float32)) for place in places])
        for place, label in zip(places, clusters(small).labels, strict=True):
            found[place] = replace(rows[place], group=int(label))
    return found


# --- read from a study -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """The maps of some pictures together.

    Attributes:
        count: Pictures.
        heat: Mean of their maps, each brought to a sum of one first, then scaled to 0..1; SIDE x SIDE.
        border: Mean share of the heat in the border band (:data:`EVEN_BORDER` if the heat were even).
        middle: Mean share in the middle quarter of the picture (0.25 if it were even).
        inside: Mean share on the object; ``None`` where it is not known.
        area: Mean share of the picture that the object covers; likewise.
        right: Share of the pictures that were classified right.
    """

    count: int
    heat: NDArray[np.float32]
    border: float
    middle: float
    inside: float | None
    area: float | None
    right: float


def mean_of(rows: Sequence[Row], maps: Maps, places: Sequence[int]) -> Mean | None:
    """Returns the mean of the maps at these places; ``None`` if all of them are empty."""
    full = [place for place in places if not rows[place].empty]
    if not full:
        return None
    heat = maps[full].astype(np.float64)
    sums = np.maximum(heat.sum((1, 2), keepdims=True), 1e-12)
    mean = (heat / sums).mean(0)
    chosen = [rows[place] for place in full]
    inside = [row.inside for row in chosen if row.inside is not None]
    area = [row.area for row in chosen if row.area is not None]
    return Mean(
        count=len(full),
        heat=(mean / max(float(mean.max()), 1e-12)).astype(np.float32),
        border=float(np.mean([row.border for row in chosen])),
        middle=float(np.mean([row.middle for row in chosen])),
        inside=float(np.mean(inside)) if inside else None,
        area=float(np.mean(area)) if area else None,
        right=float(np.mean([row.truth == row.predicted for row in chosen])),
    )


def outside(made: Study, maps: Maps, box: tuple[float, float, float, float] | None = None) -> list[tuple[int, float]]:
    """Returns the pictures, those whose evidence lies farthest outside first, with the share that lies outside.

    Args:
        made: The study.
        maps: Its maps.
        box: Left, top, right and bottom of a box, as shares of the picture: what lies in it is inside. Without one,
            the known object is, and where that is not known either, all but the border band.
    """
    found = []
    for place, row in enumerate(made.rows):
        if row.empty:
            continue
        if box is not None:
            share = 1 - energy(maps[place].astype(np.float32), box_mask(box, (STUDY_SIDE, STUDY_SIDE)))
        elif row.inside is not None:
            share = 1 - row.inside
        else:
            share = row.border
        if math.isfinite(share):
            found.append((place, share))
    return sorted(found, key=lambda pair: -pair[1])
