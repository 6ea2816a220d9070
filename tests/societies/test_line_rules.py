"""Rules on the line: known answers, and the laws that every family keeps."""

from collections.abc import Callable
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mechanism.baselines.line import KNOWN, best_percentiles, constrained_median, median, uniform_phantom
from societies.line_rules import FAMILIES, distances, least_total, medians, percentiles, shares, stretched, weighted
from societies.regret import Settle, regret


def of(*values: float) -> Tensor:
    """[1, N] or, as the parameters of one facility, [1, 1, P] with `[None]`."""
    return torch.tensor([values], dtype=torch.float64)


def place(name: str, *reports: float) -> float:
    family, parameters = KNOWN[name]
    return float(FAMILIES[family].rule(parameters(len(reports))[None, None], of(*reports)))


@pytest.mark.parametrize(
    ("name", "reports", "expected"),
    [
        ("median", (0.9, 0.1, 0.3), 0.3),
        ("median", (0.9, 0.1, 0.3, 0.2), 0.2),  # the lower one of two
        ("uniform_phantom", (0, 0, 1), 1 / 3),  # the share of those at 1
        ("uniform_phantom", (0.4, 0.4, 0.4), 0.4),
        ("uniform_phantom", (0.1, 0.5, 0.9), 0.5),
        ("uniform_phantom", (0.1, 0.2, 0.9), 1 / 3),
        ("constrained_median", (0, 0, 1), 1 / 3),
        ("constrained_median", (0, 0, 0), 0.0),
        ("constrained_median", (0, 0.5, 1, 1, 1), 0.8),
        ("mean", (0.2, 0.4, 0.9), 0.5),
        ("midpoint", (0.2, 0.3, 0.9), 0.55),
        ("midpoint", (0.7,), 0.7),
    ],
)
def test_known_rules(name: str, reports: tuple[float, ...], expected: float):
    assert place(name, *reports) == pytest.approx(expected)


def test_percentiles_are_ranks():
    reports, rules = of(0.9, 0.1, 0.5, 0.3, 0.7), torch.tensor([[[0.0], [0.25], [0.6], [1.0]]], dtype=torch.float64)
    assert percentiles(rules, reports).tolist() == [[0.1, 0.3, 0.5, 0.9]]


def test_several_facilities_each_have_phantoms_of_their_own():
    rules = torch.stack([median(3), torch.ones(4).double()])[None]  # the second is the highest report
    rules[0, 1, 0] = 0.25  # or, where all report less, the lowest phantom
    assert medians(rules, of(0.1, 0.1, 0.2)).tolist() == [[0.1, 0.25]]
    assert medians(rules, of(0.1, 0.1, 0.6)).tolist() == [[0.1, 0.6]]


def test_weights_that_are_all_zero_count_as_equal():
    assert shares(torch.zeros(1, 2, 4), 4).tolist() == [[[0.25] * 4] * 2]
    gradient = torch.autograd.functional.jacobian(lambda w: weighted(w, of(0.1, 0.9)), torch.zeros(1, 1, 2).double())
    assert bool(gradient.isfinite().all())


def test_the_uniform_phantom_remains_itself_among_other_numbers_of_people():
    rules = uniform_phantom(9)[None, None]
    for n in (1, 3, 6, 30):
        torch.testing.assert_close(stretched(rules, n + 1)[0, 0], uniform_phantom(n))


def test_distances_are_to_the_nearest():
    assert distances(of(0.2, 0.8), of(0.0, 0.4, 0.6, 1.0))[0].tolist() == pytest.approx([0.2, 0.2, 0.2, 0.2])


def by_hand(positions: list[float], k: int) -> float:
    """The least total over all places that are somebody's home: enough, as a median of a group is one."""
    sites = torch.combinations(torch.tensor(positions, dtype=torch.float64), k, with_replacement=True)
    return float(distances(sites, of(*positions).expand(len(sites), -1)).sum(-1).min())


shares_ = st.floats(0, 1)
profiles = st.lists(st.integers(0, 20).map(lambda mark: mark / 20), min_size=2, max_size=6)


