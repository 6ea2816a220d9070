"""The one documented set of traits: what each means, its natural unit, and the seven grades in which it is told.

A trait value u is in [0, 1], is fixed within an episode and is always private. Societies compute with its natural unit
(`natural` gives the same); a language model reads it only as words in grades (`personas.words`).
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

GRADES = 7
HOURS_LOW, HOURS_SPAN = 25.0, 33.0  # preferred hours a week at u = 0, and how many more at u = 1


@dataclass(frozen=True)
class Trait:
    """A latent property of a person. `societies` names those that read it; none means that it is words only."""

    name: str
    meaning: str
    law: str  # the natural unit as a formula in u, for people to read
    natural: Callable[[Tensor], Tensor]  # u in [0, 1] -> natural unit, any shape
    societies: tuple[str, ...] = ()

    @property
    def words_only(self) -> bool:
        return not self.societies


def _scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda u: factor * u


def _tax(name: str, meaning: str, law: str, natural: Callable[[Tensor], Tensor]) -> Trait:
    return Trait(name, meaning, law, natural, ("income_tax",))


def _words(name: str, meaning: str) -> Trait:
    return Trait(name, meaning, "u", _scaled(1.0))


_ALL = (
    _tax(
        "elasticity",
        "how strongly hours follow what is kept of each extra hour's pay",
        "e = 0.1 * 10^u (labour supply elasticity, 0.1 to 1)",
        lambda u: 0.1 * 10.0**u,
    ),
    _tax(
        "fairness",
        "works more willingly when incomes in the town are more equal",
        "phi = 1.2 * u (weight of last year's equality in the worth of work)",
        _scaled(1.2),
    ),
    _tax(
        "risk_aversion",
        "how quickly extra money loses its worth as one has more (curvature)",
        "rho = 0.6 * u (relative risk aversion of consumption)",
        _scaled(0.6),
    ),
    _tax(
        "loss_aversion",
        "dislikes ending with less net income than last year, and works to avoid it",
        "Lambda = 0.3 * u (weight of a fall in net income)",
        _scaled(0.3),
    ),
    _tax(
        "habit",
        "dislikes changing hours from last year's",
        "eta = 0.5 * u (weight of the squared change of hours, in 40 h)",
        _scaled(0.5),
    ),
    _tax(
        "preferred_hours",
        "hours a week that feel right when three quarters of extra pay is kept; told as a whole number",
        "h = 25 + 33 * u (hours a week, 25 to 58)",
        lambda u: HOURS_LOW + HOURS_SPAN * u,
    ),
    Trait(
        "roaming",
        "for an outing likes a walk and shuns crowds, instead of going next door",
        "m = u (0: at the door, 1: a walk away)",
        _scaled(1.0),
        ("facility32", "facility32_sharp", "facility8", "facility8_sharp"),
    ),
    Trait(
        "position",
        "where on a street one lives",
        "x = u (0: at its one end, 1: at its other)",
        _scaled(1.0),
        ("facility_line",),
    ),
    Trait(
        "strength",
        "how heavy the work is that one is made for; one's role in a team goes with it",
        "s = u (0: the lightest work, 1: the heaviest)",
        _scaled(1.0),
        ("team_formation", "team_formation_iid"),
    ),
    Trait(
        "patience",
        "would rather wait for more later than take less now",
        "w = 10^-u (coins that a minute on the road is worth, 1 to 0.1)",
        lambda u: 10.0**-u,
        ("congestion_game",),
    ),
    Trait(
        "altruism",
        "gives up something of one's own for the good of others",
        "a = u (weight of what others get, against one's own)",
        _scaled(1.0),
        ("matrix_game",),
    ),
    _words("reciprocity", "returns kindness with kindness and harm with harm"),
    _words("conformity", "does as most others do"),
    _words("trust", "expects strangers to keep their word"),
    Trait(
        "honesty",
        "tells the truth when a lie would pay",
        "c = 0.05 + 0.3 * u (cost of a lie, per width of the street)",
        lambda u: 0.05 + 0.3 * u,
        ("facility_line",),
    ),
)

TRAITS: dict[str, Trait] = {trait.name: trait for trait in _ALL}  # in the order in which they are told


def natural(name: str, u: Tensor) -> Tensor:
    """The trait in its natural unit, same shape as `u`. KeyError for a trait that is not documented."""
    return TRAITS[name].natural(u)


def natural_text(name: str, u: float) -> str:
    """One value in its natural unit, such as 'e = 0.32'; the symbol is that of the law."""
    trait = TRAITS[name]
    symbol = trait.law.split(" = ")[0]
    return f"{symbol} = {float(trait.natural(torch.tensor(u))):.3g}"


def grades(u: Tensor) -> Tensor:
    """Grade 0 .. 6 of each value in [0, 1]: min(6, floor(7 u)), int64, same shape."""
    return (GRADES * u.to(torch.float64)).floor().clamp(0, GRADES - 1).to(torch.int64)


def whole_hours(u: Tensor) -> Tensor:
    """Preferred hours a week as told, a whole number (int64, same shape)."""
    return (HOURS_LOW + HOURS_SPAN * u.to(torch.float64)).round().to(torch.int64)


def midpoint(name: str, u: Tensor) -> Tensor:
    """What the words carry of a trait: the middle of its grade; for preferred hours, the whole hours mapped back."""
    told = (whole_hours(u) - HOURS_LOW) / HOURS_SPAN if name == "preferred_hours" else (grades(u) + 0.5) / GRADES
    return told.to(u.dtype)


def midpoints(traits: Tensor, names: tuple[str, ...]) -> Tensor:
    """`midpoint` of every column of [..., Z], whose names are `names`."""
    return torch.stack([midpoint(name, traits[..., i]) for i, name in enumerate(names)], dim=-1)


def _held(u: float) -> float:
    """The value as float32 tensors hold it, so that a persona and its row in `People.traits` get the same grade."""
    return struct.unpack("f", struct.pack("f", u))[0]


def grade(u: float) -> int:
    """Grade 0 .. 6 of one value."""
    return max(0, min(GRADES - 1, math.floor(GRADES * _held(u))))


def hours_told(u: float) -> int:
    """Preferred hours a week as told, for one value."""
    return round(HOURS_LOW + HOURS_SPAN * _held(u))
