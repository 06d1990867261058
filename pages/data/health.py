"""Whether the images are sound: unreadable files, leaks, doubtful labels, copies, sizes; each with its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from pages.data.samples import show_whole
from pages.ui.kit import charts, components
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.data.dataset import Dataset
    from core.data.health import HealthReport, Twin

AUTOMATIC_CHECK = 6000
"""Up to so many images are checked without being asked."""
PAIRS = 6
"""Pairs of pictures on a page."""


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws what cannot be read, what stands there twice, and the sizes; many images are checked on a click only."""
    if not _due(spec, dataset):
        text = _("{n} images have not been opened yet.").format(n=number_format.exact(len(dataset)))
        components.note(text)
        if not st.button(_("Check every image"), icon=":material/health_and_safety:", key="bl-check"):
            return
    report = _checked(spec)
    _figures(report)
    _problems(spec, dataset, report)


def in_short(spec: DataSpec, dataset: Dataset, above: DeltaGenerator) -> None:
    """Says in a line what is wrong, where it cannot be overlooked.

    Args:
        spec: The chosen data.
        dataset: Its images, divided.
        above: A place in the first screen.
    """
    if _due(spec, dataset):
        report = _checked(spec)
        with above:
            _said(report)


def _due(spec: DataSpec, dataset: Dataset) -> bool:
    return caches.health_known(spec) or len(dataset) <= AUTOMATIC_CHECK


def _checked(spec: DataSpec) -> HealthReport:
    place = st.empty()

    def progress(done: int, total: int) -> None:
        place.progress(done / max(1, total), text=_("Checked {done} of {total} images").format(done=done, total=total))

    report = caches.health(spec, progress)
    place.empty()
    return report


def _said(report: HealthReport) -> None:
    lines = []
    if report.leak_count:
        lines.append(
            _n(
                "{n} picture stands in two splits: results will look too good.",
                "{n} pictures stand in two splits: results will look too good.",
                report.leak_count,
            ).format(n=number_format.exact(report.leak_count))
        )
    if report.conflict_count:
        lines.append(
            _n(
                "{n} picture stands in two classes: one of its labels is wrong.",
                "{n} pictures stand in two classes: one label of each is wrong.",
                report.conflict_count,
            ).format(n=number_format.exact(report.conflict_count))
        )
    if report.unreadable:
        count = len(report.unreadable)
        lines.append(
            _n("{n} file cannot be read and is left out.", "{n} files cannot be read and are left out.", count).format(
                n=number_format.exact(count)
            )
        )
    if lines:
        said = st.error if report.leak_count or report.conflict_count else st.warning
        said(" ".join([*lines, _("See under “Problems”.")]), icon=":material/report:")


