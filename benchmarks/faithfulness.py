"""How far each method's heatmaps can be trusted, on fine-tuned networks.

    python -m benchmarks.faithfulness --out FILE.jsonl --data cats-dogs/ [--images 24] [--seconds 170]
    python -m benchmarks.faithfulness --out FILE.jsonl --data shapes
    python -m benchmarks.faithfulness --out FILE.jsonl --table
    python -m benchmarks.faithfulness --out FILE.jsonl --data shapes --chance [--seconds 170]

EfficientNet-Lite0 is fine-tuned (its last stage and a new head) on the data, once; then every method of the table
explains held-out pictures for the predicted class, and each map is tested as ``explain --metrics`` does it, beside
19 random maps and the map of random weights. Picture after picture is added to the file, so that an interrupted
measurement goes on where it ended. The table gives means over the pictures that all methods have done; "better than
random" is the share of the maps that the verdict calls so (two of its four tests are won against all random maps),
"untrained" the rank correlation with the map of random weights. With ``--table`` nothing is measured, and Markdown is
printed.

With ``--chance`` maps that know nothing are tested as if a method had made them: grids of 7 x 7 random values, brought
to the picture's size as a CAM is, and grains of single pixels, neither drawn as the random maps of the test are. It
prints how often they win each test (5 % is the level), and how often the verdict would call them better than random;
over all that the file holds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from core.data.images import to_tensor
from core.errors import InputError
from core.interpret.attribution.explain import METHODS, explain
from core.interpret.explanation_metrics.faithfulness import METRICS, Settings
from core.interpret.explanation_metrics.localisation import seen_mask
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.images import reopen
from core.workflows.inspection.heatmap_study import pictures
from core.workflows.inspection.trust import SLOW, Options, trust
from core.workflows.inspection.trust_verdict import MIN_WINS, VOTES
from core.workflows.network_loading import network_of_run
from core.workflows.trainer_process.worker import work

LOOK = Settings()
SIZE = 160
KNOWING_NOTHING = ("grid", "grid", "grain", "grain")
"""Maps that know nothing which are tested on each picture."""
EPOCHS = 10


def main() -> None:
    """Measures as long as it may, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="shapes", help="a folder of classes, or shapes")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=170.0)
    parser.add_argument("--most-passes", type=int, default=2000, help="leave out methods that cost more")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--chance", action="store_true", help="test maps that know nothing")
    given = parser.parse_args()
    if given.table:
        print(table(given.out))
        return
    end = time.monotonic() + given.seconds
    run = trained(given.data, given.out.parent / "faithfulness-runs")
    done = {(row["data"], row["key"], row["method"]) for row in rows(given.out)}
    with given.out.open("a", encoding="utf-8") as file:
        for row in by_chance(run, given, done) if given.chance else measured(run, given, done):
            file.write(json.dumps(row) + "\n")
            file.flush()
            if time.monotonic() > end:
                break
        else:
            print("complete")
    if given.chance:
        print(luck(given.out))


def trained(data: str, folder: Path) -> Run:
    """Returns the run that was fine-tuned on these data, training it now where there is none."""
    recipe = make_recipe("fine-tune", epochs=EPOCHS, unfreeze_stages=1)
    experiment = Experiment(
        DataSpec(data, val_share=0.15, test_share=0.2, images_per_class=300),
        ModelSpec("efficientnet_lite0", recipe.weights, image_size=SIZE),
        TrainingSpec(recipe.preset, recipe.phases, device="cpu"),
        freeze=recipe.freeze,
        name="faithfulness",
    )
    store = RunStore(folder)
    for run in store.list():
        if run.state == "finished" and run.experiment.data == experiment.data:
            return run
    run = store.create(experiment)
    work(run)
    return run


