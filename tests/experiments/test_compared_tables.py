"""Cells over seeds, differences in pairs, and what is said of them."""

import numpy as np
import pytest

from experiments.compared_cells import Part
from experiments.compared_figures import dots
from experiments.compared_json import part_json, part_of_json, tables_json
from experiments.compared_tables import COMPARED, Tables, all_together, known, tables_of
from experiments.compared_words import Naming, chance, findings, headline, number, on_order, on_table, signed, spread
from experiments.signatures import Cell

HOURS = np.arange(0.0, 41.0, 10.0)
NAMING = Naming({"llm": "LLM people", "rl": "RL people", "scripted": "scripted people"}, {"a": "rule A", "b": "rule B"})


def part(seed: int, shift: float = 0.0, noise: float = 0.0, habit: Cell = 0.1) -> Part:
    """A seed's cells: two rules, and what all kinds of that seed share."""
    generator = np.random.default_rng(seed)
    level, own = generator.normal(30, 3), noise * np.random.default_rng(seed + 1000).normal(size=2)
    cells: dict[str, dict[str, Cell]] = {table: {} for table in COMPARED}
    cells["answer"] = {"a": level + shift + own[0], "b": level - 5 + own[1]}
    cells["welfare"] = {"a": 0.5 + shift / 10 + own[1] / 5, "b": 0.6}
    cells["signature"] = {"habit": habit, "loss aversion": "nobody takes anything home"}
    law = generator.dirichlet(np.ones(5), 2)
    return Part(cells, law, generator.normal(size=6), np.zeros((1, 1)), ())


def tables(shift: float, seeds: int = 10, noise: float = 0.05) -> Tables:
    ours = [part(s, shift, noise) for s in range(seeds)]
    theirs = [part(s) for s in range(seeds)]
    return tables_of(("llm", "scripted"), {"llm": ours, "scripted": theirs}, HOURS)


def test_a_planted_difference_is_found_and_told_by_size() -> None:
    found = tables(2.0)
    (pair,) = found.pairs
    apart = pair.of("answer")
    assert apart["a"].told_apart
    assert not apart["b"].told_apart
    assert apart["a"].mean.value == pytest.approx(2.0, abs=0.1)
    told = on_table(found, "answer", NAMING)
    assert told.startswith("LLM people and scripted people differ in 1 of 2: rule A +2.0")
    assert "differ in 2 of 5 quantities" in headline(found, NAMING)  # the welfare of the rule too


def test_kinds_of_whom_no_difference_is_shown_are_not_called_the_same() -> None:
    told = on_table(tables(0.0), "answer", NAMING)
    assert "scripted people: no difference shown after correction (95% intervals, each by itself, from −" in told
    assert "differ in" not in told


def test_correction_is_said_to_be_within_a_pair() -> None:
    assert headline(tables(2.0), NAMING).endswith("whatever else of a pair was looked at (Holm, within each pair, 5%).")


def test_pairing_takes_out_what_seeds_share() -> None:
    """Levels vary by 3 between seeds, differences by .05."""
    found = tables(0.5)
    level, apart = found.cell("llm", "answer", "a").mean, found.pairs[0].of("answer")["a"].mean
    assert level is not None
    assert level.ends is not None
    assert apart.ends is not None
    assert np.diff(level.ends) > 10 * np.diff(apart.ends)


def test_the_order_of_rules_is_told_by_tau() -> None:
    assert "LLM people and scripted people 1.00 (1.00 to 1.00)" in on_order(tables(0.0), NAMING)
    assert "LLM people and scripted people −1.00 (−1.00 to −1.00)" in on_order(tables(2.0), NAMING)


def test_of_few_seeds_nothing_is_said() -> None:
    found = tables(2.0, seeds=4)
    assert findings(found, NAMING) == ["Fewer than 5 seeds are too few to tell: nothing is said of differences."]


@pytest.mark.parametrize("seeds", [1, 4])
def test_of_few_seeds_there_are_means_and_no_intervals(seeds: int) -> None:
    found = tables(2.0, seeds)
    level, apart = found.cell("llm", "answer", "a").mean, found.pairs[0].of("answer")["a"].mean
    assert level is not None
    assert level.ends is None
    assert apart.ends is None
    assert spread(apart, True) == signed(apart.value)
    assert "(" not in on_order(found, NAMING).split("none): ")[1]
    told = tables_json(found)
    assert told["cells"]["llm"]["answer"]["a"] == {"mean": level.value, "low": None, "high": None}
    nothing = dict.fromkeys(("low", "high", "p", "p_holm"))
    assert told["pairs"][0]["differences"]["answer"]["a"] == {"mean": apart.value, **nothing}
    drawn = dots(found, "answer", NAMING, "hours")
    assert [len(np.asarray(line.get_xdata())) for line in drawn.axes[0].lines] == [1, 1] * 2  # points, no bars


