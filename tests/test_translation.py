"""What the translation lessons compute: masks, beam search, BLEU, attention and alignment, learning, the figures."""
import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from conftest import TRANSLATION, dense, module
from pairs import ATTENTION, MODELS, SOURCES, TARGETS, no_pictures, settings, small_model, some_pairs, train, write

translation = pytest.mark.parametrize("name", TRANSLATION)
attention = pytest.mark.parametrize("name", ATTENTION)
models = pytest.mark.parametrize("model", MODELS)
VOCAB = ["<pad>", "<bos>", "<eos>", "<unk>", *"pqrstuv"]


def lesson_and_params(model, **more):
    """The lesson of a model, and small parameters of it."""
    name, *score = MODELS[model]
    return module(name), small_model(name, *score, **more)


def run(lesson, params, sources, targets, extra=0):
    """Loss, number of target tokens and dense gradients of a batch, `extra` more rows of padding."""
    source, target = (np.pad(lesson.pad(ids), ((0, extra), (0, 0))) for ids in (sources, targets))
    loss, cache = lesson.forward(params, source, target)
    return loss, int((target[1:] != 0).sum()), dense(lesson.backward(params, cache), params)


# %% Padding
@models
def test_a_batch_is_its_single_sentences(model):
    """Loss, gradients, translations, attention."""
    lesson, params = lesson_and_params(model)
    loss, count, grads = run(lesson, params, SOURCES, TARGETS)
    single = [run(lesson, params, [s], [t]) for s, t in zip(SOURCES, TARGETS)]
    assert loss == pytest.approx(sum(one * n for one, n, _ in single) / count, abs=1e-12)
    for key in grads:
        assert np.allclose(grads[key], sum(g[key] * n for _, n, g in single) / count, rtol=0, atol=1e-12)
    together = lesson.beam_search(params, lesson.pad(SOURCES), 3, 12)
    for (ids, score, looked), source in zip(together, SOURCES):
        ((alone, other, look),) = lesson.beam_search(params, lesson.pad([source]), 3, 12)
        assert ids == alone and score == pytest.approx(other, abs=1e-12)
        assert looked is look is None or np.allclose(looked[:, :len(source)], look, rtol=0, atol=1e-12)


@models
def test_padding_changes_nothing(model):
    lesson, params = lesson_and_params(model)
    loss, _, grads = run(lesson, params, SOURCES, TARGETS)
    padded, _, padded_grads = run(lesson, params, SOURCES, TARGETS, extra=4)
    assert abs(loss - padded) < 1e-12
    assert all(np.allclose(grads[key], padded_grads[key], rtol=0, atol=1e-12) for key in grads)
    assert (padded_grads["E"][lesson.PAD] == 0).all()                       # exactly
    params["E"][lesson.PAD] = 1e3                                           # whatever stands there
    assert abs(run(lesson, params, SOURCES, TARGETS, extra=4)[0] - loss) < 1e-12


@pytest.mark.parametrize("name, side", [("seq2seq", "enc"), ("bahdanau", "fwd"), ("bahdanau", "bwd")])
def test_a_padded_state_does_not_move(name, side):
    """At the end of a sentence for one direction, before its beginning for the other."""
    lesson, params = module(name), small_model(name)
    source = lesson.pad(SOURCES)[::-1 if side == "bwd" else 1]
    states, _ = lesson.encode_direction(params, side, source, params["E"][source.ravel()].T)
    states = np.array([np.zeros_like(states[0]), *states])
    moved = (states[1:] != states[:-1]).any(axis=1)
    assert (moved == (source != lesson.PAD)).all()


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_both_states_are_zero_before_the_first_word(score):
    """luong.py reads a source from its end, so padding comes first; then h and c must still be zero."""
    lesson, params = module("luong"), small_model("luong", score)
    source, zero = np.zeros((3, 2), int), np.zeros((6, 2))
    states, state, _ = lesson.encode_direction(params, "enc", source, (zero, zero))
    assert not states.any() and not state[0].any() and not state[1].any()
    source[2, 0] = 5
    _, state, _ = lesson.encode_direction(params, "enc", source, (zero, zero))
    assert all(part[:, 0].all() and not part[:, 1].any() for part in state)


@pytest.mark.parametrize("model", [model for model in MODELS if model != "seq2seq"])
def test_weights_are_shares_of_the_words_alone(model):
    lesson, params = lesson_and_params(model)
    looked = lesson.forced_attention(params, lesson.pad(SOURCES), lesson.pad(TARGETS))
    assert looked.shape == (5, 7, 4)
    for b, ids in enumerate(SOURCES):
        assert (looked[:, len(ids):, b] == 0).all()                         # exactly
        assert np.allclose(looked[:, :, b].sum(axis=1), 1) and (looked[:, :len(ids), b] > 0).all()


@models
def test_one_step_at_a_time_gives_the_loss_of_all_at_once(model):
    lesson, params = lesson_and_params(model)
    source, target = map(lesson.pad, (SOURCES, TARGETS))
    memory, state = lesson.prepare(params, source)
    total = 0
    for now, following in zip(target[:-1], target[1:]):
        logits, state, weights = lesson.predict(params, memory, state, now)
        assert (weights is None) == (model == "seq2seq")
        nats, _ = lesson.cross_entropy(logits, following)
        total += nats[following != 0].sum()
    count = (target[1:] != 0).sum()
    assert lesson.forward(params, source, target)[0] == pytest.approx(total / count, abs=1e-12)


