"""Every method on every family of networks: does it run, is it right, does it leave the network as it was.

Run with ``python -m benchmarks.matrix [--family TITLE] [--method ID] [--table FILE]``. One small member of a family,
untrained, at the smallest size that it takes; one JSON line a cell. A cell is right if its maps have the picture's
shape, hold numbers only, change with the class (where the method asks for one), if every flag, hook, gradient and
weight of the network is what it was before, and if the map agrees with one made in another way
(``benchmarks.references``).
Figures are compared in the method's own scale, on the method's own grid brought to the picture's size.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.references import REFERENCES, Case
from core.errors import InputError
from core.interpret.attribution.explain import METHODS, Heatmap, explain
from core.models.catalog.catalog import BACKBONES, FAMILIES
from core.models.initialization import initialise
from core.models.network import Network, bare

SIZES = (64, 96, 128, 160, 224)
SETTINGS = {"channels": 6, "samples": 5, "steps": 20, "regions": 12, "noise": 10, "seed": 0}
OWN = {
    "integrated-gradients": {"steps": 80},
    "kernel-shap": {"regions": 5, "samples": 2**9},
    "lime": {"samples": 20, "regions": 8},
    "feature-ablation": {"regions": 12},
}
AGREES = 0.999  # correlation
ADDS_UP = 0.02  # relative difference of a sum, of which the rest is the rounding of 80 steps


def main() -> None:
    """Fills the matrix and prints it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--family", action="append")
    options.add_argument("--method", action="append")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--lines", metavar="FILE.jsonl", help="draw the table from these lines, and measure nothing")
    given = options.parse_args()
    if given.lines:
        print(table(read(Path(given.lines))))
        return
    torch.set_num_threads(given.threads)
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for family in given.family or FAMILIES:
        network = smallest(family)
        if network is None:
            continue
        found = cells.setdefault(f"{network.name} {network.preprocessing.crop}", {})
        for method in given.method or list(METHODS):
            found[method] = check(network, method)
            where = {"family": family, "network": network.name, "pixels": network.preprocessing.crop}
            print(json.dumps({"benchmark": "matrix", **where, "method": method, **found[method]}), flush=True)
    print(table(cells))


