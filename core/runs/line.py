"""The order in which runs get a device: arithmetic on tickets, the same in every process that computes it.

Owners take turns (round robin, Nagle 1987, RFC 970): in each round every owner who waits gets one run, the one who was
served longest ago first; among one owner's runs, the one queued first. What people brought to the front comes before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the line. Two runs that change places change tickets.

    Attributes:
        front: 0, or the larger, the later somebody brought it to the front.
        owner: Whose turn it uses.
        queued: When it was queued, in seconds since 1970.
        id: The run's id, so that no two tickets are equal.
    """

    front: int
    owner: str
    queued: float
    id: str

    @classmethod
    def read(cls, record: Any) -> Ticket | None:
        """Returns the ticket in a JSON object, or ``None`` if it is none."""
        try:
            return cls(int(record["front"]), str(record["owner"]), float(record["queued"]), str(record["id"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def order(tickets: Iterable[Ticket], served: Mapping[str, float]) -> list[Ticket]:
    """Returns the tickets in the order in which they are served.

    Args:
        tickets: Those that wait for one device.
        served: When each owner was last given the device, in seconds since 1970; who never was is left out, and
            whoever has it now is at infinity.
    """
    waiting = sorted(tickets, key=lambda ticket: (ticket.queued, ticket.id))
    first = sorted((t for t in waiting if t.front), key=lambda ticket: -ticket.front)
    rounds: dict[str, int] = defaultdict(int)
    places: list[tuple[int, float, int, Ticket]] = []
    for index, ticket in enumerate(t for t in waiting if not t.front):
        places.append((rounds[ticket.owner], served.get(ticket.owner, float("-inf")), index, ticket))
        rounds[ticket.owner] += 1
    return [*first, *(ticket for *_, ticket in sorted(places))]
