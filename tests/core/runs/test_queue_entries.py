"""The order of the queue, as arithmetic: fair, and the same for everyone."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from core.runs.queue_entries import Ticket, order


def tickets(chance: random.Random, owners: str = "abcd") -> list[Ticket]:
    return [
        Ticket(chance.choice((0, 0, 0, 1, 2)), chance.choice(owners), chance.choice((1.0, 2.0, 3.0)), str(number))
        for number in range(chance.randrange(1, 14))
    ]


@pytest.mark.parametrize("seed", range(200))
def test_everyone_computes_the_same_order(seed: int) -> None:
    chance = random.Random(seed)
    standing = tickets(chance)
    served = {owner: chance.random() for owner in "abcd" if chance.random() < 0.7}
    found = order(standing, served)
    assert sorted(found) == sorted(standing)
    chance.shuffle(standing)
    assert order(standing, served) == found
    fronts = [ticket.front for ticket in found]
    assert fronts == sorted(fronts, reverse=True)


@pytest.mark.parametrize("seed", range(200))
def test_owners_take_turns_and_keep_their_own_order(seed: int) -> None:
    chance = random.Random(seed)
    standing = [Ticket(0, t.owner, t.queued, t.id) for t in tickets(chance)]
    found = order(standing, {})
    total, so_far = Counter(ticket.owner for ticket in found), Counter[str]()
    for ticket in found:
        so_far[ticket.owner] += 1
        waiting = [owner for owner in total if so_far[owner] < total[owner]]
        assert all(so_far[ticket.owner] - so_far[owner] <= 1 for owner in waiting)
    for owner in total:
        own = [(ticket.queued, ticket.id) for ticket in found if ticket.owner == owner]
        assert own == sorted(own)


@pytest.mark.parametrize("seed", range(50))
def test_nobody_starves_however_many_the_others_queue(seed: int) -> None:
    """With arrivals all the time, one who waits is served after at most one run of every other owner."""
    chance, clock = random.Random(seed), itertools.count()
    standing = [Ticket(0, owner, float(next(clock)), f"{owner}0") for owner in "abc" for _ in range(3)]
    standing = [Ticket(0, t.owner, t.queued, f"{t.owner}{number}") for number, t in enumerate(standing)]
    served: dict[str, float] = {}
    patience: Counter[str] = Counter()
    for _ in range(200):
        found = order(standing, served)
        winner = found[0]
        standing.remove(winner)
        for owner in {ticket.owner for ticket in standing} - {winner.owner}:
            patience[owner] += 1
            assert patience[owner] <= 3
        patience[winner.owner] = 0
        served[winner.owner] = float(next(clock))
        for _ in range(chance.randrange(3)):
            owner = chance.choice("aaaaaabcd")
            standing.append(Ticket(0, owner, float(next(clock)), f"{owner}-{next(clock)}"))
        if not standing:
            break


def test_who_was_served_longest_ago_is_next() -> None:
    standing = [Ticket(0, owner, moment, owner) for moment, owner in enumerate("abcd")]
    found = order(standing, {"a": float("inf"), "b": 20.0, "c": 10.0})
    assert [ticket.owner for ticket in found] == ["d", "c", "b", "a"]


@pytest.mark.parametrize("record", [None, 3, [], {}, {"front": "x", "owner": "", "queued": 1, "id": "a"}, {"front": 1}])
def test_what_is_no_ticket_is_none(record: Any) -> None:
    assert Ticket.read(record) is None
