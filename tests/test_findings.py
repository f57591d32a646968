"""What the README claims of default runs: slow, for each lesson trains as its user would."""
import math
import re

import numpy as np
import pytest

from common import accuracy
from conftest import FABLES, LANGUAGE, LESSONS, ROOT, TRANSLATION, WORD, module, read, run_lesson
import trigram
from trigram import trigram_nats


MEASURED = """import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB")
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Default runs of lessons, each made once -> a function from name to (folder, output)."""
    done = {}

    def get(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = folder, run_lesson(name, cwd=folder, threads=None, code=MEASURED).stdout
        return done[name]
    return get


def split(name):
    """The default data as the lesson splits it -> train ids, valid ids, vocabulary size."""
    vocab, ids, valid = read(name, FABLES, "")
    return ids, valid, len(vocab)


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGE)
def test_a_default_run_beats_the_trigram(name, trained):
    lesson = module(name)
    folder, output = trained(name)
    figure = float(re.search(r"best held-out score: (?:perplexity )?([\d.]+)", output).group(1))
    trigram = lesson.score(trigram_nats(*split(name)))
    print(f"{name}: {figure:.3f} {lesson.UNIT}, trigram {trigram:.3f}")
    assert figure < trigram
    params, vocab, settings = lesson.load(folder / "out" / f"{name}.npz")
    _, valid, V = split(name)
    nats = lesson.evaluate(params, valid, settings["batch"] * settings["seq_len"])
    assert lesson.score(nats) == pytest.approx(figure, abs=6e-3 if name in WORD else 6e-4) and len(vocab) == V


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_memory_of_a_default_run(name, trained):
    """Peak memory below 400 MB (translation 600 MB), picture included."""
    megabytes = int(re.search(r"peak memory (\d+) MB", trained(name)[1]).group(1))
    print(f"{name}: {megabytes} MB")
    assert megabytes < (600 if name in TRANSLATION else 400)


@pytest.mark.slow
def test_recurrence_is_what_helps():
    """The same network without its recurrence (Wh held at zero) is at least 0.2 bits worse."""
    lesson = module("char_rnn")
    train, valid, V = split("char_rnn")
    scores = []
    for cut in (False, True):
        params = lesson.init_params(V, 128, np.random.default_rng(0))
        adam, parts = lesson.Adam(params), lesson.windows(train, 32, 64)
        for step in range(800):
            if step % len(parts) == 0:
                state = lesson.init_state(128, 32)
            if cut:
                params["Wh"][:] = 0
            loss, state, cache = lesson.forward(params, *parts[step % len(parts)], state)
            grads, _ = lesson.backward(params, cache)
            lesson.clip_gradients(grads, 1.0)
            adam.update(params, grads, 6e-3 * (1 - step / 800))
        if cut:
            params["Wh"][:] = 0
        scores.append(lesson.score(lesson.evaluate(params, valid, 64)))
    print(f"with recurrence {scores[0]:.3f}, without {scores[1]:.3f} bits per character")
    assert scores[1] - scores[0] >= 0.2


@pytest.mark.slow
def test_the_product_of_mean_stretches_follows_the_gradient(trained):
    """And that of the largest ones does not: it is a bound, many times too large."""
    lesson = module("char_rnn")
    params, _, _ = lesson.load(trained("char_rnn")[0] / "out" / "char_rnn.npz")
    _, valid, _ = split("char_rnn")
    norms, products = np.median(lesson.gradient_by_lag(params, valid), axis=2)
    print("gradient and product at lags 0, 20, 40, 60:", norms[:80:20], products[:80:20])
    assert norms[40] < norms[0] / 100 and np.abs(np.log(products[:41] / norms[:41])).max() < math.log(5)
    states = [lesson.init_state(len(params["Wh"]), 1)]
    for x in valid[:90]:
        states.append(lesson.predict(params, x[None], states[-1])[1])
    largest = [np.linalg.norm(params["Wh"].T * (1 - h[:, 0]**2), 2) for h in states[-40:]]
    print(f"product of 40 largest singular values: {np.prod(largest):.0e}")
    assert np.prod(largest) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["char_lstm", "char_gru"])
def test_a_unit_tells_whether_we_are_inside_quotation_marks(name, trained):
    found = dict(re.findall(r"tells: (.*) \(correlation (-?[\d.]+)\)", trained(name)[1]))
    print(name, found)
    assert abs(float(found["inside quotation marks"])) > 0.4


