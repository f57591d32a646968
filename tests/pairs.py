"""What the tests of the translation lessons share: a small model, small runs of them, sentences to learn from."""
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from common import ROOT, TRANSLATION, module

ATTENTION = ["bahdanau", "luong"]
SCORES = ["dot", "general", "concat"]
MODELS = {name: (name,) for name in ("seq2seq", "bahdanau")} | {f"luong {s}": ("luong", s) for s in SCORES}
LINES = (ROOT / "data" / "en_fr.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
SOURCES = [[4, 10, 6, 10, 2], [7, 4, 2], [5, 2], [9, 8, 7, 6, 5, 4, 2]]         # ids, unequal lengths
TARGETS = [[1, 4, 5, 2], [1, 8, 8, 4, 6, 2], [1, 5, 2], [1, 2]]


def small_model(name, *score, V=11, V_out=9, seed=0, dtype=np.float64):
    """Parameters away from their first values."""
    rng = np.random.default_rng(seed)
    params = module(name).init_params(V, V_out, 5, 6, rng, np.float64, *score)
    return {key: (param + 0.5 * rng.normal(size=param.shape)).astype(dtype) for key, param in params.items()}


def settings(name, **changes):
    """The settings of a lesson as they are without flags, but for some."""
    return {key: row[0] for key, row in module(name).SETTINGS.items()} | changes


def flags(*more):
    """Flags for a run of moments."""
    return list(map(str, ["--hidden", 8, "--embed", 6, "--batch", 4, "--every", 5, "--steps", 5, *more]))


def train(name, data, out, *more):
    """Run a lesson on pairs, in this process -> the path of the checkpoint."""
    assert module(name).main(flags("--data", data, "--out", out, *more)) == 0
    return Path(out) / f"{name}.npz"


def write(path, content):
    """Write text or bytes -> the path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def some_pairs(folder, count=120):
    """A file of pairs, enough that a tenth of the sources is held out."""
    return write(folder / "pairs.tsv", "".join(LINES[:count]))


def no_pictures(monkeypatch):
    """Runs inside the test process draw nothing, to save time."""
    for name in TRANSLATION:
        monkeypatch.setattr(module(name), "draw", lambda *args: None)


def start(name, *more, cwd):
    """Begin a run in a process of its own, which Ctrl-C can reach even where the tests run in the background."""
    return subprocess.Popen([sys.executable, str(ROOT / f"{name}.py"), *flags(*more)], cwd=cwd, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
