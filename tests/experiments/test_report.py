"""The report: nothing from outside, nothing unescaped, and sentences that follow from the numbers."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from experiments import conclusions, figures
from experiments.report import pictures, render, write_report
from experiments.report_data import Gate, Uncounted
from experiments.statistics import Interval
from tests.experiments import made_up


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> str:
    return render(made_up.data())


def test_it_needs_nothing_from_outside(page: str):
    tags = Tags(page).found
    links = [a[k] or "" for _, a in tags for k in ("src", "href", "srcset", "data") if k in a]
    assert len(links) == 8  # the figures
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in tags}
    assert "url(" not in re.sub(r"data:\S+", "", page)
    assert not [name for _, a in tags for name in a if name.startswith("on")]


def test_words_of_models_and_users_are_escaped(page: str):
    assert made_up.HOSTILE not in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;{{ 7 * 7 }}") == 2


def test_text_everywhere_is_escaped():
    hostile = made_up.HOSTILE
    data = made_up.data()
    changed = replace(
        data,
        title=hostile,
        population=hostile,
        notes=(hostile,),
        config=hostile,
        made={hostile: hostile},
        strangers=(replace(data.strangers[0], who=hostile, words=(hostile,)),),
        edited=(hostile,),
        own_words=(hostile,),
        methods=tuple(replace(m, label=hostile, quoted=hostile) for m in data.methods[:1]),
        ledger=(replace(data.ledger[0], purpose=hostile),),
        curves=(),
        schedules=(),
    )
    tags = {tag for tag, _ in Tags(render(changed)).found}
    assert "script" not in tags


def test_quoted_lines_are_marked_and_measured_ones_are_not(page: str):
    assert page.count('class="tag">quoted: results/imagination_saves_calls.json') == 1


def test_what_stands_in_place_of_decisions_is_explained_in_its_own_words(page: str):
    beside = replace(made_up.methods()[1], name="two_level", label="two-level PPO", decisions=Uncounted.BEFOREHAND)
    both = render(replace(made_up.data(), methods=(*made_up.methods(), beside)))
    assert page.count(">true society<") == both.count(">true society<") == 1
    assert "True society: found with the society&#39;s own formulas" in page
    assert "ot counted" not in page
    assert both.count(">not counted<") == 1
    assert "Not counted: learned beforehand, in real episodes with the RL people of the run" in both


def test_the_stand_in_says_so_at_the_top(page: str):
    place = page.index("The people here are a stand-in")
    assert place < page.index("<h2>")
    assert "stand-in" not in render(replace(made_up.data(), stand_in=""))


def test_it_says_what_only_a_larger_model_would_understand(page: str):
    assert "1 biographies were edited or are new" in page
    assert "maria-keller.habit" in page
    assert "fiercely" in page
    plain = render(replace(made_up.data(), strangers=(), edited=(), own_words=()))
    assert "only a larger model would understand" not in plain
    assert "own words" in render(replace(made_up.data(), strangers=(), edited=()))


def test_a_run_with_little_in_it_still_has_a_report():
    bare = replace(made_up.data(), curves=(), schedules=(), responses=(), paths=(), gates=(), courses=(),
                   recovery=None, asked=(), ledger=(), strangers=(), edited=(), own_words=(), notes=(),
                   methods=made_up.methods()[3:4])  # fmt: skip
    assert pictures(bare) == []
    assert "Ways of making the rules" in render(bare)


def test_the_same_run_gives_the_same_page(page: str, tmp_path: Path):
    assert write_report(made_up.data(), tmp_path / "report.html").read_text() == page


def test_the_headline_follows_the_interval():
    data = made_up.data()
    ours = data.methods[0]

    def said(gain: Interval) -> str:
        return conclusions.headline(replace(data, methods=(replace(ours, gain=gain), *data.methods[1:])))

    assert "SWM-AP does better than US federal: +.126 (+.117 to +.135)" in conclusions.headline(data)
    assert "cannot be told apart from" in said(made_up.around(0.01, 0.02))
    assert "does worse than US federal: −.050 (−.070 to −.030)" in said(made_up.around(-0.05, 0.02))


def test_of_a_handful_of_communities_nothing_is_said():
    ours = replace(made_up.methods()[0], communities=4)
    told = conclusions.headline(replace(made_up.data(), methods=(ours, *made_up.methods()[1:])))
    assert "too few communities (fewer than 5) to be told apart from US federal" in told
    caption = conclusions.on_gains((ours, made_up.methods()[3]), "US federal")
    assert "beyond chance: none. Fewer than 5 communities are too few" in caption


def test_gains_are_sorted_by_what_can_be_said_of_them():
    text = conclusions.on_gains(made_up.methods(), "US federal")
    assert "beyond chance: SWM-AP, Best fixed schedule and Saez." in text
    assert "Not to be told apart from it: Model-free PPO." in text


def test_the_learning_curve_tells_how_much_more_a_rival_needs():
    text = conclusions.on_learning(made_up.data().curves)
    assert "SWM-AP ends at .733 after 9,216 real decisions." in text
    assert "Model-free PPO is there after 614,400, 66.7 times as many." in text
    weak = replace(made_up.data().curves[1], mean=np.full(5, 0.6))
    assert "Model-free PPO is not there after 1,228,800." in conclusions.on_learning((made_up.data().curves[0], weak))


def test_the_schedule_is_put_into_ranges_of_income():
    data = made_up.data()
    text = conclusions.on_schedules(data.brackets, data.schedules, "US federal")
    assert "more than US federal on incomes from $11,600 upwards and less on incomes from $0 to $11,600" in text


def test_dreams_are_compared_with_life():
    data = made_up.data()
    text = conclusions.on_dreams(data.paths, (Gate(10, 0.02, -0.01),), "year")
    assert "off by 0.8% of the real level" in text
    assert "gained −.010 over its own average rules in life and +.020 in imagination" in text


def test_recovery_names_the_traits_that_matter():
    recovery = made_up.data().recovery
    assert recovery is not None
    text = conclusions.on_recovery(recovery, "year")
    assert (
        "After 3 counted years the belief knows 70% of the variance of elasticity and 55% of the variance of fairness"
        in text
    )


def test_the_account_adds_up():
    text = conclusions.on_ledger(made_up.data().ledger)
    assert "16,896 decisions were lived: 16,302 by a call to the model, 594 from an earlier answer." in text
    assert "7,372,800 were imagined, 436 for each lived one." in text


def test_a_quoted_curve_is_dashed_and_a_lived_one_solid():
    ax = figures.learning(made_up.data().curves, 0.607, "US federal").axes[0]
    styles = {line.get_label(): line.get_linestyle() for line in ax.get_lines()}
    assert styles["SWM-AP"] == "-"
    assert styles["Model-free PPO (quoted)"] == "--"


def test_every_axis_says_what_it_shows():
    data = made_up.data()
    assert data.recovery is not None
    drawn = [
        figures.learning(data.curves, None, ""),
        figures.schedules(data.brackets, data.schedules),
        figures.rates_by_year(data.brackets, data.schedules[0]),
        figures.responses(data.responses),
        figures.dream_and_life(data.paths, data.gates, "year"),
        figures.recovery(data.recovery, "year"),
    ]
    assert all(ax.get_xlabel() and ax.get_ylabel() for figure in drawn for ax in figure.axes)


def test_no_figure_loses_its_labels_at_the_edge():
    """Everything that is drawn lies inside the picture."""
    data = made_up.data()
    assert data.recovery is not None
    for figure in (
        figures.rates_by_year(data.brackets, data.schedules[0]),
        figures.recovery(data.recovery, "year"),
        figures.dream_and_life(data.paths, data.gates, "year"),
        *(figures.courses(data.courses[:1] + data.courses[1:] * more) for more in range(7)),
    ):
        figure.draw_without_rendering()
        box = figure.get_tightbbox()
        assert box.x0 >= -0.01
        assert box.x1 <= figuresize(figure)[0] + 0.01


def test_the_axis_of_decisions_names_its_scale_and_its_end():
    ours = replace(made_up.data().curves[0], decisions=np.array([0.0, 384.0, 1920.0]))
    small, whole = (figures.learning(curves, None, "").axes[0] for curves in ((ours,), made_up.data().curves))
    assert "logarithmic scale, linear below 100" in small.get_xlabel()
    assert [tick.get_text() for tick in small.get_xticklabels()] == ["0", "100", "1,000", "1,920"]
    assert [tick.get_text() for tick in whole.get_xticklabels()][-2:] == ["100,000", "1,228,800"]


def figuresize(figure: figures.Figure) -> tuple[float, float]:
    return float(figure.get_figwidth()), float(figure.get_figheight())
