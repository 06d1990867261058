"""Arithmetic: which number format is faster here for this network, measured and not guessed."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from statistics import median

import torch
from filelock import FileLock, Timeout

from core.disk_cache import DiskCache, name_of

TIMED_PASSES = 3
"""Passes of each number format that are timed, after one that warms up."""
TRIAL_PASSES = 2 * (TIMED_PASSES + 1)
"""Passes altogether by which the number format is chosen."""
CLEARLY_FASTER = 0.75
"""bfloat16 is chosen where it takes less than this share of float32's time: nearer to it, float32 is worth its time."""
HOPELESS = 4.0
"""bfloat16 is not timed on where it took more than this many times as long as float32 in two rounds running."""
CHOICES = DiskCache("precisions", ".txt", max_files=2000)
LOCK_SECONDS = 120.0
"""Seconds to wait for another process that times the same passes."""
MAX_IMAGES, MIN_IMAGES = 8, 4
"""Images of a pass by which the number format is chosen."""
IMAGE_SHARE = 16
"""Such a pass has one in so many of the training images at most, so that small data do not wait for the choice."""


def trial_images(batch: int, train: int) -> int:
    """Returns how many images the passes have by which the number format is chosen."""
    return max(1, min(batch, train, max(MIN_IMAGES, min(MAX_IMAGES, train // IMAGE_SHARE))))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs in ``fp32`` or ``bf16``."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def choose_precision(
    wanted: str,
    device: torch.device,
    work: Callable[[], object],
    of: str,
    *,
    clock: Callable[[], float] = time.thread_time,
) -> str:
    """Returns ``fp32`` or ``bf16``: what was asked for, or with ``auto`` the faster of the two.

    On the CPU bfloat16 halves the time of most networks where the processor has instructions for it, and slows
    depthwise networks down in training; so there a few passes of each are timed in turn, by the processor time of this
    thread, which others' work does not lengthen. bfloat16 is chosen only where it is clearly faster, and what was
    found is kept for this machine: the same training, started again, is computed in the same numbers.

    Args:
        wanted: One of :data:`core.specs.PRECISIONS`.
        device: Where the work runs.
        work: One representative pass, without lasting effects.
        of: All that the time depends on: the network, the images of a pass, what learns.
        clock: Returns seconds.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu" or not _can_be_faster():
        return "fp32"
    name = name_of(f"{of}\n{platform.node()} {platform.machine()} {torch.get_num_threads()} {torch.__version__}")
    with _one_at_a_time(name):
        kept = CHOICES.read(name, _load)
        if kept is None:
            kept = "bf16" if _ratio(device, work, clock) < CLEARLY_FASTER else "fp32"
            CHOICES.write({name: kept.encode()})
    return kept


def _can_be_faster() -> bool:
    """Whether oneDNN has bfloat16 kernels for this processor: emulated, a pass takes 30 times as long."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def _ratio(device: torch.device, work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Returns how much longer bfloat16 takes than float32: the pass in the middle of each, timed in turn."""
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(TIMED_PASSES + 1):  # the first ones warm up
        for precision, times in seconds.items():
            begin = clock()
            with autocast(device, precision):
                work()
            times.append(clock() - begin)
        rounds = list(zip(*seconds.values(), strict=True))
        if len(rounds) > 1 and all(short > HOPELESS * exact for exact, short in rounds[-2:]):
            return HOPELESS
    exact, short = (median(times[1:]) for times in seconds.values())
    return short / exact if exact > 0 else 1.0


def _load(path: Path) -> str:
    text = path.read_text(encoding="ascii")
    if text not in ("fp32", "bf16"):
        raise ValueError(text)
    return text


@contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Lets processes that want the same choice wait for the first one; where no lock can be had, nobody waits."""
    lock = FileLock(CHOICES.folder / f"{name}.lock", timeout=LOCK_SECONDS)
    with suppress(OSError, Timeout):
        CHOICES.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
