"""The bars of the embedded model in the societies with few choices, one section for each."""

from collections.abc import Mapping

from agents.embedded.engine import EmbeddedEngine
from experiments.embedded_held_out import SOCIETIES, TEAMS
from experiments.embedded_societies_exam import agreement, closed_loop, edits
from societies.catalog import load

Section = Mapping[str, Mapping[str, float]]
TV, TOP, SIGN, SLOPE, LOOP = 0.12, 0.85, 0.9, 0.6, 0.02
EDITS = 200  # moved choices, at least, for a bar on them


def sections(engine: EmbeddedEngine, smoke: bool) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of every society by its name."""
    return {name: _section(engine, name, smoke) for name in SOCIETIES}


def _section(engine: EmbeddedEngine, name: str, smoke: bool) -> dict[str, dict[str, float]]:
    society, teams = load(name), name in TEAMS
    worlds = 2 if smoke else 64 if society.agents == 4 else 800 // society.agents
    every = 10 if teams and smoke else 3 if teams else 1
    loops = closed_loop(engine, society, 2 if smoke else 96 if teams else 3200 // society.agents)
    kinds = {"people": False} if teams else {"visitors": False, "traits_anywhere": True}
    return {
        **{kind: agreement(engine, society, worlds, every, anywhere) for kind, anywhere in kinds.items()},
        society.traits_used[0]: edits(engine, society, worlds, every),
        **{f"closed_loop_{rules}": figures for rules, figures in loops.items()},
    }


def checks(found: Mapping[str, Section]) -> dict[str, bool]:
    """Every bar, by society and name."""
    return {f"{name}: {bar}": good for name, section in found.items() for bar, good in _checks(section).items()}


def _checks(section: Section) -> dict[str, bool]:
    made = dict[str, bool]()
    for part, f in section.items():
        if "tv" in f:
            made |= {f"{part}: TV <= {TV}": f["tv"] <= TV, f"{part}: top >= {TOP}": f["top_choice_same"] >= TOP}
        elif "slope" in f:
            made |= {
                f"{part}: >= {EDITS} moved choices": f["moved_choices"] >= EDITS,
                f"{part}: sign >= {SIGN}": f["sign_agreement"] >= SIGN,
                f"{part}: slope >= {SLOPE}": f["slope"] >= SLOPE,
            }
        else:
            made[f"{part}: welfare within {LOOP:.0%}"] = abs(f["welfare_off"]) <= LOOP
    return made
