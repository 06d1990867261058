"""Data: what do I have? Classes, splits, samples, sizes, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core import settings
from core.errors import InputError
from core.specs import DataSpec
from pages.ui.kit import charts, components, tiles
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, busy, empty
from pages.ui.session import caches, choices
from pages.ui.text import display_names as names
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

KINDS = {"embedded": N_("Built in"), "folder": N_("Folder"), "upload": N_("Upload")}
ABOUT = {
    "shapes": N_("Generated shapes on cluttered backgrounds. Where each object is, is known."),
    "textures": N_("Photographs of brick, grass and gravel, cut into tiles that never overlap between the splits."),
    "mnist": N_("5,000 handwritten digits of 28 × 28 pixels."),
    "digits": N_("1,797 handwritten digits of 8 × 8 pixels: quick to train on."),
}
AUTOMATIC_CHECK = 6000
"""Up to so many images are checked without being asked."""


def render() -> None:
    """Draws the page."""
    components.header("data")
    spec = _source()
    if spec is None:
        return
    try:
        with busy(_("Listing the images …")):
            dataset = caches.divided(spec)
    except InputError as error:
        broken(_("These images cannot be used"), translate_error(error), icon="folder_off", tone="warn")
        return
    choices.set_data(spec, _(names.DATA[spec.source]) if spec.source in names.DATA else dataset.title)
    choices.show_in_address(data=spec.source)
    _overview(dataset)
    with st.container(key="bl-wrap-data"):
        chart, controls = st.columns([2.1, 1], gap="large")
    with controls:
        _shares(spec, dataset)
    with chart:
        _classes(dataset)
    _samples(spec, dataset)
    _health(spec, dataset)
    components.next_step("backbone", _("Choose a backbone"), text=_("Next: what will learn from these images?"))


# --- where the images come from ---------------------------------------------------------------------------------------


def _source() -> DataSpec | None:
    """Draws the choice of a source and returns the data it names, or ``None`` while there is none."""
    known = choices.data()
    choices.follow("bl-data-kind", _kind(known))
    kind = st.segmented_control(
        _("Where the images are"), list(KINDS), key="bl-data-kind", format_func=lambda k: _(KINDS[k]), required=True
    )
    source = {"embedded": _embedded, "folder": _folder, "upload": _upload}[kind or "embedded"](known)
    if not source:
        return None
    return known if known and known.source == source else DataSpec(source, test_share=choices.TEST_SHARE)


def _kind(known: DataSpec | None) -> str:
    if known is None:
        return st.session_state.pop("bl.data.kind", None) or "embedded"
    if known.source.partition("?")[0] in names.DATA:
        return "embedded"
    return "upload" if Path(known.source).is_relative_to(settings.uploads_dir()) else "folder"


def _embedded(known: DataSpec | None) -> str:
    choices.follow("bl-embedded", known.source if known and known.source in names.DATA else "shapes")
    name = st.pills(
        _("Set"),
        list(names.DATA),
        key="bl-embedded",
        format_func=lambda n: _(names.DATA[n]),
        required=True,
        label_visibility="collapsed",
    )
    name = name or "shapes"
    components.note(_(ABOUT[name]))
    return name


def _folder(known: DataSpec | None) -> str | None:
    roots = caches.roots()
    found = _folders(roots)
    asked = known.source if known and _kind(known) == "folder" else None
    if asked and asked not in found:  # typed, or from a link: what is wrong with it is said below
        found = [asked, *found]
    if not found:
        empty(
            _("No image folders here"),
            _("Put a folder with one subfolder for each class under {root}.").format(root=roots[0]),
            icon="folder_open",
        )
        return None
    if asked:
        choices.follow("bl-folder", asked)
    return st.selectbox(
        _("Folder"),
        found,
        key="bl-folder",
        format_func=lambda path: _relative(path, roots),
        help=_("Folders under {roots}, one subfolder for each class.").format(roots=", ".join(map(str, roots))),
        accept_new_options=True,
        persist_state="session",
    )


def _folders(roots: tuple[Path, ...]) -> list[str]:
    """Returns the folders below the roots that hold at least two folders, or one that wraps them."""
    uploads = settings.uploads_dir()
    found = []
    for root in roots:
        if not root.is_dir():
            continue
        for path in sorted(root.iterdir()):
            if path.is_dir() and not path.name.startswith(".") and path != uploads:
                found.append(str(path))
    return found


def _relative(path: str, roots: tuple[Path, ...]) -> str:
    for root in roots:
        if Path(path).is_relative_to(root):
            return str(Path(path).relative_to(root))
    return path


def _upload(known: DataSpec | None) -> str | None:
    from core.data.archive import unpack_zip, usage

    limit = settings.upload_limit()
    file = st.file_uploader(
        _("Zip file"),
        type="zip",
        key="bl-zip",
        max_upload_size=max(1, int(limit / 1e6)),
        help=_("One folder for each class. At most {size}.").format(size=number_format.size(limit)),
    )
    if file is not None and st.session_state.get("bl.zip.done") != file.file_id:
        try:
            with st.spinner(_("Unpacking …")):
                path = unpack_zip(file, file.name)
        except InputError as error:
            broken(
                _("This zip was not taken"),
                translate_error(error),
                kept=_("Nothing of it was kept."),
                icon="folder_zip",
                tone="warn",
            )
            return None
        st.session_state["bl.zip.done"] = file.file_id
        choices.set_data(DataSpec(str(path), test_share=choices.TEST_SHARE))
        known = choices.data()
    uploads = _uploads()
    if not uploads:
        components.note(
            _("No upload yet. A zip with one folder for each class; only its pictures are kept, on this machine.")
        )
        return None
    choices.follow("bl-uploaded", known.source if known and known.source in uploads else uploads[0])
    chosen = st.selectbox(_("Uploaded"), uploads, key="bl-uploaded", format_func=lambda path: Path(path).name)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        components.note(
            _("{used} of {quota} used by all uploads.").format(
                used=number_format.size(usage()), quota=number_format.size(settings.upload_quota())
            )
        )
    if right.button(_("Delete this upload"), icon=":material/delete:", key="bl-upload-delete"):
        _delete_upload(chosen)
    return chosen


def _uploads() -> list[str]:
    folder = settings.uploads_dir()
    if not folder.is_dir():
        return []
    return [str(p) for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith(".")]


def _delete_upload(path: str) -> None:
    @st.dialog(_("Delete this upload?"))
    def ask() -> None:
        st.markdown(
            _(
                "**{name}** is removed from this machine. Runs trained on it stay, but cannot show its images any more."
            ).format(name=components.plain(Path(path).name))
        )
        if st.button(_("Delete for good"), type="primary", icon=":material/delete:", key="bl-upload-delete-now"):
            from core.data.archive import delete_upload

            delete_upload(Path(path))
            st.session_state.pop("bl.data", None)
            st.session_state["bl.data.kind"] = "upload"  # stay where the uploads are
            choices.show_in_address(data=None)
            st.rerun()

    ask()


# --- what is there ----------------------------------------------------------------------------------------------------


def _overview(dataset: Any) -> None:
    counts = dataset.counts()
    parts = [(charts.split_label(name).lower(), sum(per_class.values())) for name, per_class in counts.items()]
    others = ", ".join(f"{number_format.exact(n)} {name}" for name, n in parts[1:])
    sizes = [sum(per_class[name] for per_class in counts.values()) for name in dataset.classes]
    components.metrics(
        [
            Figure(
                _("Images"),
                number_format.count(len(dataset)),
                dataset.licence and _("licence: {name}").format(name=dataset.licence),
                number_format.exact(len(dataset)),
            ),
            Figure(
                _("Classes"),
                number_format.exact(len(dataset.classes)),
                _shown(dataset.classes),
                ", ".join(dataset.classes),
            ),
            Figure(_("Training") if parts[1:] else _("Not divided"), number_format.exact(parts[0][1]), others),
            Figure(
                _("Smallest class"),
                number_format.exact(min(sizes)),
                _("largest {n}").format(n=number_format.exact(max(sizes))),
            ),
        ]
    )


def _shown(names: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _classes(dataset: Any) -> None:
    from core.data.splits import split_warnings

    components.section(_("Images of each class"))
    counts = dataset.counts()
    sizes = {name: sum(per_class[name] for per_class in counts.values()) for name in dataset.classes}
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    alt = (
        _("Every class has {n} images.").format(n=number_format.exact(sizes[most]))
        if sizes[least] == sizes[most]
        else _("{most} has the most images ({a}), {least} the fewest ({b}).").format(
            most=most, a=number_format.exact(sizes[most]), least=least, b=number_format.exact(sizes[least])
        )
    )
    charts.show(charts.class_bars(counts), key="bl-classes", alt=alt)
    for sentence in split_warnings(dataset):
        st.warning(_(sentence.template).format(**sentence.values), icon=":material/warning:")


def _shares(spec: DataSpec, dataset: Any) -> None:
    components.section(_("Split"))
    own = {item.split for item in caches.listed(spec).items} if dataset.presplit else set()
    changed = spec
    if {"train", "val", "test"} <= own or {"train", "val"} <= own:
        components.note(_("These images bring their own split, and it is kept."))
    else:
        if own:
            components.note(
                _("These images bring training and test folders; validation images are taken from training.")
            )
        choices.follow("bl-val-share", round(spec.val_share * 100))
        val = st.slider(
            _("Validation"),
            5,
            50,
            key="bl-val-share",
            step=5,
            format="%d %%",
            help=_("Held out from learning, looked at after each epoch to find the best one."),
        )
        changed = replace(changed, val_share=val / 100)
        if "test" not in own:
            choices.follow("bl-test-share", round(spec.test_share * 100))
            test = st.slider(
                _("Test"),
                0,
                40,
                key="bl-test-share",
                step=5,
                format="%d %%",
                help=_("Held out from everything, looked at once, at the end."),
            )
            changed = replace(changed, test_share=test / 100)
    with components.more("bl-data-more"):
        choices.follow("bl-data-seed", spec.seed)
        seed = st.number_input(_("Seed"), 0, 2**31, key="bl-data-seed", help=_("The same seed makes the same split."))
        choices.follow("bl-per-class", spec.images_per_class or 0)
        limit = st.number_input(
            _("Most images of a class (0: all)"),
            0,
            10**6,
            key="bl-per-class",
            step=10,
            help=_("Few images make a quick trial, and show what transfer is worth."),
        )
    changed = replace(changed, seed=int(seed), images_per_class=int(limit) or None)
    if changed != spec:
        choices.set_data(changed, choices.data_title())
        st.rerun()


def _samples(spec: DataSpec, dataset: Any) -> None:
    components.section(_("A look at the images"))
    counts = dataset.counts()
    present = list(counts)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-sample-controls"):
        split = st.segmented_control(
            _("From"),
            present,
            default=present[0],
            key="bl-sample-split",
            format_func=charts.split_label,
            required=True,
            persist_state="session",
        )
        size = st.slider(_("Tile size"), 64, 224, 112, step=16, key="bl-tile-size", persist_state="session", width=180)
        if st.button(_("Show others"), icon=":material/shuffle:", key="bl-sample-next"):
            st.session_state["bl.sample.page"] = st.session_state.get("bl.sample.page", 0) + 1
    positions = _pick(dataset, split if split in present else present[0], st.session_state.get("bl.sample.page", 0))
    if not caches.thumbnails_known(spec, positions):
        with busy(_("Loading the pictures …"), 260):
            pictures = caches.thumbnails(spec, positions)
    else:
        pictures = caches.thumbnails(spec, positions)
    shown = [
        tiles.Tile(
            picture,
            dataset.classes[dataset.items[i].label],
            alt=_("Picture of class {name}").format(name=dataset.classes[dataset.items[i].label]),
        )
        for i, picture in zip(positions, pictures, strict=True)
        if picture is not None
    ]
    tiles.grid(shown, size=size, pixelated=True)
    components.note(_("{n} pictures, one class after the other, as they are in the data.").format(n=len(shown)))


def _pick(dataset: Any, split: str, page: int, count: int = 20) -> list[int]:
    """Returns positions of images, the classes taking turns."""
    by_class: dict[int, list[int]] = {}
    for position in dataset.positions(split):
        by_class.setdefault(dataset.items[position].label, []).append(position)
    each = max(1, count // max(1, len(by_class)))
    picked = []
    for positions in list(by_class.values())[:count]:
        start = page * each % len(positions)
        picked += (positions[start:] + positions[:start])[:each]
    return picked


# --- health -----------------------------------------------------------------------------------------------------------


def _health(spec: DataSpec, dataset: Any) -> None:
    components.section(_("Are they sound?"))
    if not caches.health_known(spec) and len(dataset) > AUTOMATIC_CHECK:
        text = _("{n} images have not been opened yet.").format(n=number_format.exact(len(dataset)))
        components.note(text)
        if not st.button(_("Check every image"), icon=":material/health_and_safety:", key="bl-check"):
            return
    place = st.empty()

    def progress(done: int, total: int) -> None:
        place.progress(done / max(1, total), text=_("Checked {done} of {total} images").format(done=done, total=total))

    report = caches.health(spec, progress)
    place.empty()
    _soundness(report)


def _soundness(report: Any) -> None:
    unreadable, leaks = len(report.unreadable), len(report.leaks)
    sizes = report.sizes
    components.metrics(
        [
            Figure(
                _("Unreadable"),
                number_format.exact(unreadable),
                _("left out of training") if unreadable else _("every image opens"),
            ),
            Figure(
                _("In two splits at once"),
                number_format.exact(leaks),
                _("pictures leak") if leaks else _("no picture leaks"),
                _("A picture that stands in training and also in validation or test makes a result look too good."),
            ),
            Figure(
                _("Typical size"),
                "{} × {}".format(*sizes.typical) if sizes else number_format.DASH,
                _("px, {a} to {b}").format(a="{}×{}".format(*sizes.smallest), b="{}×{}".format(*sizes.largest))
                if sizes
                else "",
            ),
            Figure(_("Colour mode"), _most(report.modes), _share(report.modes)),
        ],
        compact=True,
    )
    if unreadable:
        _table(
            _("Files that cannot be read"),
            "bl-unreadable",
            {
                _("File"): [bad.key for bad in report.unreadable],
                _("Why"): [translate_error(bad.error) if bad.error else bad.reason for bad in report.unreadable],
            },
        )
    if report.ignored:
        _table(
            _("Passed over"),
            "bl-ignored",
            {
                _("File"): [key for key, _why in report.ignored],
                _("Why"): [_(why.template).format(**why.values) for _key, why in report.ignored],
            },
        )
    if report.twins:
        kinds = [
            _("in two splits") if t.leak else _("in two classes") if t.conflict else _("twice") for t in report.twins
        ]
        _table(
            _("Pictures that stand there more than once"),
            "bl-twins",
            {
                _("One"): [t.first for t in report.twins],
                _("The other"): [t.second for t in report.twins],
                _("Stands"): kinds,
                _("Exactly equal"): [t.exact for t in report.twins],
            },
        )


def _table(title: str, key: str, columns: dict[str, list[Any]]) -> None:
    import pandas as pd

    with st.expander(f"{title} ({len(next(iter(columns.values())))})", key=key, icon=":material/list:"):
        st.dataframe(pd.DataFrame(columns), hide_index=True, key=f"{key}-table", alt=title)


def _most(counts: Any) -> str:
    return max(counts, key=counts.__getitem__) if counts else number_format.DASH


def _share(counts: Any) -> str:
    return ", ".join(
        f"{name} {number_format.exact(n)}" for name, n in sorted(counts.items(), key=lambda pair: -pair[1])[:3]
    )


if __name__ == "__main__":
    from pages.ui.shell.app import run

    run()
