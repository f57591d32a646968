"""Draw the README's picture from the checkpoints that default runs leave in out/.

    for lesson in char_rnn char_lstm char_gru bahdanau; do python $lesson.py; done
    python tests/make_pictures.py [--out FILE]

Above, and largest, the unit of char_gru.py that follows quotation marks best; below, how far the
gradient reaches in the three character lessons, and where bahdanau.py looks. An earlier picture of that
name is kept beside the new one, as FILE.old.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bahdanau                                             # noqa: E402
import char_gru                                             # noqa: E402
import char_lstm                                            # noqa: E402
import char_rnn                                             # noqa: E402


def plot_quotes(axes):
    """Draw held-out lines, each character on the unit of char_gru.py that follows quotation marks."""
    run = char_gru.restore("out/char_gru.npz")
    _, _, valid = char_gru.read_data(None, None, run["vocab"])
    rows, text = char_gru.best_units(run["best"], valid, run["vocab"])
    name, unit, r, h = rows[0]
    char_gru.plot_unit(axes, text, h, f"One of 256 units of char_gru.py, h[{unit}], has learned what quotation marks "
                       f"are, though nobody told it ({name}: correlation {r:.2f})")


def plot_lags(axes):
    """Draw the norm of the gradient against the lag for the three character lessons."""
    for lesson, label in ((char_rnn, "tanh RNN"), (char_lstm, "LSTM"), (char_gru, "GRU")):
        run = lesson.restore(f"out/{lesson.LESSON}.npz")
        _, _, valid = lesson.read_data(None, None, run["vocab"])
        norms = lesson.gradient_by_lag(run["best"], valid)
        median = np.median(norms[0] if isinstance(norms, tuple) else norms, axis=1)
        axes.semilogy(median / median[0], label=label)
    axes.axvline(run["settings"]["seq_len"], color="gray", linestyle=":", label="window T")
    axes.set(xlabel="lag k, characters back", ylim=(1e-9, 3), ylabel="gradient, relative to lag 0",
             title="How far back the gradient of one prediction reaches")
    axes.legend()


def plot_alignment(axes):
    """Draw the attention of bahdanau.py on the held-out example whose words change places most."""
    run = bahdanau.restore("out/bahdanau.npz")

    def crossings(pair):
        links = bahdanau.read_links(pair) or ()
        return sum(i < k and j > m for i, j in links for k, m in links)
    _, pairs = bahdanau.read_data(run["settings"])
    pair = max((pair for pair in pairs[:200] if 9 <= len(pair[0]) <= 13), key=crossings)
    (ids,) = bahdanau.encode_pairs([pair], run["vocab"], run["V_out"])
    bahdanau.plot_alignment(axes, run["best"], pair, ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / ".github" / "lessons.png", help="the picture to write")
    path = parser.parse_args().out
    missing = [name for name in ("char_rnn", "char_lstm", "char_gru", "bahdanau") if not Path(f"out/{name}.npz").exists()]
    if missing:
        parser.error(f"no out/{missing[0]}.npz here: run python {missing[0]}.py first")
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplot_mosaic("QQ;LA", height_ratios=(1, 1.5))
    plot_quotes(axes["Q"])
    plot_lags(axes["L"])
    plot_alignment(axes["A"])
    if path.exists():
        print("the earlier picture is now", path.replace(path.with_suffix(".png.old")))
    figure.savefig(path, dpi=100)
    print(path)


if __name__ == "__main__":
    main()
