"""Several processes that train one run together, as ``torchrun`` starts them.

All of them run the same command. The first one (rank 0) makes the run, waits for its device, writes its folder and
reads requests; the others follow. On several machines the runs' folder must be one that all of them see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import InputError
from core.runs.status import RunStatus
from core.runs.store import Run
from core.training.loop.distributed import joined


def work_together(
    make: Callable[[], Run], carry_out: Callable[[Run], RunStatus], device: str, roots: Sequence[Path] | None
) -> tuple[Run, RunStatus] | None:
    """Trains a run in this process and those started with it.

    Args:
        make: Makes or opens the run; called in the first process only.
        carry_out: Trains it there, from the queue to the last word in its status.
        device: ``auto``, ``cpu`` or ``cuda``.
        roots: Folders that images may be read under; ``None`` for no limit.

    Returns:
        In the first process the run and its final status; ``None`` in the others.

    Raises:
        InputError: The run cannot be made, found by all, or carried out.
    """
    with joined(device) as (world, _):
        if world.first:
            try:
                run = make()
            except BaseException:
                world.from_first("")
                raise
            world.from_first(str(run.path))
            return run, carry_out(run)
        path = str(world.from_first(None))
        if not path:  # the first process reports why
            return None
        run = Run(Path(path))
        if not run.exists:
            raise InputError(
                "Process {rank} does not see the run's folder {path}. Several machines need a folder that all of them "
                "share.",
                rank=world.rank,
                path=path,
            )
        from core.workflows.trainer_process.runner import train_along

        train_along(run, roots)
        return None
