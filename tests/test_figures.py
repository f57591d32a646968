"""What the figures and the tables printed beside them choose and count, by hand on made-up values."""
import numpy as np
import pytest
from matplotlib.figure import Figure

from conftest import CHAR, LANGUAGE, TRANSLATION, WORD, module

translation = pytest.mark.parametrize("name", TRANSLATION)
attention = pytest.mark.parametrize("name", ["bahdanau", "luong"])
words = pytest.mark.parametrize("name", WORD)


def test_slow_cells_move_little_for_how_far_they_get(monkeypatch):
    """Unit 0 jumps to and fro, 1 crawls over a wide range, 2 shivers by little, 3 crawls over a small one."""
    lesson, times = module("char_lstm"), np.arange(50)
    cells = np.array([(-1.0)**times * 5, times * 4.0, (-1.0)**times * 0.01, (times // 10) * 0.1]).T
    monkeypatch.setattr(lesson, "look_up", lambda params, x: x)
    monkeypatch.setattr(lesson, "step", lambda params, x, state: ((state[0], cells[x[0]][:, None]), None))
    chosen = lesson.slow_cells({"Wy": np.zeros((2, 4))}, times, 2)
    assert sorted(map(tuple, chosen.T)) == sorted(map(tuple, (cells / np.abs(cells).max(axis=0))[:, [1, 3]].T))


def test_lasting_gates_are_update_gates_that_stay_open(monkeypatch):
    """Rows of r, then of z; unit 1 has the largest mean z, then unit 2."""
    lesson, rng = module("char_gru"), np.random.default_rng(0)
    gates = rng.uniform(0.2, 0.4, (30, 6))
    gates[:, 0] += 0.5                                      # r of unit 0: not asked for
    gates[:, 4] += 0.5
    gates[:, 5] += 0.3
    monkeypatch.setattr(lesson, "look_up", lambda params, x: x)
    monkeypatch.setattr(lesson, "step", lambda params, x, state: (state, (gates[x[0]][:, None], None)))
    chosen = lesson.lasting_gates({"Wy": np.zeros((2, 3))}, np.arange(30), 2)
    assert (chosen == gates[:, [4, 5]]).all()


@words
def test_neighbours_by_angle_and_words_with_a_meaning(name):
    lesson = module(name)
    vocab, E = ["<eos>", "crow", "owl", "far", "back"], np.array([[0, 0], [1, 0], [3, 0.3], [9, 99], [-5, 0.0]])
    assert lesson.neighbours(E, vocab, "crow", 3) == ["owl", "far", "<eos>"]
    assert lesson.content_words(["<eos>", "the", ",", "crow", "and", "fox", "it's", "owl"], 2) == ["crow", "fox"]


@translation
def test_fifths_by_source_length(name):
    """Ten pairs, shortest last; in each fifth of two the second translation has a wrong last word."""
    lesson = module(name)
    pairs = [(tuple("s" * n), tuple("abcdefghij"[:5 + n % 3]), "") for n in range(10, 0, -1)]
    guesses = [(*pair[1][:-1], "z") if len(pair[0]) % 2 else pair[1] for pair in pairs]
    guesses[0] = guesses[0][:-2]                            # too short: BLEU's penalty tells the two sides apart
    rows = lesson.by_length(pairs, guesses)
    assert rows[:, 0].tolist() == [1.5, 3.5, 5.5, 7.5, 9.5] and rows[:, 2].tolist() == [50, 50, 50, 50, 0]
    for row, (a, b) in zip(rows, [(9, 8), (7, 6), (5, 4), (3, 2), (1, 0)]):
        assert row[1] == pytest.approx(lesson.bleu([guesses[a], guesses[b]], [pairs[a][1], pairs[b][1]]))
    assert len(lesson.by_length(pairs[:3], guesses[:3])) == 3


@attention
def test_print_alignment_takes_each_sentence_with_its_own_links(name, monkeypatch, capsys):
    """Three sentences in one batch, in the order of their lengths; each attends as its links say, C the wrong way."""
    lesson = module(name)
    pairs = [("abcd", "wxyz", "0-0 1-1 2-2 3-3"), ("ab", "xy", "0-1 1-0"), ("abc", "xyz", "0-2 1-1 2-0"),
             ("abcde", "v", "")]
    ids = [([5] * len(source) + [2], [1] + [5] * len(target) + [2]) for source, target, _ in pairs]
    looks = {2: [1, 0, 2], 3: [0, 1, 2, 3], 4: [0, 1, 2, 3, 4], 5: [4, 5]}     # by source length

    def forced(params, source, target):
        alpha = np.zeros((len(target) - 1, *source.shape))
        for b, length in enumerate((source == 5).sum(axis=0)):
            for t, s in enumerate(looks[int(length)]):
                alpha[t, s, b] = 1
        return alpha
    monkeypatch.setattr(lesson, "forced_attention", forced)
    lesson.print_alignment({}, [(list(s), list(t), links) for s, t, links in pairs], ids)
    # Of 9 words with links 7 are right: AER = 1 - 2 * 7 / (9 + 9). The diagonal has 4 + 0 + 1.
    assert "rate 0.222 (of a diagonal 0.444, of the best with one link a word 0.000)" in capsys.readouterr().out


@pytest.mark.parametrize("name", LANGUAGE)
def test_curves_are_in_the_unit_and_of_the_right_part(name):
    lesson, axes = module(name), Figure().subplots()
    lesson.plot_losses(axes, {"history": [[10, 3.0, 2.0], [20, 1.0, 1.5]], "scored": "held-out"})
    want = [lesson.score(np.array(nats)) for nats in ([3.0, 1.0], [2.0, 1.5])]
    assert np.allclose([line.get_ydata() for line in axes.lines], want)


@pytest.mark.parametrize("name", CHAR)
def test_the_line_of_the_lags_is_the_median(name):
    axes, norms = Figure().subplots(), np.random.default_rng(0).uniform(1e-5, 1, (9, 20))
    module(name).plot_lags(axes, norms)
    assert np.allclose(axes.lines[0].get_ydata(), np.median(norms, axis=1))


@translation
def test_learning_and_quality_by_length(name):
    lesson, (left, middle) = module(name), Figure().subplots(1, 2)
    lesson.plot_learning(left, middle, {"history": [[10, 3, 2, 40], [20, 1, 1.5, 60]], "scored": "held-out"},
                         np.array([[5, 90, 80], [9, 70, 60.0]]))
    assert [line.get_ydata().tolist() for line in (*left.lines, *middle.lines)] == [
        [3, 1], [2, 1.5], [90, 70], [80, 60]]


@attention
def test_circles_and_words_of_an_alignment(name, monkeypatch):
    lesson, axes = module(name), Figure().subplots()
    monkeypatch.setattr(lesson, "forced_attention", lambda *_: np.full((3, 5, 1), 0.2))
    lesson.plot_alignment(axes, {}, (list("abcd"), list("xy"), "3-1"), ([5, 6, 7, 8, 2], [1, 5, 6, 2]))
    assert axes.lines[0].get_xydata().tolist() == [[3, 1]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c", "d", "<eos>"]
