"""What the embedded model takes for a word. Apart from its tokenizer, which brings Transformers: who only counts words
should not wait for that.
"""

from tokenizers import Regex, normalizers, pre_tokenizers

_PATTERN = r"[0-9]+|[^\W\d_]+"  # as personas.words.split_words, without the marks
NORMAL = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
SPLIT = pre_tokenizers.Split(Regex(_PATTERN), "removed", invert=True)


def words_in(text: str) -> list[str]:
    """The words and numbers of a text as the vocabulary holds them: lowered, without marks.

    By the tokenizer's own parts: Python's idea of a letter differs from theirs in rare characters.
    """
    return [word for word, _ in SPLIT.pre_tokenize_str(NORMAL.normalize_str(text))]