def test_attention_to_large_scores_is_finite():
    rng = np.random.default_rng(0)
    for model in ("luong dot", "luong concat", "bahdanau"):
        lesson, params = lesson_and_params(model)
        params = {key: 300 * param for key, param in params.items()}
        with np.errstate(all="raise", under="ignore"):
            loss, cache = lesson.forward(params, lesson.pad(SOURCES), lesson.pad(TARGETS))
            grads = dense(lesson.backward(params, cache), params)
        assert np.isfinite(loss) and all(np.isfinite(grad).all() for grad in grads.values())
    big = 1e3 * rng.normal(size=(6, 8)), np.zeros((2, 1, 4)), 1e3 * rng.normal(size=(6, 6))
    context, (weights, *_) = module("luong").attend(small_model("luong", "general"), *big)
    assert np.isfinite(context).all() and np.allclose(weights.sum(axis=2), 1)


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_parameters_decide_the_dtype_of_everything(model, dtype):
    """Loss, states and gradients; a single float64 mask would make a training in float32 twice as slow."""
    lesson, params = lesson_and_params(model, dtype=dtype)
    source, target = lesson.pad(SOURCES), lesson.pad(TARGETS)
    memory, state = lesson.prepare(params, source)
    found = [*(memory if isinstance(memory, tuple) else (memory,)), *state]
    logits, state, weights = lesson.predict(params, memory, state, target[0])
    found += [logits, *state] + ([] if weights is None else [weights])
    loss, cache = lesson.forward(params, source, target)
    grads = lesson.backward(params, cache)
    found += [loss, *(grad[1] if isinstance(grad, tuple) else grad for grad in grads.values())]
    assert {array.dtype for array in found} == {np.dtype(dtype)}
    assert lesson.init_params(11, 9, 5, 6, np.random.default_rng(0))["E"].dtype == np.float32


@models
def test_cross_entropy_overwrites_and_the_cache_is_used_up(model):
    """As their docstrings say; forward and predict leave parameters and ids as they are."""
    lesson, params = lesson_and_params(model)
    before = {key: param.copy() for key, param in params.items()}
    source, target = map(lesson.pad, (SOURCES, TARGETS))
    lesson.backward(params, lesson.forward(params, source, target)[1])
    lesson.beam_search(params, source, 2, 5)
    assert all((params[key] == before[key]).all() for key in params)
    assert (source == lesson.pad(SOURCES)).all() and (target == lesson.pad(TARGETS)).all()
    logits = np.random.default_rng(0).normal(size=(5, 8))
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    nats, got = lesson.cross_entropy(logits, np.arange(8) % 5)
    assert got is logits and np.allclose(got, p) and np.allclose(nats, -np.log(p[np.arange(8) % 5, range(8)]))


# %% Beam search
def log_p_after(lesson, params, source, ids):
    """The log p of every word after <bos> and these, read anew."""
    memory, state = lesson.prepare(params, lesson.pad([source]))
    for word in [lesson.BOS, *ids]:
        logits, state, _ = lesson.predict(params, memory, state, np.array([word]))
    logits = logits[:, 0]
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


@models
def test_beam_one_is_greedy(model):
    """The likeliest word, again and again: written without beam_search."""
    for seed in range(5):
        lesson, params = lesson_and_params(model, seed=seed)
        for (ids, score, _), source in zip(lesson.beam_search(params, lesson.pad(SOURCES), 1, 12), SOURCES):
            words, total = [], 0.0
            while len(words) < 12 and words[-1:] != [lesson.EOS]:
                log_p = log_p_after(lesson, params, source, words)[2:]      # neither <pad> nor <bos>
                words.append(int(log_p.argmax()) + 2)
                total += log_p.max()
            assert ids == words and score == pytest.approx(total / len(words), rel=1e-10)


def every_sentence(lesson, params, source, longest):
    """The best mean log p per word, and its ids, of all sentences over <unk> and two words, with <eos>."""
    best = (-np.inf, None)
    for length in range(longest):
        for words in itertools.product((3, 4, 5), repeat=length):
            target = lesson.pad([[lesson.BOS, *words, lesson.EOS]])
            best = max(best, (-lesson.forward(params, source, target)[0], [*words, lesson.EOS]))
    return best


@models
def test_a_wide_beam_finds_what_brute_force_finds(model):
    """And never less than a narrower one, for it follows all that there is."""
    for seed in range(3):
        lesson, params = lesson_and_params(model, V_out=6, seed=seed)
        source = lesson.pad([[4, 10, 6, 2]])
        want, words = every_sentence(lesson, params, source, 4)
        found = {beam: lesson.beam_search(params, source, beam, 4)[0] for beam in (1, 2, 5, 200)}
        assert found[200][0] == words and found[200][1] == pytest.approx(want, rel=1e-10)
        for ids, score, _ in found.values():
            assert score <= found[200][1] + 1e-12 or ids[-1] != lesson.EOS  # cut off, it may be higher


@models
def test_beam_search_is_this_search(model):
    """One sentence, its hypotheses in a list, each read anew: places are given up, the best per word wins."""
    def search(source, beam, limit):
        alive, done = [(0.0, [])], []
        for _ in range(limit):
            grown = []
            for total, ids in alive:
                log_p = log_p_after(lesson, params, source, ids)
                grown += [(total + log_p[word], [*ids, word]) for word in range(2, len(log_p))]
            grown = sorted(grown, reverse=True)[:beam - len(done)]
            done += [one for one in grown if one[1][-1] == lesson.EOS]
            alive = [one for one in grown if one[1][-1] != lesson.EOS]
        return max((total / len(ids), ids) for total, ids in done or alive)

    finished = 0
    for seed in range(12):
        lesson, params = lesson_and_params(model, seed=seed)
        for beam, limit in ((2, 3), (3, 8)):
            ((ids, score, _),) = lesson.beam_search(params, lesson.pad([SOURCES[0]]), beam, limit)
            want, words = search(SOURCES[0], beam, limit)
            assert ids == words and score == pytest.approx(want, abs=1e-12)
            finished += ids[-1] == lesson.EOS
    assert 3 < finished < 24                    # both kinds of ending have been seen