def _figures(report: HealthReport) -> None:
    sizes = report.sizes
    components.metrics(
        [
            Figure(
                _("Unreadable"),
                number_format.exact(len(report.unreadable)),
                _("left out of training") if report.unreadable else _("every image opens"),
            ),
            Figure(
                _("In two splits at once"),
                number_format.exact(report.leak_count),
                _("pictures leak") if report.leak_count else _("no picture leaks"),
                _("A picture that stands in training and also in validation or test makes a result look too good."),
            ),
            Figure(
                _("In two classes at once"),
                number_format.exact(report.conflict_count),
                _("labels contradict") if report.conflict_count else _("no label contradicts another"),
                _("The same picture under two names: a network cannot learn both, and one of them is wrong."),
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


def _problems(spec: DataSpec, dataset: Dataset, report: HealthReport) -> None:
    leaks = [twin for twin in report.twins if twin.leak]
    conflicts = [twin for twin in report.twins if twin.conflict]
    doubles = [twin for twin in report.twins if not twin.leak and not twin.conflict]
    if leaks:
        text = _("What was learned is asked again. Keep one of each pair: delete the other file, or divide anew.")
        _twins(spec, dataset, _("In two splits"), text, leaks, "leaks", "bad")
    if conflicts:
        text = _("The same picture under two names. Decide which is right, and delete the other file.")
        _twins(spec, dataset, _("In two classes"), text, conflicts, "conflicts", "bad")
    if report.unreadable:
        _table(
            _("Files that cannot be read"),
            "bl-unreadable",
            {
                _("File"): [bad.key for bad in report.unreadable],
                _("Why"): [translate_error(bad.error) if bad.error else bad.reason for bad in report.unreadable],
            },
            icon=":material/warning:",
        )
    if doubles:
        text = _("They stand in one split and one class: they count double, no more.")
        _twins(spec, dataset, _("Twice in one split"), text, doubles, "doubles", "warn")
    if report.unlisted:
        text = _("{n} more pairs of copies were found than are listed here.")
        components.note(text.format(n=number_format.exact(report.unlisted)))


def _twins(
    spec: DataSpec, dataset: Dataset, title: str, text: str, twins: Sequence[Twin], name: str, tone: str
) -> None:
    """Draws pairs of pictures, some at a time, with what to do about them."""
    icon = ":material/error:" if tone == "bad" else ":material/info:"
    key = f"bl-twins-{name}"
    with st.expander(f"{title} ({len(twins)})", key=key, icon=icon, expanded=tone == "bad"):
        components.note(text)
        pages = -(-len(twins) // PAIRS)
        page = min(int(st.session_state.get(f"{key}-page") or 1), pages)
        shown = twins[(page - 1) * PAIRS : page * PAIRS]
        place = caches.remember(
            "data-places", (dataset.name, hash(dataset.items)), lambda: {i.key: n for n, i in enumerate(dataset.items)}
        )
        positions = [place[file] for twin in shown for file in (twin.first, twin.second)]
        pictures = caches.thumbnails(spec, positions)
        tiles, at = [], []
        for position, picture in zip(positions, pictures, strict=True):
            if picture is None:
                continue
            item = dataset.items[position]
            words = [dataset.class_of(position), *([charts.split_label(item.split)] if item.split else [])]
            tiles.append(Tile(picture, " · ".join(words), item.key, alt=item.key))
            at.append(position)
        picked = gallery(tiles, key=f"{key}-pictures", size=150, help=_("See the whole picture"), pixelated=True)
        if pages > 1:
            st.pagination(pages, key=f"{key}-page")
        kinds = [_("equal") if twin.exact else _("alike") for twin in twins]
        rows = {_("One"): [t.first for t in twins], _("The other"): [t.second for t in twins], _("They are"): kinds}
        with st.popover(_("All of them as a list"), icon=":material/list:", key=f"{key}-all"):
            _frame(rows, f"{key}-table", title)
    if picked is not None:
        show_whole(spec, dataset, at[picked])


def draw_passed_over(dataset: Dataset) -> None:
    """Says which files of the folder are no part of the data, and why; nothing is dropped without a word."""
    passed = dataset.ignored
    if not passed:
        return
    title = _("Passed over")
    text = _n("{n} file is no part of these data.", "{n} files are no part of these data.", len(passed))
    st.warning(text.format(n=number_format.exact(len(passed))), icon=":material/rule:")
    _table(
        title,
        "bl-ignored",
        {
            _("File"): [key for key, _why in passed],
            _("Why"): [_(why.template).format(**why.values) for _key, why in passed],
        },
    )


def _table(title: str, key: str, columns: Mapping[str, Sequence[object]], *, icon: str = ":material/list:") -> None:
    with st.expander(f"{title} ({len(next(iter(columns.values())))})", key=key, icon=icon):
        _frame(columns, f"{key}-table", title)


def _frame(columns: Mapping[str, Sequence[object]], key: str, alt: str) -> None:
    import pandas as pd

    st.dataframe(pd.DataFrame(dict(columns)), hide_index=True, key=key, alt=alt)


def _most(counts: Mapping[str, int]) -> str:
    return max(counts, key=counts.__getitem__) if counts else number_format.DASH


def _share(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{name} {number_format.exact(n)}" for name, n in sorted(counts.items(), key=lambda pair: -pair[1])[:3]
    )
