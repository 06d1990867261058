"""Attention maps: where each head of each layer looks, and what that comes to through all layers (rollout)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from pages.feature_maps import layer_view
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.kit.tile_sheet import sheet
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as PILImage
    from torch import Tensor

_HEAD, _WHO = "bl-attention-head", "bl-attention-who"


def names_of(subject: Subject) -> tuple[str, ...]:
    """Returns the layers whose attention can be looked at; none where the network has no such attention."""
    from core.interpret.attribution.attention_weights import attention_layers

    return caches.remember(
        "attention-layers", subject.target.key, lambda: attention_layers(subject.network), entries=32
    )


def why_not(subject: Subject) -> str:
    """Says why a network has no attention maps."""
    kinds = {layer.kind for layer in subject.network.anatomy.layers}
    if any("Attention" in kind or "Attn" in kind for kind in kinds):
        return _(
            "No attention maps: this network's attention looks at windows or pieces of the map, not at the whole "
            "picture."
        )
    return _("No attention maps: this network has no attention.")


def draw(subject: Subject) -> None:
    """Draws the view."""
    st.fragment(_view)(subject)


@guarded
def _view(subject: Subject) -> None:
    names = names_of(subject)
    try:
        with st.spinner(_("Working out who looks at whom …")):
            found = caches.remember("attention", subject.key, lambda: _weights(subject), entries=2)
    except InputError as error:
        components.note(translate_error(error))
        return
    if not found:
        components.note(_("The attention of this network cannot be worked out from what enters its layers."))
        return
    subjects.warn_random(subject.target)
    there = [name for name in names if name in found]
    with st.container(key="bl-wrap-attention"):
        side, main = st.columns([1, 2.6], gap="large")
    with main:
        place = st.select_slider(
            _("Layer"),
            range(len(there)),
            value=len(there) - 1,
            key="bl-attention-layer",
            persist_state="session",
            format_func=lambda index: str(index + 1),
            help=_("From the first attention layer to the last."),
        )
        name = there[min(int(place or 0), len(there) - 1)]
    weights = found[name]
    grid = _grid(weights)
    with side:
        query = _query(weights, grid)
    if query is None and weights.shape[-1] == grid[0] * grid[1]:
        seen = weights[:, :, :].mean(1)
    else:
        seen = weights[:, query if query is not None else 0, :]
    maps = seen[:, -grid[0] * grid[1] :].reshape(-1, *grid)
    with main:
        head = _heads(subject, name, maps, query)
    with side:
        _large(subject, name, maps, head, query)
    _rollout(subject, found, there, grid, query)


def _weights(subject: Subject) -> dict[str, Tensor]:
    """Returns each layer's attention, heads x tokens x tokens, in half precision."""
    from core.interpret.attribution.attention_weights import attention_weights

    return {
        name: weights[0].half().cpu() for name, weights in attention_weights(subject.network, subject.input()).items()
    }


def _grid(weights: Tensor) -> tuple[int, int]:
    from core.models.anatomy.trace import token_side

    side = token_side(weights.shape[-1]) or 1
    return side, side


