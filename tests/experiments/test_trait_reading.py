"""Traits are read by a regression from kept products: the same as from the people themselves."""

import numpy as np
import pytest

from experiments.trait_reading import RIDGE, products, recovered


def people(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Facts [P, 4] in odd units, and two traits [P, 2]: one goes with the facts, one with nothing."""
    generator = np.random.default_rng(seed)
    facts = generator.normal(size=(count, 4)) * [1.0, 1000.0, 0.01, 1.0] + [5.0, 0.0, 3.0, 0.0]
    trait = 0.3 * facts[:, 0] + 0.0005 * facts[:, 1] + 0.2 * generator.normal(size=count)
    return facts, np.stack([trait, generator.normal(size=count)], 1)


def test_products_say_what_people_say() -> None:
    seeds = [people(i) for i in range(5)]
    found = recovered([products(*one) for one in seeds], ("read", "hidden"))
    for place, (facts, traits) in enumerate(seeds):
        others = [one for i, one in enumerate(seeds) if i != place]
        x, y = (np.concatenate(each) for each in zip(*others, strict=True))
        mean, sd, level = x.mean(0), x.std(0), y[:, 0].mean()
        z = (x - mean) / sd
        weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(4), z.T @ (y[:, 0] - level))
        told = (facts - mean) / sd @ weights + level
        r2 = 1 - ((traits[:, 0] - told) ** 2).sum() / ((traits[:, 0] - level) ** 2).sum()
        assert found[place]["read"] == pytest.approx(r2, abs=1e-6)
    assert np.mean([cells["hidden"] for cells in found]) < 0.05


def test_a_trait_of_which_everybody_has_as_much_cannot_be_read() -> None:
    seeds = [products(people(i)[0], np.full((60, 1), 0.5)) for i in range(3)]
    assert recovered(seeds, ("habit",)) == [{"habit": "everybody has as much"}] * 3


def test_people_who_never_decided_tell_nothing() -> None:
    seeds = [products(*people(0)), products(*people(1, 0))]
    assert [cells["read"] for cells in recovered(seeds, ("read", "hidden"))] == [
        "nobody decided under all of the rules"
    ] * 2
