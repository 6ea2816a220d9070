"""Rules learned on one kind of people, tried on another: how each is learned, carried over, adapted and judged.

Shapes: C held-out communities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from agents.base import Population
from experiments.judging import Place, Tensors, judge
from experiments.town_scale import swm_budget
from learning.draws import child_seed
from mechanism.swm_ap import Outcome, SWMSettings, swm_ap
from societies.base import Society
from societies.stage import Rosters, Stage
from world_model.fit import quiet

AS_IT_IS, BLIND = "as it is", "without inference"
Part = Callable[[str, Callable[[], Tensors]], Tensors]
"""(name, make) -> the part, made unless it is finished"""


@dataclass(frozen=True)
class Lab:
    """One society and one seed. All kinds of people are judged on the same held-out communities; each kind, and each
    time that rules are learned on it, has training communities of its own.
    """

    society: Society
    rosters: Rosters
    people: Mapping[str, Population]  # by kind
    swm: SWMSettings
    episodes: int  # real ones that rules are learned from
    adapt: tuple[int, ...]  # that rules made for other people are adapted with
    held_out: int  # communities
    seed: int
    judged: int  # seed of the held-out communities

    def place(self, kind: str, split: str) -> Place:
        """Where rules are learned on people of that kind, and judged on them."""
        who, training = self.people[kind], child_seed(self.seed, f"{split}, {kind}")
        learned, judged = (Stage(self.society, who, self.rosters, seed) for seed in (training, self.judged))
        return Place(learned, judged, self.held_out)

    def learned(self, kind: str, split: str) -> Outcome:
        """Rules for people of that kind."""
        return self._learn(kind, split, self.episodes)

    def blind(self, kind: str, split: str, sighted: Outcome) -> Outcome:
        """The same world model, and rules that are made and kept without ever learning who is who."""

        def keep(name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
            return sighted.model.state_dict() if name.startswith("people") else make()

        settings = swm_budget(replace(self.swm, beliefs="prior"), self.episodes)
        return swm_ap(self.place(kind, split).training, settings, self._seed(split), quiet, keep)

    def adapted(self, kind: str, episodes: int, before: Outcome | None) -> Outcome:
        """Rules from a few episodes with people of that kind: from nothing, or from the world model of others."""
        return self._learn(kind, f"adapting, {episodes}", episodes, before)

    def _learn(self, kind: str, split: str, episodes: int, before: Outcome | None = None) -> Outcome:
        settings = swm_budget(self.swm, episodes)
        known = None if before is None else before.model.state_dict()
        if known is not None:  # other starts than what is known would forget it
            settings = replace(settings, fit=replace(settings.fit, kind_starts=1))
        return swm_ap(self.place(kind, split).training, settings, self._seed(split), quiet, known=known)

    def _seed(self, split: str) -> int:
        return child_seed(self.seed, f"swm_ap, {split}")

    def welfare(self, kind: str, outcome: Outcome) -> Tensor:
        """[1, C] of the rules on held-out communities of that kind of people."""
        return judge(self.place(kind, "held out"), outcome.learned)["welfare"]


def measure(here: Lab, part: Part) -> None:
    """What everyone's own rules bring, then what others' rules do."""
    for kind in here.people:
        part(itself(kind), partial(_itself, here, kind))
    for kind in here.people:
        part(learned_on(kind), partial(_from, here, kind))


def itself(kind: str) -> str:
    """The name of the part about rules that people of that kind have of their own."""
    return f"itself {kind}"


def learned_on(kind: str) -> str:
    """The name of the part about rules that were learned on people of that kind."""
    return f"from {kind}"


def adapted_with(episodes: int) -> str:
    """What such rules are called."""
    return f"adapted with {episodes}"


def from_nothing(episodes: int) -> str:
    """What rules are called that were learned from few episodes only."""
    return f"from nothing, {episodes}"


def _itself(here: Lab, kind: str) -> Tensors:
    """[1, C] each: rules learned on people of that kind, and from few episodes with them."""
    found = {"welfare": here.welfare(kind, here.learned(kind, "itself"))}
    for episodes in here.adapt:
        found[from_nothing(episodes)] = here.welfare(kind, here.adapted(kind, episodes, None))
    return found


def _from(here: Lab, kind: str) -> Tensors:
    """[1, C] each: on people of every kind, rules learned on people of this one, as they are; likewise those that learn
    of nobody who they are; and, on other people, those that were adapted.
    """
    found, sighted = dict[str, Tensor](), here.learned(kind, "from")
    blind = here.blind(kind, "from", sighted)
    for other in here.people:
        found[f"{other}, {AS_IT_IS}"] = here.welfare(other, sighted)
        found[f"{other}, {BLIND}"] = here.welfare(other, blind)
        for episodes in here.adapt if other != kind else ():
            found[f"{other}, {adapted_with(episodes)}"] = here.welfare(other, here.adapted(other, episodes, sighted))
    return found
