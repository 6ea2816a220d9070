"""How little RL people learn in a smoke run: `population.rl` of a config's `smoke:` section, whoever they are."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from experiments.rl_people import LEARNERS


def for_its_people(small: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The small section for the people of `data`, the whole config: what it says of training goes to those who are
    trained, as far as their way to learn knows it. Where nobody is trained it is left out.
    """
    small = dict(small) if _compared_are_trained(data) else _without(small, "compare", "rl")
    people, whole = _section(small, "population"), _section(data, "population")
    training = people.pop("rl", None)
    if not isinstance(training, dict):
        return small
    if place := _of_training(whole):
        told = _settings_of(_section(whole, place).get("learner", "shared_ppo"))
        known = {name: value for name, value in training.items() if name in told or not _known(name)}
        people[place] = {**_section(people, place), **known}
    rest = _without(small, "population", "rl")
    return {**rest, "population": people} if people else rest


def _compared_are_trained(data: Mapping[str, Any]) -> bool:
    """Or are RL people read from a file in comparisons?"""
    who, kinds = _section(data, "population"), _section(data, "compare").get("populations")
    named = [who.get("kind"), *(kinds if isinstance(kinds, list) else [])]
    return who.get("checkpoint") is None and not any(str(name).startswith("rl:") for name in named)


def _without(small: Mapping[str, Any], section: str, key: str) -> dict[str, Any]:
    """The same but for that key, and without a section in which nothing else is."""
    left = {name: value for name, value in _section(small, section).items() if name != key}
    rest = {name: value for name, value in small.items() if name != section}
    return {**rest, section: left} if left else rest


def _of_training(people: Mapping[str, Any]) -> str:
    """The key that says how the people are trained; none where nobody is."""
    if people.get("checkpoint") is not None:
        return ""
    if people.get("kind") == "rl":
        return "settings"
    return "rl" if _section(people, "mix").get("rl") else ""


def _settings_of(learner: object) -> frozenset[str]:
    kind = LEARNERS.get(str(learner))
    return frozenset(field.name for field in fields(kind)) if kind else frozenset()


def _known(name: str) -> bool:
    """To any way to learn. What nobody knows stays, so that it is refused."""
    return any(name in _settings_of(learner) for learner in LEARNERS)


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return dict(found) if isinstance(found, dict) else {}
