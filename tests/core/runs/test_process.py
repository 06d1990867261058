"""A process is known by what no clock moves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import pytest

from core.runs import process
from core.runs.process import START_GRACE, launch_stamp, process_stamp
from core.runs.status import RunStatus


def alive(record: dict[str, Any]) -> bool:
    return process.alive(RunStatus.read(record))


linux = pytest.mark.skipif(process.boot() is None, reason="the system tells no boot id")


def test_this_process_is_alive_and_a_dead_one_is_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = {**process_stamp(), "pid": child.pid, "ticks": process._ticks(child.pid)}
    assert alive(process_stamp())
    assert alive({**record, "create_time": process.psutil.Process(child.pid).create_time()})
    child.kill()
    for _ in range(200):
        if process._ticks(child.pid) is None:
            break
        time.sleep(0.01)
    assert not alive(record)  # a zombie: nobody has waited for it yet
    child.wait()
    assert not alive(record)


@linux
def test_a_step_of_the_clock_moves_no_process() -> None:
    assert alive({**process_stamp(), "create_time": time.time() + 86_400})


@linux
@pytest.mark.parametrize("change", [{"boot": "another"}, {"boot": None}, {"ticks": 1}])
def test_another_boot_or_start_is_another_process(change: dict[str, Any]) -> None:
    assert not alive({**process_stamp(), **change})


def test_without_ticks_the_time_of_creation_tells() -> None:
    created = process_stamp()["create_time"]
    assert alive({"pid": os.getpid(), "create_time": created + 1})
    assert not alive({"pid": os.getpid(), "create_time": created + 100})


def test_one_not_yet_named_has_a_while_to_appear_whatever_the_clock_says() -> None:
    stamp = asdict(launch_stamp())
    for launched in (0.0, time.time(), time.time() + 1e6):
        assert alive({"pid": None, "launched": launched, "spawned": stamp})
    late = {**stamp, "uptime": stamp["uptime"] - START_GRACE - 1}
    assert not alive({"pid": None, "launched": time.time(), "spawned": late})
    assert not alive({"pid": None, "launched": time.time(), "spawned": {**stamp, "boot": "another"}})
    assert alive({"pid": None, "launched": time.time()})
    for launched in (0.0, time.time() + 1e6, None):
        assert not alive({"pid": None, "launched": launched})


@pytest.mark.parametrize("pid", ["x", -1, 2**70, [], {}, 0.5])
def test_a_hostile_pid_is_no_process(pid: Any) -> None:
    assert not alive({"pid": pid, "create_time": 0.0})
    assert not alive({**process_stamp(), "pid": pid})