@models
def test_a_finished_translation_is_preferred_at_the_limit(model):
    """After one word twelve hypotheses hold all words, <eos> among them, likely or not."""
    for seed in range(10):
        lesson, params = lesson_and_params(model, V_out=6, seed=seed)
        ((ids, _, _),) = lesson.beam_search(params, lesson.pad([[4, 10, 2]]), 12, 1)
        assert ids == [lesson.EOS]


@models
def test_what_never_ends_is_cut_off(model):
    """Where <eos> is as good as impossible there are `limit` words, whose score is that of the whole."""
    lesson, params = lesson_and_params(model, V_out=6)
    predict = lesson.predict

    def endless(*args):
        logits, *others = predict(*args)
        logits[lesson.EOS] = -1e9
        return logits, *others
    lesson.predict = endless
    try:
        for beam in (1, 2, 3):
            for ids, score, looked in lesson.beam_search(params, lesson.pad(SOURCES), beam, 7):
                assert len(ids) == 7 and lesson.EOS not in ids and -20 < score < 0
                assert looked is None or looked.shape == (7, 7)
    finally:
        lesson.predict = predict


@models
def test_what_the_beam_found_ends_once_and_looked_where_it_says(model):
    for seed in range(6):
        lesson, params = lesson_and_params(model, seed=seed)
        for source in SOURCES:
            ((ids, score, looked),) = lesson.beam_search(params, lesson.pad([source]), 4, 9)
            assert lesson.EOS not in ids[:-1] and all(isinstance(i, int) for i in ids)
            target = lesson.pad([[lesson.BOS, *ids]])
            assert score == pytest.approx(-lesson.forward(params, lesson.pad([source]), target)[0], rel=1e-9)
            assert (looked is None) == (model == "seq2seq")
            if looked is not None:
                forced = lesson.forced_attention(params, lesson.pad([source]), target)[:, :, 0]
                assert np.allclose(looked, forced, rtol=0, atol=1e-12)


@translation
def test_more_hypotheses_than_words(name):
    """Only <eos> and <unk> can be said; a beam of nine finds something all the same."""
    lesson, params = module(name), small_model(name, V_out=4)
    for ids, score, _ in lesson.beam_search(params, lesson.pad(SOURCES), 9, 5):
        assert set(ids) <= {2, 3} and np.isfinite(score)


@translation
def test_translations_may_be_twice_as_long_and_ten_words_more(name, monkeypatch):
    """Columns for all hypotheses of a batch are as many as asked for; each sentence is found again in its place."""
    lesson, calls = module(name), []

    def found(params, source, beam, limit):
        calls.append((source.shape, beam, limit))
        return [(int((column != lesson.PAD).sum()), 0, None) for column in source.T]
    monkeypatch.setattr(lesson, "beam_search", found)
    lengths = [1 + i * 7 % 23 for i in range(230)]
    assert [one[0] for one in lesson.translate_ids({}, [[5] * n for n in lengths], 3, 300)] == lengths
    assert [shape[1] for shape, _, _ in calls] == [100, 100, 30]
    assert all((beam, limit) == (3, 2 * S + 10) for (S, _), beam, limit in calls)
    assert [shape[0] for shape, _, _ in calls] == [sorted(lengths)[n] for n in (99, 199, 229)]
    calls.clear()
    lesson.translate_ids({}, [[5]] * 3, 64, 10)             # a beam wider than that: one by one
    assert [shape for shape, _, _ in calls] == [(1, 1)] * 3


@translation
def test_a_sentence_is_translated_with_its_beam_and_limit(name, monkeypatch):
    lesson, calls = module(name), []
    monkeypatch.setattr(lesson, "beam_search", lambda params, source, beam, limit: (
        calls.append((source.ravel().tolist(), beam, limit)), [([4, 2], 0, np.ones((2, 4)))])[1])
    words, looked = lesson.translate({"Wy": np.zeros((5, 1))}, VOCAB, ["p", "x", "q"], 3)
    assert words == ["p"] and calls == [([4, 3, 5, 2], 3, 18)] and looked.shape == (2, 4)


@attention
def test_unk_becomes_the_word_looked_at_most(name):
    """Of the words of the sentence: <eos> is none, though it may be looked at more."""
    weights = np.array([[0.2, 0.1, 0.7], [0.5, 0.4, 0.1], [0.1, 0.5, 0.4], [0.3, 0.2, 0.5]])
    assert module(name).spell([3, 4, 3, 2], VOCAB, ["Zoe", "Bob"], weights) == ["Zoe", "p", "Bob"]


@translation
def test_nothing_to_translate_is_translated_into_nothing(name):
    assert module(name).translate_ids({}, [], 2, 64) == []


# %% BLEU and exact match
def split(*sentences):
    return [tuple(sentence.split()) for sentence in sentences]


@translation
def test_bleu_by_hand(name):
    """Three sentences. Matches and totals of 1- to 4-grams, summed over the corpus:

    a b c d e | a b c x e : 4/5 2/4 1/3 0/2        the the | the cat sat on : 1/2 0/1 0/0 0/0
    p q r s   | p q r s   : 4/4 3/3 2/2 1/1        sum: 9/11 5/8 3/5 1/3; lengths 11 against 13
    """
    bleu = module(name).bleu
    candidates = split("a b c d e", "the the", "p q r s")
    references = [[one] for one in split("a b c x e", "the cat sat on", "p q r s")]
    expected = math.exp(1 - 13 / 11) * (9 / 11 * 5 / 8 * 3 / 5 * 1 / 3) ** 0.25
    assert bleu(candidates, references) == pytest.approx(100 * expected, rel=1e-12)
    assert bleu([one for one, in references], references) == pytest.approx(100)
    longer = split("p q r s t")
    assert bleu(longer, [split("p q r s")]) == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 / 2) ** 0.25)


