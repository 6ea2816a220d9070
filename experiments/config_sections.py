"""The sections of a run's config, each checked by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from agents.llm.engine import Setting
from experiments.config_people import Strict
from experiments.package_people import check_kind
from experiments.rl_people import learner_settings
from mechanism.swm_ap import SWMSettings, share_out
from personas.yaml_tree import Place

T = TypeVar("T")
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]
Count = Annotated[int, Field(ge=1)]
MOST = 1_000_000  # of anything that is counted in the settings: more would not fit into memory
MAY_BE_NONE = (
    "check_episodes",
    "later_episodes",
    "mixed_episodes",
    "generations",
    "community",
    "traits",
    "planned_episodes",
)  # 0


class SocietyConfig(Strict):
    name: Name
    objective: str | None = None  # None = the society's own headline
    talk: str | None = None  # how people can hear each other, where they can
    payoffs: str | list[Any] | None = None  # the name of a game or its table, where that is what is played


class BudgetConfig(Strict):
    calls: Count | None = None
    tokens: Count | None = None
    prices: str | None = None  # a file that says what models cost: docs/language-models.md
    money: Annotated[float, Field(gt=0.0)] | None = None  # in the currency of the prices

    @field_validator("money")
    @classmethod
    def _with_prices(cls, money: float | None, info: ValidationInfo) -> float | None:
        if money is not None and info.data.get("prices") is None:
            raise ValueError("it needs to know what the model costs; name a file of prices with budget.prices=FILE")
        return money


class MethodConfig(BaseModel):
    """Not strict: the settings are plain dataclasses, which strict mode takes ready-made only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["swm_ap"] = "swm_ap"
    settings: SWMSettings = SWMSettings()

    @field_validator("settings")
    @classmethod
    def _possible(cls, settings: SWMSettings) -> SWMSettings:
        for place, number in _numbers(settings):
            least = 0 if isinstance(number, float) or place[-1] in MAY_BE_NONE else 1
            most = 1 if str(place[-1]).endswith("rate") else MOST
            if not least <= number <= most:
                raise _misplaced(place, f"found {number}; it should be {least} to {most:,}")
        if settings.model.latent != "gaussian" and settings.model.traits < 1:
            least = f"latent {settings.model.latent} needs 1 kind of people at least"
            raise _misplaced(("model", "traits"), f"found {settings.model.traits}; {least}")
        share_out(settings)
        return settings


def _misplaced(place: Place, message: str) -> PydanticCustomError:
    """An error at a place within the section, so that the line or word is told that holds it."""
    return PydanticCustomError("value_error", "{message}", {"message": message, "place": place})


def _numbers(settings: Any, at: Place = ()) -> Iterator[tuple[Place, int | float]]:
    """Every number of nested dataclasses, with its place."""
    for name, value in ((f.name, getattr(settings, f.name)) for f in fields(settings)):
        if is_dataclass(value):
            yield from _numbers(value, (*at, name))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*at, name), value


class EvaluationConfig(Strict):
    communities: Annotated[int, Field(ge=2, le=MOST)] = 24  # held out; an interval needs two


class CompareConfig(Strict):
    """What `solon compare-populations` and `solon transfer` compare."""

    populations: list[str] = Field(
        default_factory=lambda: ["llm", "rl", "scripted"]
    )  # the columns; rl:FILE = RL people who were trained before
    mechanisms: list[str] = Field(default_factory=list[str])  # by name; [] = those that are usual for the society
    drawn: Annotated[int, Field(ge=0, le=100)] = 3  # more of them, drawn at random once
    seeds: Annotated[int, Field(ge=1, le=1000)] = 10  # each with rosters, draws and RL people of its own
    rosters: Annotated[int, Field(ge=1, le=MOST)] = 4  # of each seed
    rl: dict[str, Setting] = Field(default_factory=dict[str, Setting])  # of the training of RL people
    adapt: list[Count] = Field(default_factory=lambda: [4])  # real episodes that others' rules are adapted with

    @field_validator("populations")
    @classmethod
    def _known_kinds(cls, populations: list[str]) -> list[str]:
        kinds = [name.partition(":")[0] if name.startswith("rl:") else name for name in populations]
        for kind in kinds:
            check_kind(kind)
        _once(kinds)
        if len(kinds) < 2:
            raise ValueError("name two kinds of people at least, as in [llm, rl, scripted]")
        return populations

    @field_validator("mechanisms", "adapt")
    @classmethod
    def _each_once(cls, named: list[T]) -> list[T]:
        _once(named)
        return named

    @field_validator("rl")
    @classmethod
    def _of_training(cls, rl: dict[str, Setting], info: ValidationInfo) -> dict[str, Setting]:
        if rl and any(name.startswith("rl:") for name in info.data.get("populations", ())):
            raise ValueError("people read from a checkpoint are not trained; take rl out, or write rl for rl:FILE")
        learner_settings(rl)
        return rl


def _once(named: Sequence[object]) -> None:
    """ValueError where something is named more than once."""
    if twice := [one for one in dict.fromkeys(named) if named.count(one) > 1]:
        raise ValueError(f"{twice[0]} is named twice; name each once")
