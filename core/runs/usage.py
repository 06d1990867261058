"""What a training process takes of its machine, as far as the system and the driver report.

Read by whoever views the run, not by the trainer: it costs the training nothing.
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """The readings of one point in time; ``None`` where nothing is reported.

    Attributes:
        cores: Processor cores the process keeps busy, since the last reading.
        all_cores: Cores of the machine.
        memory: Bytes of main memory the process holds.
        memory_free: Bytes of main memory nobody uses.
        temperature: Of the hottest processor core, in degrees Celsius.
        gpu: The GPU's name.
        gpu_busy: Share of the last moments in which the GPU computed.
        gpu_memory: Bytes of its memory in use, by anybody.
        gpu_memory_total: All of its memory.
        gpu_temperature: In degrees Celsius.
        gpu_power: In watts.
    """

    cores: float | None = None
    all_cores: int | None = None
    memory: int | None = None
    memory_free: int | None = None
    temperature: float | None = None
    gpu: str | None = None
    gpu_busy: float | None = None
    gpu_memory: int | None = None
    gpu_memory_total: int | None = None
    gpu_temperature: float | None = None
    gpu_power: float | None = None


class Meter:
    """Reads the usage of one process again and again.

    Args:
        pid: The process.
        device: The device it computes on, such as ``cpu`` or ``cuda:1``.
    """

    def __init__(self, pid: int, device: str) -> None:
        self.pid, self.device = pid, device
        self._last: tuple[float, float] | None = None
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.Error:
            self._process = None

    def read(self) -> Usage:
        """Returns the readings of this moment; the processor's load is known from the second call on."""
        found: dict[str, Any] = {
            "all_cores": os.cpu_count(),
            "memory_free": int(psutil.virtual_memory().available),
            "temperature": _temperature(),
        }
        if self._process is not None:
            with suppress(psutil.Error), self._process.oneshot():  # it may end between two looks
                found["memory"] = int(self._process.memory_info().rss)
                times = self._process.cpu_times()
                found["cores"] = self._load(times.user + times.system)
        if self.device.startswith("cuda"):
            found |= self._gpu()
        return Usage(**found)

    def _load(self, cpu_seconds: float) -> float | None:
        now = time.monotonic()
        before, self._last = self._last, (now, cpu_seconds)
        if before is None or now - before[0] < 0.05:
            return None
        return max(0.0, (cpu_seconds - before[1]) / (now - before[0]))

    def _gpu(self) -> dict[str, Any]:
        """Asks NVIDIA's driver, if its Python binding is installed."""
        try:
            pynvml: Any = importlib.import_module("pynvml")
        except ImportError:
            return {}
        found: dict[str, Any] = {}
        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            try:
                handle = self._handle(pynvml)
                name = pynvml.nvmlDeviceGetName(handle)
                found["gpu"] = name.decode() if isinstance(name, bytes) else str(name)
                for ask in (_gpu_memory, _gpu_load, _gpu_temperature, _gpu_power):
                    with suppress(pynvml.NVMLError):  # this card does not report it
                        found |= ask(pynvml, handle)
            finally:
                pynvml.nvmlShutdown()
        return found

    def _handle(self, pynvml: ModuleType) -> object:
        """Returns the card that the process computes on: the one that names it, else the one with its number."""
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            if any(known.pid == self.pid for known in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)):
                return handle
        number = int(self.device.partition(":")[2] or 0)
        visible = self._visible()
        chosen = visible[number] if number < len(visible) else str(number)
        if chosen.isdigit():
            return pynvml.nvmlDeviceGetHandleByIndex(int(chosen))
        return pynvml.nvmlDeviceGetHandleByUUID(chosen.encode())

    def _visible(self) -> list[str]:
        """Returns the cards that the process was let see, as its environment names them."""
        try:
            listed = self._process.environ().get("CUDA_VISIBLE_DEVICES", "") if self._process else ""
        except psutil.Error:
            listed = ""
        return [word.strip() for word in listed.split(",") if word.strip()]


def _gpu_memory(pynvml: ModuleType, handle: object) -> dict[str, Any]:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {"gpu_memory": int(memory.used), "gpu_memory_total": int(memory.total)}


def _gpu_load(pynvml: ModuleType, handle: object) -> dict[str, Any]:
    return {"gpu_busy": pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100}


def _gpu_temperature(pynvml: ModuleType, handle: object) -> dict[str, Any]:
    return {"gpu_temperature": float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))}


def _gpu_power(pynvml: ModuleType, handle: object) -> dict[str, Any]:
    return {"gpu_power": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _temperature() -> float | None:
    """Returns the hottest core's temperature where the system has a sensor for it."""
    sensors = getattr(psutil, "sensors_temperatures", None)
    if sensors is None:
        return None
    try:
        known = sensors()
    except OSError:
        return None
    values = [
        entry.current
        for name in ("coretemp", "k10temp", "zenpower", "cpu_thermal")
        for entry in known.get(name, ())
        if entry.current
    ]
    return max(values, default=None)
