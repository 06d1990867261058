"""How often the 95 % intervals of the figures cover the true value, on answers drawn from a known distribution.

    python -m benchmarks.intervals [--draws 1000] [--images 300] [--classes 3] [--groups 0]

A network's logits are normal around the true class, too sure by a factor of 1.5; with groups, a class and an offset of
the logits belong to the whole group, as with slices of a patient. The true figures are those of a million images.
Prints one JSON line: the share of draws whose interval covers the true value, of each figure.
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import options, report
from core.evaluation.figures import judge

PRIOR = (0.5, 0.3, 0.2, 0.15, 0.1)
POPULATION = 1_000_000


def drawn(
    random: np.random.Generator, units: int, classes: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns labels, probabilities and groups of ``units`` groups of ``size`` images."""
    shares = np.asarray((*PRIOR, *[0.1] * classes)[:classes])
    labels = np.repeat(random.choice(classes, units, p=shares / shares.sum()), size)
    logits = random.normal(size=(units * size, classes))
    if size > 1:
        logits = logits * 0.8 + np.repeat(random.normal(size=(units, classes)), size, axis=0)
    logits[np.arange(len(labels)), labels] += 1.8
    raised = np.exp(1.5 * 1.8 * logits)
    return labels, raised / raised.sum(axis=1, keepdims=True), np.repeat(np.arange(units), size)


def main() -> None:
    """Draws, judges and counts."""
    arguments = options(__doc__, draws=1000, images=300, classes=3, groups=0)
    size = arguments.images // arguments.groups if arguments.groups else 1
    units = arguments.groups or arguments.images
    random = np.random.default_rng(1)
    labels, probabilities, _ = drawn(random, POPULATION // size, arguments.classes, size)
    whole = judge(labels, probabilities)
    true = dict(whole.values) | {f"{n}[{k}]": v for k, row in enumerate(whole.per_class) for n, v in row.items()}
    covered: dict[str, list[bool]] = {name: [] for name in true}
    for _ in range(arguments.draws):
        labels, probabilities, groups = drawn(random, units, arguments.classes, size)
        found = judge(labels, probabilities, groups if arguments.groups else None)
        ends = dict(found.intervals)
        ends |= {f"{name}[{k}]": pair for k, row in enumerate(found.class_intervals) for name, pair in row.items()}
        for name, (low, high) in ends.items():
            covered[name].append(low <= true[name] <= high)
    report(
        "intervals",
        images=arguments.images,
        groups=arguments.groups,
        coverage={name: round(float(np.mean(hits)), 3) for name, hits in covered.items()},
    )


if __name__ == "__main__":
    main()
