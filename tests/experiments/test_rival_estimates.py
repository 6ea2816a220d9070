"""What prediction-powered estimates are compared with: known answers."""

from itertools import combinations

import numpy as np
import pytest

from experiments.prediction_powered import drawn, even
from experiments.rival_estimates import adjusted, by_prototypes, of_wage, plain_average, prototypes, standard, typical


def test_the_plain_average_is_unbiased_over_all_samples() -> None:
    y, plan = np.array([1.0, 4.0, 2.0, 8.0, 5.0]), even(5, 3)
    found = [plain_average(y[list(s)], np.array(s), plan) for s in combinations(range(5), 3)]
    assert np.mean([e.value for e in found]) == pytest.approx(4.0)
    assert np.mean([e.error**2 for e in found]) == pytest.approx(np.var([e.value for e in found]))


def test_what_follows_from_the_wage_is_found_exactly() -> None:
    wage = np.exp(np.random.default_rng(0).normal(size=200))
    y, plan = 3 + 2 * wage - np.log(wage), even(200, 20)
    asked = drawn(plan, np.random.default_rng(1).random(200))
    found = adjusted(y[asked], of_wage(wage), asked, plan)
    assert found.value == pytest.approx(y.mean())
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_adjustment_is_the_textbooks() -> None:
    lots = np.random.default_rng(2)
    x = lots.normal(size=300)
    y, plan = 2 * x + lots.normal(size=300), even(300, 40)
    asked = drawn(plan, lots.random(300))
    found = adjusted(y[asked], x[:, None], asked, plan)
    slope, base = np.polyfit(x[asked], y[asked], 1)
    assert found.value == pytest.approx(y[asked].mean() + slope * (x.mean() - x[asked].mean()))
    off = y[asked] - base - slope * x[asked]
    assert found.error == pytest.approx(np.sqrt((1 - 40 / 300) * (off @ off) / 38 / 40))


def test_typical_people_are_the_middle_of_their_kind() -> None:
    facts = np.random.default_rng(3).normal(size=(200, 2))
    who, label = typical(facts, 12, 4)
    assert len(label) == 200
    assert (label[who] == np.arange(len(who))).all()
    for kind, place in enumerate(who):
        kin = facts[label == kind]
        away = ((kin - kin.mean(0)) ** 2).sum(1)
        assert ((facts[place] - kin.mean(0)) ** 2).sum() < 0.5 * away.max() or len(kin) < 3


def test_if_everybody_is_typical_everybody_is_asked() -> None:
    who, label = typical(np.arange(6.0)[:, None], 6, 0)
    assert (who[label] == np.arange(6)).all()


def test_the_audit_makes_prototypes_unbiased() -> None:
    lots = np.random.default_rng(6)
    public = lots.normal(size=(300, 2))
    y = 40 + 3 * public[:, 0] + 5 * lots.normal(size=300) ** 2
    plans = [prototypes(standard(public), 40, seed) for seed in range(400)]
    assert all(len(set(plan.asked)) == 40 for plan in plans)
    found = [by_prototypes(y[plan.asked], np.ones(300), plan) for plan in plans]
    values = np.array([e.value for e in found])
    assert values.mean() == pytest.approx(y.mean(), abs=4 * values.std() / np.sqrt(400))
    assert np.sqrt(np.mean([e.error**2 for e in found])) == pytest.approx(values.std(), rel=0.2)


def test_what_does_not_vary_is_no_distance() -> None:
    facts = np.stack([np.arange(5.0), np.full(5, 3.0)], 1)
    assert standard(facts).shape == (5, 1)
