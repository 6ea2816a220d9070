"""Episodes on disk come back exactly; the sealed part is apart; a killed write leaves nothing behind."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.base import Fallback
from agents.scripted import ScriptedPopulation
from learning.draws import draws
from societies import catalog, parquet
from societies.base import Episode
from societies.play import Fixed, Played, play
from societies.sealed import load_sealed, sealed_path
from societies.stage import joined
from societies.store import episode_path, load_episodes, save, save_episode
from tests.towns import crowd, town


def _played(name: str = "income_tax", start: int = 0, worlds: int = 3) -> Played:
    society = catalog.load(name)
    rules = Fixed(society.default_mechanism())
    people = town(society, start, worlds, crowd(society, 5))
    played = play(society, ScriptedPopulation(), people, rules, draws(1, start, worlds))
    fallbacks = (Fallback(1, 4, "repeat_last", 'unreadable reply: "{"'), Fallback(0, 2, "uniform", "не число"))
    return replace(played, episode=replace(played.episode, fallbacks=fallbacks))


def _same(a: Episode, b: Episode) -> None:
    assert (a.society, a.soft, a.fallbacks) == (b.society, b.soft, b.fallbacks)
    names = ("ids", "features", "mechanism", "action", "choice", "response", "welfare", "counted")
    pairs = [(getattr(a, n), getattr(b, n)) for n in names]
    assert list(a.accounts) == list(b.accounts)
    pairs += [(a.accounts[n], b.accounts[n]) for n in a.accounts]
    for mine, theirs in pairs:
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", catalog.library())
def test_round_trip_is_exact(name: str, tmp_path: Path) -> None:
    played = _played(name)
    save(tmp_path, 7, played)
    (episode,), (sealed,) = load_episodes(tmp_path), load_sealed(tmp_path)
    _same(episode, played.episode)
    assert sealed.trait_names == played.sealed.trait_names
    assert torch.equal(sealed.traits, played.sealed.traits)
    assert torch.equal(sealed.payoff, played.sealed.payoff)


def test_odd_numbers_survive(tmp_path: Path) -> None:
    episode = _played().episode
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-42, -3.4e38])
    features = episode.features.clone()
    features[0, 0, 0, :5] = odd
    save_episode(tmp_path, 0, replace(episode, features=features, action=episode.action - 3))
    (again,) = load_episodes(tmp_path)
    assert torch.equal(again.features.view(torch.int32), features.view(torch.int32))  # bit for bit
    assert torch.equal(again.action, episode.action - 3)


def test_parts_come_in_the_order_of_their_numbers_and_join(tmp_path: Path) -> None:
    parts = [_played(start=s, worlds=w) for s, w in ((0, 2), (2, 3), (5, 2))]
    for number in (2, 0, 1):
        save(tmp_path, number + 9, parts[number])
    loaded = load_episodes(tmp_path)
    for mine, played in zip(loaded, parts, strict=True):
        _same(mine, played.episode)
    whole = joined(loaded)
    assert whole.ids.tolist() == list(range(7))
    assert [f.world for f in whole.fallbacks] == [1, 0, 3, 2, 6, 5]


def test_loading_opens_nothing_sealed(tmp_path: Path) -> None:
    played = _played()
    save(tmp_path, 0, played)
    sealed_path(tmp_path, 0).write_bytes(b"not to be read")
    _same(load_episodes(tmp_path)[0], played.episode)
    with pytest.raises(ValueError, match=r"sealed-00000\.parquet is not an episode file, or is damaged"):
        load_sealed(tmp_path)
    sealed_path(tmp_path, 0).unlink()
    _same(load_episodes(tmp_path)[0], played.episode)


def test_the_public_file_holds_nothing_private(tmp_path: Path) -> None:
    played = _played()
    save(tmp_path, 0, played)
    tensors, facts = parquet.read(episode_path(tmp_path, 0))
    assert not {"traits", "payoff", "trait_names"} & (set(tensors) | set(facts))
    private = played.sealed.payoff.flatten()[:40].tolist()
    public = {x for t in tensors.values() for x in t.flatten().tolist()}
    assert not public & set(private)


def test_a_killed_write_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _played(), _played(start=3)
    save(tmp_path, 0, first)

    def killed(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_episode(tmp_path, 0, second.episode)
    with pytest.raises(KeyboardInterrupt):
        save_episode(tmp_path, 1, second.episode)
    monkeypatch.undo()
    (kept,) = load_episodes(tmp_path)
    _same(kept, first.episode)
    save(tmp_path, 1, second)  # and the next try succeeds
    assert len(load_episodes(tmp_path)) == 2


def test_strange_files_are_refused(tmp_path: Path) -> None:
    episode_path(tmp_path, 0).write_bytes(b"PAR1 this is no table PAR1")
    with pytest.raises(ValueError, match="delete it and play it again"):
        load_episodes(tmp_path)
    assert load_episodes(tmp_path / "nowhere") == []


def test_files_of_another_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "FORMAT", 99)
    save_episode(tmp_path, 0, _played().episode)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="format 99"):
        load_episodes(tmp_path)
