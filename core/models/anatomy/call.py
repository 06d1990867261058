"""One call of a module in a traced forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.models.anatomy.receptive_field import Shape, Trail


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module.

    Attributes:
        name: Qualified name of the module; empty for the network itself.
        kind: Name of its class.
        entry: Shape of the first tensor going in, batch included; empty if there is none.
        exit: Shape of the first tensor coming out, likewise.
        children: Calls made inside this one, in order.
        order: Position among all calls by the time they returned.
        source: The innermost call that made the very tensor that this one returned.
        trail: What each cell of that tensor sees of the image; ``None`` where it is not computed from the image.
        macs: Multiply-adds for one image in this call itself, not those inside.
        borrowed_macs: Multiply-adds in this call itself, with weights of modules that did not run.
        merges: Sums and concatenations of paths in this call itself: their kind, the number of paths, and whether
            one of them was there before the call began.
        began: Time of its beginning, as trails count it.
        owns_memory: Whether what it returned is memory of its own: neither its input's (in place, or seen otherwise),
        nor
            that of a call inside it.
    """

    name: str
    kind: str
    entry: Shape
    exit: Shape = ()
    children: list[Call] = field(default_factory=list)
    order: int = -1
    source: Call | None = None
    trail: Trail | None = None
    macs: int = 0
    borrowed_macs: int = 0
    merges: list[tuple[str, int, bool]] = field(default_factory=list)
    began: int = 0
    owns_memory: bool = False

    @property
    def origin(self) -> Call:
        """The innermost call that made the tensor this one returned; itself, if it made it."""
        return self.source or self

    def walk(self) -> Iterator[Call]:
        """Yields this call and all inside it, in the order in which they returned."""
        for child in self.children:
            yield from child.walk()
        yield self
