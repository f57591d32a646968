"""Tokens, the vocabulary and text made from tokens again."""
import numpy as np
import pytest

from conftest import WORD, module

lesson = module("word_rnn")          # the functions here are the same text in all three (test_repeats)


def test_prose_ends_lines_at_blank_lines():
    text = "The Fox\n\nA well-fed fox said,\n\"I don't\nknow.\"\n\n\nThe End\n"
    assert lesson.tokenize(text) == (
        "the fox <eos> a well-fed fox said , \" i don't know . \" <eos> the end <eos>".split(" "))


def test_a_sentence_per_line_ends_lines_at_line_ends():
    assert lesson.tokenize("It rains.\nIt pours.\n") == "it rains . <eos> it pours . <eos>".split()
    assert lesson.tokenize("no line end") == ["no", "line", "end"]
    assert lesson.tokenize("It rains.\nIt pours.\n \n\n") == lesson.tokenize("It rains.\nIt pours.\n")
    blank = lesson.tokenize("\n\nIt\nrains.\n \t\nIt pours.")               # with white space in it
    assert blank == "it rains . <eos> it pours .".split()


def test_text_with_unk_is_taken_as_tokenized():
    text = " the <unk> of N mr. Bell 's\n\n a second-hand line \n"
    assert lesson.tokenize(text) == "the <unk> of N mr. Bell 's <eos> a second-hand line <eos>".split()


def test_the_training_text_decides_how_held_out_text_and_prompt_are_split():
    """Penn Treebank's habits: N, mr. and 's are words; a line of it need not have an <unk>."""
    vocab = lesson.build_vocab(lesson.tokenize(" mr. <unk> 's market rose N points \n" * 3), {"min_count": 1})
    line = "mr. smith 's market fell N points"
    assert lesson.tokenize(line, vocab) == line.split()
    assert lesson.encode_held_out(line, vocab).tolist().count(vocab.index("<unk>")) == 2     # smith, fell
    prose = lesson.build_vocab(lesson.tokenize("The fox said, no. It's late.\n" * 3), {"min_count": 1})
    assert lesson.tokenize("The <unk> said, no.", prose) == "the <unk> said , no .".split()
    prose = lesson.build_vocab(lesson.tokenize("Write `<unk>`, he said. Go!\n" * 3), {"min_count": 1})
    assert "said" in prose and "." in prose                     # a text that mentions <unk> is prose


def test_unknown_words_of_held_out_text_are_counted(capsys):
    lesson.encode_held_out("a fox jumps", ["<eos>", "<unk>", "a"])
    assert "2 of 3, read as <unk>" in capsys.readouterr().out
    lesson.encode_held_out("a fox jumps", ["<eos>", "a"])
    assert "2 of 3, left out" in capsys.readouterr().out


def test_vocabulary():
    tokens = "b b b a a c <eos> a d a".split()
    assert lesson.build_vocab(tokens, {"min_count": 2}) == ["<eos>", "a", "b", "<unk>"]
    assert lesson.build_vocab(tokens + ["e"] * 2, {"min_count": 3}) == ["<eos>", "<unk>", "a", "b"]
    assert lesson.build_vocab(tokens, {"min_count": 1}) == ["<eos>", "a", "b", "c", "d"]
    own = "<unk> <unk> <unk> <unk> a a a b b c".split()         # its own <unk> and a rare word add up
    assert lesson.build_vocab(own, {"min_count": 2}) == ["<eos>", "<unk>", "a", "b"]
    vocab = lesson.build_vocab(tokens, {"min_count": 2})
    assert lesson.encode("a c b never".split(), vocab).tolist() == [1, 3, 2, 3]
    with pytest.raises(lesson.BadInput, match="'never'"):
        lesson.encode(["never"], ["<eos>", "a"])


def test_every_special_token_occurs_in_training():
    text, _ = lesson.read_data("", "")
    tokens = lesson.tokenize(text)
    vocab = lesson.build_vocab(tokens, {"min_count": 2})
    counts = np.bincount(lesson.encode(tokens, vocab), minlength=len(vocab))
    assert counts.min() >= 1 and counts[vocab.index("<unk>")] > 500 and counts[0] > 500


@pytest.mark.parametrize("text", [
    'The fox said, "I am hungry." She ran.\nThe end',
    '"Is it you?" asked the crow. "It is I!" said the fox.',
    "A well-fed dog: don't touch; go!",
    "\u201cIs it you?\u201d asked the crow (the old one).",
])
def test_tokens_become_text_again(text):
    tokens = lesson.tokenize(text)
    assert lesson.detokenize(tokens) == text


@pytest.mark.parametrize("name", WORD)
def test_unk_is_read_but_never_written(name, capsys):
    lesson = module(name)
    vocab = ["<eos>", "<unk>", "fox", "."]
    params = lesson.init_params(4, 3, 5, np.random.default_rng(0))
    params["by"][1] = 100                                   # it would be chosen always
    text = lesson.sample(params, vocab, "fox jumps", 200, 1.0, np.random.default_rng(0))
    assert text.count("<unk>") == 1                         # the prompt's own
    lesson.check_prompt("fox jumps", vocab)
    assert "too seldom: jumps" in capsys.readouterr().out


@pytest.mark.parametrize("name", WORD)
def test_a_ptb_style_file(name, tmp_path, capsys, monkeypatch):
    """Lower case, <unk>, N, a sentence a line, its own held-out file; the vocabulary from training."""
    lesson = module(name)
    monkeypatch.setattr(lesson, "draw", lambda *args: None)
    (tmp_path / "train.txt").write_text(" the <unk> rose N points \n the market fell N points \n" * 60)
    (tmp_path / "valid.txt").write_text(" the market rose N shares \n" * 9)
    assert lesson.main(["--data", str(tmp_path / "train.txt"), "--valid", str(tmp_path / "valid.txt"),
                        "--steps", "60", "--hidden", "16", "--out", str(tmp_path), "--length", "20"]) == 0
    out = capsys.readouterr().out
    params, vocab, _ = lesson.load(tmp_path / f"{name}.npz")
    assert set(vocab) == set("<eos> <unk> the rose N points market fell".split())
    assert "54 held out" in out and "<unk>" not in out.split("best held-out")[1]


@pytest.mark.parametrize("name", WORD)
def test_neighbours(name):
    lesson = module(name)
    E = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0.0]])
    assert lesson.neighbours(E, ["fox", "wolf", "stone", "sky"], "fox", 3) == ["wolf", "stone", "sky"]


@pytest.mark.parametrize("name", WORD)
def test_a_prompt_is_split_and_refused_by_the_vocabulary(name, capsys):
    """As the training text was split; where there is no <unk>, an unknown word is told before training."""
    lesson, vocab = module(name), ["<eos>", "<unk>", "mr.", "N"]
    params = lesson.init_params(4, 3, 5, np.random.default_rng(0))
    assert lesson.sample(params, vocab, "mr. N", 0, 1, None) == "Mr. N"
    lesson.check_prompt("mr. N", vocab)
    assert capsys.readouterr().out == ""
    assert lesson.tokenize("rose N.", ["<eos>", "rose", "N"]) == ["rose", "N."]
    assert lesson.tokenize("Don\u2019t!") == ["don\u2019t", "!"]
    with pytest.raises(lesson.BadInput, match="'jumps'"):
        lesson.check_prompt("a fox jumps", ["<eos>", "a", "fox"])
