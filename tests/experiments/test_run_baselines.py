"""What a run refuses before anybody is asked: baselines and settings that cannot work in its society."""

from dataclasses import replace

import pytest

from experiments.config import load_config
from experiments.errors import ROOT, UserError
from experiments.run_baselines import check_method
from mechanism.distil import DistilSettings
from societies.catalog import load

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


@pytest.mark.parametrize("latent", ["kinds", "joint"])
def test_people_of_no_kind_are_refused(latent: str):
    with pytest.raises(UserError, match=f"latent {latent} needs 1 kind of people at least"):
        load_config(TOWN, [f"method.settings.model.latent={latent}", "method.settings.model.traits=0"])
