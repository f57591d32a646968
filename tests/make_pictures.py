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
    name, unit, correlation, h = rows[0]
    char_gru.plot_unit(axes, text, h, "RdBu_r" if correlation > 0 else "RdBu",
                       f"One unit of char_gru.py, h[{unit}], follows quotation marks (correlation {correlation:.2f}): "
                       "nobody told it what they are")
    for char in axes.texts:
        char.set_fontsize(12)


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
    """Draw the attention of bahdanau.py on the held-out example whose words change places most, of those
    of ten words or less where every word looks most at one that it translates.
    """
    run = bahdanau.restore("out/bahdanau.npz")
    _, pairs = bahdanau.read_data(run["settings"])
    found = []
    for pair, ids in zip(pairs, bahdanau.encode_pairs(pairs, run["vocab"], run["V_out"])):
        if len(pair[0]) <= 10:
            weights = bahdanau.forced_attention(run["best"], *(bahdanau.pad([side]) for side in ids))[:-1, :, 0]
            links = bahdanau.read_links(pair)
            if {(s, t) for t, s in enumerate(weights.argmax(axis=1))} <= links:
                found.append((sum(i < k and j > m for i, j in links for k, m in links), pair, ids))
    _, pair, ids = max(found, key=lambda row: row[0])
    bahdanau.plot_alignment(axes, run["best"], pair, ids)
    axes.set_title("Where bahdanau.py looks (circles: true links)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / ".github" / "lessons.png", help="the picture to write")
    path = parser.parse_args().out
    missing = [name for name in ("char_rnn", "char_lstm", "char_gru", "bahdanau") if not Path(f"out/{name}.npz").exists()]
    if missing:
        parser.error(f"no out/{missing[0]}.npz here: run python {missing[0]}.py first")
    figure = Figure(figsize=(13, 10), layout="constrained")
    axes = figure.subplot_mosaic("QQ;LA", height_ratios=(1, 1.1))
    plot_quotes(axes["Q"])
    plot_lags(axes["L"])
    plot_alignment(axes["A"])
    if path.exists():
        print("the earlier picture is now", path.replace(path.with_suffix(".png.old")))
    figure.savefig(path, dpi=100)
    print(path)


if __name__ == "__main__":
    main()
