"""Run folders, the processes that write them, the queue for a device, and jobs beside the runs. Loads no torch."""

from core.runs.launch import start, stop
from core.runs.recorder import Recorder
from core.runs.status import ENDED, LIVE
from core.runs.store import Run, RunStore

__all__ = ["ENDED", "LIVE", "Recorder", "Run", "RunStore", "start", "stop"]
