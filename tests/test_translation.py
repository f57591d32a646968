"""The translation lessons: masks, beam search, metrics, data."""
import itertools
import math
import re

import numpy as np
import pytest

from conftest import TRANSLATION, module
from test_gradients import dense

translation = pytest.mark.parametrize("name", TRANSLATION)
attention = pytest.mark.parametrize("name", ["bahdanau", "luong"])
SOURCES = [[4, 10, 6, 10, 2], [7, 4, 2], [5, 2], [9, 8, 7, 6, 5, 4, 2]]
TARGETS = [[1, 4, 5, 2], [1, 8, 8, 4, 6, 2], [1, 5, 2], [1, 2]]


def small_model(lesson, V=11, V_out=9, seed=0):
    rng = np.random.default_rng(seed)
    params = lesson.init_params(V, V_out, 5, 6, rng, np.float64)
    return {name: param + 0.5 * rng.normal(size=param.shape) for name, param in params.items()}


def run(lesson, params, sources, targets, extra=0):
    """Loss, number of target tokens and dense gradients of a batch, `extra` more rows of padding."""
    source, target = (np.pad(lesson.pad(ids), ((0, extra), (0, 0))) for ids in (sources, targets))
    loss, cache = lesson.forward(params, source, target)
    return loss, int((target[1:] != 0).sum()), dense(lesson.backward(params, cache), params)


@translation
def test_a_batch_is_its_single_sentences(name):
    lesson = module(name)
    params = small_model(lesson)
    loss, count, grads = run(lesson, params, SOURCES, TARGETS)
    single = [run(lesson, params, [s], [t]) for s, t in zip(SOURCES, TARGETS)]
    assert loss == pytest.approx(sum(l * n for l, n, _ in single) / count, abs=1e-12)
    for key in grads:
        assert np.allclose(grads[key], sum(g[key] * n for _, n, g in single) / count, rtol=0, atol=1e-12)
    together = lesson.beam_search(params, lesson.pad(SOURCES), 3, 12)
    for b, ids in enumerate(SOURCES):
        (alone,) = lesson.beam_search(params, lesson.pad([ids]), 3, 12)
        assert together[b][0] == alone[0] and together[b][1] == pytest.approx(alone[1], abs=1e-12)


@translation
def test_padding_changes_nothing(name):
    lesson = module(name)
    params = small_model(lesson)
    loss, _, grads = run(lesson, params, SOURCES, TARGETS)
    padded, _, padded_grads = run(lesson, params, SOURCES, TARGETS, extra=4)
    assert abs(loss - padded) < 1e-12
    assert all(np.allclose(grads[key], padded_grads[key], rtol=0, atol=1e-12) for key in grads)
    assert (padded_grads["E"][lesson.PAD] == 0).all()                       # exactly
    if name != "seq2seq":
        looked = lesson.forced_attention(params, lesson.pad(SOURCES), lesson.pad(TARGETS))
        for b, ids in enumerate(SOURCES):
            assert (looked[:, len(ids):, b] == 0).all()                     # exactly
            assert np.allclose(looked[:, :, b].sum(axis=1), 1)


@attention
def test_forced_attention_is_that_of_the_forward_pass(name):
    """One step at a time gives the loss of all at once."""
    lesson = module(name)
    params, (source, target) = small_model(lesson), map(lesson.pad, (SOURCES, TARGETS))
    memory, state = lesson.start(params, source)
    total = 0
    for now, following in zip(target[:-1], target[1:]):
        logits, state, _ = lesson.predict(params, memory, state, now)
        nats, _ = lesson.cross_entropy(logits, following, 1)
        total += nats[following != 0].sum()
    count = (target[1:] != 0).sum()
    assert lesson.forward(params, source, target)[0] == pytest.approx(total / count, abs=1e-12)


