"""Downloads in the background: started once for a network's weights, monitored and cancelled from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from core.errors import Cancelled, InputError
from core.models.weights.download import DownloadProgress, Report

RUNNING, FINISHED, FAILED, CANCELLED = "running", "finished", "failed", "cancelled"

Key = tuple[str, str]
"""Name of a network and name of its weights entry."""


class Job:
    """A download in a thread of its own.

    Attributes:
        key: What is downloaded.
        title: What a person calls it.
        state: ``running``, ``finished``, ``failed`` or ``cancelled``.
        progress: How far it is; ``None`` before the first byte.
        error: Why it failed.
        started: When it started, in seconds since the epoch.
    """

    def __init__(self, key: Key, title: str, work: Callable[[Report], None]) -> None:
        self.key, self.title, self.started = key, title, time.time()
        self.state = RUNNING
        self.progress: DownloadProgress | None = None
        self.error: InputError | None = None
        self._work = work
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"download {key[0]}", daemon=True)

    def start(self) -> Job:
        """Starts it and returns it."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Ends it; what has arrived is kept for the next time. The job counts as cancelled at once."""
        if self.state == RUNNING:
            self._cancel.set()
            self.state = CANCELLED

    def join(self, seconds: float | None = None) -> None:
        """Waits until its thread has ended, at most so long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._work(self._report)
        except Cancelled:
            self.state = CANCELLED
        except InputError as error:
            self._end(FAILED, error)
        except Exception as error:  # noqa: BLE001 - a thread has no caller to raise it to
            self._end(FAILED, InputError("The download of {title} failed: {error}.", title=self.title, error=error))
        else:
            self._end(FINISHED)

    def _end(self, state: str, error: InputError | None = None) -> None:
        if not self._cancel.is_set():
            self.error = error
            self.state = state

    def _report(self, progress: DownloadProgress) -> None:
        if self._cancel.is_set():
            raise Cancelled
        self.progress = progress


_JOBS: dict[Key, Job] = {}
_GUARD = threading.Lock()


def start(key: Key, title: str, work: Callable[[Report], None]) -> Job:
    """Starts a download, or returns the one that is under way for the same weights."""
    with _GUARD:
        job = _JOBS.get(key)
        if job is None or job.state != RUNNING:
            job = _JOBS[key] = Job(key, title, work).start()
        return job


def find(key: Key) -> Job | None:
    """Returns the last download of these weights in this process, whatever became of it."""
    return _JOBS.get(key)
