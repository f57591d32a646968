"""What a word lesson takes for a word, in many scripts; the vocabulary; text made from tokens again."""
import re
import time
import unicodedata

import numpy as np
import pytest

from conftest import FABLES, WORD, error_of, module, small, train

lesson = module("word_rnn")          # the functions here are the same text in all three (test_repeats)
words = pytest.mark.parametrize("name", WORD)
quiet = pytest.mark.usefixtures("no_picture")


# %% Tokens
RULES = {  # text: tokens, separated by blanks; one rule a row
    "words and signs in lower case": ("The Fox said: No! (why?)", "the fox said : no ! ( why ? )"),
    "numbers": ("3.14 10:30 1,000,000 v1.2.", "3.14 10:30 1,000,000 v1.2 ."),
    "a number ends before a sign": ("In 1999, at 5. (3,)", "in 1999 , at 5 . ( 3 , )"),
    "apostrophes between letters": ("Don't! It’s o'clock", "don't ! it’s o'clock"),
    "apostrophes elsewhere": ("'tis the dogs' 'No'", "' tis the dogs ' ' no '"),
    "hyphens and middle dots": ("well-known col·lecció a- -b", "well-known col·lecció a - - b"),
    "single letters with dots": ("The U.S. and e.g. J.R.R. Tolkien", "the u.s. and e.g. j.r.r. tolkien"),
    "other dots end a sentence": ("The end.Go. A. B", "the end . go . a . b"),
    "dashes, slashes and ellipses separate": ("came—and and/or so–so wait…no",
                                               "came — and and / or so – so wait … no"),
    "quotation marks": ('“Go,” he said. "No" «Si»', '“ go , ” he said . " no " « si »'),
    "invisible signs": ("soft\u00adhy\u00adphen \u202babc\u202c \u200eword\ufeff zero\u200bwidth", "softhyphen abc word zero width"),
    "two hyphens are a dash": ("wait--no ---", "wait -- no ---"),
    "currency and the like": ("$5 a@b 50% #1 🦊🦊", "$ 5 a @ b 50 % # 1 🦊 🦊"),
    "the dot that lower() leaves": ("İzmir I\u0307", "izmir i"),
    "German, and a long s": ("Straße GRÖSSE", "straße grösse"),
    "Greek": ("Ο λύκος ήρθε· γιατί; Έλα.",
              "ο λύκος ήρθε · γιατί ; έλα ."),
    "Cyrillic": ("Лиса: «Чей это ёж?»",
                 "лиса : « чей это ёж ? »"),
    "Devanagari": ("घर में पानी है ।",
                   "घर में पानी है ।"),
    "Devanagari, a sign close to its word": ("हिन्दी है।",
                                             "हिन्दी है ।"),
    "Devanagari with joiners": ("क्\u200dष र्\u200cक", "क्\u200dष र्\u200cक"),
    "Bengali and Tamil": ("বাংলা தமிழ்.", "বাংলা தமிழ் ."),
    "Persian with joiners": ("می\u200cروم به، خوبم؟",
                             "می\u200cروم به ، خوبم ؟"),
    "Arabic with vowel signs": ("كِتَابٌ جَدِيدٌ.",
                                "كِتَابٌ جَدِيدٌ ."),
    "Hebrew": ("שָׁלוֹם, אחי!", "שָׁלוֹם , אחי !"),
    "Chinese": ("我喜欢苹果。", "我 喜 欢 苹 果 。"),
    "Chinese with Latin and numbers": ("我用Python3写了3.5年。",
                                       "我 用 python3 写 了 3.5 年 。"),
    "rare Chinese": ("𠮷𠮷家", "𠮷 𠮷 家"),
    "Japanese": ("東京へいく。カメラ", "東 京 へ い く 。 カ メ ラ"),
    "Japanese, a variant and a sign without a composed form": ("\u845b\U000e0100\u57ce \u304b\u309a",
                                                                "\u845b\U000e0100 \u57ce \u304b\u309a"),
    "Arabic numbers": ("\u0663\u066b\u0661\u0664", "\u0663\u066b\u0661\u0664"),
    "Korean": ("나는 학교에 간다.", "나는 학교에 간다 ."),
    "Thai has no blanks": ("แมวกิน ที่นี่",
                           "แมวกิน ที่นี่"),
}


