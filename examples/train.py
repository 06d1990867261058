"""Trains a small network on handwritten digits and says how well it reads those it has not seen.

Run it from the project's folder: ``python -m examples.train [EPOCHS]``. Any folder of images with one sub-folder a
class serves as well as ``digits``.
"""

from __future__ import annotations

import sys
from typing import Any

import core


def show(event: dict[str, Any]) -> None:
    """Prints a line an epoch."""
    if event["event"] == "epochend":
        print(f"epoch {event['epoch']}: loss {event['train_loss']:.3f}, accuracy {event['val_accuracy']:.1%}")


def main(epochs: int = 3) -> None:
    """Trains, and evaluates the best weights."""
    experiment = core.plan("digits", "mnist_cnn", preset="scratch", epochs=epochs, name="Digits")
    run = core.train(experiment, progress=show)
    found = core.evaluate(run)
    print(f"{run.path}: {found.scores.accuracy:.1%} of {found.scores.images} images are right")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
