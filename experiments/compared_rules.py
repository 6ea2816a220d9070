"""The rules under which kinds of people are compared: named ones of the society, and a few drawn at random once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from experiments.errors import UserError
from experiments.findings import LABELS
from experiments.rule_names import DEFAULT, canonical, check_best_fixed, is_plain, of_income_tax, percent_of
from experiments.run_baselines import that_stays
from learning.draws import Draws, child_seed, draws
from mechanism.baselines.line import KNOWN
from mechanism.explore import RandomRules
from mechanism.planning import Counted
from personas.spelling import suggest
from societies.base import Episode, Options, Principal, Society
from societies.labour import LabourMarket
from societies.line import FacilityLine
from societies.mechanisms import bounds, size
from societies.play import Fixed
from societies.roads import CongestionGame
from societies.stage import Rosters, Stage

WATCHED = 20  # communities of scripted people under random rules, from which Saez's rates and the like are worked out
WHERE = "compare.mechanisms"
DEFAULTS = {
    "income_tax": "us_federal",
    "one_step": "us_federal",
    "congestion_game": "no_toll",
    "matrix_game": "no_reward",
}


@dataclass(frozen=True)
class Rule:
    """A named way to set the rules."""

    name: str
    label: str
    principal: Callable[[Draws], Principal]  # the draws of some episodes -> who sets the rules there


@dataclass(frozen=True)
class Rulebook:
    """Where the rules of one comparison come from. The same for every kind of people."""

    society: Society
    rosters: Rosters
    seed: int

    def usual(self) -> tuple[str, ...]:
        """The names of those that are compared unless others are named."""
        society = self.society
        if isinstance(society.mechanism, Options):
            return ("k_median", "random") if isinstance(society, Counted) else ("random",)
        if isinstance(society, FacilityLine):
            return self._of_lines() or ("default",)
        if isinstance(society, CongestionGame):
            return ("default", "marginal_cost")
        if _taxes(society):
            other = [level for level in (25, 50, 75) if not self._is_default(level)]
            return ("default", *(f"flat_{level}" for level in other), *of_income_tax(self.society)[:1])
        return ("default",)

    def known(self) -> tuple[str, ...]:
        """Every name that may be given; besides, where rules are numbers, flat_0 to flat_100 and what runs call the
        default rules.
        """
        rest = () if isinstance(self.society.mechanism, Options) else (DEFAULT,)
        return tuple(dict.fromkeys((*self.usual(), *rest, *of_income_tax(self.society))))

    def check(self, name: str) -> None:
        """UserError: there are no such rules here."""
        check_best_fixed(name, self.society, WHERE)
        if name not in self.known() and not is_plain(name, self.society):
            raise self._unknown(name)

    def named(self, name: str) -> Rule:
        """By one name for the same rules. UserError as `check`."""
        self.check(name)
        name = canonical(name, self.society)
        if name == "random":
            return Rule(name, "anew at random", lambda d: RandomRules(self.society, d))
        principal = that_stays(name, self.society, lambda: self._seen)
        return Rule(name, self._label(name), lambda _: principal)

    def drawn(self, count: int) -> list[Rule]:
        """So many rules that never change, drawn at random: the same ones in every community."""
        found = [Fixed(self._at_random(i)) for i in range(count)]
        return [Rule(f"random_{i + 1}", f"drawn {i + 1}", lambda _, p=p: p) for i, p in enumerate(found)]

    def _at_random(self, number: int) -> Tensor:
        """[M] numbers, or one path of options [T, M], of which each is taken once where there are enough."""
        d, m, steps = draws(child_seed(self.seed, "drawn rules"), number, 1), size(self.society), self.society.steps
        if not isinstance(self.society.mechanism, Options):
            low, high = bounds(self.society)
            return low + (high - low) * self._shares(d, m)
        lots = d.uniform("option", 0, m)[0].argsort() if steps <= m else (m * d.uniform("option", 0, steps)[0]).long()
        return torch.eye(m)[lots[:steps]]

    def _shares(self, d: Draws, m: int) -> Tensor:
        """[M] a level for all, and an offset for each with a fifth of the range as its standard deviation."""
        return (d.uniform("level", 0, 1) + 0.2 * d.normal("offset", 0, m)).clamp(0, 1)[0]

    def _is_default(self, percent: int) -> bool:
        return bool((self.society.default_mechanism() == percent / 100).all())

    def _of_lines(self) -> tuple[str, ...]:
        """Rules known for a street that are of the family of this one."""
        family = self.society.family if isinstance(self.society, FacilityLine) else ""
        return tuple(name for name, (own, _) in KNOWN.items() if own == family)

    def _label(self, name: str) -> str:
        if (percent := percent_of(name)) is not None:
            return f"flat {percent}%"
        return LABELS.get(DEFAULTS.get(self.society.name, name) if name == DEFAULT else name, name)

    def _unknown(self, name: str) -> UserError:
        there = self.known()
        numbers = "" if isinstance(self.society.mechanism, Options) else ", and flat_0 to flat_100"
        return UserError(
            f"there are no rules {name!r} in {self.society.name}{suggest(name, there)}",
            where=WHERE,
            fix=f"choose from: {', '.join(there)}{numbers}",
        )

    @cached_property
    def _seen(self) -> Episode:
        """Scripted people under random rules."""
        stage = Stage(self.society, ScriptedPopulation(), self.rosters, child_seed(self.seed, "watched"))
        return stage.play(RandomRules(self.society, draws(stage.seed, 0, WATCHED)), 0, WATCHED)


def count_of(book: Rulebook, names: list[str], drawn: int) -> int:
    """Of the named rules (none named: the usual ones) and so many drawn ones. UserError: unknown, or fewer than two."""
    for name in names:
        book.check(name)
    told = [canonical(name, book.society) for name in names]
    if twice := [name for name, one in zip(names, told, strict=True) if told.count(one) > 1]:
        raise UserError(f"{' and '.join(twice)} are the same rules", where=WHERE, fix="name one of them")
    count = len(names or book.usual()) + drawn
    if count < 2:
        fix = "name more of them, or raise compare.drawn"
        raise UserError("one set of rules cannot be compared with another", where=WHERE, fix=fix)
    return count


def rules_for(book: Rulebook, names: list[str], drawn: int) -> list[Rule]:
    """Those that `count_of` counts. UserError as it."""
    count_of(book, names, drawn)
    return [*(book.named(name) for name in names or book.usual()), *book.drawn(drawn)]


def _taxes(society: Society) -> bool:
    return isinstance(getattr(society, "market", None), LabourMarket)