@pytest.mark.parametrize("rule", RULES)
def test_tokens(rule):
    """The same tokens whether accents are composed or characters of their own."""
    text, tokens = RULES[rule]
    want = unicodedata.normalize("NFC", tokens).split(" ")
    for form in ("NFC", "NFD"):
        assert lesson.tokenize(unicodedata.normalize(form, text)) == want, form
        assert lesson.tokenize(unicodedata.normalize(form, text), "lines") == want, form


def test_prose_ends_lines_at_blank_lines():
    text = "The Fox\n\nA well-fed fox said,\n\"I don't\nknow.\"\n\n\nThe End\n"
    assert lesson.tokenize(text) == (
        "the fox <eos> a well-fed fox said , \" i don't know . \" <eos> the end <eos>".split(" "))
    assert lesson.tokenize("no line end") == ["no", "line", "end"]
    blank = lesson.tokenize("\n\nIt\nrains.\n \t\nIt pours.")               # with white space in it
    assert blank == "it rains . <eos> it pours .".split()


def test_lines_end_sentences():
    lines = "it rains . <eos> it pours . <eos>".split()
    assert lesson.tokenize("It rains.\nIt pours.\n", "lines") == lines
    assert lesson.tokenize("\nIt rains.\n\n \nIt pours.\n\n", "lines") == lines
    assert lesson.tokenize("It rains.\nIt pours.", "lines") == lines[:-1]


def test_spaces_keep_the_ends_that_a_text_has():
    assert lesson.tokenize("a b <eos>\nc <eos>\n", "spaces") == "a b <eos> c <eos>".split()


def test_spaces_leave_everything_as_it_is():
    text = " the <unk> of N Mr. Bell 's\n\n a second-hand É e\u0301\ttrade \n"
    assert lesson.tokenize(text, "spaces") == (
        "the <unk> of N Mr. Bell 's <eos> a second-hand É e\u0301 trade <eos>".split())


def test_splitting_takes_time_in_proportion():
    """Nothing that repeats makes it look back again and again."""
    for text in ("a" + " " * 50_000 + "b", "a." * 30_000 + "ab", "a-" * 50_000, "1." * 50_000, "a\u0301" * 50_000,
                 "a'" * 50_000 + "'", "x" * 100_000, ". " * 50_000, "我" * 50_000, '"' * 50_000, '" a' * 30_000):
        started = time.process_time()
        tokens = lesson.tokenize(text)
        assert tokens and time.process_time() - started < 2, text[:9]
        started = time.process_time()
        assert lesson.detokenize(tokens) and time.process_time() - started < 2, text[:9]


# %% Where sentences end, what is unknown: decided once and told
def vocab_and_output(name, data, tmp_path, capsys, *flags, valid=None, status=0):
    """What a short run on such texts keeps as its vocabulary and settings, and what it prints."""
    (tmp_path / "data.txt").write_text(data, encoding="utf-8")
    held = []
    if valid:
        (tmp_path / "valid.txt").write_text(valid, encoding="utf-8")
        held = ["--valid", str(tmp_path / "valid.txt")]
    path = train(name, tmp_path / "data.txt", tmp_path / "out", *held, *flags)
    run = module(name).restore(path)
    return run, capsys.readouterr().out


@quiet
@words
def test_the_training_text_decides_where_lines_end(name, tmp_path, capsys):
    """Prose from one blank line in fifty on; then held-out text and prompt are read the same way, and it is printed."""
    line = "The crow saw the fox.\n"
    run, out = vocab_and_output(name, line * 60 + "\n" + line * 30, tmp_path, capsys)    # a stray blank line
    assert run["settings"]["split"] == "lines"
    assert re.search("every line is a sentence", out)
    run, out = vocab_and_output(name, (line * 5 + "\n") * 20, tmp_path, capsys, valid=line * 50 + "\n" + line)
    assert run["settings"]["split"] == "words"
    assert re.search("paragraphs end at blank lines", out) and re.search(rf"\b{51 * 6 + 2} held out", out)
    run, out = vocab_and_output(name, line * 60, tmp_path, capsys, valid=(line * 5 + "\n") * 10)
    assert run["settings"]["split"] == "lines" and re.search(rf"\b{50 * 7} held out", out)
    run, _ = vocab_and_output(name, (line * 5 + "\n") * 20, tmp_path, capsys, "--split", "lines")
    assert run["settings"]["split"] == "lines"


