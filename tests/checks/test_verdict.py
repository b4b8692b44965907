"""Figures beside their goals, and tables that a log cannot break out of."""

from __future__ import annotations

import re

import polars as pl
import pytest

from pipesim.checks.verdict import Figure, Verdict, markdown


@pytest.mark.parametrize(
    ("figure", "ok", "goal"),
    [
        (Figure(3.0), True, ""),
        (Figure(None, high=0.1), True, "at most 0.1"),
        (Figure(0.1, high=0.1), True, "at most 0.1"),
        (Figure(0.11, high=0.1), False, "at most 0.1"),
        (Figure(0.9, low=0.95, high=1.05), False, "0.95 to 1.05"),
        (Figure(-2.0, low=-1.0), False, "at least -1"),
    ],
)
def test_a_figure_is_held_against_its_goal(figure: Figure, ok: bool, goal: str) -> None:
    assert (figure.ok, figure.goal) == (ok, goal)


def test_scores_are_the_figures_that_have_a_goal() -> None:
    verdict = Verdict(False, "", figures={"lines": Figure(3), "ks": Figure(0.2, high=0.1, floor=0.05)})
    assert verdict.scores().rows() == [("ks", 0.2, "at most 0.1", 0.05, False)]


def test_a_cell_is_never_markup() -> None:
    nasty = "a|b\n| <img src=x onerror=alert(1)> [x](http://y) `c` **d** www.e.f \\ \u202egnp\u2028" + "z" * 500
    text = markdown(pl.DataFrame({"line": [nasty, None], "n": [1234, 0]}))
    header, rule, row, empty = text.split("\n")
    assert (header, rule, empty) == ("| line | n |", "| --- | ---: |", "|  | 0 |")
    cell = row.removeprefix("| ").removesuffix(" | 1,234 |")
    assert len(cell) < 300
    assert cell.isprintable()
    # Taking away what is escaped leaves no punctuation that could mean anything.
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", cell))
