"""The frame of every lesson: question, prediction, play, answer, why, and where the app uses it."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.errors import InputError
from pages.learn import predictions
from pages.learn.lesson import Lesson, Question
from pages.learn.table import LESSONS
from pages.ui.kit import clicks, components, form_fields, nav
from pages.ui.kit.page_states import broken
from pages.ui.session import address
from pages.ui.text.i18n import N_, _, _n, translate_error
from pages.ui.text.number_format import together

LESSON = address.Bound("lesson")
STEP = address.Bound("step")
"""``play`` once something was predicted (or left out), ``answer`` once the answer was asked for."""
ON = form_fields.kept("bl-learn-on")
GROUNDS = {"numbers": N_("On numbers"), "own": N_("On your own network")}


def draw(lesson: Lesson) -> None:
    """Draws a lesson as far as it has come."""
    step = STEP.among(("play", "answer"), "")
    ground = _head(lesson, begun=bool(step))
    question = lesson.ask()
    if not step:
        _predict(lesson, question)
        return
    _said(lesson, question, shown=step == "answer")
    try:
        if ground == "own" and lesson.own is not None:
            lesson.own()
        else:
            lesson.play()
    except InputError as error:
        broken(_("This does not work as it is"), translate_error(error), icon="report", tone="warn")
    why = lesson.why()
    components.why(why.text, formula=why.formula, paper=why.source, key="bl-learn-why")
    _foot(lesson)


def _head(lesson: Lesson, *, begun: bool) -> str:
    """Draws the lesson's name and place, and where it is tried once it has begun; returns that."""
    names = list(LESSONS)
    place = _("Lesson {n} of {all}").format(n=names.index(lesson.name) + 1, all=len(names))
    minutes = _n("{n} minute", "{n} minutes", lesson.minutes).format(n=lesson.minutes)
    with st.container(horizontal=True, vertical_alignment="center", key="bl-learn-head"):
        nav.link("learn", _("All lessons"), icon=":material/arrow_back:")
        st.html(f'<p class="bl-note">{escape(place)} · {escape(minutes)}</p>', width="stretch")
        ground = "numbers"
        if begun and lesson.own is not None:
            ground = form_fields.choice(
                _("Where to try it"), GROUNDS, "bl-learn-on", default="numbers", label_visibility="collapsed"
            )
    st.html(f'<header class="bl-header"><h1>{escape(_(lesson.title))}</h1><p>{escape(_(lesson.question))}</p></header>')
    return ground


def _predict(lesson: Lesson, question: Question) -> None:
    """Draws the question; its answer is scored when it is given, and shown when it is asked for."""
    with st.container(key="bl-learn-predict", border=True):
        st.html(f'<h2 class="bl-learn-ask">{escape(together(question.text))}</h2>')
        if lesson.pose is not None:
            lesson.pose()
        said = st.radio(
            _("Your prediction"),
            list(question.options),
            index=None,
            format_func=lambda name: question.options[name],
            key=f"bl-learn-said-{lesson.name}",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if clicks.button(
                _("That is my prediction"),
                type="primary",
                icon=":material/how_to_vote:",
                disabled=said is None,
                key="bl-learn-give",
            ):
                predictions.give(lesson.name, question, str(said))
                STEP.choose("play")
                st.rerun()
            if clicks.button(_("Try it without one"), type="tertiary", key="bl-learn-skip"):
                STEP.choose("play")
                st.rerun()


def _said(lesson: Lesson, question: Question, *, shown: bool) -> None:
    """Draws what was predicted, and its answer once it is asked for."""
    kept = predictions.given(lesson.name)
    said = question.options.get(kept.said, "") if kept else ""
    with st.container(key="bl-learn-said", border=True, horizontal=True, vertical_alignment="center"):
        st.html(_verdict(question, said, kept, shown=shown), width="stretch")
        if not shown and clicks.button(
            _("Show the answer"), icon=":material/visibility:", key="bl-learn-reveal", type="secondary"
        ):
            STEP.choose("answer")
            st.rerun()
        if clicks.button(_("Predict anew"), icon=":material/replay:", key="bl-learn-anew", type="tertiary"):
            predictions.take_back(lesson.name)
            STEP.choose(None)
            st.rerun()


def _verdict(question: Question, said: str, kept: predictions.Prediction | None, *, shown: bool) -> str:
    own = _("You predicted: {said}").format(said=said) if said else _("Without a prediction")
    if not shown:
        task = _("Now try it below: can you see the answer?")
        asked = escape(together(question.text))
        return f'<p class="bl-learn-line"><b>{asked}</b> <span>{escape(own)}.</span> {escape(task)}</p>'
    tone, symbol = ("", "lightbulb")
    if kept is not None and said:
        tone, symbol = (" bl-good", "check_circle") if kept.right else (" bl-warn", "change_circle")
    answer = _("The answer: {answer}").format(answer=question.options[question.answer])
    slip = question.slips.get(kept.said, "") if kept is not None and not kept.right else ""
    because = together(f"{question.because} {slip}".strip())
    return (
        f'<div class="bl-learn-line{tone}"><span class="bl-symbol" aria-hidden="true">{symbol}</span><div>'
        f"<p><b>{escape(together(question.text))}</b></p>"
        f"<p>{escape(own)}. <b>{escape(answer)}.</b> {escape(because)}</p></div></div>"
    )


def _foot(lesson: Lesson) -> None:
    components.section(_("Where the app uses it"))
    with st.container(key="bl-learn-used", gap="xxsmall"):
        for page, sentence in lesson.used:
            nav.link(page, _(sentence))
    names = list(LESSONS)
    following = names[names.index(lesson.name) + 1 :]
    if following:
        components.next_step(
            "learn",
            _("Next lesson: {title}").format(title=_(LESSONS[following[0]].title)),
            lesson=following[0],
            **{ON.param: "numbers"},
        )
    else:
        components.next_step("learn", _("All lessons"))
