"""The two preset economies: their constants, their published figures, and the known hole in their welfare."""

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from personas.people import People
from societies.base import Episode, Society
from societies.labour import NET
from societies.library.llm_economist_v1 import BRACKETS, LLMEconomist
from societies.library.one_step import OneStep, ladder
from societies.play import Fixed, play
from societies.taxes import US_RATES, tax
from tests.towns import some_rules, town


def _play(society: Society, rates: list[float], worlds: int = 20) -> Episode:
    people = town(society, 0, worlds)
    return play(society, ScriptedPopulation(), people, Fixed(torch.tensor(rates)), draws(3, 0, worlds)).episode


def _median(x: Tensor) -> float:
    return float(x.median())


# LLM Economist


@pytest.mark.parametrize("skills", ["us_income", "uniform"])
def test_workers_choose_their_exact_best_response(skills: str) -> None:
    society = LLMEconomist(skills=skills)
    people, rules = town(society, 0, 3), some_rules(society, 3, 4)
    state = society.reset(people)
    s = society.market.income(state.features).double() / 40  # [B, N] skill
    hours = torch.arange(0.0, 101, 10, dtype=torch.float64)
    gross = s[..., None] * hours
    u = gross - tax(gross, rules.double(), BRACKETS["three"]) - 0.0005 * hours**3.5
    best, second = u.topk(2, -1).values.unbind(-1)
    clear = best - second > 2.0  # dollars; elsewhere two levels are as good
    chances = society.teacher(state, rules).exp()
    assert bool((chances.argmax(-1) == u.argmax(-1))[clear].all())
    assert float(chances.amax(-1)[clear].min()) > 0.999
    assert float(clear.double().mean()) > 0.8


def test_utility_and_welfare_by_hand() -> None:
    """Skills 1,000 and 500 at 40 and 100 hours under 50%: 40,000 and 50,000 dollars, 22,500 back to each."""
    society = LLMEconomist()
    people = People(("wage",), torch.tensor([[[40_000 / 2080], [20_000 / 2080]]]), (), torch.zeros(1, 2, 0), _nobody)
    done = society.step(society.reset(people), torch.full((1, 3), 0.5), torch.tensor([[4, 10]]))
    u = [20_000 + 22_500 - 0.0005 * 40**3.5, 25_000 + 22_500 - 5_000]
    assert done.payoff[0].tolist() == pytest.approx(u, rel=1e-5)
    assert float(done.welfare) == pytest.approx(u[0] / 40_000 + u[1] / 50_000, rel=1e-5)
    assert float(done.accounts["utilitarian"]) == pytest.approx(sum(u) / 60_000, rel=1e-5)


def _nobody(world: int, agent: int) -> None:
    raise AssertionError("nobody should be told anything here")


# Policy -> (lowest, highest of the published SWF of three rosters; hours). Skill draws differ, so do the sums.
PUBLISHED = {
    "none": ([0.0, 0.0, 0.0], 90.6, 91.9, 96.6),
    "12/24/35": ([0.12, 0.24, 0.35], 295.0, 713.0, 96.3),
    "flat 50": ([0.5, 0.5, 0.5], 654.0, 1439.0, 93.9),
}


@pytest.mark.parametrize("policy", PUBLISHED)
def test_published_figures(policy: str) -> None:
    rates, low, high, hours = PUBLISHED[policy]
    e = _play(LLMEconomist(), rates)
    assert low / 2 < _median(e.welfare[:, 0]) < high * 2
    assert float(e.accounts["hours"].mean()) == pytest.approx(hours, abs=1.0)


def test_us_brackets_give_the_published_figures_too() -> None:
    e = _play(LLMEconomist(brackets="us_federal"), list(US_RATES))
    assert 305 / 2 < _median(e.welfare[:, 0]) < 731 * 2
    assert float(e.accounts["hours"].mean()) == pytest.approx(96.3, abs=1.0)


HOLE = [1.0, 0.9, 0.9]


def test_the_hole_a_bottom_rate_of_100_looks_thousands_of_times_better() -> None:
    sound, hole = (_play(LLMEconomist(), rates) for rates in ([0.12, 0.24, 0.35], HOLE))
    assert _median(hole.welfare[:, 0] / sound.welfare[:, 0]) > 1_000
    assert 1e6 < _median(hole.welfare[:, 0]) < 2e7  # published best of the grid: 5.4 to 8.3 million
    idle = hole.action[:, 0] == 0
    assert 0.5 < float(idle.float().mean()) < 0.95  # the poor have stopped working, and each counts ten thousandfold


@pytest.mark.parametrize("objective", ["utilitarian", "equality_productivity"])
def test_the_sound_measures_of_the_same_outcome_have_no_hole(objective: str) -> None:
    sound, hole = (float(_play(LLMEconomist(objective), r).returns().mean()) for r in ([0.5, 0.5, 0.5], HOLE))
    assert 0.3 * sound < hole < sound


