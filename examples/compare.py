"""Shows how far a training moved each layer of a network: with a frozen backbone, and with everything learning.

Run it from the project's folder: ``python -m examples.compare [EPOCHS]``.
"""

from __future__ import annotations

import sys

import core


def main(epochs: int = 2) -> None:
    """Trains twice, and prints a table of layers."""
    moved = {}
    for preset in ("linear-probe", "full"):
        run = core.train(core.plan("digits", "mnist_cnn", preset=preset, epochs=epochs))
        moved[preset] = core.compare(core.load(f"{run.path}@start"), core.load(run))
    print(f"{'layer':12}" + "".join(f"{preset:>14}" for preset in moved))
    for rows in zip(*moved.values(), strict=True):
        print(f"{rows[0].layer:12}" + "".join(f"{row.relative:>14.1%}" for row in rows))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
