"""What it costs a training that people watch it.

    python -m benchmarks.watching [--tabs 6] [--seconds 12] [--rounds 6]

A run trains, and a server shows it to so many tabs, or to none, in turns. A tab is a session that asks as a browser
does: once for the page, and then for each renewal that the server tells it to ask for. What a browser itself takes to
draw is not counted, as it is usually another machine's. Printed: the ratio of the steps a second with
and without tabs, the median over rounds; and, for a tab, the server's processor time and the bytes sent.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.timing import options, report
from benchmarks.window import cpu, server
from core.runs import launch
from core.runs.status import ENDED
from core.runs.store import Run
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe


class Tab(threading.Thread):
    """One session that watches a run.

    Args:
        url: The server's address.
        run: The run that is watched.
    """

    def __init__(self, url: str, run: Run) -> None:
        super().__init__(daemon=True)
        self.url, self.query = url, f"run={run.id}"
        self.received = self.renewals = 0
        self._end = threading.Event()

    def run(self) -> None:
        """Asks for the page, and renews what renews itself, until :meth:`close`."""
        address = f"{self.url.replace('http', 'ws')}/_stcore/stream"
        with connect(address, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            self._ask(socket)
            due: dict[str, tuple[float, float]] = {}
            while not self._end.is_set():
                for fragment, (interval, moment) in due.items():
                    if time.monotonic() >= moment:
                        due[fragment] = (interval, time.monotonic() + interval)
                        self.renewals += 1
                        self._ask(socket, fragment)
                try:
                    data = socket.recv(timeout=0.05)
                except TimeoutError:
                    continue
                except ConnectionClosed:
                    return
                self.received += len(data)
                message = ForwardMsg.FromString(data)  # type: ignore[arg-type]
                if message.WhichOneof("type") == "auto_rerun":
                    interval = message.auto_rerun.interval
                    due[message.auto_rerun.fragment_id] = (interval, time.monotonic() + interval)

    def close(self) -> None:
        """Ends the session."""
        self._end.set()
        self.join(10)

    def _ask(self, socket: Any, fragment: str = "") -> None:
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_name = self.query, "train"
        if fragment:
            asked.fragment_id, asked.is_auto_rerun = fragment, True
        socket.send(message.SerializeToString())


def long_run(home: Path) -> Run:
    """Starts a run of short epochs that goes on for longer than the measurement."""
    recipe = make_recipe("full", epochs=10_000, weights="none")
    return launch.start(
        Experiment(
            DataSpec("digits", images_per_class=20),
            ModelSpec("resnet18", "none", image_size=64),
            TrainingSpec("full", recipe.phases, batch_size=32, device="cpu", precision="fp32"),
            freeze=recipe.freeze,
        ),
        home / "runs",
    )


def speed(run: Run, seconds: float) -> float:
    """Returns the optimizer steps a second that the run makes, by its own count."""

    def told() -> tuple[float, float]:
        status = run.status()
        return float(status.step), status.heartbeat or 0.0

    begin = told()
    time.sleep(seconds)
    end = told()
    return (end[0] - begin[0]) / (end[1] - begin[1])


def compare(url: str, process: psutil.Process, run: Run, tabs: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Measures in turns without and with tabs."""
    ratios, busy, sent, renewals = [], [], [], []
    for _ in range(rounds):
        alone = speed(run, seconds)
        watching = [Tab(url, run) for _ in range(tabs)]
        for tab in watching:
            tab.start()
        time.sleep(3)  # the pages are there
        before = (cpu(process), sum(tab.received for tab in watching), sum(tab.renewals for tab in watching))
        begin = time.monotonic()
        watched = speed(run, seconds)
        spent = time.monotonic() - begin
        after = (cpu(process), sum(tab.received for tab in watching), sum(tab.renewals for tab in watching))
        for tab in watching:
            tab.close()
        time.sleep(1)
        ratios.append(watched / alone)
        busy.append((after[0] - before[0]) / spent / tabs)
        sent.append((after[1] - before[1]) / spent / tabs)
        renewals.append((after[2] - before[2]) / spent / tabs)
    return {
        "tabs": tabs,
        "rounds": rounds,
        "speed_with_over_without": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "server_cpu_share_a_tab": round(statistics.median(busy), 4),
        "kilobytes_a_second_a_tab": round(statistics.median(sent) / 1000, 1),
        "renewals_a_second_a_tab": round(statistics.median(renewals), 2),
    }


def main() -> None:
    """Measures and prints one line."""
    arguments = options(__doc__, tabs=6, seconds=12.0, rounds=6)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, process):
        run = long_run(Path(folder))
        try:
            first = Tab(url, run)  # the server loads its libraries before anything is measured
            first.start()
            while len(run.metrics()[0]) < 3:
                assert run.state not in ENDED, run.log()
                time.sleep(0.5)
            time.sleep(20)
            first.close()
            found = compare(url, process, run, arguments.tabs, arguments.seconds, arguments.rounds)
            epochs = len(run.metrics()[0])
        finally:
            launch.stop(run)
            while run.state not in ENDED:
                time.sleep(0.5)
    report("watching", epochs=epochs, **found)


if __name__ == "__main__":
    main()
