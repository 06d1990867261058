"""The pictures of a report: what a run gets wrong, where it looked there, and what its data look like."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from core.data.dataset import Dataset
from core.data.encoding import webp
from core.data.images import fit, to_tensor
from core.errors import InputError
from core.evaluation.predictions import Predictions
from core.interpret.attribution.explain import explain
from core.interpret.attribution.heatmap import Heatmap
from core.interpret.drawing.overlay import draw_heatmap
from core.messages import N_
from core.models.network import Network
from core.runs.store import Run
from core.translations import Words
from core.workflows.inspection import trust_store
from core.workflows.inspection.trust import Trust, trust
from core.workflows.inspection.trust_verdict import verdict

METHOD = "grad-cam"
MOST, SAMPLES = 8, 12
SIDE, SMALL = 224, 128
WORDS = {"trust": N_("trust it"), "partly": N_("partly"), "not": N_("do not trust it")}
TONES = {"trust": "good", "partly": "warn", "not": "bad"}


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture of the report.

    Attributes:
        name: Its key in the data.
        true: Its class.
        said: The class that the network named.
        probability: That class's probability.
        image: What the network saw, as a ``data:`` address.
        heat: Where it looked, likewise; empty where that could not be drawn.
        word: How far the heatmap can be trusted; empty where that was not tested.
        tone: The word's tone: ``good``, ``warn`` or ``bad``.
        why: What the word rests on, or why there is no heatmap.
    """

    name: str
    true: str
    said: str
    probability: float
    image: str
    heat: str = ""
    word: str = ""
    tone: str = ""
    why: str = ""


def worst(
    run: Run,
    network: Network,
    dataset: Dataset,
    found: Predictions,
    _: Words,
    *,
    tested: bool = True,
    checkpoint: str = "best",
    step: Callable[[str, int, int], object] = lambda *_: None,
) -> list[Looked]:
    """Returns the surest mistakes, or the least sure answers where there is none, with their heatmaps.

    Args:
        run: Whose network it is.
        network: It.
        dataset: The run's images.
        found: What it said of those that were judged.
        _: The language.
        tested: Whether the heatmaps are tested.
        checkpoint: Which weights.
        step: Called with what is being done, how much of it is done and how much there is.
    """
    place = {item.key: index for index, item in enumerate(dataset.items)}
    rows = found.mistakes() or [int(row) for row in found.probabilities.max(axis=1).argsort()]
    rows = [row for row in rows if found.keys[row] in place][:MOST]
    looked = []
    for done, row in enumerate(rows):
        step("drawing heatmaps", done, len(rows))
        try:
            picture = fit(dataset.load(place[found.keys[row]]), network.preprocessing)
        except InputError:
            continue
        predicted = int(found.probabilities[row].argmax())
        heat, word, tone, why = "", "", "", ""
        try:
            x = to_tensor(picture, network.preprocessing, fitted=True)
            made = explain(network, x, METHOD, target=predicted).heatmap
            heat = address(draw_heatmap(picture, made), SIDE)
            if made.empty:
                why = _("there is no evidence for the class in the last layer")
            elif tested:
                key = (*_file(run, dataset, place[found.keys[row]], picture), checkpoint)
                measured = _tested((*key, METHOD, made.layer, made.target), network, x, made)
                judged = verdict(measured)
                word, tone, why = _(WORDS[judged.word]), TONES[judged.word], _.said(judged.reason.sentence)
        except InputError as error:
            why = _.said(error)
        looked.append(
            Looked(
                found.keys[row],
                found.classes[found.labels[row]],
                found.classes[predicted],
                float(found.probabilities[row, predicted]),
                address(picture, SIDE),
                heat,
                word,
                tone,
                why,
            )
        )
    return looked


def _file(run: Run, dataset: Dataset, index: int, picture: Image.Image) -> tuple[object, ...]:
    """Returns what distinguishes a picture of a run: the weights' time, and the pixels that the network saw."""
    stamp = run.checkpoint.stat().st_mtime_ns if run.has_weights else 0
    return "report", run.id, stamp, dataset.items[index].key, hashlib.sha256(picture.tobytes()).hexdigest()


def _tested(key: tuple[object, ...], network: Network, x: object, heat: Heatmap) -> Trust:
    known = trust_store.load(key)
    if known is None:
        known = trust(network, x, heat)  # type: ignore[arg-type]
        trust_store.save(key, known)
    return known


def samples(dataset: Dataset) -> list[tuple[str, str]]:
    """Returns one picture of each of the first classes: the class, and the picture as a ``data:`` address."""
    found = []
    for label, name in enumerate(dataset.classes[:SAMPLES]):
        for index, item in enumerate(dataset.items):
            if item.label != label:
                continue
            try:
                found.append((name, address(dataset.thumbnail(index, SMALL), SMALL)))
            except InputError:
                continue
            break
    return found


def address(image: Image.Image, side: int) -> str:
    """Returns a picture, at most so large, as a ``data:`` address."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    return f"data:image/webp;base64,{base64.b64encode(webp(small, quality=82)).decode()}"
