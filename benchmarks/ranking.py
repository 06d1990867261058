"""Time of ranking backbones before training, end to end, after imports.

    python -m benchmarks.ranking --data FOLDER [--backbones A,B@none,...] [--images 700] [--val-share 0.05]

Prints one JSON line: the seconds altogether and for each backbone, and the predicted order with its main scores.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.timing import options, report
from core.data.embedded import EMBEDDED
from core.specs import DataSpec
from core.workflows.advisor.rank_backbones import rank

FIVE = "efficientnet_lite0,efficientnet_lite1,efficientnet_lite2,resnet18@none,mobilenet_v3_small@none"
"""Small ones; the last two take their time from random weights, so that nothing need be downloaded."""


def main() -> None:
    """Ranks once and prints the figures."""
    arguments = options(__doc__, data=str, backbones=FIVE, images=700, val_share=0.05, device="auto")
    embedded = arguments.data.partition("?")[0] in EMBEDDED
    source = arguments.data if embedded else str(Path(arguments.data).absolute())
    begin, processor = time.perf_counter(), time.process_time()
    found = rank(
        DataSpec(source, val_share=arguments.val_share),
        arguments.backbones.split(","),
        device=arguments.device,
        images_limit=arguments.images,
    )
    report(
        "ranking",
        seconds=round(time.perf_counter() - begin, 1),
        cpu_seconds=round(time.process_time() - processor, 1),
        images=found.images,
        device=found.device,
        order=[
            {
                "backbone": row.model.backbone,
                "weights": row.model.weights,
                "seconds": round(row.seconds, 1),
                "precision": row.precision,
                "log_me": round(row.scores.log_me, 3),
                "knn_accuracy": round(row.scores.knn_accuracy, 3),
                "probe_accuracy": round(row.scores.probe_accuracy, 3),
            }
            for row in found.ordered()
            if row.scores is not None
        ],
        left_out={row.model.backbone: str(row.problem) for row in found.rows if row.problem is not None},
    )


if __name__ == "__main__":
    main()
