"""Errors that a person can act on."""

from __future__ import annotations

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
