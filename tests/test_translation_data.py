"""From files to ids: what the translation lessons take for a pair and for a token, what is held out, batches."""
import math
import re
import unicodedata

import numpy as np
import pytest

from conftest import ROOT, TRANSLATION, error_of, module
from pairs import ATTENTION, flags, no_pictures, settings, some_pairs, train, write
from test_words import RULES

translation = pytest.mark.parametrize("name", TRANSLATION)
lesson = module("seq2seq")          # what reads text is the same in all three (see test_repeats.py)


# %% Tokens
ELIDED = {
    "an elided word stands by itself": ("L'eau n'est pas l\u00e0.", "l' eau n' est pas l\u00e0 ."),
    "with the other apostrophe": ("L\u2019eau qu\u2019il a", "l\u2019 eau qu\u2019 il a"),
    "all of them": ("c'est d'or j'ai l'or m'a n'a s'il t'a qu'on",
                    "c' est d' or j' ai l' or m' a n' a s' il t' a qu' on"),
    "inside a word it is none": ("aujourd'hui jusqu'\u00e0 don't", "aujourd'hui jusqu'\u00e0 don't"),
    "after an apostrophe it is none": ("rock 'n'roll", "rock ' n'roll"),
    "in capitals and before accents": ("L'\u00c9T\u00c9, D'\u00cele", "l' \u00e9t\u00e9 , d' \u00eele"),
    "already apart": ("le corbeau n' a pas vu l' oiseau .", "le corbeau n' a pas vu l' oiseau ."),
    "Italian has others": ("dell'acqua l'acqua", "dell'acqua l' acqua"),
}


@pytest.mark.parametrize("rule", RULES | ELIDED)
def test_tokens(rule):
    """The rules of the word lessons and those for elided words, whether accents are composed or not."""
    text, tokens = (RULES | ELIDED)[rule]
    for form in ("NFC", "NFD"):
        assert lesson.tokenize(unicodedata.normalize(form, text)) == unicodedata.normalize("NFC", tokens).split(" ")


def test_tokens_between_blanks_stay_as_they_are():
    assert lesson.tokenize(" Mr.Bell  don't \u00a0 l'eau\n", "spaces") == ["Mr.Bell", "don't", "l'eau"]
    assert lesson.detokenize(["i", "l'", "eau", "."], "spaces") == "i l' eau ."


def test_the_lessons_own_data_is_tokens_already():
    """The tokens are those that the file has between blanks, which its links count."""
    for line in (ROOT / "data" / "en_fr.tsv").read_text(encoding="utf-8").splitlines():
        for side in line.split("\t")[:2]:
            assert lesson.tokenize(side) == side.split(), side


@pytest.mark.parametrize("text", [
    "L'eau est l\u00e0, n'est-ce pas?", "Qu'il aille aujourd'hui!", "L\u2019\u00e9t\u00e9 qu\u2019on aime.",
    'He said, "I am hungry," and ran.', "A well-fed dog: don't touch; go!", "At 10:30 it cost 3.14 (50%).",
    "Il dit \u00aboui\u00bb.", "He said, \u201cgo (now)\u201d.",
    "\u6211\u559c\u6b22\u82f9\u679c\u3002\u4f60\u5462\uff1f",
    "\u041b\u0438\u0441\u0430 \u0438 \u0451\u0436.", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u0948\u0964",
    "\u039f \u03bb\u03cd\u03ba\u03bf\u03c2 \u03ae\u03c1\u03b8\u03b5."])
def test_text_comes_back(text):
    assert lesson.detokenize(lesson.tokenize(text)) == text


def test_detokenize_of_nothing():
    assert lesson.detokenize([]) == "" and lesson.detokenize((), "spaces") == ""


# %% Pairs
def pairs_of(tmp_path, content, max_length=50, split="words"):
    """What read_pairs finds in such a file, as sides of text and the third column."""
    found = lesson.read_pairs(write(tmp_path / "p.tsv", content), max_length, split)
    return [(" ".join(source), " ".join(target), third) for source, target, third in found]


def test_pairs_with_and_without_a_third_column(tmp_path):
    content = "Go.\tVa !\nRun!\tCours !\tCC-BY 2.0 (France) #1\na b\tb a\t0-1 1-0\tmore\n"
    found = [pair[:2] for pair in pairs_of(tmp_path, content)]
    assert found == [("go .", "va !"), ("run !", "cours !"), ("a b", "b a")]