def read(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Reads the lines of one or several earlier calls; of equal cells the last holds."""
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            cells.setdefault(f"{row['network']} {row['pixels']}", {})[row["method"]] = row
    return cells


def smallest(family: str) -> Network | None:
    """Builds the quickest member of a family that torchvision has, at the smallest size that gives maps."""
    rows = [row for row in BACKBONES.values() if row.family == family and row.source == "torchvision"]
    for row in sorted(rows, key=lambda row: (row.gflops, row.parameters)):
        for size in (*SIZES, None):
            try:
                network = bare(row.name, "none", size, seed=0)
                if network.anatomy.grid[0] < 2:
                    continue
                head = network.model.get_submodule(network.anatomy.head).weight
                if not head.any():  # untrained Vision Transformers begin with a head of zeros
                    with torch.no_grad():
                        head.normal_(0, 0.02, generator=torch.Generator().manual_seed(0))
                _enliven(network)
                explain(network, picture(network), "grad-cam")
                return network
            except InputError:
                continue
    return None


def _enliven(network: Network) -> None:
    """Draws other random weights where a network's own make all its answers the same, as GoogLeNet's do."""
    x = picture(network)
    with torch.no_grad():
        network.model.eval()
        one, other = network.model(x), network.model(-x)
    if bool((one - other).abs().amax() < 1e-4 * one.abs().amax()):
        initialise(network.model, "he-normal", seed=0)
        with torch.no_grad():
            one, other = network.model(x), network.model(-x)
    head = network.model.get_submodule(network.anatomy.head).weight
    with torch.no_grad():
        head.mul_(1 / (one - other).std().clamp_min(1e-12))  # logits that tell pictures apart, as a trained head's do


def picture(network: Network) -> torch.Tensor:
    """Makes a picture of soft blots."""
    side = network.preprocessing.crop
    x = torch.randn(1, network.preprocessing.channels, 8, 8, generator=torch.Generator().manual_seed(4))
    return F.interpolate(x, (side, side), mode="bicubic")


def check(network: Network, method: str) -> dict[str, Any]:
    """Fills one cell."""
    row = METHODS[method]
    reason = row.unavailable(network)
    if reason is not None:
        return {"state": "no", "reason": reason}
    settings = {name: SETTINGS.get(name, value) for name, value in row.defaults.items()} | OWN.get(method, {})
    unsettle(network)
    before = state(network)
    started = time.perf_counter()
    try:
        found = [explain(network, picture(network), method, target=t, settings=settings).heatmap for t in range(3)]
    except Exception as error:  # noqa: BLE001 - a failing cell must not end the matrix
        return {"state": "FAILED", "reason": f"{type(error).__name__}: {error}"[:300]}
    seconds = (time.perf_counter() - started) / 3
    kept = same(before, state(network))
    settle(network)
    side = network.preprocessing.crop
    record: dict[str, Any] = {
        "shape": all(h.values.shape == (side, side) for h in found),
        "finite": all(bool(np.isfinite(h.values).all()) for h in found),
        "follows_class": any((raw(found[0]) != raw(h)).any() for h in found[1:]) == row.follows_class,
        "restored": kept,
        "empty": sum(h.empty for h in found),
        "seconds": round(seconds, 3),
    }
    agrees, words, figure = compare(network, method, settings, found)
    record |= {"agrees": agrees, "reference": words, "figure": figure}
    right = all(record[name] for name in ("shape", "finite", "restored"))
    follows = record["follows_class"] or all(h.empty for h in found)
    record["state"] = "ok" if right and follows and agrees is not False else "WRONG"
    return record


def compare(
    network: Network, method: str, settings: dict[str, int], found: list[Heatmap]
) -> tuple[bool | None, str, float | None]:
    """Holds a map that is not empty against one made in another way."""
    heatmap = next((h for h in found if not h.empty), found[0])
    case = Case(network, picture(network), heatmap.target, settings)
    try:
        other, words = REFERENCES[method](case)
    except Exception as error:  # noqa: BLE001 - as above
        return None, f"the reference failed: {type(error).__name__}: {error}"[:160], None
    if other is None:
        return None, words, None
    own = raw(heatmap)
    if other.size == 1:
        total, wanted = float(own.sum()), float(other[0, 0])
        away = abs(total - wanted) / max(abs(wanted), 1e-3 * float(np.abs(own).sum()), 1e-12)
        return away <= ADDS_UP, words, round(away, 6)
    if other.shape != own.shape:
        large = torch.from_numpy(np.ascontiguousarray(other))[None, None].double()
        other = F.interpolate(large, own.shape, mode="bilinear", align_corners=False)[0, 0].numpy()
    if heatmap.empty:
        return bool(np.abs(other).max() < 1e-12), words, None
    if own.std() <= 1e-9 * np.abs(own).max():  # one part alone
        return bool(np.abs(own - other).max() <= 1e-3 * np.abs(own).max()), words, None
    likeness = float(np.corrcoef(own.ravel(), other.ravel())[0, 1])
    return likeness >= AGREES, words, round(likeness, 6)


def raw(heatmap: Heatmap) -> NDArray[np.float64]:
    """Returns a map in the method's own figures."""
    values = heatmap.values.astype(np.float64)
    if heatmap.signed:
        return values * max(abs(heatmap.low), abs(heatmap.high))
    return values * (heatmap.high - heatmap.low) + heatmap.low


def unsettle(network: Network) -> None:
    """Leaves the network as training might: mixed modes and flags, a gradient lying about."""
    for index, module in enumerate(network.model.modules()):
        module.training = index % 3 == 0
    for index, parameter in enumerate(network.model.parameters()):
        parameter.requires_grad_(index % 2 == 0)
    first = next(network.model.parameters())
    first.grad = torch.ones_like(first)


def settle(network: Network) -> None:
    """Makes it ready for a reference, which works in the open."""
    network.model.eval()
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None


def state(network: Network) -> dict[str, Any]:
    """Returns all that looking might disturb."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    model = network.model
    return {
        "training": [module.training for module in model.modules()],
        "hooks": [len(getattr(module, kind)) for module in model.modules() for kind in hooks],
        "flags": [parameter.requires_grad for parameter in model.parameters()],
        "grads": [None if p.grad is None else float(p.grad.double().sum()) for p in model.parameters()],
        "values": [(float(v.double().sum()), float(v.double().square().sum())) for v in model.state_dict().values()],
        "random": torch.get_rng_state().tolist(),
    }


def same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two states are equal to the last bit."""
    return json.dumps(before) == json.dumps(after)


def table(cells: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Draws the matrix as Markdown: methods down, networks across, with a legend."""
    if not cells:
        return ""
    methods = list(next(iter(cells.values())))
    lines = ["| method | " + " | ".join(cells) + " |", "|---" * (len(cells) + 1) + "|"]
    reasons: dict[str, str] = {}
    for method in methods:
        marks = []
        for found in cells.values():
            cell = found[method]
            if cell["state"] == "no":
                letter = reasons.setdefault(cell["reason"], "abcdefgh"[len(reasons)])
                marks.append(f"– {letter}")
            elif cell["state"] == "ok":
                marks.append("=" if cell["agrees"] else "ok")
            else:
                marks.append("**" + cell["state"] + "**")
        lines.append(f"| {METHODS[method].title} | " + " | ".join(marks) + " |")
    lines += ["", "`=` right, and equal to a map made in another way; `ok` right, without such a map;"]
    lines += ["`–` not offered, with the reason:", ""]
    lines += [*(f"- {letter}: {reason}" for reason, letter in reasons.items())]
    total = [cell for found in cells.values() for cell in found.values()]
    counts = {
        "agrees": sum(c["state"] == "ok" and bool(c["agrees"]) for c in total),
        "runs": sum(c["state"] == "ok" and not c["agrees"] for c in total),
        "not offered": sum(c["state"] == "no" for c in total),
        "wrong": sum(c["state"] not in ("ok", "no") for c in total),
    }
    lines += ["", f"{len(total)} cells: " + ", ".join(f"{count} {word}" for word, count in counts.items()) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
