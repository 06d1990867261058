"""A link may name a revision that is not stored here: that is said, and the files can be taken as they lie."""

from __future__ import annotations

import pytest

from core.specs import DataSpec

LOST = DataSpec("shapes", test_share=0.2, revision="0" * 20)


@pytest.mark.parametrize("page", ["data", "train", "backbone"])
def test_a_revision_that_is_not_stored_here_is_said(open_page, words, page) -> None:
    app = open_page(page, session={"bl.data": LOST})
    assert not app.exception
    said = words(app)
    assert "There is no revision 00000000000000000000 here" in said
    if page == "data":
        app.button(key="bl-repair-files").click().run()
        assert app.session_state["bl.data"] == DataSpec("shapes", test_share=0.2)
