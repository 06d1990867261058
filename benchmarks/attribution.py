"""What the methods that captum carries out cost beside the same methods at another commit.

Run with ``python -m benchmarks.attribution --beside PATH [--model NAME:WEIGHTS] [--method ID] [--repeats 5]``, where
PATH is a checkout of the other commit, such as 5a25077, the last one whose own code carried these methods out. Each
side works in a process of its own, and the two take turns. One line with the median processor time of a whole
``explain`` on either side, the ratio of the two, and how alike the maps are (the draws of GradientSHAP differ).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

MODELS = ("efficientnet_lite0:default", "resnet18:none", "alexnet:none")
METHODS = (
    "saliency",
    "input-x-gradient",
    "integrated-gradients",
    "smoothgrad",
    "vargrad",
    "gradient-shap",
    "guided-backprop",
    "deconvolution",
    "occlusion",
    "feature-ablation",
    "lime",
    "kernel-shap",
    "lrp",
)
WORKER = """
import json, sys, time, warnings
import torch
from core.models.network import bare
try:
    from core.interpret.attribution.explain import METHODS, explain
except ImportError:
    from core.interpret.attribution import METHODS, explain
warnings.filterwarnings("ignore")
torch.set_num_threads(1)
name, weights = sys.argv[1].split(":")
network = bare(name, weights, seed=0)
side = network.preprocessing.crop
x = torch.randn(1, network.preprocessing.channels, 8, 8, generator=torch.Generator().manual_seed(4))
x = torch.nn.functional.interpolate(x, (side, side), mode="bicubic")
for line in sys.stdin:
    method = line.strip()
    if METHODS[method].unavailable(network):
        print("null", flush=True)
        continue
    started = time.process_time()
    heat = explain(network, x, method, target=3).heatmap.values
    print(json.dumps([time.process_time() - started, heat[::8, ::8].tolist()]), flush=True)
"""


def main() -> None:
    """Measures and prints the line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--beside", required=True, type=Path)
    options.add_argument("--model", action="append")
    options.add_argument("--method", action="append")
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    found = {
        model: measured(model, given.beside, given.method or METHODS, given.repeats) for model in given.model or MODELS
    }
    worst = max(row["ratio"] for rows in found.values() for row in rows.values())
    print(json.dumps({"benchmark": "attribution", "threads": 1, "measured": found, "worst_ratio": worst}))


def measured(
    model: str, other: Path, methods: list[str] | tuple[str, ...], repeats: int
) -> dict[str, dict[str, float]]:
    """Times methods on one network here and there."""
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(model, at)) for at in (Path(), other)]
        for method in methods:
            rounds = [[_ask(workers[side], method) for side in _turn(number)] for number in range(1 + repeats)]
            if rounds[0][0] is None:
                continue
            sides = [[answers[_turn(number).index(side)] for number, answers in enumerate(rounds)] for side in (0, 1)]
            here, there = (median(seconds for seconds, _map in answers[1:]) for answers in sides)
            likeness = np.corrcoef(*(np.ravel(answers[0][1]) for answers in sides))[0, 1]
            found[method] = {
                "ms": round(1000 * here, 1),
                "other_ms": round(1000 * there, 1),
                "ratio": round(here / there, 3),
                "likeness": round(float(likeness), 6),
            }
        for worker in workers:
            worker.stdin.close()
    return found


def _turn(number: int) -> tuple[int, int]:
    return (0, 1) if number % 2 else (1, 0)


def _worker(model: str, at: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, model]
    return subprocess.Popen(words, cwd=at, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(worker: subprocess.Popen[str], method: str) -> list | None:
    worker.stdin.write(method + "\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


if __name__ == "__main__":
    main()
