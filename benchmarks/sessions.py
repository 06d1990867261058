"""How much memory the server holds for each browser session, page by page.

    python -m benchmarks.sessions [--sessions 30] [--pages data,runs]

A server of its own, with one small finished run, is asked for a page over as many websockets as there are sessions,
as so many browsers would ask, and the sessions stay. Some that came before them have had the server load what it loads
once. Printed, in kB a session: memory that only the server holds (USS), by what it grew while they came; and what the
sessions were sent for their first picture of the page.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

from psutil import Process
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from benchmarks.timing import options, report
from benchmarks.window import server
from core.runs import launch
from core.runs.status import ENDED
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from pages.ui.kit.nav import PLACES

DRAWN = ForwardMsg.FINISHED_SUCCESSFULLY
WARMING = 6
OF_A_RUN = ("evaluate", "runs", "feature_maps", "filters", "heatmaps", "try_it", "compare")


def main() -> None:
    """Measures, and prints one line of JSON."""
    given = options(__doc__, sessions=30, pages="")
    names = given.pages.split(",") if given.pages else list(PLACES)
    held, sent = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        run = _trained(Path(folder) / "runs")
        for name in names:
            query = {"runs" if name == "compare" else "run": run} if name in OF_A_RUN else {"data": "digits"}
            with server(Path(folder)) as (url, process):
                held[name], sent[name] = _measured(url, process, name, query, given.sessions)
            print(name, held[name], sent[name], flush=True)
    report("sessions", sessions=given.sessions, kb_held=held, kb_sent=sent, most=max(held.values()))


def _trained(runs: Path) -> str:
    """Trains a small run to its end, and returns its id."""
    recipe = make_recipe("linear-probe", epochs=2)
    run = launch.start(
        Experiment(
            DataSpec("digits", test_share=0.2, images_per_class=20),
            ModelSpec("efficientnet_lite0", recipe.weights),
            TrainingSpec("linear-probe", recipe.phases, device="cpu", precision="fp32"),
            recipe.freeze,
        ),
        runs,
    )
    while run.state not in ENDED:
        time.sleep(0.5)
    return run.id


def _measured(url: str, process: Process, name: str, query: dict[str, str], sessions: int) -> tuple[int, int]:
    """Returns kB that the server holds for a session on a page, and kB that it sent to one."""
    with ExitStack() as kept:
        for _ in range(WARMING):
            _opened(kept, url, name, query)
        before = _settled(process)
        sent = sum(_opened(kept, url, name, query) for _ in range(sessions))
        grown = _settled(process) - before
    return round(grown / sessions / 1000), round(sent / sessions / 1000)


def _opened(kept: ExitStack, url: str, name: str, query: dict[str, str]) -> int:
    """Opens a session and waits until its page is drawn; returns the bytes that came."""
    connection = kept.enter_context(
        connect(
            f"{url.replace('http', 'ws', 1)}/_stcore/stream",
            origin=Origin(url),
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            compression=None,
            proxy=None,
        )
    )
    asked = BackMsg()
    asked.rerun_script.query_string = urlencode(query)
    asked.rerun_script.page_name = name
    asked.rerun_script.context_info.url = f"{url}/{name}?{urlencode(query)}"
    connection.send(asked.SerializeToString())
    size = 0
    while True:
        data = connection.recv(timeout=300)
        assert isinstance(data, bytes)
        size += len(data)
        message = ForwardMsg()
        message.ParseFromString(data)
        if message.WhichOneof("type") == "script_finished" and message.script_finished == DRAWN:
            return size


def _settled(process: Process) -> int:
    """Returns the memory that only this process holds, in bytes, once it does not change any more."""
    last = -1
    while True:
        time.sleep(1.5)
        now: int = process.memory_full_info().uss
        if abs(now - last) < 200_000:
            return now
        last = now


if __name__ == "__main__":
    main()
