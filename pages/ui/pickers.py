"""Pickers: which network, which image, which layer. What is picked stays picked from page to page."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, components, state
from pages.ui.i18n import N_, _
from pages.ui.state import ImageChoice

SAMPLES = {
    "chelsea": (N_("Cat"), "chelsea.png"),
    "coffee": (N_("Coffee"), "coffee.png"),
    "astronaut": (N_("Astronaut"), "astronaut.png"),
    "motorcycle": (N_("Motorcycle"), "motorcycle_left.png"),
    "rocket": (N_("Rocket"), "rocket.jpg"),
}
"""Photographs in the public domain that come inside scikit-image: title and file."""

IMAGE_TYPES = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"]


@dataclass(frozen=True, slots=True)
class Target:
    """A network to look into, named but not yet loaded.

    Attributes:
        reference: A run's id, or a backbone's name.
        title: What a person calls it.
        weights: For a backbone, ``default`` or ``none``; ``run`` for a run.
        stamp: For a run, its checkpoint's time of change.
        run: The :class:`core.runs.store.Run`, or ``None`` for a backbone.
    """

    reference: str
    title: str
    weights: str
    stamp: int = 0
    run: Any = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What caches of things made with this network are keyed on."""
        return (self.reference, self.weights, self.stamp)

    def network(self) -> Any:
        """Loads the network, or returns the one that is loaded already.

        Raises:
            InputError: It has no weights, or they cannot be had here.
        """
        weights = "default" if self.weights == "run" else self.weights
        return caches.network(self.reference, weights, self.stamp)


def runs_with_weights() -> list[Any]:
    """Returns the runs whose weights can be loaded, the newest first."""
    from core.runs.store import RunStore

    return [run for run in RunStore().list() if run.has_weights]


def run_picker(key: str, *, weights: bool = True) -> Any:
    """Draws a list of the runs and returns the chosen :class:`core.runs.store.Run`, or ``None`` where there is none.

    Args:
        key: Stable widget key.
        weights: Whether only runs with weights are offered.
    """
    from core.runs.store import RunStore

    runs = runs_with_weights() if weights else RunStore().list()
    if not runs:
        return None
    ids = [run.id for run in runs]
    names = {run.id: run.name for run in runs}
    wanted = state.run_id()
    if wanted in ids:
        if st.session_state.get(key) != wanted:
            st.session_state[key] = wanted
    elif st.session_state.get(key) not in ids:
        st.session_state[key] = ids[0]
    chosen = st.selectbox(
        _("Run"), ids, key=key, format_func=lambda id_: names[id_], persist_state="session",
        on_change=lambda: state.choose_run(st.session_state[key]),
    )  # fmt: skip
    if chosen != state.run_id() or st.query_params.get("run") != chosen:
        state.choose_run(chosen)
    return runs[ids.index(chosen)]


def network_picker(key: str = "bl-network") -> Target | None:
    """Draws the choice between a run and a bare backbone, and returns what is chosen.

    Before the first run there is no choice to make: the chosen backbone is returned.

    Args:
        key: Stable start of the widgets' keys. The same key on several pages keeps the choice.
    """
    runs = runs_with_weights()
    if "bl.kind" not in st.session_state:
        st.session_state["bl.kind"] = (
            "run" if runs and (state.run_id() or not st.query_params.get("backbone")) else "backbone"
        )
    if not runs:
        st.session_state["bl.kind"] = "backbone"
    kinds = {"run": _("A trained run"), "backbone": _("A backbone")}
    if runs:
        st.session_state[f"{key}-kind"] = st.session_state["bl.kind"]
        kind = st.segmented_control(
            _("Look into"), list(kinds), format_func=lambda k: kinds[k], key=f"{key}-kind", required=True,
        )  # fmt: skip
        st.session_state["bl.kind"] = kind or "run"
    if st.session_state["bl.kind"] == "run":
        run = run_picker(f"{key}-run")
        return _target_of(run) if run else None
    return _backbone_picker(key)


def _target_of(run: Any) -> Target:
    return Target(run.id, run.name, "run", run.checkpoint.stat().st_mtime_ns, run)


def _backbone_picker(key: str) -> Target:
    """Draws backbone and weights; both follow the choice made on the Backbone page, and change it."""
    from dataclasses import replace

    from core.models.catalog import BACKBONES, weights_state

    spec = state.model()
    names = list(BACKBONES)
    st.session_state[f"{key}-backbone"] = spec.backbone if spec.backbone in names else state.DEFAULT_BACKBONE
    name = st.selectbox(
        _("Backbone"), names, key=f"{key}-backbone", format_func=lambda n: BACKBONES[n].title
    )  # fmt: skip
    if name != spec.backbone:
        spec = replace(spec, backbone=name, image_size=None)
    labels = {"default": _("Pretrained"), "none": _("Random")}
    st.session_state[f"{key}-weights"] = spec.weights
    weights = st.segmented_control(
        _("Weights"), list(labels), key=f"{key}-weights", format_func=lambda w: labels[w], required=True
    )
    if weights == "default" and weights_state(name) == "needs download":
        components.note(_("These weights are not on this machine yet; they are downloaded when they are used."))
    spec = replace(spec, weights=weights or "default")
    if spec != state.model():
        state.set_model(spec)
    state.show_in_address(run=None, backbone=spec.backbone, weights=spec.weights)
    return Target(spec.backbone, BACKBONES[spec.backbone].title, spec.weights)


