"""Rosters of several kinds of people: shares, kinds for life, words and what is refused."""

import json
from pathlib import Path

import pytest
import torch

from agents.base import Decisions, Round
from agents.llm.calls import calls
from experiments import runs
from experiments.config import Config, load_config
from experiments.errors import UserError
from experiments.findings import _people  # pyright: ignore[reportPrivateUsage]
from experiments.mixed_people import among, has_rl_people, mixed_in, of_kind, own_share
from experiments.quoted import claim_about
from learning.draws import Draws, draws
from personas.people import People
from personas.rosters import open_rosters
from societies.catalog import load
from societies.play import Fixed, play
from tests.experiments.tiny import TINY, solon, tiny_config


class Chooses:
    """People who always choose the same."""

    def __init__(self, choice: int) -> None:
        self.choice = choice

    def start(self, people: People) -> None:
        return None

    def decide(self, memory: None, round: Round, draws: Draws) -> tuple[None, Decisions]:
        return None, Decisions(torch.where(round.choices.any(-1), self.choice, -1), None)


RL = "population.rl={iterations: 1, decisions: 400, hidden: 4}"


def config_of(folder: Path, *words: str) -> Config:
    file = folder / "tiny.yaml"
    file.write_text(TINY)
    return load_config(file, words)


def test_shares_leave_the_rest_to_the_config_s_own_kind(tmp_path: Path):
    config = config_of(tmp_path, "population.mix={rl: 0.3, scripted: 0.2}", RL)
    assert own_share(config) == pytest.approx(0.5)
    assert mixed_in(config) == {"rl": 0.3, "scripted": 0.2}
    assert has_rl_people(config)
    assert of_kind(config, "rl").population.settings == {"iterations": 1, "decisions": 400, "hidden": 4}
    assert of_kind(config, "scripted").population.mix == {}
    assert not has_rl_people(config_of(tmp_path, "population.mix={rl: 0}"))
    told = _people(config)
    assert "30% of them are RL agents" in told
    assert "20% of them are scripted" in told
    assert claim_about(config) is None  # quoted figures are of one kind of people


def test_everyone_is_of_one_kind_for_life(tmp_path: Path):
    config = config_of(tmp_path, "population.mix={rl: 0.3, scripted: 0.2}", RL)
    society = load("one_step")
    people = open_rosters(Path("personas/populations/communities.yaml"), society.agents).people(draws(0, 0, 40))
    mixed = among(config, lambda purpose: Chooses(0), [Chooses(1), Chooses(2)])("any")
    rules = Fixed(society.default_mechanism())
    first, later = (play(society, mixed, people, rules, draws(seed, 0, 40)).episode.action[:, 0] for seed in (1, 2))
    assert torch.equal(first, later)
    shares = [float((first == choice).float().mean()) for choice in range(3)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.06)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("population.mix={rl: 0.7, scripted: 0.5}", "the shares come to 1.2"),
        ("population.mix={llm: 0.5}", "llm people are the roster's own"),
        ("population.mix={wizards: 0.5}", "'wizards' cannot be mixed in"),
        ("population.mix={rl: -0.1}", "greater than or equal to 0"),
        ("population.rl={iterations: 3}", "nobody of the mix is trained"),
        ("population.mix={rl: 0.5, scripted: .nan}", "finite"),
    ],
)
def test_mixes_that_cannot_be_are_refused_with_their_place(word: str, said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said) as refused:
        config_of(tmp_path, word)
    assert "population." in str(refused.value)


def test_a_mixed_run_asks_the_model_about_its_own_people_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tiny_config(tmp_path, monkeypatch)
    words = ("population.mix={rl: 0.25, scripted: 0.5}", RL)
    foretold = json.loads(solon("run", file, *words, "--dry-run", "--json").stdout)
    done = solon("run", file, *words)
    assert done.exit_code == 0, done.output
    run = runs.RUNS / "tiny"
    asked = len(list(calls(run)))
    assert foretold["calls"] == pytest.approx(0.25 * sum(foretold["decisions"].values()))
    assert asked == pytest.approx(foretold["calls"], rel=0.35)  # few people, of whom each is of one kind
    assert (run / "stages" / "rl-people.safetensors").is_file()
    assert solon("run", file, *words).exit_code == 0  # goes on where it was
    assert len(list(calls(run))) == asked
    refused = solon("evaluate", "us_federal", "--run", "tiny", "--calls", "50")
    assert refused.exit_code == 2
    assert "several kinds" in refused.stderr


def test_shares_are_swept_with_how_they_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = ("sweep", tiny_config(tmp_path, monkeypatch), "population.rl.iterations=1", "population.rl.decisions=200")
    done = solon(*words, "--over", "population.mix.rl=0.5,wizard")
    assert done.exit_code == 2
    assert "wizard" in done.stderr  # the first was let through
