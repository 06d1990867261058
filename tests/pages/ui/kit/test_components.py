"""Parts of every page: figures are not broken, names turn nothing that stands beside them."""

from __future__ import annotations

import pytest

from pages.ui.kit import components
from pages.ui.kit.components import Figure


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Most often כלבים is taken for قطط منزلية: 8 images.", ("<bdi>כלבים</bdi>", "<bdi>قطط منزلية</bdi>: 8")),
        ("<b> is سگ ۲ خانگی", ("&lt;b&gt; is <bdi>سگ ۲ خانگی</bdi>",)),
        ("cats · 98.3 %", ("cats\u00a0· 98.3\u00a0%",)),
    ],
)
def test_a_name_from_right_to_left_stands_by_itself(text: str, html: tuple[str, ...]) -> None:
    made = components.phrase(text)
    for part in html:
        assert part in made


def test_a_long_figure_takes_the_room_of_two_and_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(components.st, "html", drawn.append)
    components.metrics([Figure("Output", "112 × 112 × 32"), Figure("Share", "98.3 %")], compact=True)
    assert "112\u00a0×\u00a0112\u00a0×\u00a032" in drawn[0]
    assert drawn[0].count("bl-wide") == 1
