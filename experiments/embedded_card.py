"""The model card of the embedded model: what it is, how it was made, how well it was measured to agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from agents.embedded.taught import read_taught
from experiments.files import read_json, write_text

_TOP = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---

# Solon's embedded model

A causal language model of {weights:,} weights (Llama architecture: width 128, 4 layers, 4 heads, tied embeddings,
float32) with a word-level tokenizer. It reads who a person is and what is new, and answers with what this person would
do: the hours to work, `{{"hours":40}}`, the place to visit, `{{"site":2}}`, or the way to walk, `{{"move":"left"}}`. It
is a **stand-in** for machines without a GPU or the weights of a real language model. Whatever was made with it says so;
it is evidence about the method, not about people or about language models.

It was taught {societies}.

## Data

Prompts are made by the code that every run uses: `personas.words.render` for the person, the society's `tell` for the
rules and the news.

Income tax: people are sampled from `personas/populations/communities.yaml` (two thirds) and `broad.yaml` (one third),
told with four fifths of the word lists for names, trades, towns, households, pastimes and sentences;
biographies are lengthened, dropped, taken from the village and sprinkled with unknown words. Situations come
from communities that scripted people play under mixed tax schedules (US federal, flat, near-best, ascending,
descending, random; fixed, drifting or jumping by the year); half of the candidates are then changed, with last year far
from usual, a large lump sum or any equality. Half of the people come in pairs that differ in one trait, four times in
five in risk aversion, loss aversion or habit, in situations picked where that trait moves the teacher.

Facility towns: people from `visitors.yaml`, half of them with a liking for walks anywhere on its scale, among places at
random cells; situations in which the answer is open are told more often. Team formation: people from `gatherers.yaml`
under random partitions, each situation as it was and with everyone on any cell.

## Teacher

The exact choice distribution of the income-tax society's scripted people (quantal response over the society's utility,
`societies/library/income_tax.py`), for a person whose traits are at the middle of the grades that the words tell. The
loss is the cross-entropy to that distribution; for pairs the error of the difference in mean hours is added. In the
other societies likewise (`societies/facilities.py`, `societies/team_roles.py`); the first and the last grade of the
liking for walks are taught as the ends of its scale, where the visitors of these towns are.

## Training

`solon train-embedded` makes it again from a seed, in {stages}. Muon for the matrices, AdamW
for the rest.
"""

_LIMITS = """
## Limits

- It knows its societies by the exact text of their rules; other rules, and other choices, are refused.
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
    stages = "; then ".join(
        f"{stage['step']:,} steps, {stage['decisions']:,} decisions, {stage['processor_minutes']:.0f} core minutes"
        for stage in made["stages"]
    )
    names = ", ".join(society.name for society in read_taught(folder))
    top = _TOP.format(weights=made["weights"], stages=stages, societies=names)
    others = _societies(figures["societies"]) if figures else ""
    write_text(folder / "README.md", f"{top}\n{_agreement(figures)}{others}{_LIMITS}")


def _societies(found: Mapping[str, Any]) -> str:
    """One table of all societies but the income tax."""
    lines = [
        "",
        "## Agreement in the other societies",
        "",
        "Held-out people, words and rules; likewise the mean total variation to the teacher as the words tell it, and",
        "how often the likeliest answer is the same. Where one person's trait is moved from the lower to the upper",
        "grades, all else equal: of the choices whose probability that moves by .1 or more, the share that moves the",
        "same way, and the slope in log-odds (of probabilities held within .01 and .99). Welfare: whole episodes of",
        "the model's people against scripted ones with the same draws, difference of the means (in teams as a share of",
        "what is earned before upkeep, which is the same for both).",
        "",
        "| society | people | total variation | same choice | same sign | slope | welfare |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(row for name, section in found.items() for row in _rows(name, section))]) + "\n"


def _rows(name: str, section: Mapping[str, Any]) -> list[str]:
    near = {part: f for part, f in section.items() if "tv" in f}
    edit = next(f for f in section.values() if "slope" in f)
    loops = [f"{f['welfare_off']:+.2%} ({part.split('_', 2)[2]})" for part, f in section.items() if "welfare_off" in f]
    ends = [f"{edit['sign_agreement']:.3f} | {edit['slope']:.2f} | {', '.join(loops)} |", "| | |"]
    return [
        f"| {name} | {part.replace('_', ' ')} | {f['tv']:.3f} | {f['top_choice_same']:.3f} | {ends[min(i, 1)]}"
        for i, (part, f) in enumerate(near.items())
    ]


def _agreement(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "## Agreement with the teacher\n\nNot measured yet: `solon claim embedded_model_reads_personas`.\n"
    a = figures["agreement"]
    lines = [
        "## Agreement with the teacher: income tax",
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
