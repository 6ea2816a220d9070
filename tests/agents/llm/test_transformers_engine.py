"""Chat models in a folder, computed by `transformers`: the shipped model, and one whose tokenizer splits numbers."""

import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from agents.base import Question
from agents.embedded.engine import EmbeddedEngine
from agents.embedded.vocabulary import MODEL_FOLDER
from agents.llm.engine import Reply, Request, Way
from agents.llm.journal import Journal
from agents.llm.models import engine_for
from agents.llm.population import LanguagePopulation
from agents.llm.transformers_engine import TransformersEngine
from experiments.embedded_exam import held_out
from societies.library.income_tax import IncomeTax
from tests.agents.llm.town import a_round, decide

HOURS = Question("You are Ada.", "The tax is 30%.", "hours", ("0", "40", "45"))
TEMPLATE = "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"  # noqa: E501


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    society = IncomeTax()
    return held_out(society, 3, 2).questions(society)[:40]


@pytest.fixture(scope="module")
def letters_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights with one token for each character."""
    folder = tmp_path_factory.mktemp("letters")
    signs = [chr(i) for i in range(32, 127)] + ["\n"]
    core = Tokenizer(models.WordLevel({"<unk>": 0} | {sign: i + 1 for i, sign in enumerate(signs)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", chat_template=TEMPLATE)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(signs) + 1, **sizes)).save_pretrained(folder)
    return folder


def asked(questions: list[Question], way: Way) -> list[Request]:
    return [Request(question, way, draw) for draw, question in enumerate(questions)]


def probabilities(replies: list[Reply]) -> torch.Tensor:
    """[M, K]"""
    return torch.tensor([reply.log_probs for reply in replies]).exp()


def test_the_shipped_model_has_the_same_chances_and_actions_here(questions: list[Question]) -> None:
    engine, own = engine_for(f"transformers:{MODEL_FOLDER}", batch_size=7), EmbeddedEngine()
    told, embedded = (e.complete(asked(questions, "distribution")) for e in (engine, own))
    assert [reply.text for reply in told] == [reply.text for reply in embedded]
    whole = probabilities(told)
    assert torch.allclose(whole / whole.sum(-1, keepdim=True), probabilities(embedded), atol=1e-5)
    assert whole.sum(-1).min() > 0.99  # the rest is on tokens that are no choices
    drawn = [reply.text for reply in engine.complete(asked(questions, "sample"))]
    assert drawn == [reply.text for reply in own.complete(asked(questions, "sample"))]


def test_batches_of_another_size_move_chances_by_rounding_only(questions: list[Question]) -> None:
    whole, single = (TransformersEngine(f"transformers:{MODEL_FOLDER}", batch_size=size) for size in (64, 1))
    first, second = (probabilities(e.complete(asked(questions, "distribution"))) for e in (whole, single))
    assert torch.allclose(first, second, atol=1e-5)


def test_where_numbers_are_split_the_letter_of_a_choice_is_asked_for(letters_only: Path, tmp_path: Path) -> None:
    engine = TransformersEngine(f"transformers:{letters_only}")
    (told,) = engine.complete([Request(HOURS, "distribution")])
    assert told.error is None
    assert len(told.log_probs or ()) == 3
    assert told.text in ('{"hours":0}', '{"hours":40}', '{"hours":45}')
    said = {reply.text for reply in engine.complete(asked([HOURS] * 60, "sample"))}
    assert said == {'{"hours":0}', '{"hours":40}', '{"hours":45}'}
    with Journal(tmp_path / "journal.sqlite") as journal:  # all but a little of its chances is on no choice at all
        decide(LanguagePopulation(engine, journal), a_round(0, 2, 3))
        ledger = journal.ledger()
    assert (ledger.decisions, ledger.failed, ledger.calls) == (6, 0, 12)


def test_a_prompt_that_is_too_long_fails_alone() -> None:
    engine = TransformersEngine(f"transformers:{MODEL_FOLDER}")
    long = Question("You are Ada. " * 2_000, "The tax is 30%.", "hours", ("0", "40", "45"))
    first, second = engine.complete([Request(long, "distribution"), Request(HOURS, "distribution")])
    assert (first.error or "").startswith("prompt too long: ")
    assert second.error is None


def test_at_temperature_0_it_is_always_the_likeliest(questions: list[Question]) -> None:
    engine = TransformersEngine(f"transformers:{MODEL_FOLDER}", temperature=0.0)
    said = [reply.text for reply in engine.complete(asked(questions[:10], "sample"))]
    assert said == [reply.text for reply in engine.complete(asked(questions[:10], "distribution"))]


def test_other_weights_are_another_model_for_the_journal(letters_only: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(letters_only, copy)
    first, same = (TransformersEngine(f"transformers:{folder}") for folder in (letters_only, copy))
    network = LlamaForCausalLM.from_pretrained(copy)
    network.lm_head.weight.data += 0.01
    network.save_pretrained(copy)
    other = TransformersEngine(f"transformers:{copy}")
    assert first.parameters == same.parameters != other.parameters


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_p": 0.9}, "'top_p' is no setting of transformers:.*; allowed: temperature, dtype"),
        ({"temperature": -1.0}, "'temperature' must be"),
        ({"batch_size": 0}, "'batch_size' must be"),
        ({"dtype": "float99"}, "cannot be loaded"),
        ({"base_url": "http://127.0.0.1:1"}, "take base_url out"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine_for(f"transformers:{MODEL_FOLDER}", **settings)  # pyright: ignore[reportArgumentType]


def test_folders_that_hold_no_chat_model_are_refused(letters_only: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no model in nowhere"):
        engine_for("transformers:nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be loaded"):
        engine_for(f"transformers:{tmp_path}")
    mute = tmp_path / "mute"
    shutil.copytree(letters_only, mute)
    (mute / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="has no chat template"):
        engine_for(f"transformers:{mute}")


def test_words_are_written_token_by_token(letters_only: Path) -> None:
    engine = TransformersEngine(f"transformers:{letters_only}", max_tokens=12)
    note = Question("You are Ada.", "Write a note.", "note", ())
    first, second, again = engine.complete([Request(note, "words", draw) for draw in (1, 2, 1)])
    assert first.error is None
    assert first.text == again.text != second.text
    assert (first.tokens_in, first.tokens_out) == (len("<system>You are Ada.<user>Write a note.<assistant>"), 12)
    cold = TransformersEngine(f"transformers:{letters_only}", max_tokens=12, temperature=0.0)
    assert len({reply.text for reply in cold.complete([Request(note, "words", draw) for draw in range(3)])}) == 1
    (short,) = engine.complete([Request(note, "words", 1, limit=5)])
    assert first.text.startswith(short.text)
    assert short.tokens_out == 5
    mixed = engine.complete([Request(note, "words", 1), Request(HOURS, "distribution")])
    assert mixed[0].text == first.text
    assert mixed[1].log_probs is not None
