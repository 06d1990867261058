"""The app as a process of its own, and the trainers that work on its runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 120.0
FAULTS = ("page failed, reference", "Uncaught app execution", "Traceback (most recent call last)")
"""What a server's log must not hold."""


@dataclass
class Server:
    """The app, running as a process of its own.

    Attributes:
        home: The folder under which its ``runs``, ``data`` and ``server.log`` lie.
        port: Where it listens; the same after a restart.
    """

    home: Path
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "BACKBONE_LAB_RUNS": str(self.runs),
            "BACKBONE_LAB_DATA": str(self.data),
            "BACKBONE_LAB_CACHE": str(self.home / "cache"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, f"--server.port={self.port}"],
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._healthy, what="the server")

    def kill(self) -> None:
        """Ends the process without a word of warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def _healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{self.url}/_stcore/health", timeout=2):
                return True
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(home: Path) -> Iterator[Server]:
    """Starts the app on a free port; in the end stops it with every trainer on its runs, and looks into its log."""
    server = Server(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        kill_trainers(home)
    found = [line for line in server.log.splitlines() if any(fault in line for fault in FAULTS)]
    assert not found, server.log[-6000:]


def trainers(path: Path) -> list[psutil.Process]:
    """Returns the training processes on a run's folder, or on all runs under a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or ()
        if "--run" in words and any(word.startswith(str(path)) for word in words):
            found.append(process)
    return found


def kill_trainers(path: Path) -> None:
    """Ends the training processes on a run's folder, or on all runs under a folder."""
    for process in trainers(path):
        process.kill()


def wait_for(condition: Callable[[], object], seconds: float = WAIT_SECONDS, what: str = "a condition") -> None:
    """Waits until a condition holds that the browser does not show."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)
