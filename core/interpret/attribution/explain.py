"""Heatmaps: which parts of a picture spoke for a class.

:data:`METHODS` has a row a method. :func:`explain` runs one of them, :func:`explain_many` several at the price of one
where they share a pass; :func:`explain_classes`, :func:`explain_layers` and :func:`explain_each` run one for several
classes, layers or pictures, and :func:`explain_pictures` for several classes of each of several pictures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.attribution import cam
from core.interpret.attribution.heatmap import Explanation, Heatmap, explanation_of
from core.interpret.attribution.method import BY_GAP, FAMILIES, AttributionRequest, Method, Procedure, Setting
from core.interpret.attribution.registry import METHODS
from core.interpret.forward import ask, batch_of, cannot_take, check_image
from core.interpret.layout import require_map_layer
from core.interpret.probe import Probe, device_of, dtype_of, lock_of
from core.interpret.target import ScoreTarget, resolve_score_target
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

__all__ = [
    "FAMILIES",
    "METHODS",
    "Explanation",
    "Heatmap",
    "Method",
    "Setting",
    "explain",
    "explain_classes",
    "explain_each",
    "explain_layers",
    "explain_many",
    "explain_pictures",
]
FIRST_STEPS, MOST_STEPS = 16, 128
"""Steps of a method that chooses their number itself: the first, and the most, of which there are twice as many in all.
"""
CLOSE = 0.02
"""Share of the score's rise that the shares of such a method may miss."""


