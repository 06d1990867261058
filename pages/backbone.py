"""Backbone: which network, from which weights, and which of its stages may learn."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.ui import caches, components, figures, state
from pages.ui.components import Figure
from pages.ui.faces import busy
from pages.ui.i18n import _

NONE = "none"


def render() -> None:
    """Draws the page."""
    components.header("backbone")
    with busy(_("Loading the catalogue …")):
        from core.models.catalog import BACKBONES, weights_state
    spec = _choose(BACKBONES, weights_state)
    with busy(_("Examining the network …"), 220):
        anatomy = caches.anatomy(spec, _classes())
    plan = _freeze(spec, anatomy)
    _diagram(anatomy, plan)
    _counts(anatomy, plan)
    _details(BACKBONES[spec.backbone], anatomy, plan)
    components.next_step("train", _("Train it"), text=_next_text(plan), backbone=spec.backbone, weights=spec.weights)


def _classes() -> int | None:
    """Returns how many classes the chosen data have; ``None`` before data were chosen (or if they are gone)."""
    data = state.data()
    if data is None:
        return None
    try:
        return len(caches.divided(data).classes)
    except InputError:
        return None


def _choose(catalogue: Any, weights_state: Any) -> ModelSpec:
    """Draws family, network and weights, and keeps the choice."""
    spec = state.model()
    if spec.backbone not in catalogue:
        spec = ModelSpec(state.DEFAULT_BACKBONE)
    families = list(dict.fromkeys(entry.family for entry in catalogue.values()))
    # The record is the truth: widgets are set from it before they are drawn.
    state.follow("bl-family", catalogue[spec.backbone].family)
    with st.container(key="bl-wrapsmall-network"):
        first, second, third = st.columns([1, 1.4, 1], vertical_alignment="bottom")
    family = first.selectbox(_("Family"), families, key="bl-family")
    members = [name for name, entry in catalogue.items() if entry.family == family]
    state.follow("bl-backbone", spec.backbone if spec.backbone in members else members[0])
    name = second.selectbox(
        _("Network"), members, key="bl-backbone", format_func=lambda n: _entry(catalogue[n], weights_state(n))
    )
    labels = {"default": _("Pretrained"), NONE: _("Random")}
    state.follow("bl-weights", spec.weights)
    weights = third.segmented_control(
        _("Weights"), list(labels), key="bl-weights", format_func=lambda w: labels[w], required=True,
        help=_("Pretrained: learned on ImageNet's 1.3 million photos. Random: the architecture alone."),
    )  # fmt: skip
    size = spec.image_size if name == spec.backbone else None
    chosen = replace(spec, backbone=name, weights=weights or spec.weights, image_size=size)
    if name != spec.backbone:
        state.set_freeze(FreezePlan())
    state.set_model(chosen)
    state.show_in_address(backbone=chosen.backbone, weights=chosen.weights)
    _facts(catalogue[name], weights_state(name), chosen)
    return chosen


def _entry(entry: Any, available: str) -> str:
    """Returns a network's line in the list: name, parameters, input, and whether its weights are here."""
    line = _("{name} · {parameters} parameters · {side} px").format(
        name=entry.title, parameters=figures.count(entry.parameters), side=entry.input_size
    )
    return line + (" · " + _("weights here") if available == "available" else "")


def _facts(entry: Any, available: str, spec: ModelSpec) -> None:
    here = {"available": _("on this machine"), "needs download": _("to be downloaded"), NONE: _("none exist")}[
        available
    ]
    components.metrics(
        [
            Figure(_("Parameters"), figures.count(entry.parameters), _("with its own head"),
                   _("{n} parameters").format(n=figures.exact(entry.parameters))),
            Figure(_("Input"), f"{entry.input_size} px", _("square, RGB")),
            Figure(_("Work per image"), f"{entry.gflops:.2g} G", _("multiply-adds")),
            Figure(_("ImageNet top-1"), f"{entry.top1:.1f} %", _("of 50,000 photos right")),
            Figure(_("Weights"), figures.size(entry.weights_mb * 1e6), here),
        ],
        compact=True,
    )  # fmt: skip
    if spec.weights == "default" and available == "needs download":
        components.note(
            _("Pretrained weights are fetched when they are first used. Without network access, choose random ones.")
        )


def _freeze(spec: ModelSpec, anatomy: Any) -> FreezePlan:
    """Draws "frozen up to" under the stages it belongs to, and keeps the plan."""
    count = len(anatomy.backbone_stages)
    plan = state.freeze()
    trainable = count if plan.trainable_stages == "all" else min(int(plan.trainable_stages), count)
    components.section(_("What may learn"), _("Frozen stages keep what they know. The head is new and always learns."))
    options = list(range(count + 1))
    state.follow("bl-frozen", count - trainable)
    picked = st.segmented_control(
        _("Freeze up to"), options, key="bl-frozen", required=True,
        format_func=lambda k: _("nothing") if k == 0 else _("stage {k}").format(k=k),
        help=_("Everything up to this stage keeps its weights; what comes after learns along with the head."),
    )  # fmt: skip
    frozen = count - trainable if picked is None else picked
    chosen = replace(plan, trainable_stages="all" if frozen == 0 else count - frozen)
    if chosen != plan:
        state.set_freeze(chosen)
        _follow(chosen, spec)
    if spec.weights == NONE and frozen:
        components.note(_("Random weights that stay frozen never learn: for random weights, freeze nothing."))
    return chosen


def _follow(plan: FreezePlan, spec: ModelSpec) -> None:
    """Chooses the recipe that fits the freeze plan, so that the Train page does what was said here."""
    choice = state.train_choice()
    if plan.trainable_stages == 0:
        preset = "linear-probe"
    elif plan.trainable_stages == "all":
        preset = "scratch" if spec.weights == NONE else "full"
    else:
        preset = choice.preset if choice.preset in ("fine-tune", "two-phase") else "two-phase"
    state.set_train_choice(replace(choice, preset=preset, epochs=None, lr=None))


