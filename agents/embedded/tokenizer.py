"""The word-level tokenizer of the embedded model, and the chat template that makes every prompt.

One token for a word, one for each whole number 0 to 999, one for `{"hours":` and one for `}`; an answer in a word lies
between `{"move":"` and `"}`. Marks are dropped and
letters lowered before words are looked up; a word that is not in the vocabulary becomes `<unk>`. A society's constant
phrases (its rules, the frame of its news) are one token each, matched exactly.
"""

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from agents.base import Question
from agents.embedded.words import NORMAL, SPLIT, words_in

START, END, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, UNKNOWN, START, END, SYSTEM, USER, ASSISTANT)
CLOSING, CLOSING_WORD = "}", '"}'  # of an answer that is a number, and of one that is a word
NUMBERS = 1000  # single tokens for 0 .. NUMBERS - 1
CONTEXT = 1024  # tokens

CHAT_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def opening(key: str, words: bool = False) -> str:
    """How the answer begins: everything before the number, or before the word."""
    return f'{{"{key}":"' if words else f'{{"{key}":'


def in_words(choices: Sequence[str]) -> bool:
    """Are answers words, which JSON puts between quotes, and not numbers?"""
    return not all(choice.isdecimal() for choice in choices)


def build_tokenizer(
    words: Iterable[str], phrases: Sequence[str], keys: Sequence[str], word_keys: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """A tokenizer over `words` (any case), whole `phrases` that are one token each, and answers under `keys`: numbers,
    or under `word_keys` words.
    """
    known = sorted({word for text in words for word in words_in(text) if not word[0].isdigit()})
    entries = [*SPECIAL, *(str(n) for n in range(NUMBERS)), *known]
    core = Tokenizer(models.WordLevel({entry: i for i, entry in enumerate(entries)}, unk_token=UNKNOWN))
    core.normalizer = NORMAL  # pyright: ignore[reportAttributeAccessIssue]
    core.pre_tokenizer = SPLIT  # pyright: ignore[reportAttributeAccessIssue]
    core.decoder = _decoder()  # pyright: ignore[reportAttributeAccessIssue]
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    whole = [*phrases, *(opening(key) for key in keys), CLOSING]
    whole += [*(opening(key, words=True) for key in word_keys), *([CLOSING_WORD] if word_keys else [])]
    core.add_tokens([AddedToken(text, special=False, normalized=False) for text in whole])
    return _wrapped(core)


def _decoder() -> decoders.Decoder:
    """Words apart by one space, but the JSON answer without any: `{"hours":40}`, `{"move":"stay"}`."""
    steps = [decoders.WordPiece(prefix="##", cleanup=False), decoders.Fuse()]
    close = [decoders.Replace('": ', '":'), decoders.Replace('":" ', '":"')]
    return decoders.Sequence([*steps, *close, decoders.Replace(" }", "}"), decoders.Replace(' "}', '"}')])


def _wrapped(core: Tokenizer) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=START,
        eos_token=END,
        unk_token=UNKNOWN,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
        padding_side="left",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def messages(system: str, user: str) -> list[dict[str, str]]:
    """A question as chat messages. Role marks inside the texts are data, and are taken out."""
    return [{"role": "system", "content": plain(system)}, {"role": "user", "content": plain(user)}]


def plain(text: str) -> str:
    """`text` without the marks that tell roles apart."""
    for mark in SPECIAL:
        text = text.replace(mark, " ")
    return text


def prefix_text(system: str) -> str:
    """The part of a prompt that stays the same for an agent's whole life."""
    return f"{START}{SYSTEM}{plain(system)}"


def news_text(question: Question) -> str:
    """The rest of a prompt, up to the answer that is asked for. The split is at a role mark, so it changes no token."""
    return f"{USER}{plain(question.user)}{ASSISTANT}{begun(question)}"


def begun(question: Question) -> str:
    """How the answer to a question begins."""
    return opening(question.key, in_words(question.choices))


def ended(question: Question) -> str:
    """What follows the choice in the answer to a question."""
    return CLOSING_WORD if in_words(question.choices) else CLOSING


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """The tokens of each text; role marks in them count as such."""
    return tokenizer(texts, add_special_tokens=False).input_ids if texts else []


def token_ids(tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str]) -> list[int]:
    """The ids of whole tokens; that of `<unk>` for what is none."""
    found = tokenizer.convert_tokens_to_ids(list(tokens))
    assert isinstance(found, list)
    return found
