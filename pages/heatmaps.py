"""Heatmaps: which parts of a picture spoke for a class."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, components, faces, figures, inside, layers, state
from pages.ui.i18n import N_, _, translate_error
from pages.ui.inside import Subject

TOP = 5
PEAK = 0.98
"""Share of the pixels whose colours stay within the scale."""
FORMULAS = {
    "grad-cam": r"L = \mathrm{ReLU}\Big(\sum_k \alpha_k A^k\Big),\quad "
    r"\alpha_k = \frac{1}{HW}\sum_{ij}\frac{\partial y_c}{\partial A^k_{ij}}",
    "grad-cam++": r"L = \mathrm{ReLU}\Big(\sum_k \sum_{ij}\alpha^k_{ij}\,"
    r"\mathrm{ReLU}\Big(\frac{\partial y_c}{\partial A^k_{ij}}\Big) A^k\Big)",
    "hires-cam": r"L = \mathrm{ReLU}\Big(\sum_k \frac{\partial y_c}{\partial A^k}\odot A^k\Big)",
    "layer-cam": r"L = \mathrm{ReLU}\Big(\sum_k \mathrm{ReLU}\Big(\frac{\partial y_c}{\partial A^k}\Big)\odot A^k\Big)",
    "saliency": r"S = \max_{rgb}\Big|\frac{\partial y_c}{\partial x}\Big|",
    "integrated-gradients": r"(x-\bar x)\odot\int_0^1\frac{\partial y_c(\bar x+t(x-\bar x))}{\partial x}\,dt",
    "occlusion": r"y_c(x) - y_c(x\ \text{covered at}\ ij)",
}
EMPTY = N_(
    "Nothing in {layer} speaks for {name} in this picture, so the map is empty. Choose another class, layer or method."
)


def render() -> None:
    """Draws the page."""
    inside.begin("heatmaps")
    subject = inside.choose()
    if isinstance(subject, Subject):
        _study(subject)
        run = subject.target.run
        components.next_step(
            "feature_maps", _("See what each layer answers"), **({"run": run.id} if run is not None else {})
        )


def _study(subject: Subject) -> None:
    probabilities = subject.probabilities()
    with st.container(key="bl-wrap-heat"):
        left, right, aside = st.columns([1.35, 1, 1], gap="medium")
    with aside:
        target = _target(subject, probabilities)
        method = _method(subject)
        opacity, colormap, layer = _look(subject, method)
        place = st.empty()
    with left:
        try:
            explanation = _explain(subject, method, target, layer, place)
        except InputError as error:
            faces.broken(_("No heatmap for this choice"), translate_error(error), icon="report", tone="warn")
            return
        place.empty()
        _overlay(subject, explanation, method, opacity, colormap)
    with right:
        inside.picture(
            subject.picture, title=_("What the network sees"), text=subject.crop_words(),
            sharp=subject.picture.width <= 96,
            alt=_("The chosen picture, cropped as the network sees it"),
        )  # fmt: skip
        _answers(subject, probabilities, target)


def _target(subject: Subject, probabilities: Any) -> int:
    """Draws the choice of the class to explain, the likeliest first; the predicted one unless another is chosen."""
    order = [int(index) for index in probabilities.argsort()[::-1]]
    classes = subject.network.classes
    asked = st.query_params.get("target") or st.session_state.get("bl-heat-class")
    keep = next((i for i, name in enumerate(classes) if name == asked), None)
    st.session_state["bl-heat-target"] = -1 if keep is None else keep

    def choose() -> None:
        index = st.session_state["bl-heat-target"]
        name = None if index is None or index < 0 else classes[index]
        st.session_state["bl-heat-class"] = name
        state.show_in_address(target=name)

    def label(index: int) -> str:
        if index < 0:
            return _("The predicted class: {name}").format(name=classes[order[0]])
        return f"{classes[index]} · {figures.percent(float(probabilities[index]))}"

    chosen = st.selectbox(
        _("What speaks for"), [-1, *order], key="bl-heat-target", format_func=label, on_change=choose,
        help=_("The map answers for one class at a time. Choose another to see what would speak for it."),
    )  # fmt: skip
    return order[0] if chosen is None or chosen < 0 else int(chosen)


def _method(subject: Subject) -> str:
    """Draws the choice of a method; one that cannot work on this network is named with the reason."""
    from core.interpret.attribution import METHODS

    reasons = {row.id: row.unavailable(subject.network) for row in METHODS.values()}
    usable = [name for name, reason in reasons.items() if reason is None]
    asked = st.query_params.get("method") or st.session_state.get("bl-heat-method-kept")
    st.session_state["bl-heat-method"] = asked if asked in usable else usable[0]

    def choose() -> None:
        st.session_state["bl-heat-method-kept"] = st.session_state["bl-heat-method"]
        state.show_in_address(method=st.session_state["bl-heat-method"])

    method = st.selectbox(
        _("Method"), usable, key="bl-heat-method", format_func=lambda name: METHODS[name].title, on_change=choose
    )
    row = METHODS[method]
    components.note(_(row.description))
    for name, reason in reasons.items():
        if reason is not None:
            st.caption(_("{method} is not offered here: {reason}").format(method=METHODS[name].title, reason=_(reason)))
    with st.expander(_("Why?"), icon=":material/help:", key="bl-heat-why"):
        st.markdown(_(_reading(row)))
        st.latex(FORMULAS[method])
        st.caption(row.paper)
    return str(method)


def _reading(row: Any) -> str:
    if row.needs_layer:
        return N_(
            "A deep layer still has the picture's layout, only coarser. The method asks of each place in it how much "
            "it raises the class's score, and draws the answer over the picture."
        )
    if row.id == "occlusion":
        return N_(
            "Nothing is looked up inside the network: squares of the picture are covered one after another, and where "
            "the class's score falls, something mattered."
        )
    return N_(
        "The class's score is traced back to single pixels. Such maps are fine-grained and noisy; read them for "
        "places, not for outlines."
    )


def _look(subject: Subject, method: str) -> tuple[float, str, str | None]:
    from core.interpret.activations import spatial_layers
    from core.interpret.attribution import METHODS

    opacity = st.slider(_("Opacity"), 0, 100, 55, 5, format="%d %%", key="bl-heat-opacity", persist_state="session")
    layer = None
    with components.more("bl-heat-more"):
        if METHODS[method].signed:
            colormap = "blue-red"
            components.note(_("Red speaks for the class, blue against it. Elsewhere the picture stays clear."))
        else:
            colormap = inside.colormap_picker("bl-heat-colours")
        if METHODS[method].needs_layer:
            anatomy = subject.network.anatomy
            names = layers.main_layers(anatomy, spatial_layers(anatomy))
            if anatomy.cam_layer and anatomy.cam_layer not in names:
                names = (*names, anatomy.cam_layer)
            layer = _layer(anatomy, names)
    return opacity / 100, colormap, layer


def _layer(anatomy: Any, names: tuple[str, ...]) -> str | None:
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


def _explain(subject: Subject, method: str, target: int, layer: str | None, place: Any) -> Any:
    """Returns the explanation, made once; a slow method shows how far it is and can be given up."""
    from core.interpret.attribution import METHODS, explain

    key = (*subject.key, method, target, layer)
    slow = METHODS[method].passes > 1
    if not caches.known("explanations", key, entries=96) and slow:
        with place.container():
            bar = st.progress(0.0, text=_("{method} looks many times …").format(method=METHODS[method].title))
            st.button(_("Cancel"), icon=":material/close:", key="bl-heat-cancel", on_click=_give_up)

        def progress(done: int, total: int) -> None:
            bar.progress(
                min(done / max(total, 1), 1.0),
                text=_("{method}: {done} of {total} passes").format(
                    method=METHODS[method].title, done=done, total=total
                ),
            )
    else:
        progress = None  # type: ignore[assignment]
    return caches.remember(
        "explanations", key,
        lambda: explain(subject.network, subject.input(), method, target=target, layer=layer, progress=progress),
        entries=96,
    )  # fmt: skip


def _give_up() -> None:
    st.session_state["bl-heat-method-kept"] = "grad-cam"
    state.show_in_address(method=None)


def _overlay(subject: Subject, explanation: Any, method: str, opacity: float, colormap: str) -> None:
    from core.interpret.attribution import METHODS
    from core.interpret.render import png

    heat, classes = explanation.heatmap, subject.network.classes
    name = classes[heat.target]
    drawn = _draw(subject.picture, heat, opacity, colormap)
    inside.picture(
        drawn, title=f"{METHODS[method].title} · {name}",
        alt=_("Heatmap of what speaks for {name}, laid over the picture").format(name=name),
    )  # fmt: skip
    if heat.signed:
        inside.scale_bar(colormap, _("against"), _("for"))
    else:
        inside.scale_bar(colormap, _("nothing"), _("most"))
    if heat.empty:
        inside.callout(_(EMPTY).format(layer=heat.layer or _("the picture"), name=name), icon="hide_image")
    inside.warn_random(subject.target)
    components.note(_summary(heat))
    st.download_button(
        _("Save picture"), png(drawn), file_name=f"{method}.png", mime="image/png", icon=":material/download:",
        key="bl-heat-save", on_click="ignore",
    )  # fmt: skip


def _draw(picture: Any, heat: Any, opacity: float, colormap: str) -> Any:
    """Lays a heatmap over the picture; single pixels go over a grey one, and their few peaks are cut off."""
    import numpy as np
    from PIL import Image

    from core.interpret.render import overlay

    if heat.layer is not None:
        return overlay(picture, heat.values, opacity=opacity, colormap=colormap, signed=heat.signed)
    limit = float(np.quantile(np.abs(heat.values), PEAK)) or 1.0
    low = -1.0 if heat.signed else 0.0
    values = (heat.values / limit).clip(low, 1.0)
    grey = picture.convert("L").convert("RGB")
    pale = Image.blend(grey, Image.new("RGB", grey.size, "white"), 0.55)
    return overlay(pale, values, opacity=min(1.0, 1.6 * opacity), colormap=colormap, signed=heat.signed, fade=True)


def _summary(heat: Any) -> str:
    seconds = figures.number(heat.seconds * 1000, 2) if heat.seconds < 1 else figures.number(heat.seconds, 2)
    unit = "ms" if heat.seconds < 1 else "s"
    if heat.layer:
        return _("Computed on {layer} in {time}.").format(layer=heat.layer, time=f"{seconds} {unit}")
    return _("Computed on the pixels in {time}. Colours end at the strongest 2\u00a0% of them.").format(
        time=f"{seconds} {unit}"
    )


def _answers(subject: Subject, probabilities: Any, target: int) -> None:
    """Draws the most probable classes, and what the picture truly shows where that is known."""
    classes = subject.network.classes
    order = [int(index) for index in probabilities.argsort()[::-1][:TOP]]
    rows = [(classes[index], float(probabilities[index])) for index in order]
    if target not in order:
        rows.append((classes[target], float(probabilities[target])))
    components.section(_("What it says"))
    components.probabilities(rows, marked=classes[target])
    truth = subject.image.truth
    if truth is not None and subject.target.run is not None:
        right = truth == classes[order[0]]
        text = _("Right: its class is {name}.") if right else _("Wrong: its class is {name}.")
        inside.callout(text.format(name=truth), icon="check_circle" if right else "cancel", good=right)


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
