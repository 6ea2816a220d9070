"""One roster as several kinds of people: each kind opened as a run of that kind would open it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from agents.base import Population
from experiments.cast import Cast, check_people, players
from experiments.config import Config
from experiments.config_sections import CompareConfig
from experiments.errors import UserError
from experiments.live import Counted, Live, Told, summed
from experiments.mixed_people import mixed_in, of_kind
from experiments.package_people import AGAIN
from experiments.rl_people import STAGE, rl_people, taken_over
from experiments.runs import Run
from learning.draws import child_seed
from personas.rosters import Village
from societies.base import Society

LABELS = {
    "llm": "LLM people",
    "rl": "RL people",
    "scripted": "scripted people",
    AGAIN: "scripted people, fresh draws",
}


def kinds_of(told: CompareConfig) -> tuple[str, ...]:
    """The columns: rl for rl:FILE."""
    return tuple("rl" if name.startswith("rl:") else name for name in told.populations)


def label_of(kind: str) -> str:
    """What a kind of people is called."""
    return LABELS.get(kind, f"{kind} people")


@dataclass(frozen=True)
class Kinds:
    """Everyone who is compared."""

    config: Config
    run: Run
    live: Live
    casts: Mapping[str, Cast]  # by kind, what costs nothing first
    told: Mapping[str, Told]  # where each tells its progress; what is shown is that of all

    @property
    def any(self) -> Cast:
        """Whose society and rosters are those of all."""
        return next(iter(self.casts.values()))

    def people(self, kind: str) -> Callable[[int], Population]:
        """Seed -> the people of that kind. RL people have learned when this returns."""
        return _populations(self.config, kind, self.run, self.live, self.casts[kind], self.told[kind])

    @property
    def models(self) -> tuple[str, ...]:
        """That are asked for language-model people."""
        return tuple(model for cast in self.casts.values() for model in cast.models)

    def of_a_village(self) -> tuple[str, ...]:
        """What a reader must know where the same residents make up the rosters of all seeds."""
        if not isinstance(self.any.rosters, Village):
            return ()
        return (
            f"all seeds have the same {len(self.any.rosters.residents)} residents: nothing is said of other people",
        )

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how they were asked, so far, and of those who learned elsewhere."""
        asked = tuple(note for cast in self.casts.values() for note in cast.notes())
        file = as_kind(self.config, "rl").population.checkpoint if "rl" in self.casts else None
        once = f"RL people are those of {file} in all seeds: no interval tells how much another training would change"
        return asked if file is None else (*asked, once)


def check_kinds(config: Config, society: Society) -> None:
    """Refuses kinds of people that cannot be compared there. UserError."""
    if mixed_in(config):
        raise UserError(
            "kinds of people are compared each by itself, and this config mixes them",
            where="population.mix",
            fix="leave it out",
        )
    for kind in kinds_of(config.compare):
        own = as_kind(config, kind)
        if own.population.checkpoint is not None and config.compare.rl:
            raise UserError(
                "people read from a checkpoint are not trained",
                where="compare.rl",
                fix="take it out, as in compare.rl={}, or population.checkpoint",
            )
        check_people(own, society)


@contextmanager
def opened_kinds(config: Config, run: Run, live: Live, society: Society) -> Generator[Kinds]:
    """All kinds of `config.compare`, which passed `check_kinds`. Errors name what is wrong before anything is spent."""
    kinds = kinds_of(config.compare)
    with ExitStack() as open_:
        told = dict(zip(kinds, summed(live.decided, len(kinds)), strict=True))
        casts = {kind: _opened(config, kind, run, live, society, open_, told[kind]) for kind in cheapest_first(kinds)}
        yield Kinds(config, run, live, casts, told)


def cheapest_first(kinds: Sequence[str]) -> list[str]:
    """Kinds in the order in which they are opened and played."""
    return sorted(kinds, key=lambda kind: {"scripted": 0, "rl": 1, "llm": 3}.get(kind, 2))


def as_kind(config: Config, kind: str) -> Config:
    """The config with its people of that kind."""
    own, was_rl = of_kind(config, kind), config.population.kind == "rl"
    if kind != "rl":
        return own
    file = next((n.removeprefix("rl:") for n in config.compare.populations if n.startswith("rl:")), None)
    change: dict[str, object] = {} if was_rl and not config.compare.rl else {"settings": config.compare.rl}
    change |= {"checkpoint": file, "settings": {}} if file else {} if was_rl else {"checkpoint": None}
    return own.model_copy(update={"population": own.population.model_copy(update=change)})


def _opened(config: Config, kind: str, run: Run, live: Live, society: Society, open_: ExitStack, told: Told) -> Cast:
    """The people of a kind. RL people are scripted ones here: each seed trains its own. UserError for a wrong file."""
    own = as_kind(config, kind)
    if kind != "rl":
        return open_.enter_context(players(own, run, live, society, told))
    cast = open_.enter_context(players(as_kind(config, "scripted"), run, live, society, told))
    if own.population.checkpoint is not None:
        taken_over(own.population.checkpoint, run, society, cast.rosters, STAGE)
    return cast


def _populations(
    config: Config, kind: str, run: Run, live: Live, cast: Cast, told: Told
) -> Callable[[int], Population]:
    """Seed -> the people of that kind. RL people have learned when this returns."""
    if kind != "rl":
        people = cast.people(label_of(kind))
        return lambda _: people
    own, society, rosters = as_kind(config, kind), cast.society, cast.rosters
    if own.population.checkpoint is not None:
        taken = rl_people(own, run, live, society, rosters)
        return lambda _: taken

    def trained(seed: int) -> Population:
        mine = own.model_copy(update={"seed": seed_of(config, seed)})
        return Counted(rl_people(mine, run, live, society, rosters, f"{STAGE}-{seed}"), shown[seed])

    shown = summed(told, config.compare.seeds)
    everyone = [trained(seed) for seed in range(config.compare.seeds)]
    return lambda seed: everyone[seed]


def seed_of(config: Config, seed: int) -> int:
    """Of the draws of everything that belongs to a paired seed."""
    return child_seed(config.seed, f"compared seed {seed}")