def greedy(lesson, params, ids, limit):
    """The likeliest word, again and again: written without beam_search."""
    memory, state = lesson.start(params, lesson.pad([ids]))
    words, total = [lesson.BOS], 0.0
    while len(words) <= limit and (len(words) == 1 or words[-1] != lesson.EOS):
        logits, state, _ = lesson.predict(params, memory, state, np.array(words[-1:]))
        logits = logits[:, 0]
        log_p = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        log_p[[lesson.PAD, lesson.BOS]] = -np.inf
        words.append(int(log_p.argmax()))
        total += log_p.max()
    return words[1:], total / (len(words) - 1)


@translation
def test_beam_one_is_greedy(name):
    lesson = module(name)
    for seed in range(5):
        params = small_model(lesson, seed=seed)
        for (ids, score, _), source in zip(lesson.beam_search(params, lesson.pad(SOURCES), 1, 12), SOURCES):
            words, total = greedy(lesson, params, source, 12)
            assert ids == words and score == pytest.approx(total, rel=1e-10)


@translation
def test_a_wide_beam_finds_what_brute_force_finds(name):
    """All sentences of up to three words and <eos> over a vocabulary of three words."""
    lesson = module(name)
    for seed in range(3):
        params = small_model(lesson, V_out=6, seed=seed)
        source = lesson.pad([[4, 10, 6, 2]])
        best = (-np.inf, None)
        for length in range(4):
            for words in itertools.product((3, 4, 5), repeat=length):
                target = lesson.pad([[lesson.BOS, *words, lesson.EOS]])
                score = -lesson.forward(params, source, target)[0]
                best = max(best, (score, [*words, lesson.EOS]))
        ((ids, score, _),) = lesson.beam_search(params, source, 200, 4)
        assert ids == best[1] and score == pytest.approx(best[0], rel=1e-10)


@translation
def test_bleu(name):
    """Two pairs by hand. Matches and totals of 1- to 4-grams, summed over the corpus:

    a b c d e | a b c x e : 4/5 2/4 1/3 0/2        the the | the cat sat on : 1/2 0/1 0/0 0/0
    p q r s   | p q r s   : 4/4 3/3 2/2 1/1        sum: 9/11 5/8 3/5 1/3; lengths 11 against 13
    """
    bleu = module(name).bleu
    candidates = [s.split() for s in ("a b c d e", "the the", "p q r s")]
    references = [s.split() for s in ("a b c x e", "the cat sat on", "p q r s")]
    expected = math.exp(1 - 13 / 11) * (9 / 11 * 5 / 8 * 3 / 5 * 1 / 3) ** 0.25
    assert bleu(candidates, references) == pytest.approx(100 * expected, rel=1e-12)
    assert bleu(references, references) == pytest.approx(100)
    assert bleu([["the"] * 7], ["the cat is on the mat".split()]) == 0      # no bigram right
    longer = [["p", "q", "r", "s", "t"]]
    assert bleu(longer, [["p", "q", "r", "s"]]) == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 / 2) ** 0.25)
    # Papineni's brevity penalty: seven words where the closest reference has eight
    seven, eight = [list("abcdefg")], [list("abcdefgh")]
    assert bleu(seven, eight) == pytest.approx(86.69, abs=0.01)


@attention
def test_alignment_error(name):
    """Counts summed over two sentences: |A and S| = 1 + 2, |A| = 3 + 2, |S| = 2 + 3."""
    error = module(name).alignment_error
    guessed, true = [{(0, 0), (1, 1), (2, 1)}, {(0, 0), (1, 1)}], [{(0, 0), (1, 2)}, {(0, 0), (1, 1), (2, 1)}]
    assert error(guessed, true) == pytest.approx(1 - 2 * 3 / 10)
    assert error(true, true) == 0 and error([{(0, 1)}], [{(1, 0)}]) == 1


