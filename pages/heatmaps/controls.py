"""The choices of the Heatmaps page: for which class, against which, by which method, where and how it is drawn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import streamlit as st

from pages.heatmaps import method_texts
from pages.ui.kit import components
from pages.ui.selection import layer_picker, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import address
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

CLASS = address.Bound("target", kept="bl.heat.class")
AGAINST = address.Bound("against")
METHOD = address.Bound("method", kept="bl.heat.method")
LAYER = address.Bound("layer", kept="bl.heat.layer")
NOBODY = -1
OPACITY = 55
EVERYTHING = frozenset({"class", "method", "layer", "settings", "look"})
USED = {
    "methods": EVERYTHING - {"method", "settings"},
    "layers": EVERYTHING - {"layer"},
    "pictures": EVERYTHING - {"class"},
    "runs": EVERYTHING - {"layer"},
    "study": frozenset({"method", "layer", "settings"}),
}
"""What can be chosen in a view, where that is not everything; the rest would change nothing there."""
PARTS: dict[str, str | None] = {
    "class": "class",
    "against": "class",
    "kind": "method",
    "method": "method",
    "look": "look",
    "more": None,
    "why": "method",
    "off": None,
}
"""The places of the choices in order, and which choice each is for; the last ones are shut at first."""
DIFFERENCE = N_("Draws what speaks for the one class rather than for the other: the map of their difference.")
_FAMILY_KEY, _METHOD_KEY = "bl-heat-family", "bl-heat-method"


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
    def ways(self) -> dict[str, Any]:
        """What the core's functions that explain are given of it, whatever the class: layer and settings."""
        return {"layer": self.layer, "settings": dict(self.settings)}

    @property
    def row(self) -> Any:
        """The row of the table of methods."""
        from core.interpret.attribution.explain import METHODS

        return METHODS[self.method]


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are drawn: opacity from 0 to 1, and the colours of those without a sign."""

    opacity: float = OPACITY / 100
    colormap: str = "viridis"


def draw(subject: Subject, probabilities: Any, view: str) -> tuple[Choice, Look]:
    """Draws the choices that count in a view: in a column beside the one map, in a strip above several.

    Args:
        subject: What is looked at.
        probabilities: The network's answer.
        view: Name of the view; ``one`` for the one map.
    """
    from core.interpret.attribution.explain import METHODS

    used, strip = USED.get(view, EVERYTHING), view != "one"
    places = _places(used, strip)
    chosen, other, look, why_not = int(probabilities.argmax()), None, Look(), reasons(subject)
    if "class" in used:
        with places["class"]:
            chosen = target(subject, probabilities)
        with places["against"]:
            other = against(subject, probabilities, chosen)
    name = current(why_not)
    if "method" in used:
        name = method(why_not, places)
    if "look" in used:
        with places["look"]:
            look = _look()
    with places["more"]:
        look, layer, settings = _more(subject, METHODS[name], used, look)
    if "method" in used:
        with places["why"]:
            _why(METHODS[name])
    with places["off"]:
        _elsewhere(why_not, METHODS[name].family if "method" in used else None)
    return Choice(name, chosen, other, layer, settings), look


def _places(used: frozenset[str], strip: bool) -> dict[str, Any]:
    """Makes room for each choice: one under the other, or side by side with the method's name below."""
    order = [name for name, part in PARTS.items() if part is None or part in used]
    if not strip:
        return {name: st.container() for name in order}
    foot = [name for name in ("more", "why", "off") if name in order]
    top = [name for name in order if name not in ("method", *foot)]
    with st.container(key="bl-wrap-heat-strip"):
        places = dict(zip(top, st.columns(len(top), gap="medium"), strict=True))
    places["method"] = st.container()
    with st.container(key="bl-wrap-heat-foot"):
        return places | dict(zip(foot, st.columns(len(foot), gap="small"), strict=True))


def target(subject: Subject, probabilities: Any) -> int:
    """Draws the choice of the class to explain, the likeliest first; the predicted one unless another is chosen."""
    order = [int(index) for index in probabilities.argsort()[::-1]]
    classes = subject.network.classes
    options = [NOBODY, *order]

    def label(index: int) -> str:
        if index < 0:
            return _("The predicted class: {name}").format(name=classes[order[0]])
        return f"{classes[index]} · {number_format.percent(float(probabilities[index]))}"

    chosen = st.selectbox(
        _("What speaks for"),
        options,
        format_func=label,
        **CLASS.widget("bl-heat-target", options, NOBODY, lambda index: classes[index] if index >= 0 else None),
        help=_("The map answers for one class at a time. Choose another to see what would speak for it."),
    )
    return order[0] if chosen is None or chosen < 0 else int(chosen)


def against(subject: Subject, probabilities: Any, target_: int) -> int | None:
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
        help=_(DIFFERENCE),
        format_func=lambda i: (
            _("No other class") if i < 0 else f"{classes[i]} · {number_format.percent(probabilities[i])}"
        ),
    )
    return None if chosen is None or chosen < 0 else int(chosen)


def reasons(subject: Subject) -> dict[str, str | None]:
    """Returns why each method cannot work on the network; ``None`` for those that can."""
    from core.interpret.attribution.explain import METHODS

    return {row.id: row.unavailable(subject.network) for row in METHODS.values()}