@translation
def test_the_example_of_bleu_in_the_comment(name):
    """Five of six words, three of five pairs, one of four triples, none of three fours: 0, unless others help."""
    bleu = module(name).bleu
    candidate, reference, other = split("le chat dort sur le lit", "le chat dort dans le lit", "a b c d e f g")
    assert bleu([candidate], [[reference]]) == 0
    expected = 100 * (12 / 13 * 9 / 11 * 6 / 9 * 4 / 7) ** 0.25                 # with seven words that are all right
    assert bleu([candidate, other], [[reference], [other]]) == pytest.approx(expected, rel=1e-12)


@translation
def test_bleu_of_the_paper(name):
    """Papineni et al. 2002: clipped counts, 2/7; the penalty for length 7 beside references of 11 and 8 words.

    "the" seven times matches twice, the most that one reference has; p q r s is added so that no
    precision is zero: 6/11 3/9 2/7 1/5, lengths 11 against 7 + 4.
    """
    bleu = module(name).bleu
    seven, cats = split("the the the the the the the"), split("the cat is on the mat", "there is a cat on the mat")
    assert bleu(seven, [cats]) == 0                         # no bigram is right
    known = split("p q r s")
    assert bleu(seven + known, [cats, known]) == pytest.approx(100 * (6 / 11 * 3 / 9 * 2 / 7 * 1 / 5) ** 0.25)
    (eight,), (eleven,) = split("a b c d e f g h"), split("a b c d e f g h i j k")
    for several in ([eight, eleven], [eleven, eight]):
        assert bleu(split("a b c d e f g"), [several]) == pytest.approx(86.69, abs=0.01)


@translation
def test_bleu_with_several_references(name):
    """The paper's example sentences, with the figures that NLTK's manual gives: 0.5045 and 0.5921."""
    first = split("It is a guide to action which ensures that the military always obeys the commands of the party")
    wants = split("It is a guide to action that ensures that the military will forever heed Party commands",
                  "It is the guiding principle which guarantees the military forces always being under the command of "
                  "the Party",
                  "It is the practical guide for the army always to heed the directions of the party")
    second = split("he read the book because he was interested in world history")
    other = split("he was interested in world history because he read the book")
    bleu = module(name).bleu
    assert bleu(first, [wants]) == pytest.approx(50.45, abs=0.01)
    assert bleu(first + second, [wants, other]) == pytest.approx(59.20778868801042, rel=1e-12)


@translation
def test_the_nearest_length_counts_and_of_two_the_shorter(name):
    bleu, five = module(name).bleu, split("a b c d e")
    (four,), (six,), (seven,) = split("a b c d"), split("a b c d e f"), split("a b c d e f g")
    assert bleu(five, [[six, four]]) == bleu(five, [[four, six]]) == pytest.approx(100)    # no penalty: 4
    assert bleu(five, [[seven, six]]) == pytest.approx(100 * math.exp(1 - 6 / 5))
    assert bleu(five, [five + [seven]]) == pytest.approx(100)


@translation
def test_bleu_of_sentences_too_short_for_four_grams(name):
    bleu = module(name).bleu
    assert bleu(split("a b"), [split("a b")]) == pytest.approx(100)
    assert bleu(split("a b"), [split("a c")]) == 0 and bleu([()], [split("a")]) == 0 and bleu([()], [[()]]) == 0


@translation
@pytest.mark.filterwarnings("error")
def test_measure_takes_all_translations_of_a_source_as_references(name, monkeypatch):
    """Each source is translated once; a match with any of its references is exact."""
    lesson, asked = module(name), []
    looked = np.ones((5, 2))
    answers = {4: [4, 5, 6, 7, 2], 5: [4, 5, 6, 7, 2], 6: [4, 2]}
    monkeypatch.setattr(lesson, "translate_ids", lambda params, sources, beam, size: (
        asked.append((sources, beam, size)), [(answers[ids[0]], 0, looked) for ids in sources])[1])
    pairs = [(("p",), tuple("pqrr"), ""), (("q",), tuple("pqrs"), "0-0"), (("p",), tuple("pqrs"), ""),
             (("r",), ("q",), "")]
    score, exact, rows = lesson.measure({"Wy": np.zeros((11, 2))}, VOCAB, pairs, 2, 64)
    assert asked == [([(4, 2), (5, 2), (6, 2)], 2, 64)] and exact == pytest.approx(200 / 3)
    assert rows == [(("p",), tuple("pqrs"), [tuple("pqrr"), tuple("pqrs")]), (("q",), tuple("pqrs"), [tuple("pqrs")]),
                    (("r",), ("p",), [("q",)])]
    assert score == lesson.bleu([row[1] for row in rows], [row[2] for row in rows])
    _, exact, rows = lesson.measure({"Wy": np.zeros((11, 2))}, VOCAB, pairs, 2, 64, 1)
    assert asked[1:] == [([(4, 2)], 2, 64)] and exact == 100    # a limit cuts sources, not their translations


@attention
def test_measure_spells_unknown_words(name, monkeypatch, capsys):
    """The name is right because it is taken from the source; what <unk> itself would score is told, but on the way."""
    lesson = module(name)
    monkeypatch.setattr(lesson, "translate_ids", lambda *_: [([3, 4, 5, 6, 2], 0, np.eye(5)[:, :3])])
    pairs = [(("Zoe", "p"), ("Zoe", "p", "q", "r"), "")]
    for limit in (100, 1000):
        score, exact, _ = lesson.measure({"Wy": np.zeros((11, 2))}, VOCAB, pairs, 1, 64, limit)
        assert exact == 100 and score == pytest.approx(100)
        assert ("<unk>" in capsys.readouterr().out) == (limit > 100)


