"""What the lessons on the person's own network share: the choice of network and picture, and of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import form_fields, page_states, style
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects
from pages.ui.selection.network_picker import Target
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches, choices
from pages.ui.text import layer_names
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.specs import DataSpec


def subject() -> Subject | None:
    """Draws the choice of a network and a picture; ``None`` where a face was drawn."""
    found = _chosen(image=True)
    return found if isinstance(found, Subject) else None


def on_subject(bench: Callable[[Subject], None]) -> Callable[[], None]:
    """Draws the choice of a network and a picture, then in a fragment of its own what is shown of them."""

    @wraps(bench)
    def draw() -> None:
        found = subject()
        if found is not None:
            st.fragment(guarded(bench))(found)

    return draw


def on_network(bench: Callable[[Target], None]) -> Callable[[], None]:
    """Draws the choice of a network alone, then in a fragment of its own what is shown of it."""

    @wraps(bench)
    def draw() -> None:
        found = _chosen(image=False)
        if isinstance(found, Target):
            st.fragment(guarded(bench))(found)

    return draw


def _chosen(*, image: bool) -> Subject | Target | None:
    style.send("inside.css")
    choices.run()
    found = subjects.choose(image=image)
    if found is not None:
        subjects.warn_random(found.target if isinstance(found, Subject) else found)
    return found


def divided(spec: DataSpec | None, *, shown: str, icon: str) -> Dataset | None:
    """Returns the person's pictures, divided; ``None`` where a face was drawn.

    Args:
        spec: Which they are; ``None`` where none are chosen.
        shown: What would stand here, translated.
        icon: Name of a Material symbol of the lesson.
    """
    if spec is None:
        page_states.empty(_("No pictures yet"), shown, action=_("Choose your pictures"), target="data", icon=icon)
        return None
    try:
        return caches.divided(spec)
    except InputError as error:
        page_states.broken(_("These pictures cannot be read"), translate_error(error), icon="report", tone="warn")
        return None


def pictures(target: Target) -> DataSpec | None:
    """Returns the person's pictures: those of a network's run, else those that are chosen."""
    return caches.experiment(target.run).data if target.run is not None else choices.data()


def layer(subject_: Subject, names: Sequence[str], key: str, *, default: str = "") -> str:
    """Draws the choice of a layer.

    Args:
        subject_: What is looked at.
        names: Layers on offer, in the network's order.
        key: Stable key, which also keeps the choice in the address.
        default: The one to begin with; the first by default.
    """
    anatomy = subject_.network.anatomy
    first = default if default in names else names[0]
    return str(
        st.selectbox(
            _("Layer"),
            list(names),
            format_func=lambda name: layer_names.layer(anatomy, name),
            help=_("Module path: {path}").format(path=form_fields.kept(key).among(names, first)),
            **form_fields.kept(key).widget(key, names, first),
        )
    )
