"""The shipped model behind its engine: the same numbers as `transformers`, and clear words when it cannot answer."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from langchain_core.messages import HumanMessage, SystemMessage

from agents.base import Question
from agents.embedded.chat import EmbeddedChat
from agents.embedded.engine import EmbeddedEngine, answer
from agents.embedded.prefixes import PrefixCache
from agents.embedded.tokenizer import begun, encode
from agents.embedded.vocabulary import MODEL_FOLDER, ModelMissing, not_understood, unknown_words
from agents.llm.engine import Request
from experiments.embedded_benchmark import full, naive, prompt
from personas.people import Persona
from societies.catalog import load
from societies.library.income_tax import LEVELS, IncomeTax

TRAITS = {
    "elasticity": 0.5,
    "fairness": 0.2,
    "risk_aversion": 0.5,
    "loss_aversion": 0.5,
    "habit": 0.5,
    "preferred_hours": 0.4,
}
USUAL = [40, 100, 60, 100, *[75] * 12]
HOURS = torch.tensor(LEVELS, dtype=torch.float32)


@pytest.fixture(scope="module")
def engine() -> EmbeddedEngine:
    return EmbeddedEngine()


def someone(name: str = "Ann Baker", biography: str = "", **traits: float) -> Persona:
    return Persona("p", name, biography, {"age": 40.0, "occupation": "nurse"}, frozenset(), {**TRAITS, **traits})


def asked(persona: Persona, view: list[int] = USUAL) -> Question:
    return IncomeTax().tell(torch.tensor(view, dtype=torch.float32), persona)


def people() -> list[Question]:
    lives = ["", "You live alone and keep bees.", "You sail. You were born in Millbrook and you bake bread."]
    return [asked(someone(biography=lives[i % 3], habit=i / 10), [5 * i, *USUAL[1:]]) for i in range(10)]


def test_cached_prefixes_give_the_full_prompts_probabilities(engine: EmbeddedEngine) -> None:
    questions = people()
    cold = torch.stack(engine.scores(questions)).exp()
    before = engine.prefixes.computed
    warm = torch.stack(engine.scores(questions)).exp()
    assert engine.prefixes.computed == before
    with torch.inference_mode():
        whole, one_by_one = full(engine, questions).exp(), naive(engine, questions[:2]).exp()
    assert torch.allclose(cold, whole, atol=1e-5)
    assert torch.allclose(warm, whole, atol=1e-5)
    assert torch.allclose(one_by_one, whole[:2], atol=1e-2)  # it also weighs the closing mark


def test_the_same_batch_brings_the_same_numbers(engine: EmbeddedEngine) -> None:
    requests = [Request(q, "distribution") for q in people()]
    first, again = engine.complete(requests), EmbeddedEngine().complete(requests)
    assert [r.log_probs for r in first] == [r.log_probs for r in again]
    turned = engine.complete(requests[::-1])[::-1]
    for a, b in zip(first, turned, strict=True):
        assert a.log_probs == pytest.approx(b.log_probs, abs=1e-4)
        assert a.tokens_in == b.tokens_in > 50


def test_samples_depend_on_the_prompt_and_the_draw_only(engine: EmbeddedEngine) -> None:
    questions = people()
    many = [Request(questions[0], "sample", draw=i) for i in range(300)]
    texts = [r.text for r in engine.complete(many)]
    assert [r.text for r in engine.complete(many[5:7])] == texts[5:7]
    expected = float(engine.scores(questions[:1])[0].exp() @ HOURS)
    mean = sum(int(t.removeprefix('{"hours":').removesuffix("}")) for t in texts) / len(texts)
    assert mean == pytest.approx(expected, abs=2.0)  # sd of one draw about 6 hours, so five standard errors


def test_what_it_was_not_taught_is_an_error_in_the_reply(engine: EmbeddedEngine) -> None:
    q = people()[0]
    other = replace(q, system=q.system.replace("yearly", "daily", 1))
    told = {
        "'yes'": replace(q, choices=("yes", "no")),
        "'7'": replace(q, choices=("5", "7")),
        "'fish'": replace(q, key="fish"),
        "'site'": replace(q, key="site"),  # it knows that key, but of other societies
        "rules of this society": other,
        "rules of this society; use": replace(q, system="You catch fish in a lake."),
    }
    replies = engine.complete([Request(s, "distribution") for s in (*told.values(), q)])
    for words, reply in zip(told, replies[:-1], strict=True):
        assert reply.error is not None
        assert words in reply.error
        assert reply.log_probs is None
    assert replies[-1].error is None
    assert engine.complete([]) == []


def test_a_missing_model_names_the_folder_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"nowhere.*no such folder(.|\n)*train-embedded"):
        EmbeddedEngine(tmp_path / "nowhere")
    with pytest.raises(ModelMissing, match=r"config\.json is not there"):
        EmbeddedEngine(tmp_path)
    for file in MODEL_FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:200])
    with pytest.raises(ModelMissing, match="cannot be loaded"):
        EmbeddedEngine(tmp_path)


def test_the_prefix_cache_keeps_to_its_memory(engine: EmbeddedEngine) -> None:
    def read(texts: list[str]) -> list[list[int]]:
        return encode(engine.tokenizer, texts)

    one = 4 * 2 * 4 * 10 * 32 * 4  # bytes of ten tokens: layers, keys and values, heads, tokens, size, float32
    cache = PrefixCache(engine.network, read, limit=2 * one)
    texts = [f"{i} " * 10 for i in range(3)]
    with torch.inference_mode():
        for text in texts:
            cache.get([text])
        cache.get(texts[1:])
        assert cache.computed == 3
        kept = cache.get([texts[0], texts[2]])  # the first was let go
    assert cache.computed == 4
    assert kept.lengths.tolist() == [10, 10]


def test_as_a_langchain_model_it_answers_in_json(engine: EmbeddedEngine) -> None:
    q = people()[4]
    said = EmbeddedChat().invoke([SystemMessage(q.system), HumanMessage(q.user)])
    assert said.content == engine.complete([Request(q, "distribution")])[0].text
    drawn = {
        EmbeddedChat(temperature=1.0, seed=s).invoke([("system", q.system), ("human", q.user)]).content
        for s in range(2)
    }
    assert all(str(text).startswith('{"hours":') for text in drawn)
    with pytest.raises(ValueError, match="one system and one user message"):
        EmbeddedChat().invoke("hello")


def test_unknown_words_are_the_ones_read_as_unknown(engine: EmbeddedEngine) -> None:
    assert unknown_words("You keep bees, 40 of them, in Xyzzy and xyzzy; 1500 more.") == ["xyzzy", "1500"]
    assert not_understood(someone()) == []
    assert "biography" in not_understood(someone(biography="You sail."))[0]


def visit(roaming: float, view: list[int], town: str = "facility8") -> Question:
    persona = Persona("p", "Ann Baker", "You sail.", {"occupation": "nurse"}, frozenset(), {"roaming": roaming})
    return load(town).tell(torch.tensor([*view, *[-1] * (16 - len(view))], dtype=torch.float32), persona)


def walk(row: int, column: int, good: int, wanted: bool) -> Question:
    persona = Persona("p", "Ann Baker", "", {}, frozenset(), {"strength": 0.5})
    keeps = {1: 2, 2: 5, 3: 4, 4: 1}[good]
    view = [12, 2, row, column, good, keeps, good if wanted else -1, *[7] * 4, *[0] * 4, 1, -1, -1, 4]
    return load("team_formation").tell(torch.tensor(view, dtype=torch.float32), persona)


def test_visitors_go_where_they_like_to_go(engine: EmbeddedEngine) -> None:
    near_and_far = [0, 1, 0, 0, 2, 4, 0]  # stayed at home; 1 at 0 blocks, empty; 2 at 4 blocks, empty
    for town in ("facility8", "facility8_sharp"):
        home, walker = (engine.scores([visit(u, near_and_far, town)])[0].exp() for u in (0.0, 1.0))
        assert home[1] > 0.6 > 0.2 > home[2]
        assert walker[2] > 0.6 > 0.2 > walker[1]
    empty, full = (engine.scores([visit(1.0, [0, 1, 5, c], "facility32_sharp")])[0].exp() for c in (0, 60))
    assert empty[1] > full[1] + 0.3


def test_gatherers_walk_to_their_corner_if_they_are_wanted(engine: EmbeddedEngine) -> None:
    asked = [walk(4, 2, 1, True), walk(4, 2, 4, True), walk(8, 3, 4, True), walk(1, 1, 1, True), walk(4, 2, 1, False)]
    replies = engine.complete([Request(q, "distribution") for q in asked])
    moves = ("up", "right", "right", "stay", "stay")
    assert [reply.text for reply in replies] == [f'{{"move":"{move}"}}' for move in moves]
    said = EmbeddedChat().invoke([SystemMessage(asked[0].system), HumanMessage(asked[0].user)])
    assert said.content == replies[0].text


def test_choices_that_are_not_open_are_left_out(engine: EmbeddedEngine) -> None:
    whole = visit(0.0, [0, 1, 3, 0, 2, 4, 0])
    open_ = engine.scores([replace(whole, choices=("0", "2"))])[0]
    every = engine.scores([whole])[0]
    assert float(open_[1] - open_[0]) == pytest.approx(float(every[2] - every[0]), abs=1e-4)


def test_generation_by_transformers_writes_valid_json(engine: EmbeddedEngine) -> None:
    for q in [*people()[::3], visit(0.0, [0, 1, 3, 0, 2, 4, 0]), walk(4, 2, 4, True)]:
        text = prompt(engine, q).removesuffix(begun(q))
        read = engine.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        out = engine.weights.generate(**read, max_new_tokens=8, do_sample=False)
        said = engine.tokenizer.decode(out[0, read["input_ids"].shape[1] :], skip_special_tokens=True)
        assert said in {answer(q, choice) for choice in q.choices}


def test_the_folder_keeps_to_its_limits(engine: EmbeddedEngine) -> None:
    assert sum(p.numel() for p in engine.weights.parameters()) <= 3_000_000
    assert sum(file.stat().st_size for file in MODEL_FOLDER.iterdir()) <= 6_000_000


def mean_hours(engine: EmbeddedEngine, persona: Persona, view: list[int]) -> float:
    return float(engine.scores([asked(persona, view)])[0].exp() @ HOURS)


def test_the_words_of_each_trait_move_hours_the_right_way(engine: EmbeddedEngine) -> None:
    taxed = [40, 100, 60, 80, *[35] * 12]
    rich = [40, 300, 60, 320, *[75] * 12]  # a large lump sum beside the wage
    poorer = [40, 120, 60, 85, *[60] * 12]  # less than last year unless one works longer
    idle = [15, 100, 60, 100, *[75] * 12]
    equal = [40, 100, 88, 100, *[75] * 12]
    for trait, view, sign in (
        ("preferred_hours", USUAL, 1),
        ("elasticity", taxed, -1),
        ("fairness", equal, 1),
        ("risk_aversion", rich, -1),
        ("loss_aversion", poorer, 1),
        ("habit", idle, -1),
    ):
        low, high = (mean_hours(engine, someone(**{trait: u}), view) for u in (0.05, 0.95))
        assert sign * (high - low) > 1.0, trait


def test_a_grade_more_is_never_a_step_back(engine: EmbeddedEngine) -> None:
    """Usual hours, told as a number, move mean hours up all along their scale."""
    means = [mean_hours(engine, someone(preferred_hours=u / 11), USUAL) for u in range(12)]
    assert all(b > a for a, b in pairwise(means))


def test_name_and_biography_do_not_matter(engine: EmbeddedEngine) -> None:
    plain = mean_hours(engine, someone(), USUAL)
    told = someone("Zed Quux", "You have nursed for twenty years, hate taxes and work all night, every night.")
    assert mean_hours(engine, told, USUAL) == pytest.approx(plain, abs=1.5)
