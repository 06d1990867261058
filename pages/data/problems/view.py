"""Problems: is what I have sound? What the check found in figures and as cards, and what was repaired since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from core.workflows.data_check.findings import open_findings
from pages.data.problems import card, check_job, limit, one_by_one, repairs
from pages.ui.kit import clicks, components, nav
from pages.ui.kit.components import Figure
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.data_check.report import Check

UNEVEN = 1.5
"""Largest class to smallest from which on uneven classes are named."""


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws the findings as far as the check has got."""
    found = caches.checked(spec, limit.chosen())
    if found is None:
        if check_job.live(check_job.begin(spec, dataset)):
            st.skeleton(280)
        return
    findings = open_findings(found, repairs.current(spec, dataset))
    if one_by_one.asked():
        doubts = next((row for row in findings if row.kind.id == "suspects"), None)
        raw = caches.found(spec)
        one_by_one.draw(spec, dataset, doubts, len(raw.suspects) if raw is not None else 0)
        return
    _figures(found, dataset)
    _left_out(found)
    for finding in findings:
        card.draw(spec, dataset, found, finding)
    if check_job.leaking(found, dataset):
        nav.link("leak", _("What a leak does to an accuracy: the leak lab"))
    _uneven(dataset)
    if not findings:
        text = _("Nothing is wrong that could be found.") if found.featured else _("Nothing is wrong at first sight.")
        st.success(text, icon=":material/check_circle:")
    limit.draw(spec, dataset, found)
    if not check_job.live(check_job.begin(spec, dataset)) and clicks.button(
        _("Check again"),
        icon=":material/refresh:",
        key="bl-check-again",
        help=_("Looks at the files anew; what was repaired stays."),
    ):
        check_job.start(spec, features=found.featured)
        st.rerun()


def _figures(found: Check, dataset: Dataset) -> None:
    sizes, leaks = found.sizes, check_job.leaking(found, dataset)
    components.metrics(
        [
            Figure(
                _("Unreadable"),
                number_format.exact(len(found.unreadable)),
                _("left out of training") if found.unreadable else _("every image opens"),
            ),
            Figure(
                _("In two splits at once"),
                number_format.exact(leaks),
                _("pictures leak") if leaks else _("no picture leaks"),
                _("A picture that stands in training and also in validation or test makes a result look too good."),
            ),
            Figure(
                _("In two classes at once"),
                number_format.exact(len(found.conflicts)),
                _("labels contradict") if found.conflicts else _("no label contradicts another"),
                _("The same picture under two names: a network cannot learn both, and one of them is wrong."),
            ),
            Figure(
                _("Typical size"),
                "{} × {}".format(*sizes.typical) if sizes else number_format.DASH,
                _("px, {a} to {b}").format(a="{}×{}".format(*sizes.smallest), b="{}×{}".format(*sizes.largest))
                if sizes
                else "",
            ),
            Figure(_("Colour mode"), next(iter(found.modes), number_format.DASH), _counted(found.modes)),
        ],
        compact=True,
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number_format.exact(n)}" for name, n in list(counts.items())[:3])


def _left_out(found: Check) -> None:
    """Names the files of the folder that are no part of the data, and why; nothing is dropped without a word."""
    passed = found.left_out
    if not passed:
        return
    import pandas as pd

    title = _("Passed over")
    count = number_format.exact(len(passed))
    with st.expander(f"{title} ({count})", key="bl-ignored", icon=":material/rule:"):
        text = _n("{n} file is no part of these data.", "{n} files are no part of these data.", len(passed))
        components.note(text.format(n=count))
        rows = {_("File"): [key for key, _why in passed], _("Why"): [translate_error(why) for _key, why in passed]}
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="bl-ignored-table", alt=title)


def _uneven(dataset: Dataset) -> None:
    """Says how uneven the classes are that are learned from, and what that does to accuracy."""
    counts = dataset.counts()
    learned = next(iter(counts.values()))
    most, least = max(learned, key=learned.__getitem__), min(learned, key=learned.__getitem__)
    if learned[most] < UNEVEN * learned[least]:
        return
    with st.expander(_("Uneven classes"), key="bl-uneven", icon=":material/balance:", expanded=True):
        share = learned[most] / max(1, sum(learned.values()))
        text = _(
            "{most} has {many} training images, {least} has {few}. Whoever always says {most} is right in {share} "
            "already: an accuracy counts only above that, and {least} is missed most easily. On Train, class weights "
            "or a sampler under “More” make up for it."
        )
        components.note(
            text.format(
                most=most,
                many=number_format.exact(learned[most]),
                least=least,
                few=number_format.exact(learned[least]),
                share=number_format.percent(share),
            )
        )
        nav.link("train", _("Choose a remedy on Train"), icon=":material/arrow_forward:")
