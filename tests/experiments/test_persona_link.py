"""The link from declared to inferred traits: recovered where it is known, silent outside of what was declared."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scripted import ScriptedPopulation
from experiments import link_fit
from experiments.errors import ROOT, UserError
from experiments.link_fit import fit_links, fitted, kept, watching
from experiments.persona_link import INFERRED, LINEAR, NET, Fitted, Played, inputs, jackknife, played, reach
from experiments.stages import Stages
from learning.draws import draws
from mechanism.explore import RandomRules
from personas.people import Persona
from personas.rosters import open_rosters
from societies.library.income_tax import IncomeTax
from societies.play import play
from world_model.model import ModelSettings, WorldModel
from world_model.response import Form

SOCIETY, TOWNS = IncomeTax(), 3
SETTINGS = ModelSettings(form="linear", members=1, traits=2)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    model = WorldModel(SOCIETY, SETTINGS, 0).requires_grad_(False)
    model.head.taste.weight *= 3  # so that z matters
    return model


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    """[1 + X, Z] how z follows from what is declared here, and nothing else."""
    return 0.4 * torch.randn(8, 2, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def of(model: WorldModel, truth: torch.Tensor) -> Played:
    """People who answer as the world model says, of the z that the true link gives them."""
    d = draws(7, 0, TOWNS)
    people = open_rosters(ROOT / "personas/populations/broad.yaml", SOCIETY.agents).people(d)
    seen = play(SOCIETY, ScriptedPopulation(), people, RandomRules(SOCIETY, d), d).episode
    raw = played(SOCIETY, people, seen, worded=False)
    model.scaler.read(raw.data.prospects, raw.data.features[..., model.own])
    z = torch.cat([torch.ones(TOWNS, SOCIETY.agents, 1), raw.inputs], -1) @ truth
    told = watching(model, raw).log_probs(z[None], torch.arange(TOWNS), torch.arange(SOCIETY.steps))
    return replace(raw, data=replace(raw.data, choice=told.exp().mean(0)[0]))


@pytest.fixture(scope="module")
def link(model: WorldModel, of: Played) -> Fitted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_fit, "PULL", 0.0)  # of a tracker that was never fitted nothing can be learned
        return fitted(model, of, 8.0, 0, (INFERRED, LINEAR))


def test_a_true_link_is_recovered(link: Fitted, truth: torch.Tensor) -> None:
    assert link.form.name == LINEAR.name
    assert (link.link.weights - truth).abs().max() < 0.2
    by_inferred, chosen = link.scores
    assert chosen.loss < 0.002 < 0.05 < by_inferred.loss
    assert len(link.without) == 4
    assert all((one.weights - truth).abs().max() < 0.3 for one in link.without)


def test_what_people_left_out_answer_does_not_move_the_link(model: WorldModel, of: Played) -> None:
    out = of.folds(4, torch.Generator().manual_seed(1)) == 0
    flipped = torch.where(out[:, None, :, None], of.data.choice.flip(-1), of.data.choice)
    other = replace(of, data=replace(of.data, choice=flipped))
    form = replace(LINEAR, steps=5)
    seen = watching(model, of)  # what is inferred of one depends on the town's other people: that is where links start
    both = (seen, replace(watching(model, other), inferred=seen.inferred, spread=seen.spread))
    links = [fit_links(each, form, (~out)[None], 8.0, 0)[0] for each in both]
    assert torch.equal(links[0].weights, links[1].weights)
    (moved,) = fit_links(both[1], form, torch.ones_like(out)[None], 8.0, 0)
    assert not torch.equal(links[0].weights, moved.weights)


def test_the_world_model_learns_nothing_from_it(model: WorldModel, of: Played) -> None:
    before = {name: part.clone() for name, part in model.state_dict().items()}
    fitted(model, of, 8.0, 0, (replace(NET, steps=3),))
    assert all(torch.equal(before[name], part) for name, part in model.state_dict().items())
    assert all(own.grad is None for own in model.parameters())


def test_neither_the_world_model_nor_the_principal_can_reach_it() -> None:
    files = [file for room in ("world_model", "mechanism") for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 30
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] in ("experiments", "personas")], file


def somebody(**declared: float) -> Persona:
    names = ("elasticity", "fairness", "risk_aversion", "loss_aversion", "habit", "preferred_hours")
    traits = {name: declared.get(name, 0.5) for name in names}
    return Persona("ann", "Ann", "", {"wage": declared.get("wage", 20.0)}, frozenset({"wage"}), traits)


def test_nothing_is_predicted_outside_the_range_of_the_people_played(link: Fitted) -> None:
    link.reach.check(somebody())
    low, high = link.reach.named["habit"]
    link.reach.check(somebody(habit=low))
    link.reach.check(somebody(habit=high))
    with pytest.raises(UserError, match=rf"habit {high + 0.01:.6g} is outside .* declared, {low:.4g} to {high:.4g}:"):
        link.reach.check(somebody(habit=high + 0.01))
    with pytest.raises(UserError, match="wage 90000 is outside"):
        link.reach.check(somebody(wage=90_000))


def test_the_range_is_that_of_everybody_played(of: Played) -> None:
    found = reach(of)
    assert found.names == (*of.names, "wage")
    assert found.named["fairness"] == (float(of.traits[..., 1].min()), float(of.traits[..., 1].max()))


def test_a_link_is_fitted_once_and_read_back(link: Fitted, of: Played, model: WorldModel, tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    for form in (LINEAR, NET):
        made = fitted(model, of, 8.0, 0, (INFERRED, replace(form, steps=2)))
        again = kept(stages, form.name, lambda made=made: made)
        read = kept(stages, form.name, lambda: pytest.fail("it was fitted twice"))
        assert (again.form.name, again.reach, again.scores) == (made.form.name, made.reach, made.scores)
        assert (again.names, again.worded, again.beside) == (made.names, made.worded, made.beside)
        for one, other in zip(read.links, made.links, strict=True):
            assert torch.equal(one(of.inputs), other(of.inputs))


def test_other_people_than_those_of_the_episodes_are_refused(of: Played) -> None:
    d = draws(7, 0, TOWNS)
    people = open_rosters(ROOT / "personas/populations/broad.yaml", SOCIETY.agents).people(d)
    seen = play(SOCIETY, ScriptedPopulation(), people, RandomRules(SOCIETY, d), d).episode
    others = open_rosters(ROOT / "personas/populations/broad.yaml", SOCIETY.agents).people(draws(7, 1, TOWNS))
    with pytest.raises(ValueError, match="not those of the episodes"):
        played(SOCIETY, others, seen, worded=False)
    assert int(of.people().max()) + 1 == TOWNS * SOCIETY.agents


def test_a_world_model_of_kinds_is_refused(of: Played) -> None:
    kinds = WorldModel(SOCIETY, ModelSettings(form="linear", latent="kinds", traits=2), 0)
    with pytest.raises(ValueError, match="knows people as kinds"):
        watching(kinds, of)


@pytest.mark.parametrize("form", ["utility", "mlp"])
def test_links_are_judged_alike_whatever_the_world_models_head(form: Form, of: Played) -> None:
    """Many links at once tell the same as each alone, and as the world model itself."""
    model = WorldModel(SOCIETY, ModelSettings(form=form, members=2, traits=2), 0).requires_grad_(False)
    model.scaler.read(of.data.prospects, of.data.features[..., model.own])
    seen, steps = watching(model, of), torch.tensor([3, 5])
    z = torch.randn(3, TOWNS, SOCIETY.agents, 2, generator=torch.Generator().manual_seed(0))
    together = seen.log_probs(z, torch.arange(TOWNS), steps)  # [S, L, E, t, N, K]
    for i in range(3):
        facts = (of.data.prospects[:, steps], of.data.features[:, steps], z[i][:, None].expand(-1, 2, -1, -1))
        alone = model.log_probs(*[x.expand(2, *x.shape) for x in facts])
        assert torch.allclose(together[:, i], alone, atol=1e-5)


def test_what_reads_the_same_is_the_same_to_the_link() -> None:
    traits = torch.tensor([[0.30, 0.5], [0.40, 0.5], [0.45, 0.5]])
    worded, raw = (inputs(traits, torch.zeros(3, 1), ("habit", "fairness"), worded) for worded in (True, False))
    assert torch.equal(worded[0], worded[1])
    assert not torch.equal(worded[1], worded[2])
    assert not torch.equal(raw[0], raw[1])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=40), st.integers(0, 9))
def test_whoever_declares_the_same_is_left_out_together(values: list[int], seed: int) -> None:
    n = len(values)
    traits = torch.tensor(values).reshape(1, n, 1) / 10
    data = type("Data", (), {"covariates": torch.zeros(1, n, 1)})()
    of = Played(("habit",), traits, (), torch.zeros(1, n, 0), True, data, torch.zeros(1))  # pyright: ignore
    fold = of.folds(4, torch.Generator().manual_seed(seed))[0].tolist()
    assert len({(value, part) for value, part in zip(values, fold, strict=True)}) == len(set(values))
    assert len(set(fold)) == min(4, len(set(values)))


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = torch.tensor([3.0, 5.0, 9.0, 1.0], dtype=torch.float64)
    without = [torch.cat([values[:i], values[i + 1 :]]).mean() for i in range(4)]
    assert float(jackknife(values.mean(), without)) == pytest.approx(float(values.std() / 2))
    assert float(jackknife(values.mean(), without[:1])) == 0
