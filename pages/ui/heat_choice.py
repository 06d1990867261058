"""The choices of the Heatmaps page: for which class, against which, by which method, where and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from pages.ui import components, figures, heat_words, inside, layers, state
from pages.ui.i18n import N_, _
from pages.ui.inside import Subject

CLASS, METHOD = "bl-heat-class", "bl-heat-method-kept"
NOBODY = -1
AGAINST = N_("Draws what speaks for the one class rather than for the other: the map of their difference.")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be drawn.

    Attributes:
        method: Id of the method.
        target: Index of the class.
        against: Index of the class it is held against; ``None`` for none.
        layer: The layer; ``None`` for the network's own choice.
        settings: The method's settings that differ from the usual ones.
    """

    method: str
    target: int
    against: int | None = None
    layer: str | None = None
    settings: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What caches of its map are keyed on, beside the subject's key."""
        return (self.method, self.target, self.against, self.layer, self.settings)

    @property
    def row(self) -> Any:
        """The row of the table of methods."""
        from core.interpret.attribution import METHODS

        return METHODS[self.method]


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are drawn: opacity from 0 to 1, and the colours of those without a sign."""

    opacity: float
    colormap: str


def target(subject: Subject, probabilities: Any) -> int:
    """Draws the choice of the class to explain, the likeliest first; the predicted one unless another is chosen."""
    order = [int(index) for index in probabilities.argsort()[::-1]]
    classes = subject.network.classes
    asked = st.query_params.get("target") or st.session_state.get(CLASS)
    keep = next((i for i, name in enumerate(classes) if name == asked), None)
    st.session_state["bl-heat-target"] = NOBODY if keep is None else keep

    def choose() -> None:
        index = st.session_state["bl-heat-target"]
        name = None if index is None or index < 0 else classes[index]
        st.session_state[CLASS] = name
        state.show_in_address(target=name)

    def label(index: int) -> str:
        if index < 0:
            return _("The predicted class: {name}").format(name=classes[order[0]])
        return f"{classes[index]} · {figures.percent(float(probabilities[index]))}"

    chosen = st.selectbox(
        _("What speaks for"), [NOBODY, *order], key="bl-heat-target", format_func=label, on_change=choose,
        help=_("The map answers for one class at a time. Choose another to see what would speak for it."),
    )  # fmt: skip
    return order[0] if chosen is None or chosen < 0 else int(chosen)


def against(subject: Subject, probabilities: Any, target_: int) -> int | None:
    """Draws the choice of a class to hold the explained one against."""
    classes = subject.network.classes
    others = [int(index) for index in probabilities.argsort()[::-1] if int(index) != target_]
    if not others:
        return None
    asked = st.query_params.get("against")
    keep = next((i for i in others if classes[i] == asked), NOBODY)
    st.session_state["bl-heat-against"] = keep

    def choose() -> None:
        index = st.session_state["bl-heat-against"]
        state.show_in_address(against=None if index is None or index < 0 else classes[index])

    chosen = st.selectbox(
        _("Rather than"), [NOBODY, *others], key="bl-heat-against", on_change=choose, help=_(AGAINST),
        format_func=lambda i: _("No other class") if i < 0 else f"{classes[i]} · {figures.percent(probabilities[i])}",
    )  # fmt: skip
    return None if chosen is None or chosen < 0 else int(chosen)


def reasons(subject: Subject) -> dict[str, str | None]:
    """Returns why each method cannot work on the network; ``None`` for those that can."""
    from core.interpret.attribution import METHODS

    return {row.id: row.unavailable(subject.network) for row in METHODS.values()}


def method(subject: Subject) -> str:
    """Draws the choice of a method, family by family; one that cannot work here is named with the reason."""
    from core.interpret.attribution import FAMILIES, METHODS

    why_not = reasons(subject)
    usable = [name for name, reason in why_not.items() if reason is None]
    asked = st.query_params.get("method") or st.session_state.get(METHOD)
    current = str(asked) if asked in usable else "grad-cam" if "grad-cam" in usable else usable[0]
    families = [family for family in FAMILIES if any(METHODS[name].family == family for name in usable)]
    st.session_state["bl-heat-family"] = METHODS[current].family
    st.session_state["bl-heat-method"] = current

    def keep(name: str | None) -> None:
        if name is not None:
            st.session_state[METHOD] = name
            state.show_in_address(method=name)

    def first() -> None:
        family = st.session_state["bl-heat-family"]
        keep(next((name for name in usable if METHODS[name].family == family), None))

    st.selectbox(
        _("Kind of method"), families, key="bl-heat-family", format_func=lambda f: _(FAMILIES[f]), on_change=first
    )
    here = [name for name in usable if METHODS[name].family == METHODS[current].family]
    st.pills(
        _("Method"), here, key="bl-heat-method", format_func=lambda name: METHODS[name].title, required=True,
        wrap=True,
        on_change=lambda: keep(st.session_state["bl-heat-method"]),
    )  # fmt: skip
    components.note(_(METHODS[current].description))
    _not_here(why_not, METHODS[current].family)
    _why(METHODS[current])
    return current


def _not_here(why_not: dict[str, str | None], family: str) -> None:
    """Names the methods that cannot work on this network: this family's in sight, the others' behind a click."""
    from core.interpret.attribution import METHODS

    rows: dict[str, list[str]] = {}
    for name, reason in why_not.items():
        if reason is not None:
            rows.setdefault(reason, []).append(name)
    hidden = []
    for reason, names in rows.items():
        titles = ", ".join(METHODS[name].title for name in names)
        line = _("{method}: not on this network. {reason}").format(method=titles, reason=_(reason))
        if any(METHODS[name].family == family for name in names):
            st.html(f'<p class="bl-off">{escape(line)}</p>')
        else:
            hidden.append(line)
    if hidden:
        with st.expander(_("Not on this network"), icon=":material/block:", key="bl-heat-off"):
            for line in hidden:
                components.note(line)


def _why(row: Any) -> None:
    with st.expander(_("Why?"), icon=":material/help:", key="bl-heat-why"):
        st.markdown(_(heat_words.reading(row)))
        st.latex(heat_words.FORMULAS[row.id])
        st.markdown(_(heat_words.CONTRAST))
        st.caption(row.paper)


def look(subject: Subject, method_: str) -> tuple[Look, str | None, tuple[tuple[str, int], ...]]:
    """Draws opacity, and behind "More" colours, layer and the method's settings."""
    from core.interpret.attribution import METHODS

    row = METHODS[method_]
    opacity = st.slider(_("Opacity"), 0, 100, 55, 5, format="%d %%", key="bl-heat-opacity", persist_state="session")
    layer = None
    with components.more("bl-heat-more"):
        if row.signed:
            components.note(_("Red speaks for the class, blue against it. Elsewhere the picture stays clear."))
        colormap = inside.colormap_picker("bl-heat-colours")
        if row.needs_layer:
            layer = _layer(subject.network.anatomy)
        settings = _settings(row)
    return Look(opacity / 100, colormap), layer, settings