def _query(weights: Tensor, grid: tuple[int, int]) -> int | None:
    """Draws the choice of who looks; returns the token's place, or ``None`` for all patches on average."""
    extra = weights.shape[-1] - grid[0] * grid[1]
    first = _("The class token") if extra else _("All patches, on average")
    whose = form_fields.choice(
        _("Who looks"),
        {"first": first, "patch": _("One patch")},
        _WHO,
        default="first",
        wrap=True,
        help=_("The prediction is made from the class token. A patch looks at the patches that belong to it."),
    )
    if whose != "patch":
        return 0 if extra else None
    row = st.slider(_("Row"), 1, grid[0], (grid[0] + 1) // 2, key=f"bl-attention-row-{grid[0]}")
    column = st.slider(_("Column"), 1, grid[1], (grid[1] + 1) // 2, key=f"bl-attention-column-{grid[1]}")
    return extra + (row - 1) * grid[1] + column - 1


def _heads(subject: Subject, name: str, maps: Tensor, query: int | None) -> int:
    """Draws all heads side by side and returns the chosen one."""
    from core.interpret.drawing.tile_sheets import feature_sheet

    columns, called = min(6, len(maps)), layer_names.layer(subject.network.anatomy, name)
    tile = max(4, (subjects.WIDTH + subjects.GAP) // columns - subjects.GAP)
    drawn = caches.remember(
        "attention-sheets",
        (*subject.key, name, query),
        lambda: layer_view.Drawn(
            feature_sheet(maps.float(), columns=columns, tile_px=tile, gutter=subjects.GAP, scale="layer")
        ),
        entries=64,
    )
    kept = int(st.session_state.get(_HEAD, 0))
    chosen = kept if kept < len(maps) else 0
    picked = sheet(
        drawn.sheet,
        key="bl-attention-sheet",
        label=_("Head {n}"),
        chosen=chosen,
        alt=_("Where each of {n} heads of {layer} looks; the brighter, the more").format(n=len(maps), layer=called),
    )
    if picked is not None:
        st.session_state[_HEAD] = chosen = picked
    subjects.scale_bar("viridis", subjects.number(drawn.low), subjects.number(drawn.high))
    components.note(
        _("{layer}: {n} heads on one scale. Click a head to see it on the picture.").format(layer=called, n=len(maps))
    )
    return chosen


def _large(subject: Subject, name: str, maps: Tensor, head: int, query: int | None) -> None:
    from core.interpret.attribution.attention_weights import spread

    values, called = maps[head].float().numpy(), layer_names.layer(subject.network.anatomy, name)
    subjects.picture(
        _over(subject, values, query, (maps.shape[1], maps.shape[2])),
        most=340,
        title=_("Head {n}").format(n=head),
        text=_("Where it looks, on the picture"),
        alt=_("Attention of head {n} of {layer} laid over the picture").format(n=head, layer=called),
    )
    reach, strongest = spread(maps[head])
    components.metrics(
        [
            Figure(
                _("Spread"),
                number_format.number(reach),
                _("of {n} patches").format(n=values.size),
                help=_("exp of the entropy: over how many patches it looks as if it looked at them alike."),
            ),
            Figure(_("Strongest"), number_format.percent(strongest), _("of what goes to patches")),
        ],
        compact=True,
    )


def _over(subject: Subject, values: NDArray[np.floating], query: int | None, grid: tuple[int, int]) -> PILImage:
    from core.interpret.drawing.overlay import overlay, unit

    drawn = overlay(subject.picture, unit(values), opacity=0.6)
    patches = grid[0] * grid[1]
    place = None if query is None else query - (1 if query >= 1 else 0)
    if st.session_state.get(_WHO) == "patch" and place is not None and 0 <= place < patches:
        from PIL import ImageDraw

        high_px, wide_px = drawn.height / grid[0], drawn.width / grid[1]
        row, column = divmod(place, grid[1])
        box = (column * wide_px, row * high_px, (column + 1) * wide_px - 1, (row + 1) * high_px - 1)
        ImageDraw.Draw(drawn).rectangle(box, outline="white", width=2)
    return drawn


def _rollout(
    subject: Subject, found: dict[str, Tensor], names: list[str], grid: tuple[int, int], query: int | None
) -> None:
    """Draws where information comes from, followed through all layers up to each."""
    from core.interpret.attribution.attention_rollout import rollout

    def through(upto: int) -> NDArray[np.floating]:
        reached = rollout([found[name].double().mean(0) for name in names[: upto + 1]])
        row = reached.mean(0) if query is None else reached[query]
        return row[-grid[0] * grid[1] :].reshape(grid).numpy()

    def drawn() -> list[tuple[int, bytes]]:
        steps = sorted({0, len(names) // 2, len(names) - 1})
        return [(step, compact(_over(subject, through(step), None, grid), 400)) for step in steps]

    components.section(
        _("Through all layers"),
        _("Attention rollout: heads averaged, half of each layer handed past it, multiplied from the first layer on."),
    )
    shown = caches.remember("rollouts", (*subject.key, query), drawn, entries=32)
    with st.container(key="bl-wrap-rollout"):
        columns = st.columns(len(shown), gap="small")
    for column, (step, image) in zip(columns, shown, strict=True):
        with column:
            subjects.picture(
                image,
                most=380,
                title=_("Up to layer {n}").format(n=step + 1),
                alt=_("Attention rollout up to layer {n} laid over the picture").format(n=step + 1),
            )
    components.why(
        _(
            "Rollout says where information can have come from, whatever the class; it knows nothing of the values "
            "that were handed on, so read it beside a heatmap."
        ),
        formula=r"\tilde A = \prod_l \tfrac12\big(\bar A_l + I\big)",
        paper=("Abnar and Zuidema 2020", "https://arxiv.org/abs/2005.00928"),
        key="bl-attention-why",
    )
