"""How long it takes to know a network: examined, from disk in a process of its own, and from memory.

Run with ``python -m benchmarks.anatomy [--model resnet50] [--repeats 7]``. Imports are not counted; each measurement is
the first of its process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.timing import options, report

_EXAMINE = """
import json, sys, time
import core.models.anatomy.examine, core.models.catalog.catalog, core.models.heads
from core.models.anatomy_cache import blueprint
from core.specs import ModelSpec
spec = ModelSpec(sys.argv[1])
times = []
for _ in range(2):
    begin = time.perf_counter(), time.process_time()
    found = blueprint(spec)
    times.append([1000 * (time.perf_counter() - begin[0]), 1000 * (time.process_time() - begin[1])])
print(json.dumps({"times": times, "layers": len(found.layers), "total": found.total}))
"""
_READ = _EXAMINE.replace("import core.models.anatomy.examine, core.models.catalog.catalog, core.models.heads\n", "")


def measure(program: str, model: str, folder: str) -> dict[str, list[list[float]]]:
    """Runs a program in a process of its own, with its own folder of kept anatomies."""
    environment = {**os.environ, "BACKBONE_LAB_CACHE": folder}
    done = subprocess.run(
        [sys.executable, "-c", program, model], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measures and prints the line."""
    given = options(__doc__, model="resnet50", repeats=7)
    fresh, kept, memory = [], [], []
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as folder:
            first = measure(_EXAMINE, given.model, folder)
            second = measure(_READ, given.model, folder)
        fresh.append(first["times"][0])
        kept.append(second["times"][0])
        memory.append(second["times"][1])

    def medians(times: list[list[float]]) -> dict[str, float]:
        wall, cpu = (round(median(column), 2) for column in zip(*times, strict=True))
        return {"wall_ms": wall, "cpu_ms": cpu}

    report(
        "anatomy",
        model=given.model,
        layers=first["layers"],
        examined=medians(fresh),
        from_disk=medians(kept),
        from_memory=medians(memory),
    )


if __name__ == "__main__":
    main()
