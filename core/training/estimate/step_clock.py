"""Seconds that work takes on this device when nobody else wants it."""

from __future__ import annotations

import time

import torch

TimeStamp = torch.cuda.Event | tuple[float, float]
"""An event in a GPU's stream; or seconds of this thread and of the process, or on the wall and nothing."""


class StepClock:
    """Takes time stamps, and measures how much undisturbed time lies between two of them.

    On the CPU that is not the time on the wall, which grows with what other programs do. It is the processor time of
    the calling thread, which takes part in everything that torch's threads do together and does all else alone; or,
    where it waited for the others, the processor time of all threads divided by their number. On a GPU it is the time
    between two events in its stream.

    Args:
        device: Where the work runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._threads = torch.get_num_threads()

    def now(self) -> TimeStamp:
        """Returns a time stamp, for :meth:`elapsed`."""
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self._device))
            return event
        if self._device.type == "cpu":
            return time.thread_time(), time.process_time()
        return time.perf_counter(), 0.0

    def elapsed(self, begin: TimeStamp, end: TimeStamp) -> float:
        """Returns the seconds between two time stamps; after :meth:`synchronize` on a GPU."""
        if isinstance(begin, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
            return float(begin.elapsed_time(end)) / 1000
        if isinstance(begin, tuple) and isinstance(end, tuple):
            return max(end[0] - begin[0], (end[1] - begin[1]) / self._threads)
        raise TypeError("the time stamps are of two devices")

    def synchronize(self) -> None:
        """Waits until the device has done its work."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
