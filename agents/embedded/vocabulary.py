"""Which words the embedded model knows, and what is said of it, without loading the model."""

import json
from functools import lru_cache
from pathlib import Path

from agents.embedded.words import words_in
from personas.people import Persona

MODEL_FOLDER = Path(__file__).parent / "model"
STAND_IN = "made with the small embedded model, a stand-in for a real language model"
NOT_READ = (
    "the embedded model answers from the trait sentences and the news alone; name, age, trade and biography do not "
    "change its answers (a larger model would read them)"
)


class ModelMissing(ValueError):
    """There is no usable embedded model in the folder that was named."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(
            f"no embedded model in {folder}: {what}\n"
            "fix: give the folder of a trained model, or make one with `solon train-embedded` (about an hour)"
        )


@lru_cache(maxsize=4)
def vocabulary(folder: Path = MODEL_FOLDER) -> frozenset[str]:
    """The lowered words and the numbers that have a token of their own. ModelMissing if there is no tokenizer."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelMissing(folder, "tokenizer.json is not there")
    try:
        return frozenset(json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelMissing(folder, f"tokenizer.json cannot be read ({error})") from error


def unknown_words(text: str, folder: Path = MODEL_FOLDER) -> list[str]:
    """The words and numbers of a text that the model reads as `<unk>`, each once, in their order."""
    known = vocabulary(folder)
    return [word for word in dict.fromkeys(words_in(text)) if word not in known]


def not_understood(persona: Persona) -> list[str]:
    """What a person's file says that only a larger model would understand, in plain sentences; [] for nothing."""
    notes = list[str]()
    if persona.biography.strip():
        notes.append(f"biography: {NOT_READ}")
    notes += [
        f"words.{trait}: the embedded model was taught the standard sentences only; it may misread your own"
        for trait in persona.words
    ]
    return notes