# %% Alignment
@attention
def test_alignment_error(name):
    """Counts summed over two sentences: |A and S| = 1 + 2, |A| = 3 + 2, |S| = 2 + 3. Then NLTK's manual: 2/3."""
    error = module(name).alignment_error
    guessed, true = [{(0, 0), (1, 1), (2, 1)}, {(0, 0), (1, 1)}], [{(0, 0), (1, 2)}, {(0, 0), (1, 1), (2, 1)}]
    assert error(guessed, true) == pytest.approx(1 - 2 * 3 / 10)
    precision, recall = 3 / 5, 3 / 5
    assert error(guessed, true) == pytest.approx(1 - 2 * precision * recall / (precision + recall))
    assert error([{(0, 0), (1, 2), (2, 1)}], [{(0, 0), (1, 1), (2, 2)}]) == pytest.approx(2 / 3)
    assert error(true, true) == 0 and error([{(0, 1)}], [{(1, 0)}]) == 1
    assert math.isnan(error([], [])) and math.isnan(error([set()], [set()]))


@attention
def test_links_are_all_links_that_fit_the_tokens_or_none(name):
    links = module(name).read_links
    assert links((["a"] * 13, ["b"] * 13, " 10-12 0-0")) == {(10, 12), (0, 0)}
    assert links((("a", "b"), ("c",), "0-0 1-0")) == {(0, 0), (1, 0)}
    for third in ("", "CC-BY 2.0 (France)", "0-0 CC-BY", "0-1", "2-0", "0-0 2-0", f"{'9' * 5000}-0", "-1-0", "0-0-0"):
        assert links((("a", "b"), ("c",), third)) is None, third


@attention
def test_print_alignment_takes_each_sentence_with_its_own_links(name, monkeypatch, capsys):
    """Four sentences in batches by length; each attends as its links say, C the wrong way; <eos> does not count."""
    lesson = module(name)
    pairs = [("abcd", "wxyz", "0-0 1-1 2-2 3-3"), ("ab", "xy", "0-1 1-0"), ("abc", "xyz", "0-2 1-1 2-0"),
             ("abcde", "v", ""), ("abcdef", "v", "CC-BY"), ("abcdefg", "v", "9-0")]
    ids = [([5] * len(source) + [2], [1] + [5] * len(target) + [2]) for source, target, _ in pairs]
    looks = {2: [1, 0, 2], 3: [0, 1, 2, 3], 4: [0, 1, 2, 3, 4], 5: [4, 5], 6: [0, 0], 7: [0, 0]}     # by source length

    def forced(params, source, target):
        weights = np.zeros((len(target) - 1, *source.shape))
        for b, length in enumerate((source == 5).sum(axis=0)):
            weights[:, length, b] = 0.1                     # <eos>, which a word may look at, but not most
            for t, s in enumerate(looks[int(length)]):
                weights[t, s, b] = 1
        return weights
    monkeypatch.setattr(lesson, "forced_attention", forced)
    lesson.print_alignment({}, [(tuple(s), tuple(t), links) for s, t, links in pairs], ids, 3)
    # Of 9 words with links 7 are right: AER = 1 - 2 * 7 / (9 + 9). The diagonal has 4 + 0 + 1.
    out = capsys.readouterr().out
    assert "0.222 (of a diagonal 0.444)" in out and " 2 " in out            # two have something else there
    lesson.print_alignment({}, [(tuple(s), tuple(t), "") for s, t, _ in pairs], ids, 3)
    assert capsys.readouterr().out == ""


@attention
def test_links_may_be_missing_for_words_and_several_for_one(name, monkeypatch, capsys):
    """A word without a true link counts as a link found; the second of a word cannot be found."""
    lesson = module(name)
    weights = np.array([[0.1, 0.2, 0.6, 0.1], [0.3, 0.1, 0.1, 0.5], [0.1, 0.7, 0.1, 0.1]])[:, :, None]
    monkeypatch.setattr(lesson, "forced_attention", lambda *_: weights)
    for links, error, diagonal in (("2-0 0-1", "0.000", "1.000"), ("2-0", "0.333", "1.000"),
                                   ("0-0 2-1", "1.000", "0.000"), ("2-0 0-1 1-1", "0.200", "1.000")):
        lesson.print_alignment({}, [(tuple("abc"), tuple("xy"), links)], [([5, 6, 7, 2], [1, 4, 5, 2])], 9)
        assert f"{error} (of a diagonal {diagonal})" in capsys.readouterr().out, links


@translation
def test_seq2seq_alone_has_no_alignment(name):
    for part in ("attend", "attend_backward", "spell", "forced_attention", "read_links"):
        assert hasattr(module(name), part) == (name != "seq2seq")


# %% Learning
def a_run(name, steps=40, **changes):
    """A run that has not begun, as work makes one, with its training and held-out pairs."""
    lesson, rng = module(name), np.random.default_rng(3)
    words = [f"w{n}" for n in range(12)]
    pairs = [(tuple(rng.choice(words, rng.integers(1, 9))), tuple(rng.choice(words, rng.integers(1, 9))), "")
             for _ in range(45)]
    pairs, held_out = pairs[:35], pairs[35:]
    vocab, V_out = lesson.build_vocab(pairs, 1)
    params = lesson.init_params(len(vocab), V_out, 6, 8, rng)
    adam = lesson.Adam(params)
    own = settings(name, batch=8, steps=steps, lr=0.02, clip=0.2, seed=3, every=5, **changes)
    return {"params": params, "best": params, "m": adam.m, "v": adam.v, "rows_t": adam.rows_t, "vocab": vocab,
            "V_out": V_out, "losses": [], "scores": [], "best_nats": math.inf, "settings": own}, pairs, held_out


