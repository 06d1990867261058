"""The time scrubber: a slider over the epochs, and what the network said, saw and looked for after each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from core.data.encoding import compact, png
from core.errors import InputError
from core.runs.status import RunStatus
from pages.ui.kit import components, growing_chart
from pages.ui.kit.charts import ACCENT
from pages.ui.kit.page_states import guarded
from pages.ui.kit.tiles import Tile, data_uri, grid
from pages.ui.runs import histograms, learning_curves
from pages.ui.session import caches
from pages.ui.text import i18n, layer_names, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.runs.snapshots import Pinned, Snapshot
    from core.runs.store import Run

OPACITY = 0.5


Part = Literal["heat", "maps", "kernels"]
PARTS: tuple[Part, ...] = ("heat", "maps", "kernels")


def draw(run: Run, status: RunStatus, *, key: str, parts: Sequence[Part] = PARTS) -> None:
    """Draws the scrubber: the loss curve with the chosen epoch marked, a slider, and the pinned images then.

    Args:
        run: The :class:`core.runs.store.Run`.
        status: Its status.
        key: Stable start of the keys.
        parts: What is drawn of the pinned images: their heatmaps, their feature maps, and the first layer's kernels.
    """
    st.fragment(_panel)(run, status, key, parts)  # a slider that is moved draws nothing else anew


@guarded
def _panel(run: Run, status: RunStatus, key: str, parts: Sequence[Part]) -> None:
    from core.runs import snapshots

    pinned, there = snapshots.pinned_of(run.path), snapshots.epochs(run.path)
    if pinned is None or not there:
        alive = status.state in ("queued", "starting", "running")
        components.note(
            _("The first snapshot is taken after the first epoch.") if alive else _("This run kept no snapshots.")
        )
        return
    with st.container(key=f"bl-wrap-{key}-time"):
        left, right = st.columns([1.5, 1], gap="medium", vertical_alignment="bottom")
    with right:
        epoch = histograms.epoch_slider(there, key=f"{key}-{run.id}", label=_("After epoch"))
        _words(run, epoch, len(there))
    with left:
        _loss(run, status, epoch, key)
    try:
        moment = _moment(run, epoch)
        pictures = _pictures(run)
    except InputError as error:
        components.note(translate_error(error))
        return
    if "heat" in parts:
        _looks(run, pinned, moment, pictures)
    if "maps" in parts:
        _sees(run, pinned, moment, key)
    if "kernels" in parts:
        _kernels(run, pinned, moment, pictures)


def _loss(run: Run, status: RunStatus, epoch: int, key: str) -> None:
    """Draws the loss curve with a line at the chosen epoch: only that line's place changes with the slider."""
    book = caches.journal(run)
    asked = (str(run.path), book.look(), status.epochs, status.best_epoch, i18n.language())
    drawn = caches.remember(
        "scrubbed", asked, lambda: learning_curves.chart(book, "loss", status, height=210), entries=16
    )
    line = {
        "data": {"name": "here"},
        "mark": {"type": "rule", "color": ACCENT, "strokeWidth": 3},
        "encoding": {"y": None},
    }
    here = {**drawn["datasets"], "here": growing_chart.arrow(epoch=[epoch])}
    text = _("Loss over the epochs; the line stands at epoch {n}.").format(n=epoch)
    spec = {**drawn, "datasets": here, "layer": [*drawn["layer"], line]}
    growing_chart.show(spec, key=f"{key}-loss", alt=text)


def _words(run: Run, epoch: int, count: int) -> None:
    """Says where the training stood then."""
    book = caches.journal(run)
    epochs = book.epochs.column("epoch").tolist()
    sentence = _("{n} snapshots, spread over the run.").format(n=count)
    if float(epoch) in epochs:
        row = epochs.index(float(epoch))
        loss, accuracy = (float(book.epochs.column(name)[row]) for name in ("val_loss", "val_accuracy"))
        sentence = (
            _("Validation loss {loss}, accuracy {accuracy}.").format(
                loss=number_format.number(loss), accuracy=number_format.percent(accuracy)
            )
            + f" {sentence}"
        )
    components.note(sentence)


def _moment(run: Run, epoch: int) -> Snapshot:
    """Returns what was kept after an epoch, read once for each state of its file."""
    from core.runs import snapshots

    return caches.remember("moments", _key(run, epoch), lambda: snapshots.read(run.path, epoch), entries=64)


def _pictures(run: Run) -> dict[str, NDArray[Any]]:
    from core.runs import snapshots

    path = run.path / snapshots.SNAPSHOT_FOLDER / "pinned.npz"
    return caches.remember("pinned", (str(path), _stamp(path)), lambda: snapshots.pinned_arrays(run.path), entries=8)


