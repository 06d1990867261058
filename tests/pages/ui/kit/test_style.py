"""The style sheets: what every page is sent costs every page."""

from __future__ import annotations

import re

import pytest

from pages.ui.kit.style import ASSETS

WHOLE = re.compile(
    r"(?:\.stApp|\[data-testid=\"st(?:App|Main|AppViewContainer)\"\]|:root|\bhtml|\bbody)[^\s,{>+~]*:has\("
)


@pytest.mark.parametrize("name", sorted(path.name for path in ASSETS.glob("*.css")))
def test_no_rule_asks_what_is_anywhere_in_the_app(name: str) -> None:
    """A browser finds the styles of all that is below anew whenever such a rule could answer otherwise."""
    sheet = (ASSETS / name).read_text(encoding="utf-8")
    assert WHOLE.findall(sheet) == []
    assert WHOLE.findall(sheet + ".stApp:has(.bl-x) p { margin: 0 }"), "one that was written is found"
