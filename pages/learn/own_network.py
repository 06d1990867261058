"""What the lessons on the person's own network share: the choice of network and picture, and of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import form_fields, style
from pages.ui.selection import subjects
from pages.ui.selection.network_picker import Target
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches, choices
from pages.ui.text import layer_names
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.specs import DataSpec


def subject() -> Subject | None:
    """Draws the choice of a network and a picture; ``None`` where a face was drawn."""
    style.send("inside.css")
    choices.run()
    found = subjects.choose()
    if not isinstance(found, Subject):
        return None
    subjects.warn_random(found.target)
    return found


def network() -> Target | None:
    """Draws the choice of a network alone; ``None`` where a face was drawn."""
    style.send("inside.css")
    choices.run()
    found = subjects.choose(image=False)
    if not isinstance(found, Target):
        return None
    subjects.warn_random(found)
    return found


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