def test_trigram_on_a_text_with_known_answer():
    """A cycle of three letters is certain given the two before; random letters are not."""
    cycle = np.array([0, 1, 2] * 300)
    assert trigram_nats(cycle, cycle[:90], 3) < 0.02
    rng = np.random.default_rng(0)
    assert trigram_nats(rng.integers(0, 4, 5000), rng.integers(0, 4, 1000), 4) == pytest.approx(
        math.log(4), abs=0.05)
    assert (ROOT / "data" / "fables.txt").exists()


def held_out(lesson, folder):
    """A trained translation lesson's parameters, vocabulary, held-out pairs and ids."""
    run = lesson.restore(folder / "out" / f"{lesson.LESSON}.npz")
    _, pairs = lesson.read_data(run["settings"])
    return run["best"], run["vocab"], pairs, lesson.encode_pairs(pairs, run["vocab"], run["V_out"])


def best_error(lesson, pairs):
    """The alignment error rate of links that are all true where every target word must have exactly one."""
    links = [lesson.read_links(pair) for pair in pairs]
    right = sum(len({t for _, t in true}) for true in links)
    return 1 - 2 * right / (sum(len(target) for _, target, _ in pairs) + sum(map(len, links)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_attention_translates_and_aligns(name, trained):
    lesson = module(name)
    folder, output = trained(name)
    exact = float(re.search(r"held-out, beam \d+: BLEU [\d.]+, exact match ([\d.]+)", output).group(1))
    error, diagonal = map(float, re.search(
        r"alignment error rate ([\d.]+) \(of a diagonal ([\d.]+)\)", output).groups())
    params, _, pairs, ids = held_out(lesson, folder)
    best = best_error(lesson, pairs)
    longest = sorted(ids, key=lambda pair: len(pair[0]))[-len(ids) // 5:]
    whole, long = accuracy(lesson, params, ids), accuracy(lesson, params, longest)
    print(f"{name}: exact {exact} %, token accuracy {whole:.4f}, longest fifth {long:.4f}, AER {error}")
    assert exact >= 95 and whole - long <= 0.02 and error <= best + 0.10 < diagonal


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_the_bottleneck(name, trained):
    """On the longest fifth the fixed vector is at least ten points of exact match below attention."""
    fifths = {lesson: [float(x) for x in re.findall(r"exact match +([\d.]+) %\n", trained(lesson)[1])][-5:]
              for lesson in ("seq2seq", name)}
    print(fifths)
    assert fifths[name][-1] - fifths["seq2seq"][-1] >= 10
    assert fifths["seq2seq"][0] - fifths["seq2seq"][-1] >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSLATION)
def test_a_wider_beam_finds_better_scores_on_average(name, trained):
    lesson = module(name)
    params, _, _, ids = held_out(lesson, trained(name)[0])
    means = [np.mean([score for _, score, _ in lesson.translate_ids(params, [s for s, _ in ids[:200]], beam, 100)])
             for beam in (1, 2, 5)]
    print(name, means)
    assert means[0] <= means[1] + 1e-6 and means[1] <= means[2] + 1e-6      # float32 rounding


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSLATION)
def test_the_crow_is_learned_by_heart(name, tmp_path):
    done = run_lesson(name, "--data", ROOT / "data" / "crow.txt", "--steps", 400, cwd=tmp_path, threads=None)
    exact = float(re.search(r"exact match ([\d.]+) %\n", done.stdout).group(1))
    print(name, exact)
    assert exact >= 100 * 33 / 35


def test_trigram_probabilities_by_hand():
    """Of 0 1 0 1 2 0: three of 0, two of 1, one of 2; 0 is followed by 1 twice, 1 by 0 and 2 once each."""
    train, half = [0, 1, 0, 1, 2, 0], 1 / 2
    rows = [[1 / 4, 1 / 6, half, half], [1 / 4, 1 / 6, 0, 0], [1 / 4, 1 / 3, 0, 0], [1 / 4, half, half, half]]
    assert np.allclose(trigram.probabilities(train, [0, 1, 2, 2, 1, 0], 4), rows)
    assert np.allclose(trigram.probabilities(train, [1, 3, 0], 4), [[1 / 4, half, half, half]])


def test_the_trigram_is_tuned_on_a_part_that_it_has_not_counted(monkeypatch):
    calls = []
    monkeypatch.setattr(trigram, "probabilities", lambda train, text, V: (
        calls.append((len(train), text[0], len(text))), np.full((9, 4), 0.25))[1])
    trigram.trigram_nats(list(range(1000)), list(range(50)), 4)
    assert calls == [(900, 900, 100), (1000, 0, 50)]
