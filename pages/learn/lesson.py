"""What a lesson consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Question:
    """What is predicted before anything is shown; its answer is worked out, not written down.

    Attributes:
        text: The question, translated.
        options: What can be answered: a short name -> its words, translated.
        answer: The name of the right one.
        because: Why it is right, one or two translated sentences.
        slips: What stands behind a wrong answer, by its name, translated.
    """

    text: str
    options: Mapping[str, str]
    answer: str
    because: str
    slips: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Why:
    """What stands behind "Why?": a translated paragraph, a formula (LaTeX), and the source's title and address."""

    text: str
    formula: str
    source: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson: ``/learn?lesson=<name>`` opens it. Words are marked for translation.

    Attributes:
        name: Its name in an address.
        title: What it is called.
        question: What it answers, one sentence.
        minutes: How long it takes, about.
        icon: Name of a Material symbol.
        ask: Returns the prediction that it begins with.
        play: Draws what is played with.
        why: Returns what stands behind "Why?".
        used: Where the app uses it: name of a page and a sentence.
        own: Draws the same on the person's own network and picture; ``None`` where that makes no sense.
        own_alone: Whether ``play`` itself is on the person's own network.
        pose: Draws what belongs to the question, before the prediction; ``None`` for words alone.
    """

    name: str
    title: str
    question: str
    minutes: int
    icon: str
    ask: Callable[[], Question]
    play: Callable[[], None]
    why: Callable[[], Why]
    used: tuple[tuple[str, str], ...]
    own: Callable[[], None] | None = None
    own_alone: bool = False
    pose: Callable[[], None] | None = None