@translation
def test_learn_is_this_loop(name):
    """A new order in each pass, batches of like length, clip, falling rate, scores, the best kept."""
    lesson = module(name)
    run, pairs, held_out = a_run(name)
    params = {key: param.copy() for key, param in run["params"].items()}
    adam, losses, scores, best = lesson.Adam(params), [], [], (math.inf, None)
    ids, valid = (lesson.encode_pairs(part, run["vocab"], run["V_out"]) for part in (pairs, held_out))
    yielded = list(lesson.learn(run, pairs, held_out))
    for n in range(40):
        epoch, now = divmod(n, 5)                           # 35 pairs are five batches of 8
        part = lesson.batches(ids, 8, np.random.default_rng([3, epoch]))[now]
        source, target = (lesson.pad([ids[i][k] for i in part]) for k in (0, 1))
        loss, cache = lesson.forward(params, source, target)
        grads = lesson.backward(params, cache)
        norm = lesson.clip_gradients(grads, 0.2)
        adam.update(params, grads, 0.02 * (1 - n / 40))
        losses.append(float(loss))
        scored = n + 1 in (1, 40) or (n + 1) % 5 == 0
        assert yielded[n] == (norm, (target[1:] != 0).sum(), scored)
        if scored:
            nats = lesson.evaluate(params, valid, 8)
            points = lesson.measure(params, run["vocab"], held_out, 1, 8)[0]
            scores.append([n + 1, np.mean(losses[-5:]), nats, points])
            if nats <= best[0]:
                best = nats, {key: param.copy() for key, param in params.items()}
    assert run["losses"] == losses and run["scores"] == [pytest.approx(row) for row in scores] and len(yielded) == 40
    assert run["best_nats"] == best[0]
    for group, want in (("params", params), ("best", best[1]), ("m", adam.m), ("v", adam.v)):
        assert all((run[group][key] == want[key]).all() for key in params), group
    assert (run["rows_t"] == adam.rows_t).all() and list(lesson.learn(run, pairs, held_out)) == []


@translation
def test_learn_can_be_stopped_and_goes_on(name):
    """Whatever step the caller stops at, and with plain copies of the arrays, the end is the same."""
    lesson, ends = module(name), []
    for stop in (None, 1, 23):
        run, pairs, held_out = a_run(name)
        if stop:
            next(itertools.islice(lesson.learn(run, pairs, held_out), stop - 1, None))
            run = {key: {k: np.array(a) for k, a in value.items()} if key in ("params", "best", "m", "v") else value
                   for key, value in run.items()} | {"rows_t": run["rows_t"].copy()}
        list(lesson.learn(run, pairs, held_out))
        ends.append(run)
    for run in ends[1:]:
        assert run["losses"] == ends[0]["losses"] and run["scores"] == ends[0]["scores"]
        assert all((run["best"][key] == ends[0]["best"][key]).all() for key in run["best"])


@translation
def test_a_score_that_is_not_finite_ends_learning(name, monkeypatch):
    lesson, nats = module(name), iter((1.0, math.nan))
    run, pairs, held_out = a_run(name)
    monkeypatch.setattr(lesson, "evaluate", lambda *_: next(nats))
    with pytest.raises(lesson.BadInput):
        list(lesson.learn(run, pairs, held_out))
    assert len(run["losses"]) == 5 and run["best_nats"] == 1


@translation
def test_it_learns(name):
    run, pairs, held_out = a_run(name, steps=150)
    list(module(name).learn(run, pairs, held_out))
    assert np.mean(run["losses"][-10:]) < 0.75 * run["losses"][0]


@models
def test_evaluate_and_translate_ids_take_each_sentence_by_itself(model):
    lesson, params = lesson_and_params(model)
    ids = list(zip(SOURCES, TARGETS))
    single = [(lesson.forward(params, lesson.pad([s]), lesson.pad([t]))[0], len(t) - 1) for s, t in ids]
    want = sum(loss * count for loss, count in single) / sum(count for _, count in single)
    assert lesson.evaluate(params, ids, 3) == pytest.approx(want, rel=1e-12)
    for (words, score, _), source in zip(lesson.translate_ids(params, SOURCES, 3, 6), SOURCES):
        target = lesson.pad([[lesson.BOS, *words]])
        assert score == pytest.approx(-lesson.forward(params, lesson.pad([source]), target)[0], rel=1e-9)


@translation
def test_what_is_scored_on_the_way(name, tmp_path, monkeypatch):
    """Nats of 500 held-out pairs of all lengths; a greedy BLEU of 100; at the end all 600, with the beam asked for."""
    lesson, calls = module(name), []
    data = write(tmp_path / "p.tsv", "".join(f"fox {n:04} {'x ' * (n // 700)}\tb\n" for n in range(6000)))
    monkeypatch.setattr(lesson, "evaluate", lambda params, ids, size: (
        calls.append([len(source) for source, _ in ids]), 1.0)[1])
    monkeypatch.setattr(lesson, "measure", lambda params, vocab, pairs, beam, size, limit=1000: (
        calls.append((len(pairs), beam, limit)), (7.0, 8.0, []))[1])
    no_pictures(monkeypatch)
    path = train(name, data, tmp_path, "--steps", 1, "--beam", 3)
    assert len(calls[0]) == 500 and calls[0] != sorted(calls[0]) and calls[1:] == [(600, 1, 100), (600, 3, 1000)]
    assert lesson.restore(path)["scores"] == [[1, pytest.approx(lesson.restore(path)["losses"][0]), 1.0, 7.0]]


@translation
def test_main_learns_with_what_its_flags_say(name, tmp_path, monkeypatch, capsys):
    """From first values of that seed, with every setting; and it tells what to beat."""
    no_pictures(monkeypatch)
    lesson, data = module(name), some_pairs(tmp_path, 500)
    changes = {"lr": 0.02, "clip": 0.3, "seed": 4, "steps": 23, "batch": 3, "every": 4, "min_count": 2, "max_length": 9}
    path = train(name, data, tmp_path, *(part for key, value in changes.items()
                                         for part in (f"--{key.replace('_', '-')}", value)))
    out, found = capsys.readouterr().out, lesson.restore(path)
    own = settings(name, data=str(data), embed=6, hidden=8, **changes)
    pairs, held_out = lesson.read_data(own)
    assert max(len(side) for pair in pairs for side in pair[:2]) == 9
    vocab, V_out = lesson.build_vocab(pairs, 2)
    params = lesson.init_params(len(vocab), V_out, 6, 8, np.random.default_rng(4))
    adam = lesson.Adam(params)
    run = {"params": params, "m": adam.m, "v": adam.v, "rows_t": adam.rows_t, "vocab": vocab, "losses": [],
           "scores": [], "best_nats": math.inf, "settings": own}
    list(lesson.learn(run, pairs, held_out))
    assert found["vocab"] == vocab and found["V_out"] == V_out
    assert found["losses"] == run["losses"] and found["scores"] == run["scores"]
    assert all((found["params"][key] == run["params"][key]).all() for key in params)
    ids, valid = (np.concatenate([target[1:] for _, target in lesson.encode_pairs(part, vocab, V_out)])
                  for part in (pairs, held_out))
    share = np.bincount(ids, minlength=V_out) / len(ids) + 1e-9             # how common each word is
    (line,) = [line for line in out.split("\n") if line.startswith("to beat")]
    assert f" {-np.log(share[valid]).mean():.3f} " in line and f" {math.log(V_out):.3f} " in line


