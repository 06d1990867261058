"""Where a network's weights come from: pretrained, random, an earlier run, or a file; and fetching what is not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import streamlit as st

from core import settings
from core.errors import InputError
from core.specs import INITS, ModelSpec
from pages.ui.kit import clicks, components, form_fields, one_shot_button, page_states
from pages.ui.selection import network_picker
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.models.architectures.records import WeightsEntry
    from core.models.weights.transfer import Transferred
    from core.runs.store import Run

DEFAULT, NONE, RUN, FILE = "default", "none", "run", "file"
WEIGHT_SOURCES = {DEFAULT: N_("Pretrained"), NONE: N_("Random"), RUN: N_("An earlier run"), FILE: N_("A file")}
TYPES = ["safetensors", "pth", "pt", "bin"]
OWN_INIT = (
    N_("The network's own"),
    N_("As its authors chose it for this network; the best start where you compare nothing."),
)
_SEEN_FILE = "bl.weight-file.seen"


def choose(catalog: ModuleType, spec: ModelSpec) -> ModelSpec:
    """Draws the choice of weights for the chosen network.

    Args:
        catalog: The module :mod:`core.models.catalog.catalog`.
        spec: What is chosen now.

    Returns:
        The spec with the weights that are chosen.
    """
    entries = catalog.entries(spec.backbone)
    kinds = [kind for kind in WEIGHT_SOURCES if kind != DEFAULT or entries]
    now = _kind(spec.weights)
    choices.follow("bl-weights", now if now in kinds else NONE)
    kind = (
        form_fields.choice(
            _("Weights"),
            kinds,
            "bl-weights",
            names=WEIGHT_SOURCES,
            help=_("Pretrained: learned on ImageNet's 1.3 million photos. Random: the architecture alone."),
        )
        or now
    )
    if kind == DEFAULT:
        return _pretrained(catalog, spec, entries)
    if kind == NONE:
        return _random(replace(spec, weights=NONE))
    if kind == RUN:
        return _run(spec)
    return _file(spec)


def _kind(weights: str) -> str:
    prefix = weights.partition(":")[0]
    return prefix if prefix in (RUN, FILE) and ":" in weights else NONE if weights == NONE else DEFAULT


# --- pretrained ------------------------------------------------------------------------------------------------------


def _pretrained(catalog: ModuleType, spec: ModelSpec, entries: tuple[WeightsEntry, ...]) -> ModelSpec:
    by_name = {entry.name: entry for entry in entries}
    if len(entries) > 1:
        now = spec.weights if spec.weights in by_name else entries[0].name
        choices.follow("bl-entry", now)
        picked = st.selectbox(
            _("Which pretrained weights"), list(by_name), key="bl-entry", format_func=lambda name: _entry(by_name[name])
        )
        weights = DEFAULT if picked == entries[0].name else picked
    else:
        weights = DEFAULT
    chosen = replace(spec, weights=weights)
    entry = catalog.entry(spec.backbone, weights)
    if entry.note or entry.recipe:
        link = _("[recipe]({address})").format(address=entry.recipe) if entry.recipe else ""
        st.caption(" ".join(part for part in (entry.note, link) if part))
    if entry.classes == 0:
        components.note(_("These weights are features alone: the layers behind them start at random."))
    if entry.state != catalog.AVAILABLE:
        _fetch(spec.backbone, weights)
    return chosen


def _entry(entry: WeightsEntry) -> str:
    parts = [entry.title]
    if entry.top1:
        parts.append(f"{entry.top1:.1f} %")
    parts.append(f"{entry.input_size} px")
    if entry.size_mb:
        parts.append(number_format.size(entry.size_mb * 1e6))
    if entry.state == "available":
        parts.append(_("here"))
    return " · ".join(parts)


def _fetch(name: str, weights: str) -> None:
    """Draws the button that downloads weights, and the download while it goes on."""
    from core.models.catalog import catalog
    from core.models.weights import background_download

    job = catalog.downloading(name, weights)
    if job is not None and job.state == background_download.RUNNING:
        _watch(name, weights)
        return
    if job is not None and job.state == background_download.FAILED and job.error is not None:
        page_states.broken(
            _("The weights could not be fetched"),
            translate_error(job.error),
            kept=_("Nothing else is changed; random weights need no network."),
            icon="cloud_off",
            tone="warn",
        )
    elif job is not None and job.state == background_download.CANCELLED:
        components.note(_("The download was cancelled. What has arrived is kept, and the next one goes on from there."))
    entry = catalog.entry(name, weights)
    size = entry.size_mb if entry is not None else None
    label = (
        _("Download the weights, {size}").format(size=number_format.size(size * 1e6))
        if size
        else _("Download the weights")
    )
    if clicks.button(label, key="bl-download", icon=":material/download:"):
        catalog.download(name, weights)
        st.rerun()
    if job is None:
        components.note(_("Otherwise they are fetched when they are first used. They stay on this machine."))


@st.fragment(run_every=0.7)
@page_states.guarded
def _watch(name: str, weights: str) -> None:
    from core.models.catalog import catalog
    from core.models.weights import background_download

    job = catalog.downloading(name, weights)
    if job is None or job.state != background_download.RUNNING:
        st.rerun()
        return
    progress = job.progress
    if progress is None:
        st.progress(0.0, _("Asking for the file …"))
    elif progress.total:
        st.progress(
            min(progress.done / progress.total, 1.0),
            _("{done} of {total}, {rate} a second").format(
                done=number_format.size(progress.done),
                total=number_format.size(progress.total),
                rate=number_format.size(progress.rate),
            ),
        )
    else:
        st.progress(0.0, _("{done} so far").format(done=number_format.size(progress.done)))
    if clicks.button(_("Cancel"), key="bl-download-cancel", icon=":material/close:"):
        job.cancel()
        st.rerun()


# --- random ----------------------------------------------------------------------------------------------------------


def _random(spec: ModelSpec) -> ModelSpec:
    from core.models.initialization import SCHEMES

    with st.container(key="bl-wrapsmall-init"):
        left, right = st.columns([2, 1], vertical_alignment="bottom")
    choices.follow("bl-init", spec.init)
    titles = {name: SCHEMES[name].title if name in SCHEMES else OWN_INIT[0] for name in INITS}
    init = left.selectbox(
        _("Initialisation"),
        INITS,
        key="bl-init",
        format_func=lambda name: _(titles[name]),
        help=_("How random weights are drawn decides whether a deep network learns at all."),
    )
    bias = 0.0
    if init != "own":
        choices.follow("bl-init-bias", spec.init_bias)
        bias = right.number_input(_("Biases"), -10.0, 10.0, step=0.1, key="bl-init-bias", format="%.2f")
    scheme = SCHEMES.get(init)
    text = _(scheme.description if scheme else OWN_INIT[1])
    if scheme and scheme.paper:
        text += " " + _("[{title}]({address})").format(title=scheme.paper[0], address=scheme.paper[1])
    st.caption(text)
    return replace(spec, init=init, init_bias=float(bias))


# --- handed on -------------------------------------------------------------------------------------------------------


def _run(spec: ModelSpec) -> ModelSpec:
    runs = {run.id: run for run in network_picker.runs_with_weights()}
    if not runs:
        components.note(_("No run has weights yet. Train one first, and its weights can be handed on from here."))
        return replace(spec, weights=_kept(spec))
    now = spec.weights.partition(":")[2] if _kind(spec.weights) == RUN else ""
    choices.follow("bl-from-run", now if now in runs else next(iter(runs)))
    picked = st.selectbox(
        _("Whose weights"), list(runs), key="bl-from-run", format_func=lambda run_id: _run_line(runs[run_id])
    )
    chosen = replace(spec, weights=f"run:{picked}")
    _compared(chosen)
    return chosen


def _run_line(run: Run) -> str:
    from pages.ui.text import display_names as names

    return f"{run.name} · {names.backbone(run.experiment.model.backbone)}"


def _file(spec: ModelSpec) -> ModelSpec:
    from core.models.weights.uploads import kept_files  # loads torch

    limit = settings.upload_limit()
    uploaded = st.file_uploader(
        _("Weight file"),
        type=TYPES,
        key="bl-weight-file",
        max_upload_size=max(1, int(limit / 1e6)),
        help=_("safetensors, or a .pth that holds tensors alone: nothing in it is run."),
    )
    if uploaded is not None:
        spec = _taken(uploaded, spec)
    files = {str(path): path for path in kept_files()}
    now = spec.weights.removeprefix("file:") if _kind(spec.weights) == FILE else ""
    if now and now not in files:
        files[now] = Path(now)
    if not files:
        components.note(
            _("Upload a file of weights of the same network. What fits is copied, what does not is listed.")
        )
        return replace(spec, weights=_kept(spec))
    choices.follow("bl-from-file", now or next(iter(files)))
    picked = st.selectbox(
        _("File"), list(files), key="bl-from-file", format_func=lambda place: _file_line(files[place])
    )
    chosen = replace(spec, weights=f"file:{picked}")
    _compared(chosen)
    if Path(picked).parent == settings.weight_uploads_dir():
        _room(picked)
    return chosen


def _taken(uploaded: UploadedFile, spec: ModelSpec) -> ModelSpec:
    """Keeps an uploaded file and chooses it, once; one that was refused says why for as long as it is there."""
    from core.models.weights.uploads import keep  # loads torch

    seen, refused = st.session_state.get(_SEEN_FILE, ("", None))
    if seen != uploaded.file_id:
        refused = None
        try:
            spec = replace(spec, weights=f"file:{keep(uploaded.name, uploaded.getvalue())}")
        except InputError as error:
            refused = error
        st.session_state[_SEEN_FILE] = (uploaded.file_id, refused)
    if refused is not None:
        text = translate_error(refused)
        page_states.broken(_("This file was not taken"), text, kept=_("Nothing of it was kept."), tone="warn")
    return spec


def _room(picked: str) -> None:
    """Says how much room all uploads take, and offers to delete the file that is picked."""
    from core.uploads import usage

    with st.container(horizontal=True, vertical_alignment="center", key="bl-weight-room"):
        components.note(
            _("{used} of {quota} used by all uploads.").format(
                used=number_format.size(usage()), quota=number_format.size(settings.upload_quota())
            )
        )
        if clicks.button(_("Delete this file"), icon=":material/delete:", key="bl-weight-delete"):
            _delete(Path(picked))


def _delete(path: Path) -> None:
    @st.dialog(_("Delete this file?"))
    def ask() -> None:
        st.markdown(
            _(
                "**{name}** is removed from this machine. Runs that began with it stay, but cannot be trained again."
            ).format(name=components.plain(path.name))
        )
        with st.container(horizontal=True):
            gone = st.button(
                _("Delete for good"),
                type="primary",
                icon=":material/delete:",
                key="bl-weight-delete-now",
                on_click=lambda: one_shot_button.attempt(lambda: _remove(path)),
            )
            if clicks.button(_("Keep it"), key="bl-weight-delete-not") or gone:
                st.rerun()

    ask()


def _remove(path: Path) -> None:
    """Deletes an uploaded file, and chooses another one in its place."""
    from core.models.weights.uploads import kept_files
    from core.uploads import delete

    delete(path, settings.weight_uploads_dir())
    others = kept_files()
    choices.set_model(replace(choices.model(), weights=f"file:{others[0]}" if others else NONE))


def _file_line(path: Path) -> str:
    try:
        return f"{path.name} · {number_format.size(path.stat().st_size)}"
    except OSError:
        return path.name


def _kept(spec: ModelSpec) -> str:
    """Returns weights that can be had, where a run or a file was asked for and none is there."""
    return spec.weights if _kind(spec.weights) in (DEFAULT, NONE) else NONE


def _compared(spec: ModelSpec) -> None:
    """Says what of the handed-on weights fits the network."""
    from core.workflows.network_loading import compare_weights

    classes = _classes(spec)
    try:
        found = compare_weights(spec, classes, roots=settings.data_roots())
    except InputError as error:
        page_states.broken(
            _("These weights cannot be used"),
            translate_error(error),
            icon="report",
            tone="warn",
            kept=_("Nothing in the file was run, and nothing of it was copied."),
        )
        return
    if found is None:
        return
    total = len(found.copied) + len(found.missing) + len(found.misfit) + len(found.kept)
    components.bar(
        [(_("Copied"), found.values, "accent"), (_("New"), found.total - found.values, "frozen")],
        label=_("{copied} of {total} values are copied.").format(
            copied=number_format.exact(found.values), total=number_format.exact(found.total)
        ),
    )
    text = _n("{copied} of {n} tensor is copied.", "{copied} of {n} tensors are copied.", total).format(
        copied=len(found.copied), n=total
    )
    if not found.fits:
        text += " " + _("That is too little for the same network: training with them is refused.")
    components.note(text)
    _differences(found)


def _differences(found: Transferred) -> None:
    lists = (
        (_("In another shape"), [f"{m.name}  {m.theirs} → {m.ours}" for m in found.misfit]),
        (_("Not in the file"), list(found.missing)),
        (_("Of the head, for other classes"), list(found.kept)),
        (_("In the file alone"), list(found.unused)),
    )
    if not any(names for _title, names in lists):
        return
    with st.expander(_("What does not fit"), icon=":material/difference:", key="bl-differences"):
        for title, names in lists:
            if names:
                rest = len(names) - 40
                st.markdown(f"**{title}** ({len(names)})")
                st.code("\n".join(names[:40]) + (f"\n… +{rest}" if rest > 0 else ""), language=None)


def _classes(spec: ModelSpec) -> tuple[str, ...]:
    """Returns the classes of the chosen data, or placeholders before any are chosen."""
    from core.models.catalog.catalog import backbone

    data = choices.data()
    if data is not None:
        try:
            return tuple(caches.divided(data).classes)
        except InputError:
            pass
    return tuple(str(index) for index in range(max(backbone(spec.backbone).num_classes, 2)))
