"""The notes' tables as studies: what is compared, the notes' figures, how many runs, and the button that starts one."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec
from core.specs.study import Study
from core.workflows.studies.design import expand
from core.workflows.studies.ready import READY, ReadyStudy
from pages.studies import launching, words
from pages.ui.kit import components, form_fields, nav, style
from pages.ui.kit.page_states import broken
from pages.ui.session import caches, choices
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import _, _n, translate_error

FIRST = "rates"
"""Shown at first: it needs neither pictures nor weights."""


def draw() -> None:
    """Draws the choice and the chosen study."""
    names = list(READY)
    key = "bl-studies-ready"
    name = st.selectbox(
        _("Comparison"),
        names,
        format_func=lambda one: _(READY[one].title),
        help=_("At small scale: minutes on a laptop."),
        **form_fields.kept(key).widget(key, names, FIRST),
    )
    ready = READY[name]
    with st.container(border=True, key="bl-ready-study"):
        st.markdown(components.plain(_(ready.description)))
        if ready.remark:
            components.note(_(ready.remark))
        reason = _missing_weights(ready)
        if reason:
            broken(_("This one cannot be trained here"), reason, icon="cloud_off", tone="warn")
            return
        data = _data(ready)
        if isinstance(data, InputError):
            broken(_("These pictures do not fit"), translate_error(data), icon="report", tone="warn")
            return
        study = ready.study(data)
        _table(study, ready)
        launching.draw(study, key="bl-ready-start")


def _missing_weights(ready: ReadyStudy) -> str:
    """Says why a study's networks are not to be had; nothing where they are at hand or can be downloaded."""
    from core.models.catalog import catalog

    gone = [name for name in ready.backbones if catalog.weights_state(name) != "available"]
    if not gone:
        return ""
    names = ", ".join(map(display_names.backbone, gone))
    text = _n(
        "The weights of {names} are not on this machine. Fetch them on the page Backbone.",
        "The weights of {names} are not on this machine. Fetch them on the page Backbone.",
        len(gone),
    ).format(names=names)
    other = READY.get(f"{ready.id}-lite")
    if other is not None:
        text += " " + _("Where they cannot be had, there is: {title}.").format(title=_(other.title))
    return text


def _data(ready: ReadyStudy) -> DataSpec | InputError | None:
    """Returns the pictures that a study takes: one's own where it is meant for them and they fit."""
    if not ready.own:
        return None
    chosen = choices.data()
    if chosen is None:
        nav.link("data", _("Choose your own pictures; until then embedded textures serve."))
        return None
    try:
        count = len(caches.listed(chosen).classes)
        if ready.classes and count != ready.classes:
            raise InputError(
                "The chosen pictures have {count} classes, and the notes' had {wanted}. Choose others on the page "
                "Data.",
                count=count,
                wanted=ready.classes,
            )
        anchored = caches.anchored(chosen)
    except InputError as error:
        return error
    components.note(_("Pictures: {data}.").format(data=choices.data_title()))
    return anchored


def _table(study: Study, ready: ReadyStudy) -> None:
    """Draws the settings, and what the notes reached."""
    settings = list({member.setting: member.levels for member in expand(study)}.values())
    if not ready.noted:
        names = "; ".join(
            f"{words.field(factor.name)}: "
            + ", ".join(words.value(factor.name, level.label) for level in factor.levels)
            for factor in study.factors
        )
        components.note(names)
        return
    head = "".join(f'<th scope="col">{escape(words.field(factor.name))}</th>' for factor in study.factors)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(words.value(factor.name, level.label))}</td>"
            for factor, level in zip(study.factors, levels, strict=True)
        )
        + f"<td>{escape(number_format.percent(ready.noted.get(tuple(level.label for level in levels))))}</td></tr>"
        for levels in settings
    )
    style.send("watching.css")
    caption, noted = escape(_("Test accuracy in the notes")), escape(_("The notes"))
    st.html(
        f'<div class="bl-scroll"><table class="bl-stages"><caption>{caption}</caption><thead><tr>{head}'
        f'<th scope="col">{noted}</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