def test_the_third_column_is_kept_where_its_links_can_be_meant(tmp_path):
    """They count words between blanks, so these must be the tokens; else no link is left, only that something stood."""
    lines = ["a b\tB a\t 0-1 1-0 ", "a b.\tb a\t0-1 1-0", "a b\tb a!\t0-0", "a b\tb a\tCC-BY", "a b.\tb a",
             "a b\tb\t \t7"]
    third = [pair[2] for pair in pairs_of(tmp_path, "\n".join(lines))]
    assert third[0] == "0-1 1-0" and third[3:] == ["", "", ""]     # Anki's is a licence
    for name in ATTENTION:
        for text in third[1:3]:
            assert text and module(name).read_links((("a",) * 3, ("b",) * 3, text)) is None


def test_links_of_ready_made_tokens_with_capitals(tmp_path):
    assert [pair[2] for pair in pairs_of(tmp_path, "The Fox\tle Renard\t0-0 1-1\n", split="spaces")] == ["0-0 1-1"]
    assert [pair[2] for pair in pairs_of(tmp_path, "The Fox\tle Renard\t0-0 1-1\n")] == ["0-0 1-1"]


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text,
                                    lambda text: text.replace("\n", "\n\n \n"), lambda text: text[:-1]])
def test_line_ends_blank_lines_and_byte_order_marks(change, tmp_path):
    text = "Go.\tVa !\nLe.\tL\u00e0.\n"
    want = [("go .", "va !", ""), ("le .", "l\u00e0 .", "")]
    assert pairs_of(tmp_path, change(text).encode()) == pairs_of(tmp_path, text) == want


def test_tatoebas_four_columns(tmp_path, capsys):
    """An id before each side: then columns 2 and 4 are the sentences; a lone odd line is left out."""
    content = "".join(f"{n}\tFox {n}.\t{n + 7}\tRenard {n}.\n" for n in range(20))
    assert pairs_of(tmp_path, content)[3] == ("fox 3 .", "renard 3 .", "")
    assert "olumns 2 and 4" in capsys.readouterr().out
    assert pairs_of(tmp_path, content.replace("\tRenard 3.", ""))[3][0] == "fox 4 ."
    capsys.readouterr()
    assert pairs_of(tmp_path, "7 foxes\tsept\tx\ty\n" * 20)[0] == ("7 foxes", "sept", "")
    assert "olumns" not in capsys.readouterr().out


def test_a_line_without_tabs_among_tatoebas(tmp_path, capsys):
    content = "".join(f"{n}\tFox {n}.\t{n + 7}\tRenard {n}.\n" for n in range(20)) + "the end\n"
    assert len(pairs_of(tmp_path, content)) == 20 and " 1 lines" in capsys.readouterr().out


def test_an_empty_side_is_left_out_and_counted(tmp_path, capsys):
    content = "fox\trenard\n" * 40 + "no tab here\n\tc\nd\t \ne\t\n"
    assert len(pairs_of(tmp_path, content)) == 40
    assert re.search(r" 4 lines .*\b41\b", capsys.readouterr().out)         # with the line of the first


def test_more_than_a_tenth_bad_is_an_error(tmp_path):
    assert len(pairs_of(tmp_path, "fox\trenard\n" * 18 + "fox\n" * 2)) == 18
    with pytest.raises(lesson.BadInput):
        pairs_of(tmp_path, "fox\trenard\n" * 17 + "fox\n" * 2)


def test_a_header_is_a_pair_or_is_left_out(tmp_path, capsys):
    assert pairs_of(tmp_path, "English\tFrench\nfox\trenard\n")[0] == ("english", "french", "")
    assert len(pairs_of(tmp_path, "English French\n" + "fox\trenard\n" * 9)) == 9
    assert re.search(r" 1 lines .*\b1\b", capsys.readouterr().out)


def test_a_text_is_answered_line_by_line(tmp_path, capsys):
    assert pairs_of(tmp_path, "One fox.\n\nTwo crows.\r\nThree wolves.\n") == [
        ("one fox .", "two crows .", ""), ("two crows .", "three wolves .", "")]
    assert "no tabs" in capsys.readouterr().out


def test_long_pairs_are_left_out_and_counted(tmp_path, capsys):
    """Both sides count, in tokens; what is far too long is not even read."""
    content = "a b c\tx\na\tx y z\na b\tx y\n" + f"{'a' * 999}\tx\n"
    assert pairs_of(tmp_path, content, 2) == [("a b", "x y", "")]
    assert re.search(r"\b3 pairs", capsys.readouterr().out)
    assert len(pairs_of(tmp_path, content, 3)) == 3 and len(pairs_of(tmp_path, content, 10)) == 4