@translation
def test_the_best_parameters_are_kept(name, tmp_path, monkeypatch, capsys):
    """Of three evaluations the second is the best: its score is told, its parameters loaded, measured, drawn."""
    lesson, nats, seen, used = module(name), iter((3.0, 1.0, 2.0)), [], []
    measure = lesson.measure
    monkeypatch.setattr(lesson, "evaluate", lambda params, *_: (
        seen.append({key: param.copy() for key, param in params.items()}), next(nats))[1])
    monkeypatch.setattr(lesson, "measure", lambda params, *args: (used.append(params), measure(params, *args))[1])
    monkeypatch.setattr(lesson, "draw", lambda path, run, *_: used.append(run["best"]))
    monkeypatch.setattr(lesson, "show", lambda run, params, *_: used.append(params))
    path = train(name, some_pairs(tmp_path), tmp_path, "--steps", 12, "--every", 6)
    (line,) = [line for line in capsys.readouterr().out.split("\n") if line.startswith("best held-out score:")]
    assert " 1.0000 nats" in line and len(seen) == 3 and len(used) == 3 + 5 + 2
    for params in (lesson.load(path)[0], *used[3:]):
        assert all((params[key] == seen[1][key]).all() for key in seen[1])
    assert (seen[1]["Wy"] != seen[2]["Wy"]).any()


# %% First values
@translation
def test_first_values_keep_the_size_of_a_sum(name):
    """Variance 1 / columns, but for vectors of words (0.1, luong.py 0.3) and what is zero or a unit matrix."""
    for key, param in module(name).init_params(80, 75, 70, 90, np.random.default_rng(0)).items():
        want = {"E": 0.3 if name == "luong" else 0.1}.get(key, param.shape[1]**-0.5)
        if key != "va" and not key.startswith("b") and (key, name) != ("Wa", "luong"):
            assert param.std() == pytest.approx(want, rel=0.05) and abs(param.mean()) < 0.1 * want, key


@translation
def test_special_first_values(name):
    """GRU matrices are orthogonal gate by gate; va is zero; the encoders' z and the forget gates begin open."""
    lesson, H = module(name), 20
    params = lesson.init_params(30, 20, 10, H, np.random.default_rng(0), np.float64)
    open_gates = {"b_fwd": 2, "b_bwd": 2} if name == "bahdanau" else {"b_enc": 1, "b_dec": 1} if name == "luong" else {}
    for key, param in params.items():
        if key.startswith("Wh_") and name != "luong":
            for gate in param.reshape(3, H, H):
                assert np.allclose(gate @ gate.T, np.eye(H))
        if key.startswith("b"):
            want = np.zeros(len(param))
            want[H:2 * H] = open_gates.get(key, 0)
            assert param.ravel().tolist() == want.tolist(), key
    if name == "bahdanau":
        assert not params["va"].any()
    if name == "luong":
        concat = lesson.init_params(30, 20, 10, H, np.random.default_rng(0), score="concat")
        dot = lesson.init_params(30, 20, 10, H, np.random.default_rng(0), score="dot")
        assert (params["Wa"] == np.eye(H)).all()            # general begins as dot
        assert concat["Wa"].shape == (H, 2 * H) and concat["va"].shape == (1, H) and not {"Wa", "va"} & set(dot)


@translation
def test_an_odd_number_of_hidden_units(name):
    """The maxout layer has half of them, rounded up."""
    lesson = module(name)
    params = lesson.init_params(11, 9, 3, 5, np.random.default_rng(0))
    if name != "luong":
        assert params["Oh"].shape == (6, 5) and params["Wy"].shape == (9, 3)
    loss, cache = lesson.forward(params, lesson.pad(SOURCES), lesson.pad(TARGETS))
    grads = lesson.backward(params, cache)
    assert np.isfinite(loss) and all(grads[key].shape == params[key].shape for key in params if key != "E")


# %% Figures
@translation
def test_fifths_by_source_length(name):
    """Ten sources, shortest last; in each fifth of two, one translation is wrong, the other equals some reference."""
    lesson = module(name)
    want = [tuple("abcdefghij"[:5 + n % 3]) for n in range(10, 0, -1)]
    rows = [(tuple("s" * n), (*target[:-1], "z") if n % 2 else target, [("x",), target])
            for n, target in zip(range(10, 0, -1), want)]
    rows[0] = (rows[0][0], rows[0][1][:-2], rows[0][2])     # too short: BLEU's penalty tells the two sides apart
    table = lesson.by_length(rows)
    assert table[:, 0].tolist() == [1.5, 3.5, 5.5, 7.5, 9.5] and table[:, 2].tolist() == [50, 50, 50, 50, 0]
    for line, (a, b) in zip(table, [(9, 8), (7, 6), (5, 4), (3, 2), (1, 0)]):
        assert line[1] == pytest.approx(lesson.bleu([rows[a][1], rows[b][1]], [rows[a][2], rows[b][2]]))
    assert len(lesson.by_length(rows[:3])) == 3 and len(lesson.by_length(rows[:1])) == 1