def measured(run: Run, given: argparse.Namespace, done: set[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    """Yields what is found of each picture and method that is not done yet."""
    network = network_of_run(run)
    dataset = reopen(run)
    name = Path(given.data).name
    usable = [row for row in METHODS.values() if row.unavailable(network) is None and row.passes <= given.most_passes]
    chosen = pictures(dataset, given.images)[1]
    turns: dict[int, int] = defaultdict(int)
    order = {}
    for index in chosen:  # class by class in turn, so that an interrupted measurement has some of each
        label = dataset.items[index].label
        order[index] = (turns[label], label)
        turns[label] += 1
    for index in sorted(chosen, key=order.__getitem__):
        item = dataset.items[index]
        x = to_tensor(dataset.load(index), network.preprocessing)
        known = dataset.mask(index)
        mask = None if known is None else seen_mask(known, network.preprocessing)
        for row in usable:
            if (name, item.key, row.id) in done:
                continue
            cheap = row.passes < SLOW
            todo = Options(LOOK, unlearned=1 if row.passes < 400 else 0, jitters=2 if cheap else 0)
            try:
                heat = explain(network, x, row.id).heatmap
                found = trust(network, x, heat, mask=mask, options=todo)
            except InputError as error:
                yield {"data": name, "key": item.key, "method": row.id, "problem": str(error)}
                continue
            compared = found.compared()
            yield {
                "data": name,
                "key": item.key,
                "method": row.id,
                "right": network.classes[heat.target] == dataset.classes[item.label],
                "seconds": heat.seconds,
                "empty": heat.empty,
                "better": sum(c.clear for c in compared if c.metric.id in VOTES) >= MIN_WINS,
                **{c.metric.id: c.value for c in compared},
                **{f"random {c.metric.id}": c.random for c in compared},
                "sensitivity": found.sensitivity,
                "untrained": None if found.likeness is None else found.likeness.spearman,
                **(
                    {}
                    if found.placement is None
                    else {
                        "hit": found.placement.hit,
                        "energy": found.placement.energy,
                        "iou": found.placement.iou,
                        "area": found.placement.area,
                    }
                ),
            }


def by_chance(run: Run, given: argparse.Namespace, done: set[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    """Yields what maps that know nothing win on each picture that is not done yet."""
    network = network_of_run(run)
    dataset = reopen(run)
    name = Path(given.data).name
    for index in pictures(dataset, given.images)[1]:
        key = dataset.items[index].key
        x = to_tensor(dataset.load(index), network.preprocessing)
        heat = None
        for number, kind in enumerate(KNOWING_NOTHING):
            method = f"chance {kind} {number}"
            if (name, key, method) in done:
                continue
            heat = heat or explain(network, x, "random-cam").heatmap
            drawn = replace(heat, values=_ignorant(kind, x.shape[2], index, number))
            found = trust(network, x, drawn, options=Options(LOOK, unlearned=0, jitters=0, seed=index * 10 + number))
            won = {row.metric.id: row.clear for row in found.compared() if row.metric.id in VOTES}
            yield {"data": name, "key": key, "method": method, "kind": kind, "won": won}


def luck(path: Path) -> str:
    """Returns how often maps that know nothing won each test, and how often they would be called better."""
    found: dict[str, list[dict[str, bool]]] = defaultdict(list)
    for row in rows(path):
        if "won" in row:
            found[f"{row['data']}, {row['kind']}"].append(row["won"])
            found["all"].append(row["won"])
    return "\n".join(
        json.dumps(
            {
                "maps of": name,
                "maps": len(won),
                **{vote: round(float(np.mean([w[vote] for w in won])), 3) for vote in VOTES},
                "called better": round(float(np.mean([sum(w.values()) >= MIN_WINS for w in won])), 3),
            }
        )
        for name, won in found.items()
    )


def _ignorant(kind: str, side: int, *seeds: int) -> np.ndarray:
    """Draws a map, side x side, that knows nothing of picture or network."""
    chance = np.random.default_rng(seeds)
    if kind == "grain":
        return chance.random((side, side), np.float32)
    grid = torch.from_numpy(chance.random((1, 1, 7, 7), np.float32))
    return F.interpolate(grid, (side, side), mode="bilinear", align_corners=False)[0, 0].numpy()


def rows(path: Path) -> list[dict[str, Any]]:
    """Returns what was measured before."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


COLUMNS = {
    "deletion": "deletion ↓",
    "insertion": "insertion ↑",
    "road": "ROAD ↑",
    "drop": "drop ↓",
    "increase": "increase ↑",
    "infidelity": "infidelity ↓ (×10⁻³)",
    "sensitivity": "sensitivity ↓",
    "better": "better than random ↑",
    "untrained": "untrained",
    "hit": "pointing ↑",
    "energy": "energy ↑",
    "iou": "IoU ↑",
    "seconds": "s, least",
}


def table(path: Path) -> str:
    """Returns a Markdown table for each data set."""
    of_data: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows(path):
        if "problem" not in row and "won" not in row:
            of_data[row["data"]][row["method"]].append(row)
    parts = []
    for data, methods in of_data.items():
        shared = set.intersection(*({row["key"] for row in found} for found in methods.values()))
        kept = {name: [row for row in found if row["key"] in shared] for name, found in methods.items()}
        every = [row for found in kept.values() for row in found]
        columns = [name for name in COLUMNS if any(row.get(name) is not None for row in every)]
        first = next(iter(kept.values()))
        right = np.mean([row["right"] for row in first]) if first else float("nan")
        parts.append(f"**{data}**: {len(shared)} held-out pictures, {right:.0%} of them classified right\n")
        parts.append("| method | " + " | ".join(COLUMNS[name] for name in columns) + " |")
        parts.append("|---" * (len(columns) + 1) + "|")
        for name in (name for name in METHODS if name in kept):
            parts.append(f"| {METHODS[name].title} | " + " | ".join(_cell(kept[name], c) for c in columns) + " |")
        chance = {name: [row[f"random {name}"] for row in every] for name in METRICS}
        area = [row["area"] for row in every if "area" in row]
        cells = [
            _number(chance[c], c) if c in chance else _number(area, c) if c in ("hit", "energy") else "–"
            for c in columns
        ]
        parts.append("| *random maps* | " + " | ".join(cells) + " |\n")
    return "\n".join(parts)


def _cell(found: list[dict[str, Any]], column: str) -> str:
    return _number([row[column] for row in found if row.get(column) is not None], column)


def _number(values: list[Any], column: str) -> str:
    known = np.array([float(value) for value in values if np.isfinite(value)])
    if not len(known):
        return "–"
    mean = float(known.mean()) * (1000 if column == "infidelity" else 1)
    return (
        f"{mean:.0%}"
        if column in ("better", "hit", "increase")
        else f"{known.min():.2g}"  # others use the machine, too
        if column == "seconds"
        else f"{mean:.3f}"
    )


if __name__ == "__main__":
    main()