@translation
@pytest.mark.parametrize("content", [
    "", "\n\n", "one line\n", "a\t\n", "a b c\tx y z\n" * 30, "fox ||| renard\n" * 30, "fox\trenard\nno\nno\n",
    "\tun\n" * 30, b"caf\xe9\tun\n" * 30, "a b\tc d\n".encode("utf-16") * 30])
def test_files_without_pairs(name, content, tmp_path, capsys):
    """An empty one, one line, nothing short enough, another separator, no sources, not UTF-8: the one line, no file."""
    data = write(tmp_path / "p.tsv", content)
    assert module(name).main(flags("--data", data, "--out", tmp_path / "out", "--max-length", 2)) == 2
    error = error_of(capsys, name)
    assert str(data) in error and ("tab" in error if b"|||" in data.read_bytes() else True)
    assert not (tmp_path / "out").exists()


def test_a_few_bars_are_words(tmp_path):
    assert pairs_of(tmp_path, "a ||| b\tc\nd\te\n")[0][:2] == ("a | | | b", "c")


# %% Held out
def parts(tmp_path, content, **changes):
    return lesson.read_data(settings("seq2seq", data=str(write(tmp_path / "p.tsv", content)), **changes))


def test_a_tenth_of_the_sources_is_held_out_by_the_seed(tmp_path):
    """From a hundred pairs on; a thousand sources at most."""
    held = []
    for count, seed, want in ((99, 0, 0), (100, 0, 10), (100, 0, 10), (100, 1, 10), (12_000, 0, 1000)):
        pairs, held_out = parts(tmp_path, "".join(f"w{i}\tx\n" for i in range(count)), seed=seed)
        assert len(held_out) == want and sorted(pairs + held_out) == sorted(
            ((f"w{i}",), ("x",), "") for i in range(count))
        held.append(held_out)
    assert held[1] == held[2] != held[3] and held[4] != sorted(held[4])


@translation
def test_no_held_out_source_is_in_training(name, tmp_path):
    """A source goes to one side with all its translations; case and blanks make no other source of it."""
    lines = [f"Go {n % 40}.\tVa {n} !" for n in range(200)] + [f"go  {n} .\tVa donc !" for n in range(40)]
    data = write(tmp_path / "p.tsv", "\n".join(lines))
    pairs, held_out = module(name).read_data(settings(name, data=str(data)))
    assert not {source for source, _, _ in pairs} & {source for source, _, _ in held_out}
    assert len({source for source, _, _ in held_out}) == 4 and len(held_out) == 24 and len(pairs) == 216
    assert not [pair for pair in pairs if getattr(module(name), "read_links", lambda pair: None)(pair)]


@translation
def test_the_lessons_own_pairs(name):
    """A thousand are held out, none of their sources is in training, and the links fit the tokens."""
    pairs, held_out = module(name).read_data(settings(name))
    sources = {source for source, _, _ in held_out}
    assert len(pairs) + len(held_out) == 22_000 and len(sources) == 1000
    assert not {source for source, _, _ in pairs} & sources
    if name in ATTENTION:
        assert all(map(module(name).read_links, pairs + held_out))


@translation
def test_valid_names_the_held_out_pairs(name, tmp_path, capsys, monkeypatch):
    """Then all of the data is learned from, but held-out pairs whose source it has are left out."""
    no_pictures(monkeypatch)
    valid = write(tmp_path / "v.tsv", "A fox.\tUn renard.\nA crow .\tUn corbeau.\nA crow .\tLe corbeau.\n")
    data = write(tmp_path / "p.tsv", "a fox .\tle renard .\n" * 3 + "".join(f"w{n}\tx\n" for n in range(150)))
    pairs, held_out = module(name).read_data(settings(name, data=str(data), valid=str(valid)))
    found = sorted(" ".join(target) for _, target, _ in held_out)
    assert len(pairs) == 153 and found == ["le corbeau .", "un corbeau ."]
    capsys.readouterr()
    path = train(name, data, tmp_path / "out", "--valid", valid)
    out = capsys.readouterr().out
    assert "153 pairs to learn from" in out and re.search(r"\b2 held-out", out)
    assert "corbeau" not in module(name).load(path)[1]      # the vocabulary is that of training


@translation
def test_with_too_few_pairs_training_itself_is_scored(name, tmp_path, capsys, monkeypatch):
    """And it says so; so it does where --valid has nothing new."""
    no_pictures(monkeypatch)
    data = write(tmp_path / "p.tsv", "a fox .\tun renard .\n")
    valid = write(tmp_path / "v.tsv", "A fox .\tle renard .\n")
    for more in ([], ["--valid", valid]):
        path = train(name, data, tmp_path / "out", *more)
        out = capsys.readouterr().out
        assert " 1 training ones" in out and "training, beam" in out and "held-out, beam" not in out
        assert math.isfinite(module(name).restore(path)["best_nats"])


