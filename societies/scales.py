"""On which scale the choices of any society are put, so that kinds of people can be compared in it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from societies.base import Restful, Scaled, Society


@dataclass
class PlainScale:
    """The scale of a society that declares none. Implements `societies.base.Scaled`.

    Where the response to a choice is one number, that number; else, where one may do nothing, whether one does
    anything; else whether it is the first choice.
    """

    society: Society
    answer: str
    price: str = ""
    prices: tuple[float, float] = (0.0, 0.0)
    lot: str = ""
    takes_home: str = ""

    def amounts(self) -> Tensor:
        told = _responses(self.society)
        if told.shape[-1] == 1:
            return told[:, 0]
        places = torch.arange(len(told))
        return (places != self.society.idle if isinstance(self.society, Restful) else places == 0).float()

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full(features.shape[:2], torch.nan)

    def lot_of(self, features: Tensor) -> Tensor:
        return torch.full(features.shape[:2], torch.nan)

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full((*features.shape[:2], len(self.society.choice_names)), torch.nan)


def _responses(society: Society) -> Tensor:
    """[K, R] to each choice"""
    return society.respond(torch.arange(len(society.choice_names))[None])[0]


def scale_of(society: Society) -> Scaled:
    """What the society declares, or a plain one."""
    if isinstance(society, Scaled):
        return society
    if _responses(society).shape[-1] == 1:
        return PlainScale(society, "response")
    idle = isinstance(society, Restful)
    return PlainScale(society, "share of steps in which one does anything" if idle else "share that makes choice 1")


def embedded(amounts: Tensor) -> Tensor:
    """Amounts [K] -> what each choice is as a vector [K, Q]: its amount where all differ, else a name of its own."""
    return amounts[:, None] if len(amounts.unique()) == len(amounts) else torch.eye(len(amounts))
