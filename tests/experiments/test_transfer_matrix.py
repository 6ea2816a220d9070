"""The transfer matrix: regret from known levels, its words, and the same world model for rules that infer nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments import runs, transferred
from experiments.config import load_config
from experiments.stages import TENSORS
from experiments.transfer_matrix import KINDS, matrix, smallest
from experiments.transfer_report import headline, render
from experiments.transfer_table import Matrix
from experiments.transferred import Lab, measure
from mechanism.swm_ap import Outcome, SWMSettings
from societies.catalog import load
from societies.stage import Stage
from tests.experiments.tiny import TINY, solon, tiny_config
from world_model.model import WorldModel

TOWN = smallest()[0]  # facility8


def made_up(folder: Path) -> Matrix:
    """Own rules bring 1, those of RL people .8 to others, all else 1 too; five seeds, six communities."""
    noise = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)) / 100
    for seed in range(5):
        place = folder / "stages" / f"facility8-{seed}"
        place.mkdir(parents=True)
        for kind in KINDS:
            own = {"welfare": 1 + noise[seed, None], "from nothing, 1": 0.9 + noise[seed, None]}
            TENSORS.write(own, place / f"itself {kind}.safetensors")
            kept = {
                f"{other}, {how}": (0.8 if kind == "rl" != other else 1.0) + noise[4 - seed, None]
                for other in KINDS
                for how in ("as it is", "without inference", "adapted with 1")
            }
            TENSORS.write(kept, place / f"from {kind}.safetensors")
    return matrix(folder, TOWN, 5)


def test_regret_is_counted_against_rules_learned_on_the_same_people(tmp_path: Path):
    found = made_up(tmp_path).plain()
    regret = found["regret"]
    assert isinstance(regret, dict)
    assert len(regret) == 9
    lost = regret["rl to llm"]["as it is"]  # pyright: ignore
    assert lost[0] == pytest.approx(0.2, abs=1e-3)  # pyright: ignore
    assert 0 < lost[1] < 0.2 < lost[2]  # pyright: ignore
    same = regret["rl to rl"]["as it is"]  # pyright: ignore
    assert same[1] <= 0 <= same[2]  # pyright: ignore
    assert "adapted with 1" not in regret["rl to rl"]  # pyright: ignore
    assert "rules learned on RL people, tried on LLM people: as it is, they lose, regret +.2" in str(found["findings"])
    assert "rules learned on scripted people, tried on RL people: as it is, no difference is found" in str(found)


def test_the_report_says_what_is_lost_most_and_shows_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found, config = made_up(tmp_path), load_config(tiny_config(tmp_path, monkeypatch))
    assert headline(found).startswith("Most is lost by rules learned on RL people and tried on ")
    manifest = {"seed": 0, "sessions": [{"commit": "abc", "hardware": "two cores"}]}
    page = render(found, ("a note of <b>somebody</b>",), config, manifest)
    assert "a note of &lt;b&gt;somebody&lt;/b&gt;" in page
    assert page.count('class="range"') == 3 + 9 * 2 + 6 + 3  # own levels; as it is and blind; adapted; from nothing
    assert "adapted with 1 episode<" in page
    assert "Rules learned on RL people, tried on LLM people: as it is, they lose, regret +.2" in page
    same = Matrix("facility8", ("llm", "scripted"), (1,), lambda *_: np.ones((5, 6)))
    assert headline(same).startswith("No loss is shown")


def test_a_small_loss_that_is_certain_comes_before_a_larger_one_that_is_not():
    unsure = np.linspace(-2, 2.4, 5)[:, None].repeat(6, 1)

    def levels(part: str, how: str) -> np.ndarray[Any, Any]:
        lost = 0.1 if (part, how) == ("from rl", "llm, as it is") else 0.0
        return 1 - (unsure if (part, how) == ("from llm", "rl, as it is") else np.full((5, 6), lost))

    assert headline(Matrix("facility8", ("llm", "rl"), (1,), levels)) == (
        "Most is lost by rules learned on RL people and tried on LLM people: regret +.100 (+.100 to +.100)."
    )


def test_rules_that_infer_nothing_are_made_in_the_same_world_model():
    scripted, society = ScriptedPopulation(), load(TOWN.name)
    here = Lab(society, TOWN.rosters(society), {"rl": scripted}, TOWN.swm, 2, (1,), 2, 5, 6)
    sighted = here.learned("rl", "from")
    blind = here.blind("rl", "from", sighted)
    weights = sighted.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in blind.model.state_dict().items())
    assert any(
        not torch.equal(value, sighted.learned.policy.state_dict()[name])
        for name, value in blind.learned.policy.state_dict().items()
    )


def two_kinds() -> Lab:
    """Both decide alike; the world model has several starts."""
    society, swm = load(TOWN.name), replace(TOWN.swm, fit=replace(TOWN.swm.fit, kind_starts=3))
    people = {"rl": ScriptedPopulation(), "llm": ScriptedPopulation()}
    return Lab(society, TOWN.rosters(society), people, swm, 2, (1,), 2, 5, 6)


def test_every_learning_has_communities_of_its_own_and_none_that_is_judged_on():
    here = two_kinds()
    places = [here.place(kind, split) for kind in here.people for split in ("itself", "from", "adapting, 1")]
    assert {place.judged.seed for place in places} == {6}
    training = {place.training.seed for place in places}
    assert len(training) == len(places)
    assert 6 not in training


@dataclass(frozen=True)
class Learned:
    """One learning as it was asked for."""

    training: Stage
    settings: SWMSettings
    seed: int
    known: Mapping[str, Tensor] | None


def learnings(here: Lab, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Learned], WorldModel]:
    """All that a matrix takes, none of which is done, and the world model that each would have led to."""
    asked, model = list[Learned](), WorldModel(here.society, here.swm.model, 0)

    def swm_ap(training: Stage, settings: SWMSettings, seed: int, *_: object, known: Any = None) -> Outcome:
        asked.append(Learned(training, settings, seed, known))
        return Outcome(None, model, None, (), 0, 0)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(transferred, "swm_ap", swm_ap)
    monkeypatch.setattr(transferred, "judge", lambda *_: {"welfare": torch.zeros(1, 2)})
    measure(here, lambda _, make: make())
    return asked, model


def test_only_rules_that_are_adapted_set_out_from_the_world_model_of_others(monkeypatch: pytest.MonkeyPatch):
    here = two_kinds()
    asked, model = learnings(here, monkeypatch)
    adapted = [one for one in asked if one.known is not None]
    assert [one.training.population for one in adapted] == [here.people["llm"], here.people["rl"]]
    for one in adapted:
        assert one.known is not None
        assert all(torch.equal(one.known[name], value) for name, value in model.state_dict().items())
        assert one.settings.fit.kind_starts == 1  # others would forget it
    assert {one.settings.fit.kind_starts for one in asked if one.known is None} == {3}
    assert len({one.seed for one in asked}) == 3  # by itself, for others, adapting: the same for all kinds


def test_the_command_keeps_what_it_has_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = ("transfer", tiny_config(tmp_path, monkeypatch), "compare.populations=[scripted, llm]", "compare.adapt=[1]")
    foretold = json.loads(solon(*words, "--seeds", "1", "--dry-run", "--json").stdout)["decisions"]
    made, decide = list[int](), ScriptedPopulation.decide

    def counted(self: ScriptedPopulation, memory, round, draws):
        made.append(int(round.choices.any(-1).sum()))
        return decide(self, memory, round, draws)

    with monkeypatch.context() as watched:
        watched.setattr(ScriptedPopulation, "decide", counted)
        done = solon(*words, "--seeds", "1", "--json")
    assert done.exit_code == 0, done.output
    assert set(foretold) == {"LLM people", "scripted people"}
    assert foretold["scripted people"] == sum(made)
    found = json.loads(done.stdout)
    assert set(found["regret"]) == {f"{a} to {b}" for a in ("scripted", "llm") for b in ("scripted", "llm")}
    assert set(found["regret"]["llm to scripted"]) == {"as it is", "without inference", "adapted with 1"}
    assert found["findings"] == []  # of one seed
    assert found["seeds"] == 1
    assert "fewer than 5 seeds" in found["notes"][0]
    assert json.loads((tmp_path / "runs/tiny-transfer/transfer.json").read_text()) == found
    assert "fewer than 5 seeds" in done.stderr
    monkeypatch.setattr(transferred, "swm_ap", lambda *_, **__: pytest.fail("it was learned again"))
    again = solon(*words, "--seeds", "1")
    assert again.exit_code == 0, again.output
    assert "adapted with 1" in again.stdout
    told = solon("report", "tiny-transfer")
    assert told.exit_code == 0, told.output
    assert told.stdout == again.stdout
    assert "Most is lost" not in (tmp_path / "runs/tiny-transfer/report.html").read_text()  # of one seed
    for file, content in (("transfer.json", "[]"), ("stages/transfer-0-from-llm.safetensors", "x")):
        place = tmp_path / "runs/tiny-transfer" / file
        whole = place.read_bytes()
        place.write_text(content)
        broken = solon("report", "tiny-transfer")
        place.write_bytes(whole)
        assert broken.exit_code == 2, broken.output
        assert file in broken.stderr.replace("\n", "")


def test_kinds_that_cannot_play_are_refused_before_anything_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tiny_config(tmp_path, monkeypatch)
    refused = solon("transfer", file, "compare.populations=[llm, wizards]")
    assert refused.exit_code == 2
    assert "wizards" in refused.stderr
    for words, said in (
        (["compare.adapt=[0]"], "compare.adapt"),
        (["compare.adapt=[1, 1]"], "1 is named twice"),
        (["compare.seeds=0"], "compare.seeds"),
        (["population.mix.rl=0.5"], "mixes them"),
        (["population.mix.rl=0.5", "--dry-run"], "mixes them"),
        (["society.name=team_formation", "--dry-run"], "society.name"),
        (["--smoke"], "needs a section `smoke:`"),
    ):
        refused = solon("transfer", file, *words)
        assert refused.exit_code == 2, refused.output
        assert said in refused.stderr
    file.write_text(TINY + "smoke:\n  compare: {seeds: 1}\n")
    whole = solon("transfer", file, "--smoke")
    assert whole.exit_code == 2, whole.output
    assert "does not say what is small here" in whole.stderr
    assert not runs.RUNS.exists()
