"""The sections of a run's config, each checked by itself."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from agents.llm.engine import Setting
from agents.llm.mind import Mind, Reasoning
from agents.llm.outcomes import FallbackName
from agents.llm.redact import redact, refuse_secret_values, refuse_secrets
from agents.packages import OWN_KINDS
from experiments.package_people import check_kind, check_settings
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


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class SocietyConfig(Strict):
    name: Name
    objective: str | None = None  # None = the society's own headline
    talk: str | None = None  # how people can hear each other, where they can
    payoffs: str | list[Any] | None = None  # the name of a game or its table, where that is what is played


class MindConfig(Strict):
    """What language-model people keep in mind: `agents.llm.mind.Mind`."""

    last: Annotated[int, Field(ge=0, le=100)] = 0  # periods
    best: Annotated[int, Field(ge=0, le=100)] = 0
    worst: Annotated[int, Field(ge=0, le=100)] = 0
    note: Annotated[int, Field(ge=0, le=2_000)] = 0  # characters
    reasoning: Reasoning = "off"

    @property
    def mind(self) -> Mind:
        return Mind(**self.model_dump())


class PartConfig(Strict):
    """Those of the people who are asked of another model: a share of them, or those of these ids."""

    model: str
    base_url: str | list[str] | None = None
    settings: dict[str, Setting] = {}
    share: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    people: Annotated[list[str], Field(validate_default=True)] = []

    @field_validator("settings")
    @classmethod
    def _for_the_provider(cls, settings: dict[str, Setting]) -> dict[str, Setting]:
        return _of_the_provider(settings)

    @field_validator("base_url")
    @classmethod
    def _no_login(cls, given: str | list[str] | None) -> str | list[str] | None:
        return _without_login(given)

    @field_validator("people")
    @classmethod
    def _share_or_people(cls, people: list[str], info: ValidationInfo) -> list[str]:
        if bool(people) == (info.data.get("share") is not None):
            raise ValueError("say whom the model is asked for: either a share, as in 0.3, or people: a list of ids")
        return people

    @property
    def recorded(self) -> bool:
        """Is it an earlier run, which is not asked and costs nothing?"""
        return self.model.startswith("recorded:")


class PopulationConfig(Strict):
    kind: str = "llm"  # one of OWN_KINDS, or what another installed package offers
    model: str = "embedded"  # embedded, mock, or provider:model
    base_url: str | list[str] | None = None  # of an OpenAI-compatible server; of vLLM's, one or several
    people: str  # a population file or a folder of persons
    way: Literal["distribution", "sample"] = "distribution"
    retries: Annotated[int, Field(ge=0)] = 2
    fallback: FallbackName = "repeat_last"
    max_fallback_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    others: list[PartConfig] = []  # people who are asked of other models than that
    mind: MindConfig = MindConfig()
    words: str | None = None  # a file of words around the society's own: agents/llm/words.yaml is the standard one
    checkpoint: str | None = None  # a file of RL people who were trained before, instead of training some
    settings: dict[str, Setting] = {}  # of the provider: temperature, max_tokens, timeout (s), max_in_flight, ...
    # ... or, of RL people, of their training: iterations, decisions, hidden, care, discount, ...
    # ... or, of another package's people, whatever their function takes

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        check_kind(kind)
        return kind

    @model_validator(mode="before")
    @classmethod
    def _rl_of_a_file(cls, data: Any) -> Any:
        """`kind: rl:PATH` is short for RL people of that checkpoint."""
        kind = data.get("kind") if isinstance(data, dict) else None
        if isinstance(kind, str) and kind.startswith("rl:") and "checkpoint" not in data:
            return {**data, "kind": "rl", "checkpoint": kind.removeprefix("rl:")}
        return data

    @field_validator("mind", "words")
    @classmethod
    def _of_language_models(cls, given: T, info: ValidationInfo) -> T:
        if given not in (None, MindConfig()) and info.data.get("kind") != "llm":
            raise ValueError("only language-model people have it; take it out, or write kind: llm")
        return given

    @field_validator("checkpoint")
    @classmethod
    def _of_rl_people(cls, checkpoint: str | None, info: ValidationInfo) -> str | None:
        if checkpoint is not None and info.data.get("kind") != "rl":
            raise ValueError("only RL people are read from a checkpoint; take it out, or write kind: rl")
        return checkpoint

    @field_validator("settings")
    @classmethod
    def _for_the_provider(cls, settings: dict[str, Setting], info: ValidationInfo) -> dict[str, Setting]:
        if info.data.get("kind") == "rl":
            if settings and info.data.get("checkpoint"):
                raise ValueError("people read from a checkpoint are not trained; take the settings or checkpoint out")
            learner_settings(settings)
            return settings
        if info.data.get("kind", "llm") not in OWN_KINDS:
            check_settings(info.data["kind"], settings)
            return settings
        return _of_the_provider(settings)

    @field_validator("base_url")
    @classmethod
    def _no_login(cls, given: str | list[str] | None) -> str | list[str] | None:
        return _without_login(given)

    @field_validator("others")
    @classmethod
    def _parts(cls, others: list[PartConfig], info: ValidationInfo) -> list[PartConfig]:
        if others and info.data.get("kind") != "llm":
            raise ValueError("only language-model people are asked of several models; take it out, or write kind: llm")
        if (shares := sum(part.share or 0.0 for part in others)) > 1 + 1e-9:  # tenths do not add up to 1 in binary
            raise ValueError(f"the shares come to {shares:g}; they may come to 1 at most")
        named = [name for part in others for name in part.people]
        if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} is named twice; each person is asked of one model")
        return others


def _of_the_provider(settings: dict[str, Setting]) -> dict[str, Setting]:
    refuse_secret_values(settings)
    known = {"openai_api_base": "base_url", **{name: name for name in PopulationConfig.model_fields}}
    elsewhere = [f"population.{known[name]}" for name in settings if name in known]
    if elsewhere:
        raise ValueError(f"settings are the provider's own; write {' and '.join(elsewhere)} instead")
    return settings


def _without_login(given: str | list[str] | None) -> str | list[str] | None:
    for url in [given] if isinstance(given, str) else given or []:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ValueError("it holds a login, which would be written to the run's folder; take it out")
        refuse_secrets(name for name, _ in parse_qsl(parts.query))
        if redact(url) != url:
            raise ValueError("it holds a key, which would be written to the run's folder; take it out")
    return given


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
    """What `solon compare-populations` compares."""

    populations: list[str] = ["llm", "rl", "scripted"]  # the columns; rl:FILE = RL people who were trained before
    mechanisms: list[str] = []  # by name; [] = those that are usual for the society
    random: Annotated[int, Field(ge=0, le=100)] = 3  # more of them, drawn at random once
    seeds: Annotated[int, Field(ge=1, le=1000)] = 10  # each with rosters, draws and RL people of its own
    rosters: Annotated[int, Field(ge=1, le=MOST)] = 4  # of each seed
    rl: dict[str, Setting] = {}  # of the training of RL people

    @field_validator("populations")
    @classmethod
    def _known_kinds(cls, populations: list[str]) -> list[str]:
        kinds = [name.partition(":")[0] if name.startswith("rl:") else name for name in populations]
        for kind in kinds:
            check_kind(kind)
        if twice := [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]:
            raise ValueError(f"{twice[0]} people are named twice; name each kind once")
        if len(kinds) < 2:
            raise ValueError("name two kinds of people at least, as in [llm, rl, scripted]")
        return populations

    @field_validator("mechanisms")
    @classmethod
    def _each_once(cls, mechanisms: list[str]) -> list[str]:
        if twice := [name for name in dict.fromkeys(mechanisms) if mechanisms.count(name) > 1]:
            raise ValueError(f"{twice[0]} is named twice; name each mechanism once")
        return mechanisms

    @field_validator("rl")
    @classmethod
    def _of_training(cls, rl: dict[str, Setting], info: ValidationInfo) -> dict[str, Setting]:
        if rl and any(name.startswith("rl:") for name in info.data.get("populations", ())):
            raise ValueError("people read from a checkpoint are not trained; take rl out, or write rl for rl:FILE")
        learner_settings(rl)
        return rl
