"""Tables for a terminal, a pipe, and text that nobody vouches for."""

import pytest

from experiments.tables import print_table


def test_what_could_steer_a_terminal_is_left_out_and_markup_is_text(capsys: pytest.CaptureFixture[str]):
    print_table(("who",), [("\x1b[31mred\u202e [bold]x[/bold]",)])
    told = capsys.readouterr().out
    assert "[31mred [bold]x[/bold]" in told
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_no_figure_is_cut_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    row = ["a method with a rather long name", *["12345.678..12345.678"] * 5]
    print_table(("method", *"abcde"), [row], numbers=range(1, 6))
    assert capsys.readouterr().out.count("12345.678..12345.678") == 5