def image_picker(target: Target | None = None, key: str = "bl-image") -> ImageChoice | None:
    """Draws where the image comes from (a run's images, a sample, a file, the camera) and returns it.

    Args:
        target: The network in use; a run brings the images it was validated and tested on.
        key: Stable start of the widgets' keys. The same key on several pages keeps the choice.
    """
    sources = {"dataset": _("From the data"), "sample": _("Sample"), "upload": _("File"), "camera": _("Camera")}
    if target is None or target.run is None:
        del sources["dataset"]
    known = state.image()
    first = known.kind if known and known.kind in sources else next(iter(sources))
    if st.session_state.get(f"{key}-kind") not in sources:
        st.session_state[f"{key}-kind"] = first
    kind = st.segmented_control(
        _("Image"), list(sources), format_func=lambda s: sources[s], key=f"{key}-kind", required=True,
        persist_state="session",
    )  # fmt: skip
    draw = {"dataset": _from_data, "sample": _sample, "upload": _upload, "camera": _camera}[kind or first]
    chosen = draw(target, key)
    if chosen is not None and chosen != known:
        state.set_image(chosen)
    return chosen


def _sample(_target: Target | None, key: str) -> ImageChoice | None:
    found = {name: path for name in SAMPLES if (path := _sample_path(name))}
    if not found:
        components.note(_("No sample pictures are installed. Choose a file."))
        return None
    name = st.pills(
        _("Sample"), list(found), default=next(iter(found)), format_func=lambda n: _(SAMPLES[n][0]), key=f"{key}-sample",
        label_visibility="collapsed", required=True, persist_state="session",
    )  # fmt: skip
    chosen = name or next(iter(found))
    return ImageChoice("sample", _(SAMPLES[chosen][0]), found[chosen].read_bytes())


def _sample_path(name: str) -> Path | None:
    spec = importlib.util.find_spec("skimage")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / SAMPLES[name][1]
        if path.is_file():
            return path
    return None


def _upload(_target: Target | None, key: str) -> ImageChoice | None:
    file = st.file_uploader(_("Picture"), type=IMAGE_TYPES, key=f"{key}-file", max_upload_size=50)
    if file is not None:
        return ImageChoice("upload", file.name, file.getvalue())
    known = state.image()
    return known if known and known.kind == "upload" else None


def _camera(_target: Target | None, key: str) -> ImageChoice | None:
    shot = st.camera_input(_("Camera"), key=f"{key}-camera", label_visibility="collapsed")
    if shot is not None:
        return ImageChoice("camera", _("Camera picture"), shot.getvalue())
    known = state.image()
    return known if known and known.kind == "camera" else None


def _from_data(target: Target | None, key: str) -> ImageChoice | None:
    """Offers some of the run's held-out images, evenly over the classes."""
    if target is None or target.run is None:
        return None
    try:
        options = held_out(target.run)
    except InputError as error:
        from pages.ui.i18n import translate_error

        components.note(translate_error(error))
        return None
    if not options:
        return None
    keys = list(options)
    known = state.image()
    if st.session_state.get(f"{key}-item") not in keys:
        st.session_state[f"{key}-item"] = known.name if known and known.name in keys else keys[0]
    name = st.selectbox(
        _("Image from the data"), keys, key=f"{key}-item", persist_state="session", label_visibility="collapsed"
    )
    return dataset_image(target.run, name)


def held_out(run: Any, per_class: int = 12) -> dict[str, str]:
    """Returns ``{key: class}`` of some test images of a run (validation images where it has no test), class by class.

    Raises:
        InputError: The run's data are not there any more.
    """
    rows = run.split_rows()
    split = "test" if any(row["split"] == "test" for row in rows) else "val"
    taken: dict[str, list[str]] = {}
    for row in rows:
        if row["split"] == split and len(taken.setdefault(row["label"], [])) < per_class:
            taken[row["label"]].append(row["key"])
    mixed = [
        (keys[i], label) for i in range(per_class) for label, keys in taken.items() if i < len(keys)
    ]  # one of each class in turn
    return dict(mixed)


def dataset_image(run: Any, key: str) -> ImageChoice:
    """Returns one image of a run's data as a choice, losslessly encoded.

    Raises:
        InputError: The data or the image are not there any more.
    """
    return caches.remember("dataset-images", (run.id, key), lambda: _dataset_image(run, key), entries=64)


def _dataset_image(run: Any, key: str) -> ImageChoice:
    import io

    dataset = caches.remember("reopened", (run.id,), lambda: _reopen(run), entries=4)
    for position, item in enumerate(dataset.items):
        if item.key == key:
            file = io.BytesIO()
            dataset.load(position).save(file, "PNG", compress_level=1)
            return ImageChoice("dataset", key, file.getvalue(), dataset.classes[item.label])
    raise InputError("The image {key} is not among the run's data any more. Choose another one.", key=key)


def _reopen(run: Any) -> Any:
    from core.lab.data import reopen

    return reopen(run, roots=caches.roots())


def layer_picker(
    layers: Sequence[str], *, key: str, default: str | None = None, labels: dict[str, str] | None = None
) -> str:
    """Draws the list of layers, in the network's order, and returns the chosen one.

    Args:
        layers: Layer names to offer.
        key: Stable widget key; the choice is kept while the network has such a layer.
        default: The layer to begin with; the last by default.
        labels: Text for each layer, such as its name with its shape.
    """
    names = list(layers)
    if st.session_state.get(key) not in names:
        st.session_state[key] = default if default in names else names[-1]
    return st.selectbox(
        _("Layer"), names, key=key, format_func=lambda n: (labels or {}).get(n, n), persist_state="session"
    )
