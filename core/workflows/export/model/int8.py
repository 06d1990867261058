"""An ONNX file in eight-bit whole numbers: smaller, on many machines faster, and no longer exact, so it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.evaluation.predictions import BATCH_SIZE
from core.models.network import Network
from core.runs.store import Run
from core.workflows.export.model import formats
from core.workflows.export.model.parity import seconds_of
from core.workflows.judging.held_out import HeldOut, held_out, splits_of

CALIBRATION = 100
"""Training pictures, drawn by lot, by whose activations the scales are chosen."""
MOST_JUDGED = 1000
LARGEST_FALL = 0.02
"""Share by which the accuracy may fall; one picture fewer is allowed on a small split, too."""


@dataclass(frozen=True, slots=True)
class Int8:
    """What a file in whole numbers answers, beside the file in floating-point numbers that it was made from.

    Attributes:
        split: Where the pictures stand that both were judged on: ``test``, or ``val`` where the run has no other.
        pictures: How many were judged.
        of: How many the split has.
        calibrated: Training pictures by which the scales were chosen.
        accuracy: Accuracy in whole numbers.
        float_accuracy: Accuracy in floating-point numbers.
        equal: Share of the pictures for which both name the same class.
        max_difference: Largest difference of a probability.
        float_bytes: Size of the file in floating-point numbers.
        milliseconds: Median time of one picture in whole numbers, on this machine's CPU.
        float_milliseconds: The same in floating-point numbers.
    """

    split: str
    pictures: int
    of: int
    calibrated: int
    accuracy: float
    float_accuracy: float
    equal: float
    max_difference: float
    float_bytes: int
    milliseconds: float
    float_milliseconds: float

    @property
    def falls(self) -> bool:
        """Whether the accuracy falls too far for the file to be handed out."""
        lost = round((self.float_accuracy - self.accuracy) * self.pictures)
        return lost > max(1.0, LARGEST_FALL * self.pictures)


def quantise(
    path: Path, run: Run, network: Network, *, roots: Sequence[Path] | None = None, step: Callable[[str], object] = str
) -> Int8:
    """Rewrites an ONNX file in whole numbers, and judges it beside what it was.

    Weights are rounded to seven bits, channel by channel: with eight, products overflow on processors that have no
    instructions for them (VNNI), and the same file would answer otherwise there. Activations get eight bits between
    the least and the largest value that training pictures reach (Jacob et al. 2018, arXiv:1712.05877).

    Args:
        path: The file.
        run: Whose training pictures choose the scales, and whose test pictures (else those of validation) judge.
        network: Whose input size they get.
        roots: Folders that they must lie under, links resolved; ``None`` for no limit.
        step: Called with what is being done.

    Raises:
        InputError: The pictures are not there any more.
    """
    before, size = formats.run_onnx(path), path.stat().st_size
    step("reading training images")
    with held_out(run, network, split="train", most=CALIBRATION, roots=roots) as pictures:
        images = _inputs(pictures, slice(None))
    step("rounding to whole numbers")
    _rewrite(path, images)
    after = formats.run_onnx(path)
    step("judging both files")
    split = "test" if "test" in splits_of(run) else "val"
    with held_out(run, network, split=split, most=MOST_JUDGED, roots=roots) as pictures:
        count = len(pictures.keys)
        answers = np.empty((2, count, len(network.classes)))
        for start in range(0, count, BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            inputs = _inputs(pictures, part)
            answers[:, part] = [file(inputs).softmax(1).numpy() for file in (before, after)]
            step("judging both files")
        taken = [1000 * seconds_of(file, _inputs(pictures, slice(1))) for file in (after, before)]
    named = answers.argmax(2)
    right = (named == pictures.labels).mean(1)
    return Int8(
        split,
        count,
        pictures.of,
        len(images),
        float(right[1]),
        float(right[0]),
        float((named[0] == named[1]).mean()),
        float(np.abs(answers[0] - answers[1]).max()),
        size,
        *taken,
    )


def _inputs(pictures: HeldOut, part: slice) -> Tensor:
    """Returns pictures as a written file takes them, ``N x 3 x S x S`` colours between 0 and 1."""
    return pictures.store.batch(pictures.positions[part]).contiguous().float() / 255


def _rewrite(path: Path, images: Tensor) -> None:
    """Replaces a file by one in whole numbers whose scales are chosen by some images."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._images = iter(images.split(1))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self._images, None)
            return None if image is None else {formats.INPUT: image.numpy()}

    rounded = path.with_suffix(".rounded")
    try:
        with formats.quiet():
            quantization.quantize_static(
                path,
                rounded,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        rounded.replace(path)
    finally:
        rounded.unlink(missing_ok=True)
