"""Pickers: which network, which image, which layer. What is picked stays picked from page to page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import ModelSpec
from pages.ui import caches, components, state, style
from pages.ui.i18n import N_, _, translate_error
from pages.ui.state import ImageChoice

SAMPLES = {
    "cat": N_("Cat"),
    "coffee": N_("Coffee"),
    "rocket": N_("Rocket"),
    "astronaut": N_("Astronaut"),
    "camera": N_("Photographer"),
}
"""Photographs free of copyright in ``assets/samples`` (``LICENCES.md`` there says whose): file name and title."""

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

    @property
    def named(self) -> str:
        """How a process or a command line names this network."""
        return self.reference

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


def run_labels(runs: Sequence[Any]) -> dict[str, str]:
    """Returns ``{id: name}`` of runs; of those that share a name each bears its id's end, too.

    A widget tells its options apart by their labels alone: of two that look the same it would always take the first.
    """
    names = [run.name for run in runs]
    return {run.id: run.name if names.count(run.name) == 1 else f"{run.name} · {run.id[-4:]}" for run in runs}


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
    names = run_labels(runs)
    wanted = state.run_id()
    if wanted in ids:
        if st.session_state.get(key) != wanted:
            st.session_state[key] = wanted
    elif st.session_state.get(key) not in ids:
        st.session_state[key] = ids[0]
    chosen = st.selectbox(
        _("Run"),
        ids,
        key=key,
        format_func=lambda id_: names[id_],
        persist_state="session",
        on_change=lambda: state.choose_run(st.session_state[key]),
    )
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
    kind = _kind(runs)
    if runs:
        kinds = {"run": _("A trained run"), "backbone": _("A backbone")}
        st.session_state[f"{key}-kind"] = kind  # the widget mirrors the choice; its callback makes it
        st.segmented_control(
            _("Look into"),
            list(kinds),
            format_func=lambda k: kinds[k],
            key=f"{key}-kind",
            required=True,
            on_change=lambda: choose_kind(st.session_state[f"{key}-kind"]),
        )
    if kind == "run":
        run = run_picker(f"{key}-run")
        return target_of(run) if run else None
    return _backbone_picker(key)


def _kind(runs: Sequence[Any]) -> str:
    """Returns whether a run or a bare backbone is looked into: the address first, then the last choice."""
    if not runs:
        return "backbone"
    if st.query_params.get("run"):
        st.session_state["bl.kind"] = "run"
    elif "bl.kind" not in st.session_state:
        st.session_state["bl.kind"] = "backbone" if st.query_params.get("backbone") else "run"
    return str(st.session_state["bl.kind"])


def choose_kind(kind: str) -> None:
    """Chooses to look into a ``run`` or into a ``backbone``."""
    st.session_state["bl.kind"] = kind
    if kind == "run":
        state.show_in_address(run=state.run_id(), backbone=None, weights=None)
    else:
        state.show_in_address(run=None, image=None)


def target_of(run: Any) -> Target:
    """Returns a run with weights as a network to look into."""
    return Target(run.id, run.name, "run", run.checkpoint.stat().st_mtime_ns, run)


def _backbone_picker(key: str) -> Target:
    """Draws backbone and weights; both follow the choice made on the Backbone page, and change it.

    What is chosen there but cannot be looked into before a training (a network of one's own, weights handed on)
    stays chosen; the nearest that can be is shown.
    """
    from core.models.catalog.catalog import BACKBONES, backbone

    spec, looked = state.model(), _bare(state.model())
    names = list(BACKBONES) if looked.backbone in BACKBONES else [looked.backbone, *BACKBONES]
    labels = _weights_of(looked)
    st.session_state[f"{key}-backbone"], st.session_state[f"{key}-weights"] = looked.backbone, looked.weights
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            _("Backbone"),
            names,
            key=f"{key}-backbone",
            format_func=lambda n: backbone(n).title,
            on_change=lambda: choose_model(st.session_state[f"{key}-backbone"], looked.weights),
        )
        st.segmented_control(
            _("Weights"),
            list(labels),
            key=f"{key}-weights",
            format_func=lambda w: labels[w],
            required=True,
            on_change=lambda: choose_model(looked.backbone, st.session_state[f"{key}-weights"]),
        )
    if looked == spec:
        state.show_in_address(run=None, backbone=spec.backbone, weights=spec.weights)
    else:
        state.show_in_address(run=None, backbone=None, weights=None)
        components.note(
            _("Your own network, or weights handed on, can be looked into once a run has trained with them.")
        )
    return Target(looked.backbone, backbone(looked.backbone).title, looked.weights)


def _bare(spec: ModelSpec) -> ModelSpec:
    """Returns the chosen network as it comes, or the nearest that does: a known backbone with weights of its own."""
    from core.models.catalog.catalog import backbone, entries

    try:
        backbone(spec.backbone)
    except InputError:
        return ModelSpec(state.DEFAULT_BACKBONE)
    if spec.backbone == "own":
        return ModelSpec(state.DEFAULT_BACKBONE)
    own = [entry.name for entry in entries(spec.backbone)]
    known = {"none", *own, *(["default"] if own else [])}
    weights = spec.weights if spec.weights in known else "default" if "default" in known else "none"
    if weights == spec.weights and not spec.design:
        return spec
    return ModelSpec(spec.backbone, weights)


def _weights_of(spec: ModelSpec) -> dict[str, str]:
    """Returns the weights that a backbone can be looked into with, and their names."""
    from core.models.catalog.catalog import entries

    labels = {"default": _("Pretrained")} if entries(spec.backbone) else {}
    if spec.weights not in ("default", "none"):
        labels[spec.weights] = spec.weights
    return {**labels, "none": _("Random")}


def choose_model(backbone: str, weights: str) -> None:
    """Chooses a backbone and its weights, and puts them into the address."""
    known = state.model()
    spec = replace(known, weights=weights)
    if known.backbone != backbone or known.design:  # size, channels and pieces were the other network's
        spec = _bare(ModelSpec(backbone, weights))
        weights = spec.weights
    if spec != known:
        state.set_model(spec)
    state.show_in_address(run=None, backbone=backbone, weights=weights)


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
    if "dataset" in sources and st.query_params.get("image"):
        st.session_state[f"{key}-kind"] = "dataset"
    elif st.session_state.get(f"{key}-kind") not in sources:
        st.session_state[f"{key}-kind"] = first
    kind = st.segmented_control(
        _("Image"),
        list(sources),
        format_func=lambda s: sources[s],
        key=f"{key}-kind",
        required=True,
        persist_state="session",
        wrap=True,
        on_change=lambda: state.show_in_address(image=None),
    )
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
        _("Sample"),
        list(found),
        default=next(iter(found)),
        format_func=lambda n: _(SAMPLES[n]),
        key=f"{key}-sample",
        label_visibility="collapsed",
        required=True,
        persist_state="session",
    )
    chosen = name or next(iter(found))
    return ImageChoice("sample", _(SAMPLES[chosen]), found[chosen].read_bytes())


def sample_bytes(name: str) -> bytes:
    """Returns the file of one of :data:`SAMPLES`.

    Raises:
        InputError: It is not installed.
    """
    path = _sample_path(name)
    if path is None:
        raise InputError("No sample pictures are installed. Choose a file.")
    return path.read_bytes()


def _sample_path(name: str) -> Path | None:
    path = style.ASSETS / "samples" / f"{name}.jpg"
    return path if path.is_file() else None


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
    """Offers some of the run's held-out images, evenly over the classes, and the one that the address names."""
    if target is None or target.run is None:
        return None
    options, wanted, item = held_out(target.run), st.query_params.get("image"), f"{key}-item"
    known = state.image()
    asked = wanted or st.session_state.get(item) or (known.name if known and known.kind == "dataset" else None)
    if asked and asked not in options:
        options |= {row["key"]: row["label"] for row in target.run.split_rows() if row["key"] == asked}
    if not options:
        components.note(_("This run has no record of its images. Choose a sample or a file."))
        return None
    st.session_state[item] = asked if asked in options else next(iter(options))
    name = st.selectbox(
        _("Image from the data"),
        list(options),
        key=item,
        label_visibility="collapsed",
        persist_state="session",
        format_func=lambda k: f"{options[k]} · {state.short_source(k)}",
        on_change=lambda: state.show_in_address(image=st.session_state[item]),
    )
    state.show_in_address(image=name)
    try:
        return dataset_image(target.run, name)
    except InputError as error:
        components.note(translate_error(error))
        return None


def held_out(run: Any, per_class: int = 12) -> dict[str, str]:
    """Returns ``{key: class}`` of some images that a run held out for testing (else for validation), class by class."""
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
    return caches.remember("dataset-images", (run.id, key), lambda: _dataset_image(run, key), entries=12)


def _dataset_image(run: Any, key: str) -> ImageChoice:
    import io

    dataset = reopened(run)
    for position, item in enumerate(dataset.items):
        if item.key == key:
            file = io.BytesIO()
            dataset.load(position).save(file, "PNG", compress_level=1)
            return ImageChoice("dataset", key, file.getvalue(), dataset.classes[item.label])
    raise InputError("The image {key} is not among the run's data any more. Choose another one.", key=key)


def reopened(run: Any) -> Any:
    """Returns a run's images as they were divided, opened once; only folders that the pages may read.

    Raises:
        InputError: They are not there any more, or outside the allowed folders.
    """
    from core.workflows.images import reopen

    return caches.remember("reopened", (run.id,), lambda: reopen(run, roots=caches.roots()), entries=4)
