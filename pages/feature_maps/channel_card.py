"""The card of one channel: its map, its values, the kernel that makes it, what activates it, and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from pages.feature_maps import channel_scaling, channel_top_images, channel_visualization
from pages.ui.kit import charts, components
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as PILImage
    from torch import Tensor

    from core.interpret.features.channel_values import ChannelValues
    from core.interpret.filters.kernels import KernelSheet

MAP_PX = 420


def draw(subject: Subject, layer: str, maps: Tensor, channel: int, colormap: str) -> None:
    """Draws the card.

    Args:
        subject: What is looked at.
        layer: Name of the layer.
        maps: Its maps, CxHxW.
        channel: Number of the channel.
        colormap: Colours of the map.
    """
    from core.interpret.features.channel_values import channel_values

    values = maps[channel].float().cpu().numpy()
    found = channel_values(values)
    called = layer_names.layer(subject.network.anatomy, layer)
    components.section(_("Channel {n}").format(n=channel), called)
    with st.container(key="bl-wrap-channel"):
        left, middle, right = st.columns(3, gap="medium")
    large, over = caches.remember(
        "map-channels",
        (*subject.key, layer, channel, colormap),
        lambda: _enlarged(subject.picture, values, colormap),
        entries=64,
    )
    with left:
        subjects.picture(
            large,
            sharp=True,
            most=MAP_PX,
            title=_("The map"),
            text=_range(values, found),
            alt=_("Map of channel {n} of {layer}").format(n=channel, layer=called),
        )
    with middle:
        subjects.picture(
            over,
            most=MAP_PX,
            title=_("On the picture"),
            text=_("Where its activation is highest"),
            alt=_("Map of channel {n} laid over the picture").format(n=channel),
        )
    with right:
        _histogram(found)
    with st.container(key="bl-wrap-channel-acts"):
        left, right = st.columns(2, gap="large")
    with left:
        channel_scaling.draw(subject, layer, channel)
    with right:
        channel_visualization.draw(subject, layer, channel)
    channel_top_images.draw(subject, layer, channel)


def _range(values: NDArray[np.floating], found: ChannelValues | None) -> str:
    if found is None:
        return _("No value is a finite number")
    text = _("{h} × {w} values from {low} to {high}; {share} at or below zero").format(
        h=values.shape[0],
        w=values.shape[1],
        low=subjects.number(found.low),
        high=subjects.number(found.high),
        share=number_format.percent(found.off),
    )
    return text + (_("; {n} are no finite numbers").format(n=found.broken) if found.broken else "")


def _enlarged(picture: PILImage, values: NDArray[np.floating], colormap: str) -> tuple[bytes, PILImage]:
    from core.interpret.drawing.overlay import heat_image, overlay, unit

    signed = colormap == "blue-red"
    shown = unit(values, signed=signed)
    small = heat_image(shown, colormap=colormap, signed=signed)
    factor = max(1, MAP_PX // max(small.size))
    enlarged = small.resize((small.width * factor, small.height * factor), 0)
    drawn = overlay(picture, shown, opacity=0.75, colormap=colormap, signed=signed, fade=True)
    return png(enlarged, repeats=True), drawn


def _histogram(found: ChannelValues | None) -> None:
    """Draws how often which value occurs in the map."""
    if found is None:
        return
    chart = charts.figure(
        190, hovermode="closest", bargap=0.06, showlegend=False, margin={"l": 8, "r": 8, "t": 6, "b": 8}
    )
    go = charts.plotly()
    colours = [charts.FROZEN if middle < 0 else charts.ACCENT for middle in found.middles]
    chart.add_trace(
        go.Bar(
            x=found.middles.tolist(),
            y=found.counts.tolist(),
            marker={"color": colours},
            width=found.width,
            hovertemplate=_("around {x}: {n} values").format(x="%{x:.3g}", n="%{y}") + "<extra></extra>",
        )
    )
    chart.update_yaxes(title_text=_("Places"))
    charts.show(
        chart,
        key="bl-channel-histogram",
        alt=_("How often each value occurs in the map; grey at or below zero. Mean {mean}, deviation {std}.").format(
            mean=subjects.number(found.mean), std=subjects.number(found.deviation)
        ),
    )


def kernel(subject: Subject, layer: str, channel: int) -> None:
    """Draws the kernel that makes a channel, where a single one does."""
    maker = caches.remember("makers", (*subject.target.key, layer), lambda: _maker(subject, layer), entries=128)
    if maker is None:
        components.note(
            _("Several paths or kernels come together here: no single one makes this channel. A convolution has one.")
        )
        return
    drawn, facts = caches.remember(
        "maker-kernels", (*subject.target.key, maker, channel), lambda: _drawn(subject, maker, channel), entries=64
    )
    subjects.picture(
        drawn,
        sharp=True,
        most=168,
        title=_("The kernel of channel {n}").format(n=channel),
        text=facts,
        alt=_("Kernel {n} of {layer}").format(n=channel, layer=layer_names.layer(subject.network.anatomy, maker)),
    )


def _maker(subject: Subject, layer: str) -> str | None:
    from core.interpret.features.source_convolution import maker_of

    return maker_of(subject.network, subject.input(), layer)


def _drawn(subject: Subject, maker: str, channel: int) -> tuple[bytes, str]:
    from core.interpret.filters.kernels import kernel_tiles, kernels

    weights = kernels(subject.network, maker)
    inputs, high, wide = weights.shape[1:]
    first = next(iter(subject.network.anatomy.layers)).name == maker and inputs == 3
    strongest = weights[channel].flatten(1).norm(dim=1).argsort(descending=True)[:16].tolist()
    sheet = kernel_tiles(
        subject.network,
        maker,
        outputs=[channel],
        inputs=None if first else strongest,
        columns=4,
        tile_px=168 if first else max(8, min(40, 160 // max(high, wide) * max(high, wide) // 4)),
    )
    image = sheet.image
    if not sheet.rgb and len(strongest) > 4:  # one row of sixteen becomes four rows of four
        image = _folded(sheet)
    called = layer_names.layer(subject.network.anatomy, maker)
    if sheet.rgb:
        return png(image), _("{layer}, in colour: red, green and blue").format(layer=called)
    if high == wide == 1:
        text = _("{layer}: a sum of {n} channels; the strongest {k} weights").format(
            layer=called, n=inputs, k=len(strongest)
        )
    else:
        one = _("{layer}: it looks at one channel alone")
        text = (one if inputs == 1 else _("{layer}, over {n} channels; the strongest {k}")).format(
            layer=called, n=inputs, k=len(strongest)
        )
    return png(image), text


def _folded(sheet: KernelSheet) -> PILImage:
    from PIL import Image

    across, (high, wide), gap = 4, sheet.tile, sheet.gutter
    count = len(sheet.inputs)
    rows = -(-count // across)
    out = Image.new("RGBA", (across * (wide + gap) - gap, rows * (high + gap) - gap))
    for index in range(count):
        left = index * (wide + gap)
        tile = sheet.image.crop((left, 0, left + wide, high))
        out.paste(tile, (index % across * (wide + gap), index // across * (high + gap)))
    return out
