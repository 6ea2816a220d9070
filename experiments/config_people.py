"""The section of a run's config that says who its people are."""

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from agents.llm.engine import Setting
from agents.llm.mind import Mind, Reasoning
from agents.llm.outcomes import FallbackName
from agents.llm.redact import redact, refuse_secret_values, refuse_secrets
from agents.packages import OWN_KINDS
from experiments.package_people import check_kind, check_settings
from experiments.rl_people import learner_settings

T = TypeVar("T")
Share = Annotated[float, Field(ge=0.0, le=1.0)]
MIXED_IN = ("rl", "scripted")  # what a roster may have besides its own kind


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


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
    others: list[PartConfig] = []  # language-model people who are asked of other models than that
    mix: dict[str, Share] = {}  # how much of the roster is of other kinds: rl, scripted
    rl: dict[str, Setting] = {}  # of the training of the RL people among those
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

    @field_validator("mix")
    @classmethod
    def _other_kinds(cls, mix: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        own = info.data.get("kind", "llm")
        for kind in mix:
            if kind == own:
                raise ValueError(f"{kind} people are the roster's own, who have what the others leave; take them out")
            if kind not in MIXED_IN:
                raise ValueError(
                    f"{kind!r} cannot be mixed in; choose from {', '.join(MIXED_IN)}, or write kind: {kind}"
                )
        if mix and own not in OWN_KINDS:
            raise ValueError(f"people of another package ({own}) are not mixed with others; take the mix out")
        if (whole := sum(mix.values())) > 1 + 1e-9:  # tenths do not add up to 1 in binary
            raise ValueError(
                f"the shares come to {whole:g}; they may come to 1 at most, and {own} people have the rest"
            )
        return mix

    @field_validator("rl")
    @classmethod
    def _of_training(cls, rl: dict[str, Setting], info: ValidationInfo) -> dict[str, Setting]:
        if rl and "rl" not in info.data.get("mix", {}):
            raise ValueError(
                "nobody of the mix is trained; write mix: {rl: SHARE}, or settings where all are RL people"
            )
        learner_settings(rl)
        return rl

    @field_validator("checkpoint")
    @classmethod
    def _of_rl_people(cls, checkpoint: str | None, info: ValidationInfo) -> str | None:
        if checkpoint is not None and info.data.get("kind") != "rl" and "rl" not in info.data.get("mix", {}):
            raise ValueError(
                "only RL people are read from a checkpoint; take it out, or write kind: rl or mix: {rl: .5}"
            )
        if checkpoint is not None and info.data.get("rl"):
            raise ValueError("people read from a checkpoint are not trained; take rl or checkpoint out")
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
