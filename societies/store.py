"""Episodes on disk, in numbered Parquet parts that are written once. The sealed part lies in a file of its own."""

from dataclasses import asdict
from pathlib import Path

import torch

from agents.base import Fallback, Message
from societies.base import Episode
from societies.parquet import read, write
from societies.play import Played
from societies.sealed import save_sealed

_TENSORS = ("ids", "features", "mechanism", "action", "choice", "response", "welfare")
_ACCOUNT = "account "


def episode_path(folder: Path, number: int) -> Path:
    """Where the public part with that number lies."""
    return folder / f"episodes-{number:05d}.parquet"


def save(folder: Path, number: int, played: Played) -> None:
    """Write what was played. Once the public part exists the sealed one does too; an older part is replaced."""
    save_sealed(folder, number, played.sealed)
    save_episode(folder, number, played.episode)


def save_episode(folder: Path, number: int, episode: Episode) -> None:
    """Write a public record alone (imagined episodes have no sealed part)."""
    tensors = {name: getattr(episode, name) for name in _TENSORS}
    accounts = {_ACCOUNT + name: value for name, value in episode.accounts.items()}
    facts = {
        "society": episode.society,
        "soft": episode.soft,
        "counted": episode.counted.tolist(),
        "fallbacks": [asdict(f) for f in episode.fallbacks],
        "messages": [[asdict(m) for m in said] for said in episode.messages],
    }
    write(episode_path(folder, number), tensors | accounts, facts)


def load_episodes(folder: Path) -> list[Episode]:
    """Every public part in the order of its number; `societies.stage.joined` makes one of them. Opens nothing sealed.

    ValueError for a damaged file.
    """
    return [_load(path) for path in sorted(folder.glob("episodes-*.parquet"))]


def _load(path: Path) -> Episode:
    tensors, facts = read(path)
    accounts = {name.removeprefix(_ACCOUNT): t for name, t in tensors.items() if name.startswith(_ACCOUNT)}
    return Episode(
        society=facts["society"],
        soft=facts["soft"],
        counted=torch.tensor(facts["counted"], dtype=torch.bool),
        accounts=accounts,
        fallbacks=tuple(Fallback(**f) for f in facts["fallbacks"]),
        messages=tuple(tuple(Message(**m) for m in said) for said in facts.get("messages", ())),
        **{name: tensors[name] for name in _TENSORS},
    )