@translation
@pytest.mark.parametrize("length, references", [(1, 1), (2, 2), (3, 1), (0, 1)])
def test_rows_that_are_all_of_one_length(name, length, references):
    """Such as a list of words, each with one translation of one word: all are right."""
    words = tuple(f"w{n}" for n in range(length))
    rows = [(words or ("a",), words, [words] * references)] * 7
    table = module(name).by_length(rows)
    assert table.shape == (5, 3) and (table[:, 2] == 100).all()


@translation
def test_curves_and_quality_by_length(name):
    lesson, (left, right) = module(name), Figure().subplots(1, 2)
    fifths = np.array([[5.25, 90, 80], [9, 70, 60.0]])
    lesson.plot_learning(left, right, {"scores": [[10, 3, 2, 40], [20, 1, 1.5, 60]]}, fifths)
    assert [line.get_ydata().tolist() for line in (*left.lines, *right.lines)] == [
        [3, 1], [2, 1.5], [90, 70], [80, 60]]
    assert [line.get_xdata().tolist() for line in (*left.lines, *right.lines)] == [[10, 20]] * 2 + [[5.25, 9]] * 2
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["training", "held out"]
    assert all(axes.get_title() and axes.get_xlabel() for axes in (left, right))


@attention
def test_circles_and_words_of_an_alignment(name, monkeypatch):
    """The translation goes down, the source across; a circle stands on a true link."""
    lesson, axes = module(name), Figure().subplots()
    weights = np.random.default_rng(0).random((3, 5, 1))
    monkeypatch.setattr(lesson, "forced_attention", lambda *_: weights)
    lesson.plot_alignment(axes, {}, (tuple("abcd"), tuple("xy"), "3-1"), ([5, 6, 7, 8, 2], [1, 5, 6, 2]))
    assert axes.lines[0].get_xydata().tolist() == [[3, 1]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c", "d", "<eos>"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y", "<eos>"]
    assert np.allclose(axes.images[0].get_array(), weights[:, :, 0]) and axes.images[0].get_clim() == (0, 1)
    other = Figure().subplots()
    lesson.plot_alignment(other, {}, (tuple("abcd"), tuple("xy"), "CC-BY"), ([5, 6, 7, 8, 2], [1, 5, 6, 2]))
    assert list(other.lines) == [] and "circles" in axes.get_title() and "circles" not in other.get_title()


def figure_of(lesson, run, pairs, rows, monkeypatch):
    """The figure that draw would save."""
    seen = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: seen.append(self))
    lesson.draw("x.png", run, pairs, rows)
    (figure,) = seen
    return figure


@translation
def test_the_picture_shows_the_best_parameters(name, monkeypatch, capsys):
    """Quality by length, printed; curves of the run; four alignments of sentences of 7 to 13 words, or the summaries of short sources."""
    lesson = module(name)
    run, pairs, _ = a_run(name)
    run |= {"scores": [[1, 3.0, 2.0, 4.0], [5, 1.0, 1.5, 5.0]], "best_nats": 1.5}
    rows = lesson.measure(run["best"], run["vocab"], pairs, 1, 8)[2]
    figure = figure_of(lesson, run, pairs, rows, monkeypatch)
    out = [line for line in capsys.readouterr().out.splitlines() if line.startswith("sources of about")]
    assert [[f"{figure:.1f}" for figure in row[::2]] for row in lesson.by_length(rows)] == [
        [words[3], words[-2]] for words in map(str.split, out)]
    assert f"{name}.py" in figure.get_suptitle() and "1.500" in figure.get_suptitle()
    left, right, *others = figure.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[3, 1], [2, 1.5]]
    assert np.allclose(np.transpose([line.get_ydata() for line in right.lines]), lesson.by_length(rows)[:, 1:])
    if name == "seq2seq":
        shown = {label.get_text(): label.xy for label in others[0].texts}
        assert 1 < len(shown) <= 16 and set(shown) <= {" ".join(source) for source, _, _ in pairs if len(source) <= 8}
    else:
        chosen = [source for source, _, _ in pairs if 7 <= len(source) <= 13][:4]
        shown = [tuple(label.get_text() for label in axes.get_xticklabels())[:-1] for axes in others if axes.images]
        assert [source for source in shown if source in chosen] == chosen and len(chosen) == 4


def test_summaries_lie_at_their_two_principal_components(monkeypatch):
    """From a plane that lies askew among eight units; a sentence that would lie upon another is left out."""
    lesson = module("seq2seq")
    run, _, _ = a_run("seq2seq")
    run |= {"scores": [[1, 3.0, 2.0, 4.0]], "best_nats": 1.5}
    rng = np.random.default_rng(1)
    plane = np.array([[0, 0], [9, 0], [0, 3], [9, 3], [9.01, 3.01], [5, 1.5]])
    summaries = plane @ np.linalg.qr(rng.normal(size=(8, 2)))[0].T + 7
    monkeypatch.setattr(lesson, "encode", lambda params, source: (summaries.T, None, None))
    rows = [((f"w{n}", "w0"), ("w1",), [("w1",)]) for n in range(6)]
    axes = figure_of(lesson, run, [], rows, monkeypatch).axes[2]
    places = {label.get_text(): np.array(label.xy) for label in axes.texts}
    assert set(places) == {"w0 w0", "w1 w0", "w2 w0", "w3 w0", "w5 w0"}
    for (a, x), (b, y) in itertools.combinations(enumerate(plane[[0, 1, 2, 3, 5]]), 2):
        x2, y2 = (places[f"w{5 if n == 4 else n} w0"] for n in (a, b))
        assert np.linalg.norm(x - y) == pytest.approx(np.linalg.norm(x2 - y2))      # turned, perhaps mirrored, no more
    spread = np.ptp(np.array(list(places.values())), axis=0)
    assert spread[0] > spread[1]
