"""The display of a run, with a clock that the test turns."""

import io

import pytest
from rich.console import Console

from agents.llm.population import Progress
from experiments.live import Live, clock


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def live(terminal: bool, now: Clock, **budget: int) -> tuple[Live, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    return Live("demo", ["collect", "fit"], console=console, clock=now, **budget), out


def progress(decided: int, **more: int) -> Progress:
    return Progress(
        **{"decided": decided, "cached": 0, "retried": 0, "failed": 0, "calls": decided, "tokens": 0, **more}
    )


def test_rate_and_time_to_go_are_those_of_the_last_seconds():
    now = Clock()
    shown, _ = live(False, now)
    with shown, shown.stage("collect", decisions=1000):
        for second in range(21):  # 10 a second at first, then 20 a second
            now.now = float(second)
            shown.decided(progress(10 * second if second <= 10 else 100 + 20 * (second - 10)))
        assert shown.rate == pytest.approx(20.0)
        assert shown.to_go == pytest.approx((1000 - 300) / 20)


def test_away_from_a_terminal_there_is_a_plain_line_every_few_seconds():
    now = Clock()
    shown, out = live(False, now, budget_calls=500)
    with shown, shown.stage("collect", decisions=1000):
        for tick in range(200):  # twenty a second for ten seconds
            now.now = tick / 20
            shown.decided(progress(tick, failed=1, cached=2))
    lines = out.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert any(
        ", 20/s" in line and "; in all 2 cached, 0 retried, 1 failed" in line and "calls left" in line for line in lines
    )
    assert lines[-1] == "[0:10] collect: done"


def test_the_second_stage_counts_its_own_decisions():
    now = Clock()
    shown, _ = live(False, now)
    with shown:
        with shown.stage("collect", decisions=100):
            shown.decided(progress(100))
        with shown.stage("fit", decisions=50):
            now.now = 1.0
            shown.decided(progress(110))
            now.now = 2.0
            shown.decided(progress(120))
            assert shown.rate == pytest.approx(10.0)
            assert shown.to_go == pytest.approx(3.0)


def test_what_a_stage_is_busy_with_is_named_and_timed_by_itself():
    now = Clock()
    shown, out = live(False, now)
    with shown, shown.stage("learn", decisions=100):
        shown.decided(progress(100))
        for done in range(4):
            now.now = 10.0 + 3 * done
            shown.step("fitting the world model", done, 10)
        assert shown.rate == pytest.approx(1 / 3)
        assert shown.to_go == pytest.approx(21.0)
    assert "learn: 0 of 10 steps of fitting the world model" in out.getvalue()


def test_a_stage_that_breaks_off_is_not_called_done():
    shown, out = live(False, Clock())
    with pytest.raises(RuntimeError), shown, shown.stage("collect"):
        raise RuntimeError
    assert "done" not in out.getvalue()


def test_a_stage_that_begins_again_is_not_done_until_it_ends_again():
    now = Clock()
    shown, out = live(False, now)
    with shown:
        for _ in range(3):  # such as the training of one seed's people after another's
            with shown.stage("fit"):
                now.now += 6.0
                shown.step("steps", 1, 2)
    told = [line.partition("fit: ")[2] for line in out.getvalue().splitlines()]
    assert told == ["begins", "1 of 2 steps of steps", "done"] * 3


def test_a_terminal_shows_every_stage_and_the_account():
    now = Clock()
    shown, out = live(True, now, budget_tokens=9000)
    with shown, shown.stage("collect", decisions=100):
        shown.decided(progress(50, tokens=1000))
        assert shown._screen is not None
        shown._screen.refresh()
    text = out.getvalue()
    assert all(part in text for part in ("demo", "▸ collect", "fit", "50%", "8,000 tokens left"))
    assert "✓ collect" in text


def test_a_note_is_not_read_as_markup():
    shown, out = live(False, Clock())
    shown.note("[bold]a reply[/bold] \x1b[31m")
    assert "[bold]a reply[/bold]" in out.getvalue()


def test_clocks():
    assert [clock(s) for s in (0, 12.4, 75, 3700)] == ["0:00", "0:12", "1:15", "1:01:40"]