def stage_label(name: str) -> str:
    """Returns a stage's name for people."""
    if name.startswith("stage"):
        return _("Stage {n}").format(n=name.removeprefix("stage"))
    return {"neck": _("Neck"), "head": _("Head")}.get(name, name)


def _diagram(anatomy: Any, plan: FreezePlan) -> None:
    from core.models.freeze import trainable_stage_names

    free = trainable_stage_names(anatomy, plan)
    largest = max((stage.spatial[0] for stage in anatomy.backbone_stages if stage.spatial), default=1)
    cells = []
    for stage in anatomy.stages:
        learns = stage.name in free
        height = 34 + 96 * (stage.spatial[0] / largest) ** 0.5 if stage.spatial else 34
        shape = f"{stage.spatial[0]} × {stage.spatial[1]} × {stage.channels}" if stage.spatial else ""
        if stage.name == "head":
            shape = f"{anatomy.head_features} → {anatomy.num_classes}"
        cells.append(
            f'<div class="bl-stage {"bl-learns" if learns else "bl-frozen"}"><div class="bl-stage-box">'
            f'<i style="block-size:{height:.0f}px"><span class="bl-symbol" aria-hidden="true">'
            f"{'lock_open' if learns else 'lock'}</span></i></div><b>{escape(stage_label(stage.name))}</b>"
            f'<span title="{figures.exact(stage.parameters)}"><bdi>{figures.count(stage.parameters)}</bdi></span>'
            f"<span><bdi>{shape}</bdi></span>"
            f"<em>{escape(_('learns') if learns else _('frozen'))}</em></div>"
        )
    st.html(f'<div class="bl-stages" role="img" aria-label="{escape(_sentence(anatomy, free))}">{"".join(cells)}</div>')
    components.note(_sentence(anatomy, free))


def _sentence(anatomy: Any, free: tuple[str, ...]) -> str:
    return _(
        "From image to logits: under each stage its parameters and the size of what leaves it (height × width × "
        "channels). {learning} of {all} parts learn."
    ).format(learning=len(free), all=len(anatomy.stages))


def _counts(anatomy: Any, plan: FreezePlan) -> None:
    from core.models.freeze import counts

    found = counts(anatomy, plan)
    classes = _("new head for {n} classes").format(n=anatomy.num_classes)
    components.metrics(
        [
            Figure(_("Trainable"), figures.count(found.trainable),
                   _("{share} of all").format(share=figures.percent(found.trainable / found.total, 2)),
                   _("{n} parameters").format(n=figures.exact(found.trainable))),
            Figure(_("Frozen"), figures.count(found.frozen), "",
                   _("{n} parameters").format(n=figures.exact(found.frozen))),
            Figure(_("Total"), figures.count(found.total), classes if state.data() else _("with its own head"),
                   _("{n} parameters").format(n=figures.exact(found.total))),
        ]
    )  # fmt: skip
    components.bar(
        [(_("Learns"), found.trainable, "accent"), (_("Frozen"), found.frozen, "frozen")],
        label=_("{trainable} parameters learn, {frozen} are frozen.").format(
            trainable=figures.exact(found.trainable), frozen=figures.exact(found.frozen)
        ),
    )


def _details(entry: Any, anatomy: Any, plan: FreezePlan) -> None:
    components.why(
        _(
            "Early stages find edges, colours and textures that nearly every picture has; late stages find what a task "
            "is about. So the early ones can stay as they are, and with few images they should: every frozen parameter "
            "is one that cannot overfit. The more images, and the less like photos, the more stages are worth training."
        ),
        formula=r"\theta_{\text{head}},\ \theta_{k+1..n}\ \leftarrow\ \theta-\eta\,\nabla_\theta L,\qquad "
        r"\theta_{1..k}\ \text{fixed}",
        paper=("Yosinski et al. 2014, How transferable are features in deep neural networks?",
               "https://arxiv.org/abs/1411.1792"),
        key="bl-backbone-why",
    )  # fmt: skip
    with components.more("bl-backbone-more"):
        st.markdown(_("[{title} in its paper]({address}), {year}.").format(
            title=entry.family, address=entry.paper, year=entry.year))  # fmt: skip
        _layers(anatomy, plan)


def _layers(anatomy: Any, plan: FreezePlan) -> None:
    import pandas as pd

    from core.models.freeze import trainable_stage_names

    free = trainable_stage_names(anatomy, plan)
    rows = [
        {
            "stage": stage_label(layer.stage),
            "layer": layer.name,
            "kind": layer.kind,
            "output": " × ".join(str(n) for n in layer.output_shape),
            "parameters": layer.parameters,
            "learns": layer.stage in free,
        }
        for layer in anatomy.layers
        if layer.leaf
    ]
    config = st.column_config
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, height=340, key="bl-layers",
        alt=_("Table of the network's layers with their output size and parameters."),
        column_config={
            "stage": config.TextColumn(_("Stage")),
            "layer": config.TextColumn(_("Layer")),
            "kind": config.TextColumn(_("Kind")),
            "output": config.TextColumn(_("Output")),
            "parameters": config.NumberColumn(_("Parameters"), format="localized"),
            "learns": config.CheckboxColumn(_("Learns")),
        },
    )  # fmt: skip


def _next_text(plan: FreezePlan) -> str:
    if state.data() is None:
        return _("No images are chosen yet; the next page asks for them.")
    if plan.trainable_stages == 0:
        return _("Only the head learns: a linear probe, the quickest recipe.")
    return ""


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