def _key(run: Run, epoch: int) -> tuple[Any, ...]:
    from core.runs.snapshots import SNAPSHOT_FOLDER

    return (str(run.path), epoch, _stamp(run.path / SNAPSHOT_FOLDER / f"epoch-{epoch:06d}.npz"))


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _looks(run: Run, pinned: Pinned, moment: Snapshot, pictures: Mapping[str, NDArray[Any]]) -> None:
    """Draws the pinned images under their heat, with what the network said of each."""
    shown = caches.remember(
        "heat", _key(run, moment.epoch), lambda: _over(pinned, moment, pictures["images"]), entries=128
    )
    classes = run.classes()
    tiles = []
    for index, image in enumerate(pinned.images):
        probabilities = moment.probabilities[index]
        best = int(probabilities.argmax())
        name = classes[best] if best < len(classes) else str(best)
        right = name == image.label
        tiles.append(
            Tile(
                shown[index],
                caption=f"{name} {number_format.percent(float(probabilities[best]))}",
                note=_("right") if right else _("it is {label}").format(label=image.label),
                alt=_("{key}: the network says {name}").format(key=image.key, name=name),
                tone="good" if right else "bad",
            )
        )
    grid(tiles, size=150)
    if moment.heat is None:
        components.note(_("What the network says of each pinned image."))
    else:
        components.note(
            _("Where it looks for each image's own class (Grad-CAM of {layer}), and what it says.").format(
                layer=_called(run, pinned.cam_layer)
            )
        )


def _called(run: Run, layer: str) -> str:
    """Returns what a layer of a run's network is called; its path where the network cannot be examined."""
    try:
        return layer_names.layer(caches.anatomy(run.experiment.model, len(run.classes())), layer)
    except InputError:
        return layer


def _over(pinned: Pinned, moment: Snapshot, images: NDArray[Any]) -> list[bytes]:
    """Returns each image under its heat, encoded."""
    from PIL import Image

    from core.interpret.drawing.snapshot_images import heat_over

    found = []
    for index in range(len(pinned.images)):
        image = images[index]
        drawn = Image.fromarray(image)
        if moment.heat is not None and moment.heat[index].any():
            drawn = heat_over(image, moment.heat[index], opacity=OPACITY)
        found.append(compact(drawn, 300))
    return found


def _sees(run: Run, pinned: Pinned, moment: Snapshot, key: str) -> None:
    """Draws the chosen channels of the layers for one image."""
    if not pinned.layers:
        return
    names = [f"{image.label} · {Path(image.key).name}" for image in pinned.images]
    components.section(_("What it sees"))
    chosen = st.selectbox(
        _("Image"),
        range(len(names)),
        key=f"{key}-image",
        format_func=lambda index: names[index],
        persist_state="session",
        label_visibility="collapsed",
    )
    index = min(int(chosen or 0), len(names) - 1)
    sheets = caches.remember(
        "seen", (*_key(run, moment.epoch), index), lambda: [_maps(maps[index]) for maps in moment.maps], entries=128
    )
    for layer, sheet, (low, high) in zip(pinned.layers, sheets, moment.ranges, strict=True):
        text = _("{layer}: {n} channels of one layer, from {low} to {high}.").format(
            layer=_called(run, layer.name),
            n=len(layer.channels),
            low=number_format.number(low),
            high=number_format.number(high),
        )
        _strip(sheet, text)


def _maps(maps: NDArray[Any]) -> bytes:
    from core.interpret.drawing.snapshot_images import map_sheet

    return png(map_sheet(maps))


def _kernels(run: Run, pinned: Pinned, moment: Snapshot, pictures: Mapping[str, NDArray[Any]]) -> None:
    """Draws the first layer's kernels, on the scale of those before training."""
    before = pictures.get("kernels")
    if before is None:
        return
    now = before if moment.kernels is None else moment.kernels
    components.section(_("What its first layer looks for"))
    sheet = caches.remember("kernels", _key(run, moment.epoch), lambda: _kernel_sheet(now, before), entries=64)
    if moment.kernels is None:
        text = _("The kernels of {layer} are those before training: they are frozen, or have not moved yet.")
        _strip(sheet, text.format(layer=_called(run, pinned.kernel_layer)))
        return
    from core.interpret.filters.movement import relative_change

    text = _("The kernels of {layer} have moved by {share} of their length since the start.")
    _strip(
        sheet,
        text.format(layer=_called(run, pinned.kernel_layer), share=number_format.percent(relative_change(now, before))),
    )


def _kernel_sheet(now: NDArray[Any], before: NDArray[Any]) -> bytes:
    import numpy as np

    from core.interpret.drawing.snapshot_images import kernel_sheet

    return png(kernel_sheet(now, limit=1.25 * float(np.abs(before).max()), columns=16))


def _strip(sheet: bytes, text: str) -> None:
    """Draws a sheet of tiles and the line under it."""
    st.html(f'<div class="bl-strip"><img src="{data_uri(sheet)}" alt="{escape(text)}"></div>')
    components.note(text)