def current(why_not: dict[str, str | None]) -> str:
    """Returns the method that the address or the session names, if it can work here."""
    usable = [name for name, reason in why_not.items() if reason is None]
    return METHOD.among(usable, "grad-cam" if "grad-cam" in usable else usable[0])


def method(why_not: dict[str, str | None], places: dict[str, Any]) -> str:
    """Draws the choice of a method, family by family; one that cannot work here is named with the reason."""
    from core.interpret.attribution.explain import FAMILIES, METHODS

    usable, chosen = [name for name, reason in why_not.items() if reason is None], current(why_not)
    family = METHODS[chosen].family
    families = [each for each in FAMILIES if any(METHODS[name].family == each for name in usable)]
    here = [name for name in usable if METHODS[name].family == family]
    st.session_state[_FAMILY_KEY], st.session_state[_METHOD_KEY] = family, chosen
    places["kind"].selectbox(
        _("Kind of method"),
        families,
        key=_FAMILY_KEY,
        format_func=lambda f: _(FAMILIES[f]),
        on_change=lambda: METHOD.choose(
            next((name for name in usable if METHODS[name].family == st.session_state[_FAMILY_KEY]), None)
        ),
    )
    with places["method"]:
        st.pills(
            _("Method"),
            here,
            key=_METHOD_KEY,
            format_func=lambda name: METHODS[name].title,
            required=True,
            wrap=True,
            on_change=lambda: METHOD.choose(st.session_state[_METHOD_KEY]),
        )
        components.note(_(METHODS[chosen].description))
        for line in _refused(why_not, {family}):
            st.html(f'<p class="bl-off">{escape(line)}</p>')
    return chosen


def _refused(why_not: dict[str, str | None], families: Collection[str]) -> list[str]:
    """Returns a line for each reason why methods of these families cannot work on this network."""
    from core.interpret.attribution.explain import METHODS

    rows: dict[str, list[str]] = {}
    for name, reason in why_not.items():
        if reason is not None and METHODS[name].family in families:
            rows.setdefault(reason, []).append(METHODS[name].title)
    return [
        _("{method}: not on this network. {reason}").format(method=", ".join(titles), reason=_(reason))
        for reason, titles in rows.items()
    ]


def _elsewhere(why_not: dict[str, str | None], family: str | None) -> None:
    """Names, behind a click, the methods of the other families that cannot work on this network."""
    from core.interpret.attribution.explain import FAMILIES

    lines = _refused(why_not, [other for other in FAMILIES if other != family])
    if lines:
        with st.expander(_("Not on this network"), icon=":material/block:", key="bl-heat-off"):
            for line in lines:
                components.note(line)


def _why(row: Any) -> None:
    with st.expander(_("Why?"), icon=":material/help:", key="bl-heat-why"):
        st.markdown(_(method_texts.reading(row)))
        st.latex(row.equation)
        st.markdown(_(method_texts.CONTRAST))
        st.caption(f"{row.paper} · {_(method_texts.SERVED[row.served_by])}")


def _look() -> Look:
    opacity = st.slider(
        _("Opacity"), 0, 100, OPACITY, 5, format="%d %%", key="bl-heat-opacity", persist_state="session"
    )
    return Look(opacity / 100)


def _more(
    subject: Subject, row: Any, used: frozenset[str], look: Look
) -> tuple[Look, str | None, tuple[tuple[str, int], ...]]:
    """Draws the rare choices behind "More": colours, layer, and the method's settings."""
    layer: str | None = None
    settings: tuple[tuple[str, int], ...] = ()
    with components.more("bl-heat-more"):
        if "look" in used:
            if row.signed and "method" in used:
                components.note(_("Red speaks for the class, blue against it. Elsewhere the picture stays clear."))
            look = replace(look, colormap=subjects.colormap_picker("bl-heat-colours"))
        if "layer" in used and (row.needs_layer or "method" not in used):
            layer = _layer(subject.network.anatomy)
        if "settings" in used:
            settings = _settings(row)
    return look, layer, settings


def layer_names(anatomy: Any) -> tuple[str, ...]:
    """Returns the layers that a map can be drawn on: blocks, layers that stand alone, and the chosen one."""
    from core.interpret.features.activations import spatial_layers

    names = layer_picker.main_layers(anatomy, spatial_layers(anatomy))
    return names if not anatomy.cam_layer or anatomy.cam_layer in names else (*names, anatomy.cam_layer)


def _layer(anatomy: Any) -> str | None:
    """Draws the choice of a layer, kept in the address; ``None`` for the network's own."""
    names = layer_names(anatomy)
    chosen = st.selectbox(
        _("Layer"),
        ["", *names],
        **LAYER.widget("bl-heat-layer", names, ""),
        format_func=lambda n: (
            layer_picker.layer_label(anatomy.layer(n))
            if n
            else _("Chosen for you: {layer}").format(layer=anatomy.cam_layer)
        ),
        help=_("The last layer that keeps the picture's layout says most about the class. Earlier ones show detail."),
    )
    return chosen or None


def _settings(row: Any) -> tuple[tuple[str, int], ...]:
    """Draws the method's settings and returns those that differ from the usual ones."""
    changed = []
    for setting in row.settings:
        value = st.number_input(
            _(setting.title),
            setting.low,
            setting.high,
            setting.default,
            key=f"bl-heat-set-{row.id}-{setting.id}",
            help=_(setting.help),
            persist_state="session",
        )
        if value is not None and int(value) != setting.default:
            changed.append((setting.id, int(value)))
    return tuple(changed)