@quiet
@words
def test_one_blank_line_in_fifty_makes_prose(name, tmp_path, capsys):
    line = "The crow saw the fox.\n"
    for before, split in ((49, "lines"), (48, "words")):        # 1 of 51 and 1 of 50 lines are blank
        run, _ = vocab_and_output(name, line * before + "\n" + line, tmp_path, capsys)
        assert run["settings"]["split"] == split


@quiet
@words
def test_what_was_decided_does_not_bind_another_text(name, tmp_path, capsys):
    """--init decides anew, but tokens between blanks stay such; --load takes the flag that the run was begun with."""
    line = "The crow saw the fox.\n"
    run, _ = vocab_and_output(name, line * 60, tmp_path, capsys)
    path = tmp_path / "out" / f"{name}.npz"
    assert run["settings"]["split"] == "lines"
    assert module(name).main(["--load", str(path), "--split", "words", "--steps", "6"]) == 0
    assert module(name).restore(path)["settings"]["split"] == "lines"
    prose = tmp_path / "prose.txt"
    prose.write_text((line * 5 + "\n") * 20, encoding="utf-8")
    flags = ["--init", str(path), "--data", str(prose), "--steps", "2", "--out"]
    assert module(name).main([*flags, str(tmp_path / "new")]) == 0
    assert module(name).restore(tmp_path / "new" / f"{name}.npz")["settings"]["split"] == "words"
    vocab_and_output(name, line * 60, tmp_path, capsys, "--split", "spaces")
    assert module(name).main([*flags, str(tmp_path / "newer")]) == 0
    assert module(name).restore(tmp_path / "newer" / f"{name}.npz")["settings"]["split"] == "spaces"


@quiet
@words
def test_what_a_language_without_blanks_needs_is_told(name, tmp_path, capsys):
    """More than half of the tokens are words that occur once: one line names --split spaces. Else there is none."""
    once = " ".join(f"w{n}" for n in range(60)) + "."
    for data, told in ((once + " the fox ran" * 15, True), (once + " the fox ran" * 25, False)):
        _, out = vocab_and_output(name, data, tmp_path, capsys)
        assert ("--split spaces" in out) == told


@quiet
@words
def test_unknown_words_are_counted(name, tmp_path, capsys):
    """Read as <unk> where training has rare words, else left out."""
    known = "the fox saw the fox .\n" * 9
    run, out = vocab_and_output(name, known + "a crow ran\n", tmp_path, capsys, valid="the owl saw a fox\n" * 2)
    assert "<unk>" in run["vocab"] and "crow" not in run["vocab"] and re.search(r"\b7 of \d+ tokens", out)
    run, out = vocab_and_output(name, known, tmp_path, capsys, valid="the owl saw a fox\n" * 2)
    assert "<unk>" not in run["vocab"] and re.search(r"\b4 of \d+ tokens", out) and re.search(r"\b8 held out", out)


@quiet
@words
def test_a_ptb_style_file(name, tmp_path, capsys):
    """Tokens between blanks, <unk>, N, a sentence a line, its own held-out file; the vocabulary from training."""
    run, out = vocab_and_output(name, " the <unk> rose N points \n the market fell N points \n" * 60, tmp_path, capsys,
                                "--split", "spaces", "--steps", 30, valid=" the market rose N shares of Mr. Bell\n" * 9)
    assert set(run["vocab"]) == set("<eos> <unk> the rose N points market fell".split())
    assert "81 held out" in out and "; 96 of 801 tokens are rare or unknown" in out     # 60 are <unk> in the file
    assert "<unk>" not in out.split("best held-out score:")[1]
    assert module(name).main(["--load", str(tmp_path / "out" / f"{name}.npz"), "--prompt", "N shares"]) == 0
    assert "\nN <unk>" in capsys.readouterr().out           # the prompt is split at blanks, too


@quiet
@words
def test_a_file_of_notes(name, tmp_path, capsys):
    run, _ = vocab_and_output(name, "C#4 d4 Eb4 . | C#4\n" * 30, tmp_path, capsys, "--split", "spaces")
    assert set(run["vocab"]) == set("<eos> C#4 d4 Eb4 . |".split())


