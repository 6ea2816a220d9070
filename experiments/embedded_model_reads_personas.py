"""Claim: the embedded model decides as its teacher would, from words alone, for people and rules it never met.

The income tax, on which the most depends, is examined in full; every other society that the model was taught has a
section of its own with the same questions: how near, does each trait move it, does it keep to it over an episode.
"""

import json
from pathlib import Path

import torch

from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import MODEL_FOLDER
from experiments.claims import Json, Outcome
from experiments.embedded_benchmark import full, prompt, speeds
from experiments.embedded_card import write_card
from experiments.embedded_exam import HELD_OUT, LOOPS, TRAITS, Sample, agreement, closed_loop, edits, held_out
from experiments.embedded_held_out import HELD_OUT as HELD_OUT_ELSEWHERE
from experiments.embedded_societies_bars import checks as section_checks
from experiments.embedded_societies_bars import sections
from societies.library.income_tax import IncomeTax

Figures = dict[str, float]
STRONG = ("preferred_hours", "elasticity", "fairness")  # bars .95 and .8; the others .85 and .5
CLAIM = (
    "On held-out communities, people and rules the embedded model's choice distributions are near the teacher's, move "
    "with each trait as the teacher's do, and keep to it over whole episodes, in every society that it was taught."
)
BAR = "TV <= .12, argmax within one step >= .95 (taxes) or same >= .85, traits, closed loop <= 2%, speed, size: all"


def claim(smoke: bool) -> Outcome:
    """Every bar of the embedded model, in one run."""
    torch.set_num_threads(1)
    engine, society = EmbeddedEngine(), IncomeTax()
    sample = held_out(society, communities=8 if smoke else 120, years=4)
    agreed = agreement(engine, society, sample)
    traits = _traits(engine, society, smoke)
    loops = {n: closed_loop(engine, society, r, 2 if smoke else 24) for n, r in LOOPS.items()}
    speed = speeds(engine, sample.questions(society)[: 8 * 64 : 8], rounds=2 if smoke else 9)
    model = _model(engine, society, sample)
    others = sections(engine, smoke)
    taxes = {**_flat_checks(agreed, speed, model), **_trait_checks(traits), **_loop_checks(loops)}
    checks = {**taxes, **section_checks(others)}
    figures: dict[str, Json] = json.loads(
        json.dumps(
            {
                "agreement": agreed,
                "traits": traits,
                "closed_loop": loops,
                "speed": speed,
                "model": model,
                "societies": others,
            }
        )
    )
    if not smoke:
        write_card(MODEL_FOLDER, figures)
    good = sum(checks.values())
    tv, near = agreed["tv_grade_teacher"], agreed["argmax_within_one_step"]
    worst = max(part["tv"] for section in others.values() for part in section.values() if "tv" in part)
    figure = f"TV {tv:.3f} (taxes), at most {worst:.3f} (others), argmax within one step {near:.3f}, "
    figure += f"{good} of {len(checks)} bars"
    everything: dict[str, Json] = {**figures, "checks": {**checks}}
    return Outcome(CLAIM, good == len(checks), figure, BAR, everything, (HELD_OUT, HELD_OUT_ELSEWHERE), smoke)


def _traits(engine: EmbeddedEngine, society: IncomeTax, smoke: bool) -> dict[str, Figures]:
    sample = held_out(society, communities=8 if smoke else 120, years=8)
    return {name: edits(engine, society, sample, i, 40 if smoke else 600) for i, name in enumerate(TRAITS)}


def _model(engine: EmbeddedEngine, society: IncomeTax, sample: Sample) -> Figures:
    """Size, and that `transformers` reads the folder alone: generation, and the engine's own probabilities."""
    few = sample.questions(society)[::97][:48]
    ours = torch.stack(engine.scores(few)).exp()
    with torch.inference_mode():
        theirs = full(engine, few).exp()
    return {
        "weights": sum(p.numel() for p in engine.weights.parameters()),
        "bytes_on_disk": sum(file.stat().st_size for file in Path(MODEL_FOLDER).iterdir()),
        "loads_in_transformers": 1.0,
        "largest_difference_to_transformers": float((ours - theirs).abs().max()),
        "generated_valid_json": sum(_valid(engine, prompt(engine, q).rsplit("{", 1)[0]) for q in few) / len(few),
        "run_in_vllm": 0.0,  # the folder is plain Llama; vLLM is not run in this claim
    }


def _valid(engine: EmbeddedEngine, text: str) -> bool:
    """Does plain greedy generation end a prompt with the exact form of an answer?"""
    read = engine.tokenizer(text, add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        out = engine.weights.generate(**read, max_new_tokens=8, do_sample=False)  # pyright: ignore[reportAttributeAccessIssue]
    said = str(engine.tokenizer.decode(out[0, read["input_ids"].shape[1] :], skip_special_tokens=True))
    try:
        value = json.loads(said)
    except json.JSONDecodeError:
        return False
    return said == f'{{"hours":{value.get("hours")}}}' and value["hours"] in range(0, 101, 5)


def _flat_checks(a: Figures, speed: Figures, model: Figures) -> dict[str, bool]:
    return {
        "tv_grade_teacher <= .12": a["tv_grade_teacher"] <= 0.12,
        "argmax_within_one_step >= .95": a["argmax_within_one_step"] >= 0.95,
        "cached_over_naive >= 10": speed["cached_over_naive"] >= 10,
        "cached_over_full_prompt >= 2.5": speed["cached_over_full_prompt"] >= 2.5,
        "weights <= 3M": model["weights"] <= 3_000_000,
        "bytes_on_disk <= 6M": model["bytes_on_disk"] <= 6_000_000,
        "generated_valid_json = 1": model["generated_valid_json"] == 1.0,
    }


def _trait_checks(traits: dict[str, Figures]) -> dict[str, bool]:
    checks = dict[str, bool]()
    for name, t in traits.items():
        sign, slope = (0.95, 0.8) if name in STRONG else (0.85, 0.5)
        checks[f"{name}: >= 200 edits"] = t["edits"] >= 200
        checks[f"{name}: sign >= {sign}"] = t["sign_agreement"] >= sign
        checks[f"{name}: slope >= {slope}"] = t["slope"] >= slope
    return checks


def _loop_checks(loops: dict[str, Figures]) -> dict[str, bool]:
    return {
        f"{name}: {account} within 2%": abs(loop[f"{account}_off"]) <= 0.02
        for name, loop in loops.items()
        for account in ("hours", "equality", "productivity")
    }
