"""Run folders: what a run left behind, and the processes that write them. Loads no torch."""

from core.runs.launch import start, stop
from core.runs.recorder import Recorder
from core.runs.store import ENDED, LIVE, Run, RunStore

__all__ = ["ENDED", "LIVE", "Recorder", "Run", "RunStore", "start", "stop"]
