"""What feature maps cost: all of resnet50's as pictures, a turn of a channel, a change of layer, a click on a channel.

    python -m benchmarks.feature_maps [--model resnet50] [--threads 1]      # every map of every convolution, as PNGs
    python -m benchmarks.feature_maps turn [--model resnet50]               # one channel muted, kept against whole pass
    python -m benchmarks.feature_maps page [--model resnet50]               # a change of layer, a click on a channel

``page`` measures wall time in a real browser, from the click to the frame that shows what was asked for; it needs
Chromium and Playwright (requirements-dev.txt).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.timing import interleaved, options, report
from core.interpret.drawing.tile_sheets import feature_sheet
from core.interpret.features.activations import activations
from core.interpret.features.channel_ablation import ChannelScaler
from core.interpret.layout import main_layers, spatial_layers
from core.interpret.probe import Probe
from core.models.network import Network, bare

STAGE = """name => new Promise((done, fail) => {
  const button = [...document.querySelectorAll('button')].find(b => b.textContent.trim().startsWith(name));
  const chosen = [button.dataset.testid, button.getAttribute("aria-checked"), button.getAttribute("aria-pressed")];
  if (/Active|true/.test(chosen.join())) return done(-1);
  const sheet = () => document.querySelector('.bl-sheet') || [...document.querySelectorAll('*')]
    .map(e => e.shadowRoot && e.shadowRoot.querySelector('.bl-sheet')).find(Boolean);
  const before = sheet().getAttribute('aria-label'), begin = performance.now();
  button.click();
  const look = () => {
    const now = sheet();
    if (now && now.getAttribute('aria-label') !== before && now.querySelector('img').complete)
      done(performance.now() - begin);
    else if (performance.now() - begin > 20000) fail('nothing came');
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Clicks a stage and resolves to the milliseconds until its layer stands there; -1 if it was chosen already."""

TITLE = "() => [...document.querySelectorAll('h2')].map(h => h.textContent).find(t => /^Channel/.test(t))"
"""The heading of the card that stands there."""


def main() -> None:
    """Measures and prints the line."""
    given = options(__doc__, ("draw", "turn", "page"), model="resnet50", threads=1, repeats=9)
    {"draw": draw, "turn": turn, "page": page}[given.what](given)


def draw(given: argparse.Namespace) -> None:
    """Measures every map of every convolution, as one PNG a layer."""
    network, x = subject(given.model)
    names = [name for name, module in network.model.named_modules() if isinstance(module, nn.Conv2d)]
    maps = activations(network, x, names)

    def drawn(found: dict[str, Tensor]) -> list[bytes]:
        return [feature_sheet(layer).png for layer in found.values()]

    measured = interleaved(
        {
            "forward": lambda: network.model(x),
            "collect": lambda: activations(network, x, names),
            "draw": lambda: drawn(maps),
            "all": lambda: drawn(activations(network, x, names)),
        },
        repeats=given.repeats,
    )
    report(
        "feature_maps",
        model=given.model,
        layers=len(maps),
        maps=sum(layer.shape[0] for layer in maps.values()),
        bytes=sum(map(len, drawn(maps))),
        measured=measured,
        cpu_seconds=round(measured["all"]["cpu_ms"] / 1000, 3),
    )


def turn(given: argparse.Namespace) -> None:
    """Measures one channel muted in an early, a middle and a late layer, against a whole pass."""
    network, x = subject(given.model)
    told = main_layers(network.anatomy, spatial_layers(network.anatomy))
    layers = {
        name: told[round(share * (len(told) - 1))] for name, share in (("early", 0), ("middle", 0.5), ("late", 1))
    }
    dials = {name: ChannelScaler(network, x, layer) for name, layer in layers.items()}
    measured = interleaved(
        {"whole pass": lambda: whole(network, x)}
        | {name: lambda dial=dial: dial.scale({0: 0.0}) for name, dial in dials.items()},  # type: ignore[misc]
        repeats=given.repeats,
    )
    kept = {name: dial.replays for name, dial in dials.items()}
    report("channel_turn", model=given.model, layers=layers, kept=kept, measured=measured)


def whole(network: Network, x: Tensor) -> Tensor:
    """Runs the network once, with nothing kept."""
    with Probe(network) as probe:
        return probe(x)


def page(given: argparse.Namespace) -> None:
    """Measures the page in a browser: every stage in turn, then other channels; the first look at each counts."""
    from benchmarks.window import browser_page, server

    changes, again, clicks = [], [], []
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _), browser_page() as window:
        window.set_viewport_size({"width": 1440, "height": 2400})  # the sheet stands below the bar on top
        window.goto(f"{url}/feature_maps?backbone={given.model}&weights=none")
        window.get_by_role("heading", level=2, name="Channel 0").wait_for()
        window.wait_for_timeout(3000)
        stages = [f"Stage {number}" for number in range(1, 6)]
        there = [name for name in stages if window.locator("button", has_text=name).count()]
        for turn_, kept in ((0, changes), (1, again)):
            order = [*there[2:], *there[:2]] if turn_ == 0 else there
            for name in order:
                took = float(window.evaluate(STAGE, name))
                if took >= 0:
                    kept.append(took)
                window.wait_for_timeout(1500)
        window.evaluate(STAGE, there[len(there) // 2])
        window.wait_for_timeout(1500)
        picture = window.locator(".bl-sheet img").first
        for place in range(given.repeats):
            box = picture.bounding_box() or {"x": 0, "y": 0}
            before, begin = window.evaluate(TITLE), time.perf_counter()
            window.mouse.click(box["x"] + 100 + 60 * place, box["y"] + 30)
            window.wait_for_function(f"before => ({TITLE})() !== before", arg=before, polling="raf", timeout=20_000)
            clicks.append(1000 * (time.perf_counter() - begin))
            window.wait_for_timeout(1500)
    report(
        "feature_maps_page",
        model=given.model,
        layer_changes=len(changes),
        layer_change_ms=round(statistics.median(changes), 1),
        layer_change_max_ms=round(max(changes), 1),
        layer_again_ms=round(statistics.median(again), 1),
        clicks=len(clicks),
        channel_click_ms=round(statistics.median(clicks), 1),
        channel_click_max_ms=round(max(clicks), 1),
    )


def subject(model: str) -> tuple[Network, Tensor]:
    """Returns a backbone with random weights and an image."""
    network = bare(model, "none")
    side = network.preprocessing.crop
    x = torch.randn(1, 3, side // 16, side // 16, generator=torch.Generator().manual_seed(0))
    return network, nn.functional.interpolate(x, (side, side), mode="bicubic")


if __name__ == "__main__":
    main()
