"""Class activation maps that weigh channels by trying: masks over the picture, channels left out, noise, or chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.interpret.attribution import cam
from core.interpret.attribution.method import AttributionRequest
from core.interpret.forward import ask, batch_of, yield_lock
from core.interpret.layout import Layout, require_map_layer, to_maps
from core.interpret.probe import Probe, device_of, logits_of


def score_cam(request: AttributionRequest) -> Tensor:
    """Weighs every map by how sure the network is of the class where only the map's places are shown.

    Each map, brought to the picture's size and to 0..1, is multiplied onto the picture; the weights are the softmax of
    the scores' rise (Wang et al. 2020, arXiv:1910.01279). The maps that vary most are tried first.

    Args:
        request: ``channels`` of its settings is how many maps are tried; 0 for all.

    Returns:
        HxW on the layer's grid, not negative, float64 on the CPU.
    """
    network, layer = request.network, _layer(request)
    with Probe(network, [layer]) as probe:
        base = ask(probe, network, request.x).double().cpu()
        maps = _maps(probe, request)
    order = maps.flatten(1).std(1, unbiased=False).argsort(descending=True, stable=True)
    order = order[: request.settings["channels"] or len(order)]
    tried = maps[order]
    device, size = device_of(network.model), request.x.shape[2:]
    x, forward, scores = request.x.to(device), request.forward(len(tried)), []
    for chunk in tried[:, None].float().split(forward.batch()):
        large = F.interpolate(chunk.to(device), size, mode="bilinear", align_corners=False)
        low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
        masks = (large - low) / torch.where(high > low, high - low, torch.ones_like(high))
        scores.append(forward(x * masks.to(x.dtype)).cpu())
    weights = (torch.cat(scores) - request.aim.scores(base)).softmax(0)
    return torch.einsum("c,chw->hw", weights, tried).relu()


def ablation_cam(request: AttributionRequest) -> Tensor:
    """Weighs every map by how far the class's score falls when the map is set to zero (Ramaswamy et al. 2020, WACV).

    The paper divides each fall by the score itself; that is a common factor, and turns the map upside down where the
    score is below zero, so it is left out. Only what follows the layer runs once a channel, where the network allows.

    Args:
        request: ``channels`` of its settings is how many maps are tried, the strongest first; 0 for all.

    Returns:
        HxW on the layer's grid, not negative, float64 on the CPU.
    """
    network, layer = request.network, _layer(request)
    layout = require_map_layer(layer, network.anatomy)
    with Probe(network, [layer]) as probe:
        base = request.aim.scores(ask(probe, network, request.x).double().cpu())
        kept, maps = probe.outputs[layer], _maps(probe, request)
        x = request.x.to(kept.device)
        narrow = _continues_alone(probe, layer, kept, x)
    order = maps.abs().flatten(1).mean(1).argsort(descending=True, stable=True)
    order = order[: request.settings["channels"] or len(order)]
    step = batch_of(network, kept.device, whole=not narrow)
    found: list[Tensor] = []
    for start in range(0, len(order), step):
        chunk = order[start : start + step]
        with Probe(network) as probe:
            logits = _run_with(probe, layer, _without(kept, chunk, layout), x if narrow else _repeated(x, len(chunk)))
        found.append(request.aim.scores(logits.double().cpu()))
        yield_lock()
        if request.progress is not None:
            request.progress(min(start + step, len(order)), len(order))
    return torch.einsum("c,chw->hw", base - torch.cat(found), maps[order]).relu()


def smooth_grad_cam_plus_plus(request: AttributionRequest) -> Tensor:
    """Averages Grad-CAM++'s derivatives over noisy copies of the picture (Omeiza et al. 2019, arXiv:1908.01224).

    Args:
        request: Its settings are ``samples``, ``noise`` (deviation in % of the picture's range) and ``seed``.

    Returns:
        HxW on the layer's grid, not negative, float64 on the CPU.
    """
    network, layer = request.network, _layer(request)
    samples = request.settings["samples"]
    generator = torch.Generator().manual_seed(request.settings["seed"])
    spread = noise_level(request)
    step = batch_of(network, device_of(network.model), graph=True)
    clean = cam.layer_pass(network, request.x, target=request.aim.target, against=request.aim.against, layer=layer)
    sums = [torch.zeros_like(clean.activations) for _ in range(3)]
    for start in range(0, samples, step):
        count = min(step, samples - start)
        noise = noise_like(request.x, count, generator)
        passes = cam.layer_passes(
            network,
            request.x + spread * noise,
            targets=[[request.aim.target]] * count,
            against=request.aim.against,
            layers=[layer],
        )
        for found in passes:
            gradient = found[0][layer].gradients
            for power, total in enumerate(sums, start=1):
                total.add_(gradient.pow(power))
        yield_lock()
        if request.progress is not None:
            request.progress(start + count, samples)
    first, second, third = (total / samples for total in sums)
    return cam.weigh_plus_plus(clean.activations, first, second, third)


def random_cam(request: AttributionRequest) -> Tensor:
    """Weighs the maps by chance: what any honest method must beat.

    Args:
        request: ``seed`` of its settings draws the weights, uniform from -1 to 1.

    Returns:
        HxW on the layer's grid, not negative, float64 on the CPU.
    """
    with Probe(request.network, [_layer(request)]) as probe:
        ask(probe, request.network, request.x)
        maps = _maps(probe, request)
    generator = torch.Generator().manual_seed(request.settings["seed"])
    weights = torch.rand(len(maps), generator=generator, dtype=torch.float64) * 2 - 1
    return torch.einsum("c,chw->hw", weights, maps).relu()


def noise_like(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws normal noise for copies of an image, 1xCxHxW to NxCxHxW; the same however many are drawn at once."""
    return torch.stack([torch.randn(x.shape[1:], generator=generator) for _ in range(count)]).to(x)


def noise_level(request: AttributionRequest) -> float:
    """Returns the deviation of the noise in the network's own units: a share of the picture's range of values."""
    low, high = request.x.aminmax()
    return float(high - low) * request.settings["noise"] / 100


def _layer(request: AttributionRequest) -> str:
    return request.layer or request.network.anatomy.cam_layer


def _maps(probe: Probe, request: AttributionRequest) -> Tensor:
    layer = _layer(request)
    layout = require_map_layer(layer, request.network.anatomy)
    return to_maps(probe.outputs[layer], layout).cpu().double()


def _without(kept: Tensor, channels: Tensor, layout: Layout) -> Tensor:
    """Returns a copy of a layer's output a channel, with that channel at zero."""
    copies = kept.repeat(len(channels), *(1 for _ in kept.shape[1:]))
    rows = torch.arange(len(channels), device=kept.device)
    chosen = channels.to(kept.device)
    if layout == "NCHW":
        copies[rows, chosen] = 0
    else:
        copies.movedim(-1, 1)[rows, chosen] = 0
    return copies


def _continues_alone(probe: Probe, layer: str, kept: Tensor, x: Tensor) -> bool:
    """Whether the rest of the network takes more maps than there are images, and then gives the same for each."""
    try:
        several = _run_with(probe, layer, _repeated(kept, 2), x)
        alone = _run_with(probe, layer, kept, x)
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return False
    scale = alone.abs().amax().clamp_min(1e-12)
    return several.shape == (2, alone.shape[1]) and bool((several - alone).abs().amax() <= 1e-3 * scale)


def _run_with(probe: Probe, layer: str, instead: Tensor, x: Tensor) -> Tensor:
    with _replaced(probe.model.get_submodule(layer), instead):
        return logits_of(probe.model(x))


@contextmanager
def _replaced(module: nn.Module, instead: Tensor) -> Iterator[None]:
    """Makes a module give out something else; gone when the block ends."""

    def hand_on(_module: nn.Module, _inputs: object, output: object) -> object:
        return (instead.clone(), *output[1:]) if isinstance(output, tuple) else instead.clone()

    handle: Callable[[], None] = module.register_forward_hook(hand_on).remove
    try:
        yield
    finally:
        handle()


def _repeated(x: Tensor, count: int) -> Tensor:
    return x.expand(count, *x.shape[1:]).clone()
