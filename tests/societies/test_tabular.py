"""People with a table: what is known of the best choice is what they learn, and what they are kept as."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.tabular import Form, Table, TabularPopulation, load_table, save_table
from learning.draws import Draws, draws
from societies import catalog
from societies.base import Society
from societies.library.matrix_game import society
from societies.play import Fixed, play
from societies.tabular import (
    QSettings,
    _learned,  # pyright: ignore[reportPrivateUsage]
    _Trying,  # pyright: ignore[reportPrivateUsage]
    train_table,
)
from tests.towns import rosters, town
from world_model.fit import quiet


def taught(game: Society, settings: QSettings, rules: Fixed | None = None) -> Table:
    fixed = rules or Fixed(game.default_mechanism())
    return train_table(game, rosters(game), lambda draws: fixed, settings, 0, quiet)


def test_in_a_dilemma_only_the_altruistic_help() -> None:
    game = society()
    people = TabularPopulation(taught(game, QSettings(iterations=150)))
    there = town(game, 0, 50)
    e = play(game, people, there, Fixed(game.default_mechanism()), draws(1, 0, 50)).episode
    helps, altruism = e.action[:, -1] == 0, there.trait("altruism")
    assert float(helps[altruism < 0.25].float().mean()) < 0.05  # to help costs 1 or 2 and brings the others 4 or 3
    assert float(helps[altruism > 0.67].float().mean()) > 0.95


def test_rewards_are_learned_as_they_stand() -> None:
    game = society()
    paid = Fixed(torch.tensor([2.5, 0.0, 2.5, 0.0]))
    people = TabularPopulation(taught(game, QSettings(iterations=60), paid))
    e = play(game, people, town(game, 0, 50), paid, draws(1, 0, 50)).episode
    assert (e.action[:, -1] == 0).all()


def test_the_table_is_the_mean_payoff_of_what_was_tried() -> None:
    """One choice is rewarded, nobody looks ahead, and nothing depends on anybody: the table is the payoffs."""
    game = society(payoffs=[[[0, 0], [0, 0]], [[1, 1], [1, 1]]])  # group 1 alone decides what all get
    table = taught(game, QSettings(iterations=300, learning_rate=0.5, explore=1.0))
    gain = (table.worth[0, :, 1] - table.worth[0, :, 0]).view(
        game.steps, 2, -1, table.form.parts
    )  # group, usual, altruism
    seen = (table.worth[0] != 0).all(-1).view(gain.shape)
    altruism = ((torch.arange(16) + 0.5) / 16).expand_as(gain)
    first, second = seen[:, 0], seen[:, 1]
    torch.testing.assert_close(gain[:, 0][first], 1 + altruism[:, 0][first], atol=0.06, rtol=0)
    assert float(gain[:, 1][second].abs().mean()) < 0.2


def test_what_lies_ahead_is_ones_own_next_turn_and_after_the_end_nothing() -> None:
    """One person, four steps of one situation each; in the second it is not their turn. All cells are worth more than 0
    and the batch is learned by heart, so that each cell that was tried is what was found there.
    """
    worth = torch.tensor([[[9.0, 3.0], [50.0, 60.0], [5.0, 8.0], [2.0, 1.0]]])
    trying = _Trying(Table(Form("made_up", 1, 4, 1, 2, (), 1), worth), 0.0)
    trying.rows = [torch.tensor([[t]]) for t in range(4)]
    trying.actions = [torch.tensor([[a]]) for a in (0, -1, 0, 1)]
    both, none, first = ([[[a, b]]] for a, b in ((True, True), (False, False), (True, False)))
    trying.open_ = [torch.tensor(told) for told in (both, none, first, both)]
    payoff = torch.tensor([[1.0, 4.0, 2.0, 3.0]])[..., None]
    found = _learned(trying, payoff, 0.5, 1.0)
    third, last = 2 + 0.5 * 2, 3.0  # what is best next; nothing
    first_turn = 1 + 0.5 * 4 + 0.25 * 5  # in the third step only the first choice is open
    torch.testing.assert_close(found[0], torch.tensor([[first_turn, 3.0], [50.0, 60.0], [third, 8.0], [2.0, last]]))


class _Seen:
    """Draws counted, so that two trainings can be told to be the same."""

    def __init__(self) -> None:
        self.starts = list[int]()

    def __call__(self, draws: Draws) -> Fixed:
        self.starts.append(int(draws.episodes[0]))
        return Fixed(torch.zeros(4))


def test_the_same_seed_teaches_the_same_and_every_batch_is_new() -> None:
    game, seen = society(), _Seen()
    settings = QSettings(iterations=3, worlds=4)
    first, again = (train_table(game, rosters(game), seen, settings, 0, quiet).worth for _ in range(2))
    assert torch.equal(first, again)
    assert seen.starts == [0, 4, 8, 0, 4, 8]


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    table, file = taught(society(), QSettings(iterations=2, worlds=4)), tmp_path / "people.safetensors"
    save_table(table, file)
    again = load_table(file)
    assert again.form == table.form
    assert torch.equal(again.worth, table.worth)


@pytest.mark.parametrize("content", [None, b"", b"no table"])
def test_a_file_that_holds_no_table_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "people.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"people\.safetensors holds no people with a table"):
        load_table(file)


def test_a_large_society_needs_a_network() -> None:
    with pytest.raises(ValueError, match="income_tax has too many situations for a table"):
        taught(catalog.load("income_tax"), QSettings())


def test_a_table_of_another_society_is_refused() -> None:
    roads = catalog.load("congestion_game")
    table = Table(Form("matrix_game", 1, 8, 4, 2, (), 16), torch.zeros(1, 32, 2))
    with pytest.raises(ValueError, match=r"learned in matrix_game, .* with 2 choices; this is another"):
        play(roads, TabularPopulation(table), town(roads, 0, 1), Fixed(torch.zeros(3)), draws(0, 0, 1))


@pytest.mark.parametrize(
    ("name", "value"), [("iterations", 0), ("worlds", 0), ("parts", 0), ("explore", 1.5), ("discount", -1.0)]
)
def test_settings_that_make_no_sense_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value:g}; it must be"):
        taught(society(), replace(QSettings(), **{name: value}))