@translation
def test_no_held_out_source_is_in_training(name):
    lesson = module(name)
    settings = {key: row[0] for key, row in lesson.SETTINGS.items()}
    train, valid = lesson.read_data(settings)
    assert not {s for s, _, _ in train} & {s for s, _, _ in valid}
    assert len(valid) == 1000 and len(train) + len(valid) == 22000
    assert all(re.fullmatch(r"\d+-\d+( \d+-\d+)*", links) for _, _, links in train)


@translation
def test_a_real_pair_file(name, tmp_path, capsys):
    """Two columns or more, sorted by length, the same English many times, one sentence too long."""
    lesson = module(name)
    lines = [f"Go {n % 40} .\tVa {n} !\tCC-BY (France) #{n}" for n in range(200)]
    (tmp_path / "fra.txt").write_text("\n".join([*lines, "long " * 60 + "\tlong"]), encoding="utf-8")
    settings = {key: row[0] for key, row in lesson.SETTINGS.items()} | {"data": tmp_path / "fra.txt"}
    train, valid = lesson.read_data(settings)
    assert "left out: 1 pairs with more than 50 tokens" in capsys.readouterr().out
    assert len({s for s, _, _ in valid}) == 4 and len(valid) == 20 and len(train) == 180
    assert not any(map(getattr(lesson, "read_links", lambda pair: ()), train))      # seq2seq has none
    vocab, V_out = lesson.build_vocab(train, settings | {"min_count": 2})
    assert vocab[:4] == lesson.SPECIAL and "go" in vocab[V_out:] and "va" in vocab[4:V_out]
    assert "." in vocab[V_out:] and "!" in vocab[:V_out]


@translation
def test_a_text_is_answered_line_by_line(name, tmp_path):
    lesson = module(name)
    (tmp_path / "t.txt").write_text("One fox.\n\nTwo crows.\nThree wolves.\n")
    assert [(s[0], t[0]) for s, t, _ in lesson.read_pairs(tmp_path / "t.txt", 50)] == [
        ("one", "two"), ("two", "three")]


