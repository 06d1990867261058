"""The shortcut lab's usual plan with several seeds: does every network fall for the mark, and only for it?

    python -m benchmarks.shortcut [--seeds 0,1,2,3,4]

Everything is written to a temporary folder and trained in this process, on the CPU; one line a seed: for each of the
three networks its accuracy with the mark in place, removed and on the other classes, and its heat's share at the mark.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.timing import options
from core.runs.store import RunStore
from core.workflows.shortcut import experiment as shortcut
from core.workflows.shortcut.judge import judge
from core.workflows.trainer_process.worker import work


def main() -> None:
    """Prints a line a seed."""
    given = options(__doc__, seeds="0,1,2,3,4", source="mnist")
    for seed in given.seeds.split(","):
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            made = shortcut.prepare(shortcut.Plan(given.source, seed=int(seed)), under=Path(folder))
            store, runs = RunStore(Path(folder) / "runs"), {}
            for arm, experiment in shortcut.experiments(made, device="cpu").items():
                runs[arm] = store.create(experiment)
                work(runs[arm])
            found = judge(made, runs)
        told = {
            arm: {**{case: round(share, 3) for case, share in outcome.accuracy.items()}, "heat": round(outcome.heat, 3)}
            for arm, outcome in found.outcomes.items()
        }
        seconds = round(time.perf_counter() - begun, 1)
        print(
            json.dumps(
                {"seed": int(seed), "images": found.images, "area": round(found.area, 3), **told, "seconds": seconds}
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
