"""Computed prompt beginnings, kept for an agent's whole life as far as memory allows."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from agents.embedded.network import Network, Prefix

ROOM = 32  # tokens; sums over another number of places may be rounded otherwise, so lengths come in few sizes
Piece = tuple[Tensor, Tensor]  # keys and values of one prefix, each [layers, H, L, D]


class PrefixCache:
    """The last used prefixes, up to `limit` bytes. `tokenize` turns texts into token ids."""

    def __init__(self, network: Network, tokenize: Callable[[list[str]], list[list[int]]], limit: int) -> None:
        self._network, self._tokenize, self._limit = network, tokenize, limit
        self._kept = OrderedDict[str, Piece]()
        self._bytes = 0
        self.computed = 0  # prefixes that had to be computed so far

    def get(self, texts: Sequence[str]) -> Prefix:
        """The prefixes of `texts`, in their order; what is not kept is computed."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        fresh = self._compute(missing) if missing else {}
        pieces = [fresh[text] if text in fresh else self._touch(text) for text in texts]
        for text, piece in fresh.items():
            self._keep(text, piece)
        return _padded(pieces)

    def _compute(self, texts: list[str]) -> dict[str, Piece]:
        """Texts of like length together. A text's numbers depend on its own length only, not on who is beside it."""
        ids = dict(zip(texts, self._tokenize(texts), strict=True))
        rooms = {text: -(-len(tokens) // ROOM) * ROOM for text, tokens in ids.items()}
        made = dict[str, Piece]()
        for room in dict.fromkeys(rooms.values()):
            made |= self._compute_padded({text: ids[text] for text in texts if rooms[text] == room}, room)
        return made

    def _compute_padded(self, ids: dict[str, list[int]], room: int) -> dict[str, Piece]:
        tokens = torch.zeros(len(ids), room, dtype=torch.int64)
        for row, known in zip(tokens, ids.values(), strict=True):
            row[: len(known)] = torch.tensor(known)
        made = self._network.prefix(tokens, torch.tensor([len(known) for known in ids.values()]))
        self.computed += len(ids)
        return {
            text: (made.keys[:, i, :, : len(known)].clone(), made.values[:, i, :, : len(known)].clone())
            for i, (text, known) in enumerate(ids.items())
        }

    def _touch(self, text: str) -> Piece:
        self._kept.move_to_end(text)
        return self._kept[text]

    def _keep(self, text: str, piece: Piece) -> None:
        self._kept[text] = piece
        self._bytes += _size(piece)
        while self._bytes > self._limit and self._kept:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(piece: Piece) -> int:
    return sum(t.numel() * t.element_size() for t in piece)


def _padded(pieces: list[Piece]) -> Prefix:
    lengths = torch.tensor([keys.shape[2] for keys, _ in pieces])
    layers, heads, _, size = pieces[0][0].shape
    keys = torch.zeros(layers, len(pieces), heads, int(lengths.max()), size)
    values = torch.zeros_like(keys)
    for i, (k, v) in enumerate(pieces):
        keys[:, i, :, : k.shape[2]], values[:, i, :, : v.shape[2]] = k, v
    return Prefix(keys, values, lengths)
