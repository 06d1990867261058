"""Doubtful labels one by one: the picture in large, its class and the suggested one, and keys to decide by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from core.workflows.data_check.findings import Finding, Unit
from pages.data.problems import repairs
from pages.data.samples import places
from pages.ui.kit import clicks, components
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset

ONE = Bound("one", kept="bl.data.one")
"""Which finding is gone through one by one; nothing for none."""
KEYS = 9
"""Classes that have a key."""
_PX = 720
_LATER = "bl.data.one.later"


def asked() -> bool:
    """Whether the doubtful labels are gone through one by one."""
    return ONE.asked() == "suspects"


def button() -> None:
    """Draws the button that begins it."""
    if clicks.button(_("One by one"), icon=":material/slideshow:", key="bl-one-begin", help=_("Decide by keys.")):
        st.session_state.pop(_LATER, None)
        ONE.choose("suspects")
        st.rerun()


def draw(spec: DataSpec, dataset: Dataset, finding: Finding | None, doubted: int) -> None:
    """Draws the first picture that nobody decided on.

    Args:
        spec: The chosen data.
        dataset: Its images, divided.
        finding: The doubtful labels that are still open; ``None`` where none are left.
        doubted: How many there were to begin with.
    """
    revision = repairs.current(spec, dataset)
    if finding is None:
        components.note(_("Every doubtful label is decided."))
        with st.container(horizontal=True, key="bl-one-end"):
            _undo(spec, dataset)
            _close()
        return
    left = finding.units
    later = int(st.session_state.get(_LATER, 0)) % len(left)
    unit = left[later]
    position = places(dataset)[unit.keys[0]]
    number = doubted - len(left) + later + 1
    with st.container(key="bl-wrapsmall-one"):
        picture, choice = st.columns([1.2, 1], gap="large")
    with picture:
        (image,) = caches.thumbnails(spec, (position,), _PX)
        if image is None:
            components.note(_("It cannot be read any more."))
        else:
            st.image(image, width="stretch")
        components.note(unit.keys[0])
    with choice:
        st.progress((number - 1) / doubted, text=_("{n} of {all}").format(n=number, all=doubted))
        label = dataset.class_of(position)
        text = _("Filed under **{label}**, looks like **{suggested}**.")
        st.markdown(text.format(label=components.plain(label), suggested=components.plain(unit.suggested)))
        _classes(spec, dataset, finding, unit, label)
        with st.container(horizontal=True, key="bl-one-more"):
            if clicks.button(_("Keep"), icon=":material/check:", key="bl-one-keep", shortcut="K"):
                repairs.act(spec, dataset, finding, "keep", unit.keys)
            if clicks.button(_("Leave out"), icon=":material/block:", key="bl-one-exclude", shortcut="X"):
                repairs.act(spec, dataset, finding, "exclude", unit.keys)
            if len(left) > 1 and clicks.button(
                _("Later"), icon=":material/skip_next:", key="bl-one-later", shortcut="L"
            ):
                st.session_state[_LATER] = later + 1
                st.rerun()
            _undo(spec, dataset, disabled=not revision.changed)
            _close()


def _classes(spec: DataSpec, dataset: Dataset, finding: Finding, unit: Unit, label: str) -> None:
    """Draws a button a class; the first nine have a key, the suggested class among them."""
    others = [name for name in dataset.classes if name not in (label, unit.suggested)]
    listed = [name for name in dataset.classes if name in {label, unit.suggested, *others[: KEYS - 2]}]
    with st.container(horizontal=True, key="bl-one-classes"):
        for number, name in enumerate(listed, 1):
            if clicks.button(
                components.plain(name),
                key=f"bl-one-class-{number}",
                type="primary" if name == unit.suggested else "secondary",
                disabled=name == label,
                shortcut=str(number),
            ):
                repairs.act(spec, dataset, finding, "relabel", unit.keys, name)
    rest = [name for name in dataset.classes if name not in listed]
    if rest:
        other = st.selectbox(_("Another class"), rest, index=None, key="bl-one-other")
        if other is not None and clicks.button(_("Relabel"), key="bl-one-relabel", icon=":material/sell:"):
            repairs.act(spec, dataset, finding, "relabel", unit.keys, other)


def _undo(spec: DataSpec, dataset: Dataset, *, disabled: bool = False) -> None:
    if clicks.button(_("Undo"), icon=":material/undo:", key="bl-one-undo", shortcut="U", disabled=disabled):
        repairs.undo(spec, repairs.current(spec, dataset))


def _close() -> None:
    if clicks.button(_("Back to all"), icon=":material/close:", key="bl-one-close"):
        ONE.choose(None)
        st.rerun()