# %% Vocabulary
def test_vocabulary():
    """<eos> first, then the commonest, then by the alphabet; rare words add up to <unk>, which has its own place."""
    tokens = "b b b a a c <eos> a d a".split()
    assert lesson.build_vocab(tokens, 2) == ["<eos>", "a", "b", "<unk>"]
    assert lesson.build_vocab(tokens + ["e"] * 2, 3) == ["<eos>", "<unk>", "a", "b"]
    assert lesson.build_vocab(tokens, 1) == ["<eos>", "a", "b", "c", "d"]
    own = "<unk> <unk> <unk> <unk> a a a b b c".split()         # its own <unk> and a rare word add up
    assert lesson.build_vocab(own, 2) == ["<eos>", "<unk>", "a", "b"]
    vocab = lesson.build_vocab(tokens, 2)
    assert lesson.encode("a c b never".split(), vocab).tolist() == [1, 3, 2, 3]
    with pytest.raises(lesson.BadInput, match="never"):
        lesson.encode(["never"], ["<eos>", "a"])


def test_every_special_token_occurs_in_training():
    tokens = lesson.tokenize(FABLES)
    vocab = lesson.build_vocab(tokens, 2)
    counts = np.bincount(lesson.encode(tokens, vocab), minlength=len(vocab))
    assert counts.min() >= 1 and counts[vocab.index("<unk>")] > 500 and counts[0] > 500


# %% Text again
@pytest.mark.parametrize("text", [
    'The fox said, "I am hungry." She ran.\nThe end',
    '"Is it you?" asked the crow. "It is I!" said the fox.',
    "A well-fed dog: don't touch; go!",
    "“Is it you?” asked the crow (the old one).",
    "At 10:30 it cost 3.14, or 1,000.5 (50%).",
    "Is it 5? No.",
    "我喜欢苹果。你呢？",
    "Troops of the U.S. and I left the house.",
    "ქართული ენა.",
])
def test_tokens_become_text_again(text):
    assert lesson.detokenize(lesson.tokenize(text, "lines")) == text


@pytest.mark.parametrize("text", ["It came from the U.S. in May, e.g. there.", "«No», he said.",
                                  "हिन्दी है।", "the col·lecció", "¿Qué es? ¡No!"])
def test_tokens_become_text_again_but_for_capitals(text):
    assert lesson.detokenize(lesson.tokenize(text)).lower() == text.lower()


def test_one_unbalanced_quotation_mark_spoils_its_line_at_most():
    text = 'The fox said, "Go.\nThe crow said, "I am here," and left. "No!"'
    assert lesson.detokenize(lesson.tokenize(text, "lines")).split("\n")[1] == text.split("\n")[1]


def test_spaces_are_joined_by_spaces():
    tokens = ["Mr.", "Bell", "'s", "<eos>", "N", ".", "<eos>"]
    assert lesson.detokenize(tokens, "spaces").rstrip("\n") == "Mr. Bell 's\nN ."


@words
def test_unk_is_read_but_never_written(name):
    vocab = ["<eos>", "<unk>", "fox", "."]
    params = module(name).init_params(4, 3, 5, np.random.default_rng(0))
    params["by"][1] = 100                                   # it would be chosen always
    for temperature in (0, 1.0):
        text = module(name).sample(params, vocab, ["fox", "jumps"], 100, temperature, np.random.default_rng(0))
        assert text.count("<unk>") == 1                     # the prompt's own


@words
def test_a_prompt_is_split_as_the_training_text_was(name, text, tmp_path, capsys):
    """A word that nobody knows, where there is no <unk>, is told before training."""
    text.write_text("N Mr. Bell 's\n" * 40, encoding="utf-8")
    flags = ["--data", str(text), "--split", "spaces", *small(name), "--out", str(tmp_path / "out"), "--steps", "0"]
    assert module(name).main([*flags, "--prompt", "Mr. Bell"]) == 0
    assert "\nMr. Bell" in capsys.readouterr().out
    assert module(name).main([*flags, "--prompt", "Mr.Bell"]) == 2
    assert "Mr.Bell" in error_of(capsys, name)
