"""The model card of the embedded model: what it is, how it was made, how well it was measured to agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from experiments.files import read_json, write_text

_TOP = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---

# Solon's embedded model

A causal language model of {weights:,} weights (Llama architecture: width 128, 4 layers, 4 heads, tied embeddings,
float32) with a word-level tokenizer. It reads who a person is and what is new this year, and answers with the hours
that this person would work: `{{"hours":40}}`. It is a **stand-in** for machines without a GPU or the weights of a real
language model. Whatever was made with it says so; it is evidence about the method, not about people or about language
models.

## Data

Prompts are made by the code that every run uses: `personas.words.render` for the person, the income-tax society's
`tell` for the rules and the news. People are sampled from `personas/populations/communities.yaml` (two thirds) and
`broad.yaml` (one third), told with four fifths of the word lists for names, trades, towns, households, pastimes and
sentences; biographies are lengthened, dropped, taken from the village and sprinkled with unknown words. Situations come
from communities that scripted people play under mixed tax schedules (US federal, flat, near-best, ascending,
descending, random; fixed, drifting or jumping by the year); half of the candidates are then changed, with last year far
from usual, a large lump sum or any equality. Half of the people come in pairs that differ in one trait, four times in
five in risk aversion, loss aversion or habit, in situations picked where that trait moves the teacher.

## Teacher

The exact choice distribution of the income-tax society's scripted people (quantal response over the society's utility,
`societies/library/income_tax.py`), for a person whose traits are at the middle of the grades that the words tell. The
loss is the cross-entropy to that distribution; for pairs the error of the difference in mean hours is added.

## Training

`solon train-embedded` makes it again from a seed: {steps:,} steps, {decisions:,} decisions, {minutes:.0f} minutes of
one processor core. Muon for the matrices, AdamW for the rest.
"""

_LIMITS = """
## Limits

- It knows one society, the income tax, by the exact text of its rules; other rules are refused.
- It reads traits from the standard sentences. Name, age, trade and biography hardly change its answers: it was taught
  that they mean nothing. Own words for a trait may be misread; words outside its vocabulary are read as `<unk>`.
- It imitates a formula. It has no opinions, no knowledge and no memory, and says nothing about how people behave.
- Its errors are small on the whole (above), but an optimiser may find the places where they are not.

## Use

`EmbeddedEngine()` in this repository, or any tool that reads Llama models in Hugging Face format: make the prompt with
`tokenizer.apply_chat_template` from a system message (rules, then person) and a user message (news).
"""


def write_card(folder: Path, figures: Mapping[str, Any] | None = None) -> None:
    """README.md of a model folder. `figures` are those of the claim `embedded_model_reads_personas`."""
    made = cast(Mapping[str, Any], read_json(folder / "training.json"))
    top = _TOP.format(
        weights=made["weights"], steps=made["step"], decisions=made["decisions"], minutes=made["processor_minutes"]
    )
    write_text(folder / "README.md", f"{top}\n{_agreement(figures)}{_LIMITS}")


def _agreement(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "## Agreement with the teacher\n\nNot measured yet: `solon claim embedded_model_reads_personas`.\n"
    a = figures["agreement"]
    lines = [
        "## Agreement with the teacher",
        "",
        f"On {a['communities']} held-out communities, with names, trades, biographies and tax schedules that",
        f"training never showed ({a['decisions']:,} decisions): mean total variation {a['tv_grade_teacher']:.3f} to",
        f"the teacher on grade midpoints, {a['tv_continuous_teacher']:.3f} to the teacher on the traits themselves",
        f"(always giving the average answer: {a['tv_of_the_average_answer']:.3f}); likeliest answer within one step of",
        f"5 hours in {a['argmax_within_one_step']:.1%}; mean hours off by {a['mean_hours_error']:.2f} a decision, bias",
        f"{a['mean_hours_bias']:+.2f}.",
        "",
        "One trait moved from one end of its scale to the other, all else equal, where that moves the teacher by 1 h",
        "or more:",
        "",
        "| trait | edits | same sign | slope |",
        "|---|---|---|---|",
        *(
            f"| {name} | {t['edits']} | {t['sign_agreement']:.3f} | {t['slope']:.2f} |"
            for name, t in figures["traits"].items()
        ),
        "",
        "Ten years of the model's people against scripted people with the same draws, difference of the means:",
        "",
        "| schedule | hours | equality | productivity |",
        "|---|---|---|---|",
        *(
            f"| {name} | {x['hours_off']:+.2%} | {x['equality_off']:+.2%} | {x['productivity_off']:+.2%} |"
            for name, x in figures["closed_loop"].items()
        ),
    ]
    return "\n".join(lines) + "\n"
