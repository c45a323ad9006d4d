"""The line above a case: what it says of the case, in one line."""

from __future__ import annotations

from dashboard.components.case_bar import title


def test_the_tooltip_has_all_of_the_line_and_a_name_is_no_markup() -> None:
    assert title("Left <b>breast</b>", "ECRZBKENFGBK", "2 of 6") == (
        '<div class="mmx-title" title="Left &lt;b&gt;breast&lt;/b&gt; · case ECRZBKENFGBK · 2 of 6">'
        "<b>Left &lt;b&gt;breast&lt;/b&gt;</b><span> · case ECRZBKENFGBK · 2 of 6</span></div>"
    )


def test_a_code_that_the_name_holds_is_said_once() -> None:
    assert title("Case ECRZBKENFGBK", "ECRZBKENFGBK", "").count("ECRZBKENFGBK") == 2  # on the line, and in its tooltip
    assert title('"', "", "") == '<div class="mmx-title" title="&quot;"><b>&quot;</b><span></span></div>'