def test_each_kind_without_a_number_has_its_own_reason() -> None:
    ours, theirs = "they never waver", "they told single actions"
    parts = {kind: [part(s, habit=why) for s in range(6)] for kind, why in (("llm", ours), ("rl", theirs))}
    parts["scripted"] = [part(s) for s in range(6)]
    told = "\n".join(findings(tables_of(("llm", "rl", "scripted"), parts, HOURS), NAMING))
    assert f"Habit is not applicable of LLM people: {ours}. Habit is not applicable of RL people: {theirs}." in told


def test_small_chances_are_not_printed_as_none() -> None:
    assert [chance(p) for p in (1.0, 0.03124, 0.0001, 0.00009, 0.0)] == [
        "1.0000",
        ".0312",
        ".0001",
        "< .0001",
        "< .0001",
    ]


def test_what_is_missing_is_said_once_with_its_reason() -> None:
    told = "\n".join(findings(tables(0.0), NAMING))
    assert told.count("Loss aversion is not applicable: nobody takes anything home.") == 1
    parts = {"llm": [part(s, habit="they never waver") for s in range(6)], "scripted": [part(s) for s in range(6)]}
    told = "\n".join(findings(tables_of(("llm", "scripted"), parts, HOURS), NAMING))
    assert "Habit is not applicable of LLM people: they never waver." in told


def test_a_table_that_nobody_can_show_is_said_in_one_sentence() -> None:
    def hidden(seed: int) -> Part:
        made = part(seed)
        made.cells["inequality"] = {"a": "it is hidden", "b": "it is hidden"}
        return made

    parts = {kind: [hidden(s) for s in range(5)] for kind in ("llm", "scripted")}
    told = [text for text in findings(tables_of(("llm", "scripted"), parts, HOURS), NAMING) if "Inequality" in text]
    assert told == ["Inequality: It is not applicable: it is hidden."]


def test_a_cell_that_some_seeds_lack_has_no_interval() -> None:
    found = known([1.0, "too few", 2.0])
    assert found.mean is None
    assert (found.seeds, found.why_not) == (2, "too few, in 1 of 3 seeds")


def test_all_cells_together_name_the_largest() -> None:
    """With noise in everything that is compared: what differs in no seed is left out."""
    ours, theirs = [part(s, 2.0, 0.05) for s in range(8)], [part(s) for s in range(8)]
    found = all_together(ours, theirs)
    assert found.largest == ("answer", "a")
    assert found.test.p == pytest.approx(2 / 256)
    with pytest.raises(ValueError, match="two pairs"):
        all_together(theirs, theirs)


def test_what_differs_by_the_same_in_every_seed_is_the_strongest_evidence() -> None:
    ours, theirs = [part(s, 0.0, 0.05, habit=0.3) for s in range(8)], [part(s) for s in range(8)]
    found = all_together(ours, theirs)
    assert (found.cells, found.largest) == (4, ("signature", "habit"))  # and two answers, and the welfare of a rule
    assert found.test.p == pytest.approx(2 / 256)


def test_parts_and_tables_go_through_json() -> None:
    one = part(3, habit="none")
    again = part_of_json(part_json(one))
    assert again.cells == one.cells
    np.testing.assert_array_equal(again.chosen, one.chosen)
    told = tables_json(tables(0.0))
    assert set(told["cells"]["llm"]["answer"]["a"]) == {"mean", "low", "high"}
    assert told["cells"]["llm"]["signature"]["loss aversion"] == {"not_applicable": "nobody takes anything home"}


def test_numbers_in_words() -> None:
    assert [number(x) for x in (12345.6, 41.87, 3.079, 0.2714, -0.0301, -0.0001)] == [
        "12,346",
        "41.9",
        "3.08",
        ".271",
        "−.030",
        ".000",
    ]
    assert [signed(x) for x in (0.5, -2.0)] == ["+.500", "−2.00"]
