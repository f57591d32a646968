"""What all tests share: the lessons as modules, small runs of them, and the marker `slow` (run with --slow)."""
import json
import os
import subprocess
import sys
from pathlib import Path

from common import CHAR, LANGUAGE, LESSONS, ROOT, TRANSLATION, WORD, module, mutant     # noqa: F401, before NumPy

import numpy as np
import pytest

FABLES = (ROOT / "data" / "fables.txt").read_text(encoding="utf-8")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that train at full size")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: trains at full size; runs only with --slow")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs --slow"))


def run_lesson(name, *flags, cwd, file=None, check=True, code=None, threads="1", **env):
    """Run a lesson in a process of its own -> the finished process with its output as text."""
    command = [sys.executable, *(("-c", code) if code else ()), str(file or ROOT / f"{name}.py"),
               *map(str, flags)]
    own = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    own |= {"PYTHONIOENCODING": "utf-8"} | ({"OPENBLAS_NUM_THREADS": threads} if threads else {}) | env
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", env=own)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


# %% The language lessons
def init(name, V, H, rng, dtype=np.float64):
    """First parameters; in a word lesson the word vectors are one shorter than the hidden state."""
    sizes = (V, H - 1, H) if name in WORD else (V, H)
    return module(name).init_params(*sizes, rng, dtype)


def parts(state):
    """The arrays of a state, which is one array, or the pair of an LSTM."""
    return list(state) if isinstance(state, tuple) else [state]


def dense(grads, params):
    """Gradients with the sparse ones, (ids, rows), written out in full."""
    full = {}
    for name, grad in grads.items():
        full[name] = None if isinstance(grad, tuple) else grad.copy()
        if isinstance(grad, tuple):
            full[name] = np.zeros_like(params[name])
            np.add.at(full[name], grad[0], grad[1])
    return full


def small(name):
    """Flags for a run of moments."""
    embed = ["--embed", "6"] if name in WORD else []
    return ["--hidden", "8", "--batch", "4", "--seq-len", "9", "--every", "5", "--length", "40", *embed]


def train(name, text, out, *flags):
    """Run the lesson on a text, in this process -> the path of the checkpoint."""
    flags = ["--data", text, "--out", out, "--steps", 5, *small(name), *flags]
    assert module(name).main(list(map(str, flags))) == 0
    return Path(out) / f"{name}.npz"


def read(name, whole, held, min_count=2):
    """The vocabulary of a text, and the ids of it and of a held-out one; paragraphs where there are words."""
    lesson = module(name)
    tokens, others = (lesson.tokenize(part) if name in WORD else list(part) for part in (whole, held))
    if held == "":                                          # the last tenth
        tokens, others = tokens[:len(tokens) * 9 // 10], tokens[len(tokens) * 9 // 10:]
    vocab = lesson.build_vocab(tokens, min_count) if name in WORD else sorted(set(tokens))
    known = [[token for token in part if token in vocab or "<unk>" in vocab] for part in (tokens, others)]
    return vocab, *(lesson.encode(part, vocab) for part in known)


def contents(path):
    """What a checkpoint holds -> its arrays by name, and the dict of its plain values."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    (plain,) = [str(arrays.pop(name)) for name in list(arrays) if arrays[name].dtype.kind == "U"]
    return arrays, json.loads(plain)


def same(first, second):
    """Raise AssertionError unless two checkpoints hold the same."""
    (arrays, plain), (others, other) = contents(first), contents(second)
    assert plain == other and arrays.keys() == others.keys()
    for name in arrays:
        assert arrays[name].dtype == others[name].dtype and (arrays[name] == others[name]).all(), name


def error_of(capsys, name):
    """What was printed to standard error, which must be the lesson's one line."""
    error = capsys.readouterr().err
    assert error.startswith(f"{name}.py: error: ") and error.count("\n") == 1 and error.endswith("\n"), error
    return error


@pytest.fixture
def text(tmp_path):
    """Little to learn from, so that a few dozen steps go over its end and begin again."""
    path = tmp_path / "text.txt"
    path.write_text(FABLES[:900], encoding="utf-8")
    return path


@pytest.fixture
def no_picture(monkeypatch):
    """Runs inside the test process draw nothing, to save time."""
    for name in LANGUAGE:
        monkeypatch.setattr(module(name), "draw", lambda *args: None)