@given(profiles, st.integers(1, 3))
def test_the_least_total_is_that_of_trying_everything(positions: list[float], k: int):
    assert float(least_total(of(*positions), k)) == pytest.approx(by_hand(positions, k))


def settle(family: str, facilities: int) -> Settle:
    return lambda rules, reports: FAMILIES[family].rule(rules.unflatten(-1, (facilities, -1)), reports)


def some_rule(family: str, facilities: int, agents: int, seed: int) -> Tensor:
    """[1, M]"""
    size = facilities * FAMILIES[family].parameters(agents)
    return torch.rand(1, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


families = st.sampled_from(list(FAMILIES))
seeds = st.integers(0, 10**6)
MISREPORTS = torch.linspace(0, 1, 41).double()


@given(st.sampled_from([name for name, f in FAMILIES.items() if f.uncompromising]), profiles, st.integers(1, 3), seeds)
def test_no_lie_pays_where_nobody_can_draw_a_facility_nearer(family: str, positions: list[float], k: int, seed: int):
    rules, truth = some_rule(family, k, len(positions), seed), of(*positions)
    assert float(regret(settle(family, k), distances, rules, truth, MISREPORTS).max()) <= 1e-12


@given(families, profiles, st.integers(1, 3), seeds, st.randoms(use_true_random=False))
def test_the_order_of_reports_does_not_matter(family: str, positions: list[float], k: int, seed: int, random: Random):
    rules, other = some_rule(family, k, len(positions), seed), random.sample(positions, len(positions))
    torch.testing.assert_close(settle(family, k)(rules, of(*other)), settle(family, k)(rules, of(*positions)))


@given(st.sampled_from(["percentiles", "weights"]), profiles, seeds, shares_, shares_)
def test_rules_without_phantoms_move_and_stretch_with_the_line(
    family: str, positions: list[float], seed: int, by: float, width: float
):
    rules, reports = some_rule(family, 2, len(positions), seed), of(*positions)
    moved = settle(family, 2)(rules, by + width * reports)
    torch.testing.assert_close(moved, by + width * settle(family, 2)(rules, reports))


@given(families, profiles, st.integers(1, 3), seeds)
def test_a_higher_report_moves_nothing_down_and_nothing_leaves_the_line(
    family: str, positions: list[float], k: int, seed: int
):
    rules = some_rule(family, k, len(positions), seed)
    before, after = (settle(family, k)(rules, of(first, *positions[1:])) for first in (positions[0], 1.0))
    assert bool((after >= before - 1e-12).all())
    assert bool(((before >= 0) & (before <= 1 + 1e-12)).all())


@given(profiles, seeds, shares_)
def test_between_the_ends_one_report_moves_a_median_along(positions: list[float], seed: int, report: float):
    """So that the society need only ask where the lowest and the highest report would lead."""
    rules = some_rule("phantoms", 2, len(positions), seed)
    low, high, found = (settle("phantoms", 2)(rules, of(r, *positions[1:])) for r in (0.0, 1.0, report))
    torch.testing.assert_close(found, torch.minimum(torch.maximum(torch.full_like(low, report), low), high))


def test_constrained_medians_meet_in_the_middle_for_two():
    assert constrained_median(2).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("rule", [parameters for _, parameters in KNOWN.values()])
def test_rules_for_nobody_are_refused(rule: Callable[[int], Tensor]):
    with pytest.raises(ValueError, match="rules for 0 agents; there must be at least 1"):
        rule(0)


def test_percentiles_that_cannot_be_are_refused():
    positions = torch.rand(5, 3)
    for facilities in (0, 4):
        with pytest.raises(ValueError, match=f"best percentiles: {facilities} facilities; there must be 1 to 3"):
            best_percentiles(positions, facilities)
    for odd in (positions[0], positions[:0], positions + 1, positions * torch.nan):
        with pytest.raises(ValueError, match=r"positions must be \[B, N\], at least one profile, all between 0 and 1"):
            best_percentiles(odd, 1)


def test_the_best_percentiles_of_everyone_are_everyone():
    positions = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    assert best_percentiles(positions, 4).tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert best_percentiles(positions[:, :1], 1).tolist() == [0]
