"""A real server and a real browser.

The server runs as a person would start it, on a free port, with folders of its own. The browser is the system's
Chromium, driven by Playwright.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

PROJECT = Path(__file__).resolve().parents[2]
WAIT_MS = 30_000
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

expect.set_options(timeout=WAIT_MS)


@dataclass
class Server:
    """A running app.

    Attributes:
        url: Its address, without a slash at the end.
        home: The folder under which its ``runs`` and ``data`` lie.
        process: The server's process.
    """

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def data(self) -> Path:
        return self.home / "data"


@contextmanager
def serve(home: Path) -> Iterator[Server]:
    """Starts the app on a free port and stops it, and every trainer that it launched, in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "data").mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "BACKBONE_LAB_RUNS": str(home / "runs"),
        "BACKBONE_LAB_DATA": str(home / "data"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, f"--server.port={port}"], cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    server = Server(f"http://127.0.0.1:{port}", home, process)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        process.terminate()
        process.wait(20)
        for trainer in psutil.process_iter(["cmdline"]):
            if str(home) in " ".join(trainer.info["cmdline"] or ()):
                trainer.kill()


def _wait_until_healthy(server: Server) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.process.poll() is None, (server.home / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not need a cold one."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def cold_server(tmp_path: Path) -> Callable[[], contextmanager[Server]]:
    """Starts a server that has drawn no page yet."""
    return lambda: serve(tmp_path / "cold")


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Makes Playwright use the system's browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path, "no Chromium is installed; bash tests/run installs it"
    return {"executable_path": path, "args": list(CHROMIUM_FLAGS), "headless": True}


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """Gives every test a desktop-sized window."""
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def calm(page: Page) -> Iterator[Page]:
    """A page that fails its test when the browser reports an uncaught error or the app shows a traceback."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert not errors, errors
    assert page.get_by_test_id("stException").count() == 0
