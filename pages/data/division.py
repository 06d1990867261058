"""Further choices of a division: who stays together, folds, what validation is a share of; and writing it to disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.file_names import file_name
from core.specs import DataSpec
from pages.ui.kit import clicks, components
from pages.ui.plan import folds
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset

TOGETHER = {
    "": N_("Equal files only"),
    "folder": N_("Pictures of one folder"),
    "stem": N_("One name, other number"),
    "exif": N_("One burst (EXIF time)"),
    "near": N_("Look-alikes"),
}
OF = {"all": N_("Of all images"), "rest": N_("Of what the test leaves")}
WRITTEN = "bl.division.written"
"""Where a division was written, its hash, and that of what was read back."""


def draw(spec: DataSpec) -> DataSpec:
    """Draws who stays together, folds and what validation is a share of; returns the spec with them."""
    columns = {f"column:{name}": name for name in caches.listed(spec).columns}
    check = caches.found(spec)
    near = check is not None and check.featured
    ways = [way for way in TOGETHER if way != "near" or near] + list(columns)
    if spec.group_by not in ways:
        ways.append(spec.group_by)
    choices.follow("bl-group-by", spec.group_by)
    group_by = st.selectbox(
        _("Kept together"),
        ways,
        key="bl-group-by",
        format_func=lambda way: _(TOGETHER[way]) if way in TOGETHER else columns.get(way, way),
        help=_(
            "Relatives never stand on both sides of a division: pictures of one patient, folder, burst or original."
        ),
    )
    count = folds.choose(
        "bl-data-folds",
        spec.folds,
        _("What the test leaves is dealt into so many folds, and one of them validates; Train runs them all."),
    )
    fold = 0
    if count:
        choices.follow("bl-data-fold", min(spec.fold, count - 1) + 1)
        fold = int(st.number_input(_("Fold that validates"), 1, count, key="bl-data-fold")) - 1
    val_of = spec.val_of
    if spec.test_share and not count:
        choices.follow("bl-val-of", spec.val_of)
        val_of = st.selectbox(
            _("Validation is a share"), list(OF), key="bl-val-of", format_func=lambda name: _(OF[name])
        )
    return replace(spec, group_by=group_by, folds=count, fold=fold, val_of=val_of)


def settle(spec: DataSpec, changed: DataSpec) -> None:
    """Takes another division, if there is one and it can be made; else says why not and leaves all as it is."""
    if changed == spec:
        return
    if (changed.group_by, changed.folds, changed.val_of) != (spec.group_by, spec.folds, spec.val_of):
        try:
            caches.divided(changed)
        except InputError as error:
            st.warning(components.plain(translate_error(error)), icon=":material/block:")
            return
    choices.set_data(changed, choices.data_title())
    st.rerun()


def write(spec: DataSpec, dataset: Dataset) -> None:
    """Draws the button that writes the division as folders, and what came of it."""
    with st.popover(_("Write this split to disk"), icon=":material/drive_file_move:", key="bl-division-write"):
        components.note(
            _("As train, val and test with a folder for each class, beside your data; the pictures are copied.")
        )
        usual = file_name(f"{dataset.title} split")
        name = st.text_input(_("Name of the folder"), usual, max_chars=60, key="bl-division-name")
        if clicks.button(_("Write"), icon=":material/save:", key="bl-division-go"):
            _write(spec, dataset, caches.roots()[0] / file_name(name or usual))
    done = st.session_state.get(WRITTEN)
    if done is None or done[0] != spec:
        return
    _spec, path, before, after = done
    count = number_format.exact(len(dataset))
    if before == after:
        text = _("{n} images were written to {path}. Read back, the division has the same hash: {hash}.")
        st.success(components.plain(text.format(n=count, path=path, hash=before)), icon=":material/check_circle:")
    else:
        text = _("{n} images were written to {path}, but read back the hash is {after} instead of {before}.")
        said = text.format(n=count, path=path, after=after, before=before)
        st.error(components.plain(said), icon=":material/error:")


def _write(spec: DataSpec, dataset: Dataset, target: Path) -> None:
    from core.data.division.on_disk import fingerprint, write_division
    from core.data.sources import open_dataset

    place = st.empty()

    def progress(done: int, total: int) -> None:
        text = _("Written {done} of {total} images").format(done=done, total=total)
        place.progress(done / max(1, total), text=text)

    try:
        write_division(dataset, target, progress)
        found = fingerprint(dataset), fingerprint(open_dataset(str(target), roots=caches.roots()))
    except InputError as error:
        place.warning(components.plain(translate_error(error)), icon=":material/block:")
        return
    st.session_state[WRITTEN] = (spec, str(target), *found)
    st.rerun()
