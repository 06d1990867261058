"""The choices of the Heatmaps page: for which class, against which, by which method, where and how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.heatmaps import method_texts
from pages.ui.explaining.choice import OPACITY, Choice, Look, reasons, usual
from pages.ui.kit import components, form_fields
from pages.ui.selection import layer_picker, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import address
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interpret.attribution.method import Method
    from core.models.anatomy.records import Anatomy

CLASS = address.Bound("target", kept="bl.heat.class")
AGAINST = address.Bound("against")
METHOD = address.Bound("method", kept="bl.heat.method")
LAYER = address.Bound("layer", kept="bl.heat.layer")
_LAYER_KEY = "bl-heat-layer"
NOBODY = -1
EVERYTHING = frozenset({"class", "method", "layer", "settings", "look"})
USED = {
    "methods": EVERYTHING - {"method", "settings"},
    "layers": EVERYTHING - {"layer"},
    "pictures": EVERYTHING - {"class"},
    "runs": EVERYTHING - {"layer"},
    "study": frozenset({"method", "layer", "settings"}),
}
"""What can be chosen in a view, where that is not everything; the rest would change nothing there."""


def draw(subject: Subject, probabilities: NDArray[np.float32], view: str) -> tuple[Choice, Look]:
    """Draws the choices that count in a view in one row: class and method, the rest behind "More".

    Args:
        subject: What is looked at.
        probabilities: The network's answer.
        view: Name of the view; ``one`` for the one map.
    """
    from core.interpret.attribution.explain import METHODS

    used, why_not = USED.get(view, EVERYTHING), reasons(subject.network)
    chosen, other, look = int(probabilities.argmax()), None, Look()
    layer: str | None = None
    settings: tuple[tuple[str, int], ...] = ()
    with st.container(horizontal=True, vertical_alignment="center", key="bl-heat-row"):
        if "class" in used:
            chosen = target(subject, probabilities)
        name = method(why_not) if "method" in used else current(why_not)
        more = st.popover(_("More"), icon=":material/tune:", key="bl-heat-more")
    row = METHODS[name]
    with more:
        if "class" in used:
            other = against(subject, probabilities, chosen)
        if "look" in used:
            look = _look()
        if "layer" in used and (row.needs_layer or "method" not in used):
            layer = _layer(subject.network.anatomy)
        if "settings" in used:
            settings = _settings(row)
        if "method" in used:
            _about(row)
        _elsewhere(why_not)
    return Choice(name, chosen, other, layer, settings), look


def target(subject: Subject, probabilities: NDArray[np.float32]) -> int:
    """Draws the choice of the class to explain, the likeliest first; the predicted one unless another is chosen."""
    order = [int(index) for index in probabilities.argsort()[::-1]]
    classes = subject.network.classes
    options = [NOBODY, *order]

    def label(index: int) -> str:
        at = order[0] if index < 0 else index
        share = number_format.percent(float(probabilities[at]))
        text = _("For {name} · {share}, predicted") if index < 0 else _("For {name} · {share}")
        return text.format(name=classes[at], share=share)

    chosen = st.selectbox(
        _("Evidence for"),
        options,
        format_func=label,
        label_visibility="collapsed",
        width=250,
        **CLASS.widget("bl-heat-target", options, NOBODY, lambda index: classes[index] if index >= 0 else None),
    )
    return order[0] if chosen is None or chosen < 0 else int(chosen)


def against(subject: Subject, probabilities: NDArray[np.float32], target_: int) -> int | None:
    """Draws the choice of a class to hold the explained one against."""
    classes = subject.network.classes
    others = [int(index) for index in probabilities.argsort()[::-1] if int(index) != target_]
    if not others:
        return None
    options = [NOBODY, *others]
    chosen = st.selectbox(
        _("Rather than"),
        options,
        **AGAINST.widget("bl-heat-against", options, NOBODY, lambda index: classes[index] if index >= 0 else None),
        help=_(method_texts.CONTRAST),
        format_func=lambda i: (
            _("No other class") if i < 0 else f"{classes[i]} · {number_format.percent(float(probabilities[i]))}"
        ),
    )
    return None if chosen is None or chosen < 0 else int(chosen)


def current(why_not: dict[str, str | None]) -> str:
    """Returns the method that the address or the session names, if it can work here."""
    usable = [name for name, reason in why_not.items() if reason is None]
    return METHOD.among(usable, usual(usable))


def method(why_not: dict[str, str | None]) -> str:
    """Draws the choice of a method, family by family; those that cannot work here are named elsewhere."""
    from core.interpret.attribution.explain import FAMILIES, METHODS

    usable = [name for name, reason in why_not.items() if reason is None]
    usable.sort(key=lambda name: list(FAMILIES).index(METHODS[name].family))  # stable: within a family as in the table
    return str(
        st.selectbox(
            _("Method"),
            usable,
            format_func=lambda name: f"{METHODS[name].title} · {_(FAMILIES[METHODS[name].family])}",
            label_visibility="collapsed",
            width=250,
            **METHOD.widget("bl-heat-method", usable, usual(usable)),
        )
    )


def _elsewhere(why_not: dict[str, str | None]) -> None:
    """Names the methods that cannot work on this network, with a line for each reason."""
    from core.interpret.attribution.explain import METHODS

    rows: dict[str, list[str]] = {}
    for name, reason in why_not.items():
        if reason is not None:
            rows.setdefault(reason, []).append(METHODS[name].title)
    for reason, titles in rows.items():
        components.note(_("{method}: not on this network. {reason}").format(method=", ".join(titles), reason=_(reason)))


def _about(row: Method) -> None:
    """Says what the method does, how to read its maps, and where it comes from."""
    components.section(row.title, _(row.description))
    st.markdown(_(method_texts.reading(row)))
    for line in row.equation.split(r",\quad "):  # one below the other: none is wider than the place there is
        st.latex(line)
    if row.signed:
        components.note(_("Red is evidence for the class, blue against it. Elsewhere the picture stays clear."))
    st.caption(f"{row.paper} · {_(method_texts.SERVED[row.served_by])}")


def _look() -> Look:
    opacity = st.slider(
        _("Opacity"), 0, 100, step=5, format="%d %%", **form_fields.number("bl-heat-opacity", OPACITY, 0, 100)
    )
    return Look(opacity / 100, subjects.colormap_picker("bl-heat-colours"))


def layer_names(anatomy: Anatomy) -> tuple[str, ...]:
    """Returns the layers that a map can be drawn on: blocks, layers that stand alone, and the chosen one."""
    from core.interpret.features.activations import spatial_layers

    names = layer_picker.main_layers(anatomy, spatial_layers(anatomy))
    return names if not anatomy.cam_layer or anatomy.cam_layer in names else (*names, anatomy.cam_layer)


def _layer(anatomy: Anatomy) -> str | None:
    """Draws the choice of a layer, kept in the address; ``None`` for the network's own."""
    names = layer_names(anatomy)
    bound = LAYER.widget(_LAYER_KEY, names, "")
    path = layer_picker.path_help(st.session_state[_LAYER_KEY] or anatomy.cam_layer)
    chosen = st.selectbox(
        _("Layer"),
        ["", *names],
        **bound,
        format_func=lambda n: (
            layer_picker.layer_label(anatomy, n)
            if n
            else _("Chosen for you: {layer}").format(layer=layer_picker.layer_label(anatomy, anatomy.cam_layer))
        ),
        help=_("The last layer that keeps the picture's layout says most about the class. Earlier ones show detail.")
        + "\n\n"
        + path,
    )
    return chosen or None


def _settings(row: Method) -> tuple[tuple[str, int], ...]:
    """Draws the method's settings and returns those that differ from the usual ones."""
    changed = []
    for setting in row.settings:
        value = st.number_input(
            _(setting.title),
            setting.low,
            setting.high,
            help=_(setting.help),
            **form_fields.number(f"bl-heat-set-{row.id}-{setting.id}", setting.default, setting.low, setting.high),
        )
        if value is not None and int(value) != setting.default:
            changed.append((setting.id, int(value)))
    return tuple(changed)
