"""Interleaved timing: variants take turns, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch


def interleaved(
    variants: Mapping[str, Callable[[], object]], *, repeats: int = 15, warmup: int = 2
) -> dict[str, dict[str, float]]:
    """Times variants in turn, each once a round, and takes medians over the rounds.

    Args:
        variants: Name -> what to time.
        repeats: Rounds that count.
        warmup: Rounds before them that do not.

    Returns:
        Name -> ``cpu_ms`` (processor time of this whole process, all threads) and ``wall_ms``, medians, and
        ``cpu_ms_min``, the least disturbed round.
    """
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    wall: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for turn in range(warmup + repeats):
        shift = turn % len(names)  # nobody always comes first, or always after the same one
        for name in names[shift:] + names[:shift]:
            gc.collect()
            started = time.perf_counter(), time.process_time()
            variants[name]()
            spent = time.perf_counter() - started[0], time.process_time() - started[1]
            if turn >= warmup:
                wall[name].append(spent[0] * 1000)
                cpu[name].append(spent[1] * 1000)
    return {
        name: {
            "cpu_ms": round(median(cpu[name]), 2),
            "wall_ms": round(median(wall[name]), 2),
            "cpu_ms_min": round(min(cpu[name]), 2),
        }
        for name in names
    }


def options(about: str, what: Sequence[str] = (), /, **defaults: Any) -> argparse.Namespace:
    """Reads a benchmark's options from the command line.

    Args:
        about: The benchmark's docstring, which is its help.
        what: What can be measured, the usual thing first; read as ``what`` from a word without dashes.
        **defaults: Of each option, which is of the same type. A type makes an option that must be given, and ``False``
            a switch; ``threads`` is also set.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if what:
        parser.add_argument("what", nargs="?", choices=what, default=what[0])
    for name, default in defaults.items():
        word = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(word, action="store_true")
        elif isinstance(default, type):
            parser.add_argument(word, type=default, required=True)
        else:
            parser.add_argument(word, type=type(default), default=default)
    given = parser.parse_args()
    if "threads" in defaults:
        torch.set_num_threads(given.threads)
    return given


def ratio(measured: Mapping[str, Mapping[str, float]], name: str, reference: str, key: str = "cpu_ms") -> float:
    """Returns how many times the reference's figure a variant's is."""
    return round(measured[name][key] / measured[reference][key], 3)


def report(benchmark: str, **figures: Any) -> None:
    """Prints one JSON line: the benchmark's name, the machine and versions, and the figures."""
    machine = {"python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps({"benchmark": benchmark, **machine, **figures}))
