"""Whether the images are sound: unreadable files, copies, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import DataSpec
from pages.ui.kit import components
from pages.ui.kit.components import Figure
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.health import Twin

AUTOMATIC_CHECK = 6000
"""Up to so many images are checked without being asked."""


def draw_health(spec: DataSpec, dataset: Dataset) -> None:
    """Draws what cannot be read, what stands there twice, and the sizes; many images are checked on a click only."""
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


def _depth(report: Any) -> str:
    """Says how pictures saved with 16 bits a pixel are scaled, where fewer are in use."""
    if report.bits in (None, 16):
        return ""
    return _("{bits}-bit pictures, scaled by {most}").format(bits=report.bits, most=(1 << report.bits) - 1)


def _soundness(report: Any) -> None:
    unreadable, leaks = len(report.unreadable), report.leak_count
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
            Figure(_("Colour mode"), _most(report.modes), _depth(report) or _share(report.modes)),
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
        kinds = [_stands(twin) for twin in report.twins]
        if report.unlisted:
            text = _("{n} more pairs of copies were found than are listed here.")
            components.note(text.format(n=number_format.exact(report.unlisted)))
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


def _stands(twin: Twin) -> str:
    if twin.leak and twin.conflict:
        return _("in two splits and two classes")
    return _("in two splits") if twin.leak else _("in two classes") if twin.conflict else _("twice")


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
