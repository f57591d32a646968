"""What the README claims of default runs: slow, for each lesson trains as its user would."""
import math
import re

import numpy as np
import pytest

from conftest import CHAR, LANGUAGE, ROOT, module, run_lesson
from trigram import trigram_nats


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Default runs of lessons, each made once -> a function from name to (folder, output)."""
    done = {}

    def get(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = folder, run_lesson(name, cwd=folder, threads=None).stdout
        return done[name]
    return get


def split(lesson):
    """The default data as the lesson splits it -> train ids, valid ids, vocabulary size."""
    text, held_out = lesson.read_data("", "")
    tokens = lesson.tokenize(text)
    vocab = lesson.build_vocab(tokens)
    return lesson.encode(tokens, vocab), lesson.encode_held_out(held_out, vocab), len(vocab)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAR)
def test_a_default_run_beats_the_trigram(name, trained):
    lesson = module(name)
    folder, output = trained(name)
    bits = float(re.search(r"best held-out score: ([\d.]+)", output).group(1))
    trigram = trigram_nats(*split(lesson)) / math.log(2)
    print(f"{name}: {bits:.3f} bits per character, trigram {trigram:.3f}")
    assert bits < trigram
    params, _, _ = lesson.load(folder / "out" / f"{name}.npz")
    _, valid, _ = split(lesson)
    assert lesson.score(lesson.evaluate(params, valid, 32, 64)) == pytest.approx(bits, abs=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGE)
def test_memory_of_a_default_run(name, tmp_path):
    """Peak memory below 400 MB, picture included."""
    code = ("import resource, runpy, sys; sys.argv = sys.argv[1:]\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, 'MB')")
    done = run_lesson(name, "--steps", 150, cwd=tmp_path, code=code, threads=None)
    assert int(re.search(r"(\d+) MB", done.stdout).group(1)) < 400


@pytest.mark.slow
def test_recurrence_is_what_helps():
    """The same network without its recurrence (Wh held at zero) is at least 0.2 bits worse."""
    lesson = module("char_rnn")
    train, valid, V = split(lesson)
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
        scores.append(lesson.score(lesson.evaluate(params, valid, 32, 64)))
    print(f"with recurrence {scores[0]:.3f}, without {scores[1]:.3f} bits per character")
    assert scores[1] - scores[0] >= 0.2


def test_trigram_on_a_text_with_known_answer():
    """A cycle of three letters is certain given the two before; random letters are not."""
    cycle = np.array([0, 1, 2] * 300)
    assert trigram_nats(cycle, cycle[:90], 3) < 0.02
    rng = np.random.default_rng(0)
    assert trigram_nats(rng.integers(0, 4, 5000), rng.integers(0, 4, 1000), 4) == pytest.approx(
        math.log(4), abs=0.05)
    assert (ROOT / "data" / "fables.txt").exists()
