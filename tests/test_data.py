"""Facts about data/fables.txt."""
import re
from collections import Counter

from conftest import ROOT

TEXT = (ROOT / "data" / "fables.txt").read_text(encoding="utf-8")
FABLES = TEXT.strip("\n").split("\n\n\n")


def test_size_and_alphabet():
    assert len(FABLES) >= 180 and len(TEXT) >= 150_000 and TEXT.isascii()
    assert len(set(TEXT)) <= 70 and "\t" not in TEXT and " \n" not in TEXT


def test_every_fable_has_a_title_and_one_to_five_paragraphs():
    titles = [fable.split("\n\n")[0] for fable in FABLES]
    assert "The Crow and the Pitcher" in titles and len(set(titles)) == len(titles)
    for fable, title in zip(FABLES, titles):
        assert "\n" not in title and title[-1].isalpha() and title[0].isupper(), title
        assert 2 <= len(fable.split("\n\n")) <= 6 and 600 <= len(fable) <= 1600, title
        assert max(map(len, fable.splitlines())) <= 72


def test_no_template():
    """No run of twelve words stands twice, and no opening of three words begins many fables."""
    words = re.findall(r"[a-z']+", TEXT.lower())
    runs = Counter(tuple(words[i:i + 12]) for i in range(len(words) - 11))
    assert max(runs.values()) == 1
    openings = Counter(tuple(fable.split("\n\n")[1].lower().split()[:3]) for fable in FABLES)
    assert max(openings.values()) <= 6, openings.most_common(5)