def layer_names(anatomy: Any) -> tuple[str, ...]:
    """Returns the layers that a map can be drawn on: blocks, layers that stand alone, and the chosen one."""
    from core.interpret.activations import spatial_layers

    names = layers.main_layers(anatomy, spatial_layers(anatomy))
    return names if not anatomy.cam_layer or anatomy.cam_layer in names else (*names, anatomy.cam_layer)


def _layer(anatomy: Any) -> str | None:
    names = layer_names(anatomy)
    known = {layer.name: layer for layer in anatomy.layers}
    if st.session_state.get("bl-heat-layer") not in ("", *names):
        st.session_state["bl-heat-layer"] = ""
    chosen = st.selectbox(
        _("Layer"), ["", *names], key="bl-heat-layer", persist_state="session",
        format_func=lambda n: layers.layer_label(known[n])
        if n
        else _("Chosen for you: {layer}").format(layer=anatomy.cam_layer),
        help=_("The last layer that keeps the picture's layout says most about the class. Earlier ones show detail."),
    )  # fmt: skip
    return chosen or None


def _settings(row: Any) -> tuple[tuple[str, int], ...]:
    """Draws the method's settings and returns those that differ from the usual ones."""
    changed = []
    for setting in row.settings:
        value = st.number_input(
            _(setting.title), setting.low, setting.high, setting.default, key=f"bl-heat-set-{row.id}-{setting.id}",
            help=_(setting.help), persist_state="session",
        )  # fmt: skip
        if value is not None and int(value) != setting.default:
            changed.append((setting.id, int(value)))
    return tuple(changed)