def explain(
    network: Network,
    x: Tensor,
    method: str = "grad-cam",
    *,
    target: int | None = None,
    against: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Makes one heatmap.

    Args:
        network: The network, in any mode and frozen or not; it is left as it was.
        x: One normalised image, 1xCxHxW.
        method: Id of a row of :data:`METHODS`.
        target: Class index; ``None`` for the class with the highest score.
        against: Another class: the map is about how far the target's score leads over its (class against class).
        layer: Name of the layer for methods that need one; ``None`` for the network's CAM layer.
        settings: Values for the method's ``settings``, the usual ones for those left out.
        progress: Called now and then with passes done and passes in all; what it raises ends the work.

    Raises:
        InputError: The method, the class, the layer or a setting does not exist, or the method does not work on this
            network, or ``x`` is not one image it can take, or its scores are no numbers.
    """
    return explain_many(
        network, x, (method,), target=target, against=against, layer=layer, settings=settings, progress=progress
    )[method]


def explain_many(
    network: Network,
    x: Tensor,
    methods: Sequence[str],
    *,
    target: int | None = None,
    against: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> dict[str, Explanation]:
    """Makes several heatmaps of one image and class; all that a single pass to a layer can give share one.

    Arguments and errors as :func:`explain`; each of the settings must be one of some of the methods.

    Returns:
        Method's id -> explanation, in the order asked for.
    """
    x = _taken(x, network)
    rows = [_row(name, network) for name in methods]
    chosen = _settings(rows, settings)
    found: dict[str, Explanation] = {}
    with lock_of(network):
        shared: cam.LayerPass | None = None
        started = time.perf_counter()
        if any(row.formula for row in rows):
            shared = cam.layer_pass(network, x, target=target, against=against, layer=layer)
            logits, aim = shared.logits, shared.aim
        else:
            logits, aim = _first(network, x, rows, target, against, layer)
    pass_seconds = time.perf_counter() - started
    for row in rows:  # the network is free for others whenever a method does not need it
        if row.formula is not None and shared is not None:
            found[row.id] = _from_pass(row, shared, x, pass_seconds)
        else:
            request = AttributionRequest(network, x, aim, layer, chosen[row.id], progress)
            found[row.id] = _from_request(row, request, logits, pass_seconds)
    return found


def explain_classes(
    network: Network,
    x: Tensor,
    method: str,
    targets: Sequence[int | None],
    *,
    against: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> list[Explanation]:
    """Makes one heatmap a class; methods with a formula go forward once for all of them.

    Arguments and errors as :func:`explain`.
    """
    x = _taken(x, network)
    row = _row(method, network)
    if row.formula is None:
        each = [_part(progress, place, len(targets)) for place in range(len(targets))]
        return [
            explain(network, x, method, target=t, against=against, layer=layer, settings=settings, progress=report)
            for t, report in zip(targets, each, strict=True)
        ]
    row.completed(settings)
    started = time.perf_counter()
    name = layer or network.anatomy.cam_layer
    passes = cam.layer_passes(network, x, targets=[list(targets)], against=against, layers=[name])[0]
    spent = time.perf_counter() - started
    return [_from_pass(row, found[name], x, spent) for found in passes]


def explain_layers(
    network: Network,
    x: Tensor,
    method: str,
    layers: Sequence[str],
    *,
    target: int | None = None,
    against: int | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> dict[str, Explanation]:
    """Makes one heatmap a layer; methods with a formula go there and back once for all of them.

    Arguments and errors as :func:`explain`.

    Raises:
        InputError: Also if the method looks at no layer.
    """
    x = _taken(x, network)
    row = _row(method, network)
    if not row.needs_layer:
        raise InputError(
            "{method} looks at the picture itself, not at a layer. Choose another method.", method=row.title
        )
    if row.formula is None:
        each = [_part(progress, place, len(layers)) for place in range(len(layers))]
        return {
            name: explain(
                network, x, method, target=target, against=against, layer=name, settings=settings, progress=report
            )
            for name, report in zip(layers, each, strict=True)
        }
    row.completed(settings)
    started = time.perf_counter()
    passes = cam.layer_passes(network, x, targets=[[target]], against=against, layers=layers)[0][0]
    spent = time.perf_counter() - started
    return {name: _from_pass(row, found, x, spent) for name, found in passes.items()}


def explain_each(
    network: Network,
    images: Tensor | Sequence[Tensor],
    method: str = "grad-cam",
    *,
    targets: Sequence[int | None] | int | None = None,
    against: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> list[Explanation]:
    """Makes one heatmap a picture; methods with a formula take as many at once as fit.

    Args:
        network: The network.
        images: Normalised images, BxCxHxW, or 1xCxHxW each and all of one size.
        method: Id of a row of :data:`METHODS`.
        targets: For each image its class, or one class for all; ``None`` for the class with the highest score.
        against: As in :func:`explain`, as are all below.
        layer: The layer.
        settings: The method's settings.
        progress: Called with pictures done and in all.

    Raises:
        InputError: As :func:`explain`; or there are not as many classes as images.
    """
    wanted = list(targets) if isinstance(targets, Sequence) else [targets] * len(images)
    each = [[target] for target in wanted]
    given = {"against": against, "layer": layer, "settings": settings, "progress": progress}
    return [row[0] for row in explain_pictures(network, images, method, each, **given)]  # type: ignore[arg-type]


def explain_pictures(
    network: Network,
    images: Tensor | Sequence[Tensor],
    method: str,
    targets: Sequence[Sequence[int | None]],
    *,
    against: int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> list[list[Explanation]]:
    """Makes one heatmap a picture and class; methods with a formula go forward once for as many pictures as fit.

    Args:
        network: The network.
        images: As in :func:`explain_each`.
        method: Id of a row of :data:`METHODS`.
        targets: For each image its classes, as many for each; ``None`` for the class with the highest score.
        against: As in :func:`explain`, as are all below.
        layer: The layer.
        settings: The method's settings.
        progress: Called with pictures done and in all.

    Returns:
        For each image an explanation a class, in the order asked for.

    Raises:
        InputError: As :func:`explain`; or there are not as many classes as images.
    """
    pictures = [_taken(x, network) for x in (images.split(1) if isinstance(images, Tensor) else images)]
    if len(targets) != len(pictures):
        raise InputError(
            "{classes} classes were given for {images} pictures. Give one for each, or one for all.",
            classes=len(targets),
            images=len(pictures),
        )
    row = _row(method, network)
    row.completed(settings)
    name = layer or network.anatomy.cam_layer
    one_size = len({picture.shape for picture in pictures}) <= 1
    step = batch_of(network, device_of(network.model), graph=True) if row.formula is not None and one_size else 1
    found: list[list[Explanation]] = []
    for start in range(0, len(pictures), step):
        chunk, classes = pictures[start : start + step], targets[start : start + step]
        if row.formula is None:
            report = _part(progress, start, len(pictures))
            ways = {"against": against, "layer": layer, "settings": settings, "progress": report}
            found.append(explain_classes(network, chunk[0], method, classes[0], **ways))  # type: ignore[arg-type]
        else:
            started = time.perf_counter()
            passes = cam.layer_passes(network, torch.cat(chunk), targets=classes, against=against, layers=[name])
            spent = (time.perf_counter() - started) / len(chunk)
            found += [[_from_pass(row, one[name], chunk[0], spent) for one in own] for own in passes]
        if progress is not None:
            progress(len(found), len(pictures))
    return found


def _taken(x: Tensor, network: Network) -> Tensor:
    """Checks an image, and returns it apart from any graph and in the kind of numbers the network works with.

    Raises:
        InputError: It is not one image; or the network lays it out as tokens, and it is no square.
    """
    check_image(x)
    if network.anatomy.layout == "tokens" and x.shape[2] != x.shape[3]:
        raise cannot_take(network, x)
    return x.detach().to(dtype_of(network.model))


def _part(progress: Progress | None, place: int, count: int) -> Progress | None:
    """Turns a part's progress into the whole's: hundredths of parts."""
    if progress is None:
        return None
    return lambda done, total: progress(round(100 * (place + done / max(total, 1))), 100 * count)


def _row(name: str, network: Network) -> Method:
    if name not in METHODS:
        raise InputError("There is no method {method}. Choose one of: {known}.", method=name, known=", ".join(METHODS))
    reason = METHODS[name].unavailable(network)
    if reason is not None:
        raise InputError(reason)
    return METHODS[name]


def _settings(rows: Sequence[Method], given: Mapping[str, int] | None) -> dict[str, dict[str, int]]:
    """Hands each method the settings it has; of several methods each must be known to one."""
    if len(rows) == 1:
        return {rows[0].id: rows[0].completed(given)}
    known = dict.fromkeys(setting.id for row in rows for setting in row.settings)
    for name in given or {}:
        if name not in known:
            raise InputError(
                "None of these methods has a setting {name}. They have: {known}.",
                name=name,
                known=", ".join(known) or "-",
            )
    return {row.id: row.completed({n: v for n, v in (given or {}).items() if n in row.defaults}) for row in rows}


def _first(
    network: Network, x: Tensor, rows: Sequence[Method], target: int | None, against: int | None, layer: str | None
) -> tuple[Tensor, ScoreTarget]:
    """Asks what the network says, and checks class and layer before the long work begins."""
    if any(row.needs_layer for row in rows):
        require_map_layer(layer or network.anatomy.cam_layer, network.anatomy)
    with Probe(network) as probe:
        logits = ask(probe, network, x).cpu()
    return logits, resolve_score_target(target, against, logits, network.classes)


def _from_pass(row: Method, found: cam.LayerPass, x: Tensor, seconds: float) -> Explanation:
    if row.formula is None:
        raise TypeError(f"the row {row.id} has no formula")
    started = time.perf_counter()
    raw = row.formula(found.activations, found.gradients)
    return explanation_of(row, raw, x, found.aim, found.layer, found.logits, started - seconds)


def _from_request(row: Method, request: AttributionRequest, logits: Tensor, seconds: float) -> Explanation:
    if row.procedure is None:
        raise TypeError(f"the row {row.id} has neither a formula nor a procedure")
    started = time.perf_counter()
    rise = _rise(request, logits) if row.adds_up else None
    chosen = request.settings.get("steps") == BY_GAP
    with torch.inference_mode(False):
        raw, steps = _until_it_adds_up(row.procedure, request, rise) if chosen else (row.procedure(request), None)
    layer = (request.layer or request.network.anatomy.cam_layer) if row.needs_layer else None
    return explanation_of(row, raw, request.x, request.aim, layer, logits, started - seconds, rise=rise, steps=steps)


def _until_it_adds_up(procedure: Procedure, request: AttributionRequest, rise: float | None) -> tuple[Tensor, int]:
    """Doubles a method's steps until its shares add up to the score's rise within :data:`CLOSE`, or to the cap.

    Returns:
        The method's figures, and the steps they were made with.
    """
    steps, done = FIRST_STEPS, 0
    while True:
        settings = {**request.settings, "steps": steps}
        raw = procedure(replace(request, settings=settings, progress=_shifted(request.progress, done)))
        if 2 * steps > MOST_STEPS or (rise and abs(float(raw.sum()) / rise - 1) <= CLOSE):
            return raw, steps
        steps, done = 2 * steps, done + steps


def _shifted(progress: Progress | None, done: int) -> Progress | None:
    """Counts what was done before."""
    return None if progress is None else lambda now, total: progress(done + now, done + total)


def _rise(request: AttributionRequest, logits: Tensor) -> float | None:
    """Returns how far the score is above that of a plain mean-coloured picture, if it has one."""
    with Probe(request.network) as probe:
        blank = probe(torch.zeros_like(request.x)).cpu()
    rise = float(request.aim.scores(logits.double()) - request.aim.scores(blank.double()))
    return rise if math.isfinite(rise) else None