# %% Ids
def test_the_order_of_the_vocabulary_and_rare_words():
    """Words of the translations by how often they occur there, then those of the sources alone; counted by side."""
    pairs = [(("a", "b", "b", "x"), ("q", "p", "p", "x"), ""), (("a", "b", "c"), ("p", "q", "q"), "")]
    assert lesson.build_vocab(pairs, 1) == ([*lesson.SPECIAL, "p", "q", "x", "b", "a", "c"], 7)
    assert lesson.build_vocab(pairs, 2) == ([*lesson.SPECIAL, "p", "q", "b", "a"], 6)
    assert lesson.build_vocab(pairs, 9) == (lesson.SPECIAL, 4)


def test_ids():
    """Sources end with <eos>, translations are framed; a word of the sources only is <unk> in a translation."""
    vocab, V_out = lesson.build_vocab([(("only", "both"), ("both", "word"), "")], 1)
    only, both, word = map(vocab.index, ("only", "both", "word"))
    assert lesson.encode_pairs([(("only", "new"), ("only", "word"), ""), ((), ("both",), "")], vocab, V_out) == [
        ((only, 3, 2), (1, 3, word, 2)), ((2,), (1, both, 2))]


def test_special_words_in_ready_made_pairs_keep_their_ids():
    pairs = [(("a", "<unk>"), ("<eos>", "p", "<unk>"), "")] * 2
    vocab, V_out = lesson.build_vocab(pairs, 1)
    assert vocab == [*lesson.SPECIAL, "p", "a"] and V_out == 5
    assert lesson.encode_pairs([(("<unk>", "b"), ("<unk>",), "")], vocab, V_out) == [((3, 3, 2), (1, 3, 2))]


def test_pad_fills_columns_from_below():
    assert lesson.pad([(5, 2), (6, 7, 8, 2)]).tolist() == [[5, 6], [2, 7], [0, 8], [0, 2]]


def test_batches_hold_every_pair_once():
    """Of like length; in a random order, and in blocks of twenty, so that other passes make other batches."""
    rng = np.random.default_rng(0)
    ids = [([5] * rng.integers(1, 30), [1] * rng.integers(2, 9)) for _ in range(3000)]
    found = []
    for order in (None, np.random.default_rng(1), np.random.default_rng(2)):
        cut = lesson.batches(ids, 32, order)
        assert sorted(i for part in cut for i in part) == list(range(3000))
        assert len(cut) == math.ceil(3000 / 32) and max(map(len, cut)) == 32
        lengths = [[len(ids[i][0]) for i in part] for part in cut]
        assert np.mean([np.ptp(part) for part in lengths]) < 4
        means = [np.mean(part) for part in lengths]
        assert (means == sorted(means)) == (order is None)
        found.append(({tuple(sorted(part)) for part in cut}, sorted(map(sorted, lengths))))
    assert len(found[1][0] & found[2][0]) < 3 and found[1][1] != found[2][1]


@translation
def test_rare_words_become_unk(name, tmp_path, monkeypatch, capsys):
    """Also in ready-made pairs with --split spaces, whose letters keep their case."""
    no_pictures(monkeypatch)
    data = write(tmp_path / "p.tsv", "The Fox\tLe Renard\n" * 60 + "".join(f"the W{n}\tle X{n}\n" for n in range(60)))
    path = train(name, data, tmp_path, "--min-count", 2)
    assert set(module(name).load(path)[1][4:]) <= {"the", "fox", "le", "renard"}
    path = train(name, data, tmp_path, "--min-count", 2, "--split", "spaces")
    assert set(module(name).load(path)[1][4:]) <= {"The", "the", "Fox", "Le", "le", "Renard"}
    capsys.readouterr()
    assert module(name).main(["--load", str(path), "--prompt", "The  Fox"]) == 0
    out = capsys.readouterr().out
    assert "The Fox\n" in out and "nknown" not in out
    assert module(name).main(["--load", str(path), "--prompt", "Fox.", "--split", "words"]) == 2
    error_of(capsys, name)


@translation
def test_min_count_without_any_word_left(name, tmp_path, monkeypatch):
    no_pictures(monkeypatch)
    assert module(name).load(train(name, some_pairs(tmp_path), tmp_path, "--min-count", 10**6))[1] == lesson.SPECIAL