def test_uniform_skills_have_their_law() -> None:
    society = LLMEconomist(skills="uniform")
    skill = (society.market.income(society.reset(town(society, 0, 60)).features) / 40).flatten()
    shares = torch.tensor([(skill < 1.24 + q * (159.1 - 1.24)).float().mean() for q in (0.1, 0.25, 0.5, 0.75, 0.9)])
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9]), rtol=0, atol=0.02)
    assert 1.2 < float(skill.min()) < float(skill.max()) < 159.2


def test_us_skills_are_yearly_incomes_over_40() -> None:
    society = LLMEconomist()
    people = town(society, 0, 2)
    income = society.market.income(society.reset(people).features)
    torch.testing.assert_close(income, people.attribute("wage") * 2080, rtol=1e-4, atol=1e-2)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match="llm_economist_v1: distribution of skills 'normal' is not known; choose one of: us_income, uniform",
    ):
        LLMEconomist(skills="normal")
    with pytest.raises(ValueError, match="flat, three, us_federal"):
        LLMEconomist(brackets="four")
    with pytest.raises(ValueError, match="above 0"):
        OneStep(labour_cost=0.0)


# AI Economist, one step


def test_the_skill_ladder() -> None:
    """Independently: sorted min(3, 2 Pareto(4) + 1) of 100 workers, the mean of many rosters."""
    g = np.random.default_rng(0)
    rungs = np.sort(np.minimum(3, 2 * g.pareto(4, (4000, 100)) + 1), axis=1).mean(0)
    np.testing.assert_allclose(ladder(100).numpy(), rungs, atol=0.02)
    assert float(ladder(100).max()) <= 3.0


def test_skills_go_by_rank_in_wage() -> None:
    society = OneStep()
    people = town(society, 0, 2, 9)
    skill = society.market.income(society.reset(people).features) / 40
    order = people.attribute("wage").argsort(1)
    torch.testing.assert_close(skill.gather(1, order), ladder(9).expand(2, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("cost", "power"), [(1.0, 2.0), (0.0005, 3.5), (0.011, 2.0)])
def test_hours_are_the_closed_form_on_the_whole_hours(cost: float, power: float) -> None:
    """l* = (s (1 - tau) / (c d))^(1 / (d - 1)) under a flat tax; with the class's own constants that is 0 to 1.5 h."""
    society = OneStep(labour_cost=cost, labour_power=power)
    e = _play(society, [0.3] * 7, worlds=1)
    s = society.market.income(e.features[0, 0]) / 40
    best = ((s * 0.7 / (cost * power)) ** (1 / (power - 1))).clamp(max=100)
    gap = (e.action[0, 0] - best).abs()
    assert float((gap < 0.52).float().mean()) > 0.9
    assert float(gap.max()) < 1.0  # where two levels are nearly as good, chance decides
    if (cost, power) == (1.0, 2.0):
        assert int(e.action.max()) <= 1


def test_welfare_is_the_mean_utility_weighted_by_inverse_income() -> None:
    society = OneStep(labour_cost=0.0005, labour_power=3.5)
    e = _play(society, list(US_RATES), worlds=2)
    income = society.market.income(e.features[:, 0])
    gross = income * e.response[:, 0, :, 0]
    u = e.features[:, 1, :, NET] * income - 0.0005 * (40 * e.response[:, 0, :, 0]) ** 3.5
    w = (1 / gross.clamp_min(1)) / (1 / gross.clamp_min(1)).sum(1, keepdim=True)
    torch.testing.assert_close(e.welfare[:, 0], (w * u).sum(1), rtol=1e-4, atol=1e-4)
    coins = OneStep("equality_productivity", 0.0005, 3.5)
    told = coins.public_welfare({name: account[:, 0] for name, account in e.accounts.items()})
    torch.testing.assert_close(told, e.accounts["equality"][:, 0] * gross.mean(1))


def test_whoever_quits_is_the_judge_but_normalised_weights_close_the_hole() -> None:
    """At 100% in the first bracket some stop working and weigh most by far, yet the measure falls."""
    society = OneStep(labour_cost=0.0005, labour_power=3.5)
    sound, hole = _play(society, list(US_RATES), 2), _play(society, [1.0] + [0.5] * 6, 2)
    gross = society.market.income(hole.features[:, 0]) * hole.response[:, 0, :, 0]
    weight = 1 / gross.clamp_min(1)
    idle = gross < 4.0  # coins; a working week brings 11 and more
    assert 0.05 < float(idle.float().mean()) < 0.5
    assert float((weight * idle).sum() / weight.sum()) > 0.9
    assert bool((hole.returns() < sound.returns()).all())
