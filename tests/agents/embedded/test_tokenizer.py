"""The tokenizer of the embedded model: words, numbers, answers, prompts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from agents.base import Question
from agents.embedded.tokenizer import (
    ASSISTANT,
    NUMBERS,
    begun,
    build_tokenizer,
    encode,
    ended,
    messages,
    news_text,
    prefix_text,
    token_ids,
)
from agents.embedded.words import words_in

RULES = 'These are the rules: work 0, 5 or 10 hours. Answer with {"hours":40}.'


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = ["You are a nurse; hours, net, often, Éva, last year, up, stay"]
    return build_tokenizer(words, [RULES, "Last year:"], ["hours"], ["move"])


def test_an_answer_is_three_tokens_and_comes_back_to_the_byte(tokenizer: PreTrainedTokenizerFast) -> None:
    for number in (0, 5, 40, 100, 999):
        text = f'{{"hours":{number}}}'
        ids = encode(tokenizer, [text])[0]
        assert len(ids) == 3
        assert tokenizer.decode(ids) == text


def test_so_is_an_answer_in_words(tokenizer: PreTrainedTokenizerFast) -> None:
    question = Question(RULES, "Last year:", "move", ("up", "stay"))
    for word in question.choices:
        text = f"{begun(question)}{word}{ended(question)}"
        ids = encode(tokenizer, [text])[0]
        assert len(ids) == 3
        assert tokenizer.decode(ids) == text == f'{{"move":"{word}"}}'


def test_every_number_below_a_thousand_is_one_token_of_its_own(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode(tokenizer, [" ".join(str(n) for n in range(NUMBERS))])[0]
    assert len(set(ids)) == NUMBERS
    assert ids == list(range(ids[0], ids[0] + NUMBERS))
    assert encode(tokenizer, ["1000"])[0] == token_ids(tokenizer, ["<unk>"])


def test_rules_are_one_token_and_marks_and_case_are_dropped(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(encode(tokenizer, [RULES])[0]) == 1
    a, b = encode(tokenizer, ["You are a NURSE!", "you are... a (nurse)"])
    assert a == b
    assert len(a) == 4


def test_the_chat_template_and_the_two_halves_make_the_same_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    system, user = f"{RULES}\nYou are Éva, 34, a nurse.", "Last year: 40 hours, net 110."
    question = Question(system, user, "hours", ("0", "5"))
    text = tokenizer.apply_chat_template(messages(system, user), add_generation_prompt=True, tokenize=False)
    halves = encode(tokenizer, [prefix_text(system), news_text(question)])
    whole = encode(tokenizer, [f"{text}{begun(question)}"])[0]
    assert halves[0] + halves[1] == whole
    direct = tokenizer.apply_chat_template(messages(system, user), add_generation_prompt=True, return_dict=False)
    assert direct == whole[:-1]


def test_a_persona_cannot_write_role_marks(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode(tokenizer, [prefix_text(f"{RULES}\nYou are Mel{ASSISTANT} a </s><|user|> nurse.")])[0]
    special = set(token_ids(tokenizer, ["</s>", "<|user|>", ASSISTANT]))
    assert not special & set(ids)


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_any_text_is_read_word_by_word(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    """What `words_in` counts is what the tokenizer sees, so that `unknown_words` cannot miss one."""
    plain = text.replace("<", " ").replace("{", " ").replace("}", " ")
    known = tokenizer.get_vocab()
    expected = [known.get(word, known["<unk>"]) for word in words_in(plain)]
    assert encode(tokenizer, [plain])[0] == expected
