"""Errors that a person can act on."""

from __future__ import annotations

import errno
from typing import Any


class Cancelled(Exception):
    """The work was ended by the person who asked for it; callbacks raise it, and what it was part of is dropped."""


class InputError(ValueError):
    """A request that cannot be carried out as it was given.

    The message is a whole sentence (what, where, what to do) kept as a template and its values apart, so
    that a page can translate the template and the values stay data.

    Args:
        template: A sentence in ``str.format`` style, a constant in the source.
        **values: What the template names.

    Example:
        >>> str(InputError("There is no class {name}.", name="cat"))
        'There is no class cat.'
    """

    def __init__(self, template: str, /, **values: Any) -> None:
        self.template = template
        self.values = values
        super().__init__(template.format(**values))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.template, self.values)


def _rebuild(kind: type[InputError], template: str, values: dict[str, Any]) -> InputError:
    return kind(template, **values)


class WeightsUnavailable(InputError):
    """Pretrained weights are neither on this machine nor to be downloaded from here."""


class RunMissing(InputError):
    """A run that was named does not exist (any more)."""


class OutOfMemory(InputError):
    """The device has too little memory for a step of this size."""


class StorageError(InputError):
    """A file could not be written: the disk is full, or may not be written."""


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors that say that a file has no room to grow."""


def storage_error(error: BaseException) -> StorageError | None:
    """Returns what a system's error says of the disk, as a sentence; ``None`` where it is about something else."""
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("The disk is full. What was saved before is kept: free some room, then go on or try again.")
    if error.errno == errno.EFBIG:
        return StorageError(
            "A file became larger than the disk or the system's limits allow. What was saved before is kept: allow "
            "larger files, then go on or try again."
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM) and error.filename is not None:
        return StorageError(
            "{path} may not be read or written. Check the permissions of its folder, then go on or try again.",
            path=str(error.filename),
        )
    return None
