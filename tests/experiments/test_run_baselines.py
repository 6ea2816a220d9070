"""What a run refuses before anybody is asked: baselines and settings that cannot work in its society."""

from dataclasses import replace
from typing import cast

import pytest
import torch

from experiments.compared_rules import Rulebook, count_of
from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.named_rules import rules_named
from experiments.run_baselines import check_baselines, check_method
from learning.draws import draws
from mechanism.distil import DistilSettings
from mechanism.swm_ap import Outcome
from societies.catalog import load
from societies.play import Fixed
from tests.experiments.test_compared_cells import Nobody

TOWN = ROOT / "experiments/configs/facility32.yaml"
SETTINGS = load_config(TOWN).method.settings


def test_what_ships_can_work():
    check_method(SETTINGS, ["planning"], load("facility32"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optimizer=backprop", "no gradient passes through the options of facility32"),
        ("model.latent=gaussian", "not latent gaussian, form linear"),
        ("model.form=mlp", "not latent kinds, form mlp"),
    ],
)
def test_settings_that_would_fail_after_the_first_episodes_are_refused(word: str, message: str):
    settings = load_config(TOWN, [f"method.settings.{word}"]).method.settings
    with pytest.raises(UserError, match=message):
        check_method(settings, [], load("facility32"))


def test_who_plans_nothing_may_have_any_model():
    settings = load_config(TOWN, ["method.settings.model.latent=gaussian"]).method.settings
    check_method(replace(settings, distil=DistilSettings()), ["random"], load("facility32"))
    with pytest.raises(UserError, match="planning in facility32"):
        check_method(replace(settings, distil=DistilSettings()), ["planning"], load("facility32"))


def test_the_best_schedule_for_one_objective_is_not_passed_off_as_that_for_another():
    society, told = load("income_tax", "log"), "known for equality_productivity, not for log"
    with pytest.raises(UserError, match=told):
        check_baselines(["us_federal", "best_fixed"], society, two_level=False)
    check_baselines(["us_federal", "saez"], society, two_level=False)
    book = Rulebook(society, Nobody(), 0)
    with pytest.raises(UserError, match=told):
        book.check("best_fixed")
    assert "best_fixed" not in book.known()
    with pytest.raises(UserError, match=told) as refused:
        rules_named("best_fixed", society, cast(Outcome, None), 0, None)
    assert refused.value.where == "MECHANISM"


def test_every_command_takes_the_names_of_the_others():
    society, book, nothing = load("income_tax"), Rulebook(load("income_tax"), Nobody(), 0), cast(Outcome, None)
    for name, label in (("us_federal", "US federal"), ("default", "US federal"), ("flat_25", "flat 25%")):
        rule, other = book.named(name), rules_named(name, society, nothing, 0, None)
        assert rule.label == label
        assert isinstance(other, Fixed)
        assert torch.equal(cast(Fixed, rule.principal(draws(0, 0, 1))).mechanism, other.mechanism)
    assert book.named("us_federal").name == "default"
    assert Rulebook(load("congestion_game"), Nobody(), 0).named("no_toll").name == "default"
    with pytest.raises(UserError, match="no rules 'no_toll'"):
        book.check("no_toll")


@pytest.mark.parametrize("names", [["flat_5", "flat_05", "saez"], ["default", "us_federal"]])
def test_two_names_of_the_same_rules_are_not_two_sets_of_rules(names: list[str]):
    with pytest.raises(UserError, match=f"{names[0]} and {names[1]} are the same rules"):
        count_of(Rulebook(load("income_tax"), Nobody(), 0), names, 0)


@pytest.mark.parametrize("latent", ["kinds", "joint"])
def test_people_of_no_kind_are_refused(latent: str):
    with pytest.raises(UserError, match=f"latent {latent} needs 1 kind of people at least"):
        load_config(TOWN, [f"method.settings.model.latent={latent}", "method.settings.model.traits=0"])
