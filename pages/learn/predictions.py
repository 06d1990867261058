"""What was predicted in this session: scored when it is given, before the answer is shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.learn.lesson import Question

_KEPT = "bl.learn.predictions"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was said to a lesson's question, and whether it is right."""

    said: str
    right: bool


def given(lesson: str) -> Prediction | None:
    """Returns what was predicted in a lesson; ``None`` before anything was."""
    found: dict[str, Prediction] = st.session_state.get(_KEPT, {})
    return found.get(lesson)


def give(lesson: str, question: Question, said: str) -> Prediction:
    """Scores and keeps a prediction."""
    made = Prediction(said, said == question.answer)
    st.session_state[_KEPT] = {**st.session_state.get(_KEPT, {}), lesson: made}
    return made


def take_back(lesson: str) -> None:
    """Forgets what was predicted in a lesson."""
    st.session_state[_KEPT] = {name: kept for name, kept in st.session_state.get(_KEPT, {}).items() if name != lesson}


def score() -> tuple[int, int]:
    """Returns how many predictions of this session were right, and how many there were."""
    found: dict[str, Prediction] = st.session_state.get(_KEPT, {})
    return sum(kept.right for kept in found.values()), len(found)