@translation
@pytest.mark.parametrize("content, message", [
    ("a b\tc d\nno tab here\n", "line 2: a sentence, a tab"),
    ("a b\tc d\n\n\n  \tc\n", "line 4: a sentence, a tab"),
    ("a b\t \n", "line 1: a sentence, a tab"),
])
def test_a_malformed_pair_is_named_by_its_line(name, content, message, tmp_path, capsys):
    (tmp_path / "p.tsv").write_text(content)
    assert module(name).command(["--data", str(tmp_path / "p.tsv"), "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@translation
def test_tokens(name):
    tokens = module(name).tokenize("L'oiseau n'est pas l\u00e0, qu'il aille aujourd'hui! Don't well-fed")
    assert tokens == ["l'", "oiseau", "n'", "est", "pas", "l\u00e0", ",", "qu'", "il", "aille",
                      "aujourd'hui", "!", "don't", "well-fed"]
    line = "le corbeau n' a pas vu l' oiseau ."
    assert module(name).tokenize(line) == line.split()


@translation
def test_batches_hold_every_pair_once(name):
    lesson = module(name)
    rng = np.random.default_rng(0)
    ids = [([5] * rng.integers(1, 30), [1, 2]) for _ in range(1000)]
    for order in (None, np.random.default_rng(1)):
        parts = lesson.batches(ids, 32, order)
        assert sorted(i for part in parts for i in part) == list(range(1000))
        spread = np.mean([np.ptp([len(ids[i][0]) for i in part]) for part in parts])
        assert spread < 4 and max(map(len, parts)) == 32
    assert len(parts) == math.ceil(1000 / 32)


@attention
def test_links_that_point_outside_are_dropped(name, tmp_path):
    (tmp_path / "p.tsv").write_text(f"a b\tc\t0-0 1-0 2-0 0-1\na b\tc\t{'9' * 5000}-0\n")
    pairs = module(name).read_pairs(tmp_path / "p.tsv", 50)
    assert list(map(module(name).read_links, pairs)) == [{(0, 0), (1, 0)}, set()]


@translation
def test_beam_search_is_this_search(name):
    """One sentence, its hypotheses in a list, each read anew: places are given up, the best per word wins."""
    lesson = module(name)

    def search(params, source, beam, limit):
        alive, done = [(0.0, [])], []
        for _ in range(limit):
            grown = []
            for total, ids in alive:
                memory, state = lesson.start(params, lesson.pad([source]))
                for word in [lesson.BOS, *ids]:
                    logits, state, _ = lesson.predict(params, memory, state, np.array([word]))
                log_p = logits[:, 0] - np.log(np.exp(logits[:, 0]).sum())
                grown += [(total + log_p[word], [*ids, word]) for word in range(2, len(log_p))]
            grown = sorted(grown, reverse=True)[:beam - len(done)]
            done += [one for one in grown if one[1][-1] == lesson.EOS]
            alive = [one for one in grown if one[1][-1] != lesson.EOS]
        return max((total / len(ids), ids) for total, ids in done or alive)

    finished = 0
    for seed in range(12):
        params = small_model(lesson, seed=seed)
        for beam, limit in ((2, 3), (3, 8)):
            ((ids, score, _),) = lesson.beam_search(params, lesson.pad([SOURCES[0]]), beam, limit)
            want, words = search(params, SOURCES[0], beam, limit)
            assert ids == words and score == pytest.approx(want, abs=1e-12)
            finished += ids[-1] == lesson.EOS
    assert 4 < finished                         # both kinds of ending have been seen
    assert finished < 24


@translation
def test_translations_may_be_twice_as_long_and_ten_words_more(name, monkeypatch):
    """A limit for up to a hundred sentences at once, of like length, each found again in its place."""
    lesson, calls = module(name), []

    def found(params, source, beam, limit):
        calls.append((source.shape, beam, limit))
        return [(int((column != lesson.PAD).sum()), 0, None) for column in source.T]
    monkeypatch.setattr(lesson, "beam_search", found)
    lengths = [1 + i * 7 % 23 for i in range(230)]
    assert [one[0] for one in lesson.translate_ids({}, [[5] * n for n in lengths], 3)] == lengths
    assert [shape[1] for shape, _, _ in calls] == [100, 100, 30]
    assert all(call == ((S, B), 3, 2 * S + 10) for call in calls for (S, B) in call[:1])
    assert [shape[0] for shape, _, _ in calls] == [sorted(lengths)[n] for n in (99, 199, 229)]


@translation
def test_a_finished_translation_is_preferred_at_the_limit(name):
    """After one word twelve hypotheses hold all words, <eos> among them, likely or not."""
    lesson = module(name)
    for seed in range(20):
        ((ids, _, _),) = lesson.beam_search(small_model(lesson, V_out=6, seed=seed),
                                            lesson.pad([[4, 10, 2]]), 12, 1)
        assert ids == [lesson.EOS]


@translation
def test_bleu_of_sentences_too_short_for_four_grams(name):
    bleu = module(name).bleu
    assert bleu([["a", "b"]], [["a", "b"]]) == pytest.approx(100)
    assert bleu([["a", "b"]], [["a", "c"]]) == 0 and bleu([[]], [["a"]]) == 0


@translation
def test_held_out_pairs_that_training_has(name, tmp_path, capsys):
    """A single source is not split; a --valid with nothing new is refused by name."""
    lesson = module(name)
    (tmp_path / "p.tsv").write_text("".join(f"a fox .\tun renard {n} .\n" for n in range(120)))
    (tmp_path / "v.tsv").write_text("a fox .\tun renard .\n")
    settings = {key: row[0] for key, row in lesson.SETTINGS.items()} | {"data": tmp_path / "p.tsv"}
    assert [len(part) for part in lesson.read_data(settings)] == [120, 0]
    flags = ["--data", tmp_path / "p.tsv", "--out", tmp_path, "--valid", tmp_path / "v.tsv"]
    assert lesson.command([str(flag) for flag in flags]) == 2
    assert "v.tsv; leave --valid out" in capsys.readouterr().err


@translation
def test_a_first_line_without_a_tab_is_named(name, tmp_path, capsys):
    (tmp_path / "p.tsv").write_text("English French\na\tb\nc\td\n")
    assert module(name).command(["--data", str(tmp_path / "p.tsv"), "--out", str(tmp_path)]) == 2
    assert "line 1: a sentence, a tab" in capsys.readouterr().err


@translation
def test_evaluate_and_translate_ids_take_each_sentence_by_itself(name):
    lesson = module(name)
    params, ids = small_model(lesson), list(zip(SOURCES, TARGETS))
    single = [(lesson.forward(params, lesson.pad([s]), lesson.pad([t]))[0], len(t) - 1) for s, t in ids]
    want = sum(loss * count for loss, count in single) / sum(count for _, count in single)
    assert lesson.evaluate(params, ids, 3) == pytest.approx(want, rel=1e-12)
    for (words, score, _), source in zip(lesson.translate_ids(params, SOURCES, 3), SOURCES):
        target = lesson.pad([[lesson.BOS, *words]])
        assert score == pytest.approx(-lesson.forward(params, lesson.pad([source]), target)[0], rel=1e-9)


@translation
def test_what_the_beam_found_ends_once_and_looked_where_it_says(name):
    lesson = module(name)
    for seed in range(10):
        params = small_model(lesson, seed=seed)
        for source in SOURCES:
            ((ids, score, looked),) = lesson.beam_search(params, lesson.pad([source]), 4, 9)
            assert lesson.EOS not in ids[:-1]
            target = lesson.pad([[lesson.BOS, *ids]])
            assert score == pytest.approx(-lesson.forward(params, lesson.pad([source]), target)[0], rel=1e-9)
            if looked is not None:
                forced = lesson.forced_attention(params, lesson.pad([source]), target)[:, :, 0]
                assert np.allclose(looked, forced, rtol=0, atol=1e-12)


@translation
def test_scores_of_translations(name):
    """by_length: fifths from short to long, whether sentences come as lists or as tuples."""
    lesson = module(name)
    pairs = [("a b c d".split(), "p q r s".split(), ""), (["a"], ("p",), ""), ("a b".split(), "p q".split(), "")]
    rows = lesson.by_length(pairs, [["p", "q", "r", "x"], ["p"], ["p", "q"]])
    assert rows[:, 0].tolist() == [1, 2, 4] and rows[:, 2].tolist() == [100, 100, 0]


@translation
def test_measure_counts_whole_sentences(name, monkeypatch):
    lesson, vocab = module(name), ["<pad>", "<bos>", "<eos>", "<unk>", *"pqrs"]
    monkeypatch.setattr(lesson, "translate_ids", lambda params, sources, beam: [([4, 5, 6, 7, 2], 0, None)] * 3)
    pairs = [((), tuple("pqrs"), ""), ((), list("pqrs"), ""), ((), tuple("pqrr"), "")]
    score, exact, words = lesson.measure({}, vocab, pairs, [([], [])] * 3, 2)
    assert exact == pytest.approx(200 / 3) and words == [tuple("pqrs")] * 3
    assert score == lesson.bleu(words, [target for _, target, _ in pairs])


@translation
def test_a_word_of_the_sources_only_is_no_target(name):
    lesson = module(name)
    vocab, V_out = lesson.build_vocab([(["only", "both"], ["both"], "")], {"min_count": 1})
    ((source, target),) = lesson.encode_pairs([(["only"], ["only"], "")], vocab, V_out)
    assert source == (vocab.index("only"), lesson.EOS) and target == (lesson.BOS, lesson.UNK, lesson.EOS)


@translation
def test_special_words_in_ready_made_pairs_keep_their_ids(name):
    lesson = module(name)
    pairs = [(["a", "<unk>"], ["<eos>", "p", "<unk>"], "")] * 2
    vocab, V_out = lesson.build_vocab(pairs, {"min_count": 1})
    assert vocab == [*lesson.SPECIAL, "p", "a"] and V_out == 5
    assert lesson.encode_pairs([(["<unk>", "b"], ["<unk>"], "")], vocab, V_out) == [((3, 3, 2), (1, 3, 2))]


@translation
def test_nothing_to_translate_is_translated_into_nothing(name):
    assert module(name).translate_ids({}, [], 2) == []


@translation
def test_batches_come_in_random_order_and_mix(name):
    lesson, rng = module(name), np.random.default_rng(0)
    ids = [([5] * rng.integers(1, 30), [1, 2]) for _ in range(3000)]
    first, second = (lesson.batches(ids, 32, np.random.default_rng(seed)) for seed in (1, 2))
    lengths = [np.mean([len(ids[i][0]) for i in part]) for part in first]
    assert lengths[:20] != sorted(lengths[:20])
    assert len({tuple(sorted(part)) for part in first} & {tuple(sorted(part)) for part in second}) < 3
    found = [sorted(sorted(len(ids[i][0]) for i in part) for part in parts) for parts in (first, second)]
    assert found[0] != found[1]                             # blocks of 20 batches are sorted, not all


@attention
def test_print_alignment_by_hand(name, monkeypatch, capsys):
    """Three source words, two target words and <eos>; attention: word 1 to source 2, word 2 to 0, <eos> to 1.

    The links are 2-0 and 0-1, both right: source <eos>, which word 2 looks at most, does not count. The
    diagonal links 0-0 and 2-1, both wrong. Without the second link A has 2 links and S has 1.
    """
    lesson = module(name)
    alpha = np.array([[0.1, 0.2, 0.6, 0.1], [0.3, 0.1, 0.1, 0.5], [0.1, 0.7, 0.1, 0.1]])[:, :, None]
    monkeypatch.setattr(lesson, "forced_attention", lambda *args: alpha)
    pairs = [(list("abc"), list("xy"), "2-0 0-1")]
    lesson.print_alignment({}, pairs, [([5, 6, 7, 2], [1, 4, 5, 2])])
    assert "rate 0.000 (of a diagonal 1.000, of the best with one link a word 0.000)" in capsys.readouterr().out
    lesson.print_alignment({}, [(list("abc"), list("xy"), "2-0")], [([5, 6, 7, 2], [1, 4, 5, 2])])
    assert "rate 0.333" in (out := capsys.readouterr().out) and "a word 0.333)" in out
    lesson.print_alignment({}, [(list("abc"), list("xy"), "0-0 2-1")], [([5, 6, 7, 2], [1, 4, 5, 2])])
    assert "of a diagonal 0.000" in capsys.readouterr().out


@attention
def test_attention_to_large_scores_is_finite(name):
    lesson, rng = module(name), np.random.default_rng(0)
    params = lesson.init_params(9, 8, 5, 6, rng)
    if name == "luong":
        args = 1e3 * rng.normal(size=(2, 4, 6)), np.zeros((2, 1, 4)), 1e3 * rng.normal(size=(2, 3, 6))
    else:
        params["va"] += 1e3
        args = rng.normal(size=(2, 4, 12)), 9 * rng.normal(size=(4, 6, 2)), np.zeros((4, 2)), np.zeros((6, 2))
    context, alpha, _ = lesson.attend(params, *args)
    assert np.isfinite(context).all() and alpha.sum() == pytest.approx(2 * (3 if name == "luong" else 1))


@translation
def test_which_pairs_are_kept_and_which_held_out(name, tmp_path, capsys):
    """Both sides count for --max-length; from a hundred pairs on a tenth of the sources, by the seed, is held out."""
    lesson, path = module(name), tmp_path / "pairs.tsv"
    path.write_text("a b c\tx\n" "a\tx y z\n" "a b\tx y\t0-0\tCC-BY\n", encoding="utf-8")
    assert lesson.read_pairs(path, 2) == [(("a", "b"), ("x", "y"), "0-0")]
    assert len(lesson.read_pairs(path, 3)) == 3
    held = []
    for count, seed in ((99, 0), (100, 0), (100, 0), (100, 1)):
        path.write_text("".join(f"w{i}\tx\n" for i in range(count)), encoding="utf-8")
        train, valid = lesson.read_data({"data": str(path), "valid": "", "max_length": 9, "seed": seed})
        assert len(train) + len(valid) == count
        held.append(valid)
    assert [len(valid) for valid in held] == [0, 10, 10, 10] and held[1] == held[2] != held[3]
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")
    assert [pair[:2] for pair in lesson.read_pairs(path, 9)] == [(("one",), ("two",)), (("two",), ("three",))]
    assert "no tabs" in capsys.readouterr().out


@translation
def test_the_order_of_the_vocabulary_and_rare_words(name):
    """Words of the translations by how often they occur there, then those of the sources alone; counted by side."""
    lesson = module(name)
    pairs = [(("a", "b", "b", "x"), ("q", "p", "p", "x"), ""), (("a", "b", "c"), ("p", "q", "q"), "")]
    assert lesson.build_vocab(pairs, {"min_count": 1}) == ([*lesson.SPECIAL, "p", "q", "x", "b", "a", "c"], 7)
    assert lesson.build_vocab(pairs, {"min_count": 2}) == ([*lesson.SPECIAL, "p", "q", "b", "a"], 6)


@translation
def test_prompts_that_cannot_be_read(name, capsys):
    lesson, vocab = module(name), [*module(name).SPECIAL, "crow"]
    for prompt, min_count in (("", 1), ("  ", 3), ("the crow", 1)):
        with pytest.raises(lesson.BadInput):
            lesson.check_prompt(prompt, vocab, min_count)
    lesson.check_prompt("the crow", vocab, 2)
    assert "<unk>" in capsys.readouterr().out


@translation
def test_first_values(name):
    """Recurrent GRU matrices are orthogonal gate by gate; va begins at zero; the encoders' gates begin open."""
    lesson, H = module(name), 20
    params = lesson.init_params(30, 20, 10, H, np.random.default_rng(0), np.float64)
    for key, W in params.items():
        if key.startswith("Wh_"):
            for gate in W.reshape(3, H, H):
                assert np.allclose(gate @ gate.T, np.eye(H))
    if name == "bahdanau":
        assert not params["va"].any() and not params["b_dec"].any()
        for key in ("b_fwd", "b_bwd"):
            assert params[key].ravel().tolist() == [0] * H + [2] * H + [0] * H
    if name == "luong":
        assert params["W_enc"][:, 10].tolist() == [0] * H + [1] * H + [0] * 2 * H
        assert params["W_dec"][:, 11:].std() == pytest.approx(H**-0.5, rel=0.1)
        assert params["W_dec"][:, :10].std() == pytest.approx(10**-0.5, rel=0.1)


@attention
def test_links_are_all_links_or_none(name):
    links = module(name).read_links
    assert links((["a"], ["b"], "0-0 CC-BY")) == set()
    assert links((["a"] * 13, ["b"] * 13, "10-12")) == {(10, 12)}


@translation
def test_a_prompt_is_translated_with_its_beam_and_cut_off(name, monkeypatch):
    lesson, calls = module(name), []
    monkeypatch.setattr(lesson, "beam_search", lambda params, source, beam, limit: (
        calls.append((beam, limit)), [([4, 2], 0, None)])[1])
    vocab = [*lesson.SPECIAL, "a"]
    assert lesson.translate({"Wy": np.zeros((5, 1))}, vocab, "a a a", 3)[0] == ["a"] and calls == [(3, 18)]
