"""Draw the README's picture from the checkpoints that default runs leave in out/.

    for lesson in char_rnn char_lstm char_gru luong; do python $lesson.py; done
    python tests/make_pictures.py
"""
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import char_gru                                             # noqa: E402
import char_lstm                                            # noqa: E402
import char_rnn                                             # noqa: E402
import luong                                                # noqa: E402


def plot_lags(axes):
    """Gradient norm against lag for the three character models, and print how far it reaches."""
    lessons = (char_rnn, "tanh RNN"), (char_lstm, "LSTM"), (char_gru, "GRU")
    for color, (lesson, label) in enumerate(lessons):
        params, vocab, settings = lesson.load(f"out/{lesson.LESSON}.npz")
        _, held_out = lesson.read_data(settings["data"], settings["valid"])
        norms, _ = lesson.gradient_by_lag(params, lesson.encode_held_out(held_out, vocab), 200, 100)
        norms = norms / np.median(norms[0])
        low, median, high = np.quantile(norms, (0.1, 0.5, 0.9), axis=1)
        axes.fill_between(range(len(norms)), low, high, color=f"C{color}", alpha=0.15)
        axes.semilogy(median, color=f"C{color}", label=label)
        reach = [int(np.argmax(median < 1 / part)) for part in (10, 100, 1000)]
        print(f"{label}: median first below 1/10, 1/100, 1/1000 at lag", reach)
    axes.set(xlabel="lag k, characters back", ylim=(1e-10, 10),
             ylabel="gradient, relative to lag 0 (median, middle 80 %)",
             title="How far back the gradient of one prediction reaches")
    axes.legend()


def plot_alignment(axes):
    """The attention of luong.py on the held-out example whose words change places most."""
    params, vocab, _ = luong.load("out/luong.npz")
    info, _ = luong.restore("out/luong.npz")

    def crossings(pair):
        links = luong.read_links(pair)
        return sum(i < k and j > m for i, j in links for k, m in links)
    pair = max((pair for pair in info["examples"] if 7 <= len(pair[0]) <= 15), key=crossings)
    (ids,) = luong.encode_pairs([pair], vocab, info["V_out"])
    luong.plot_alignment(axes, params, pair, ids)
    axes.set_title("Where the translator looks, word by word (circles: true links)")


if __name__ == "__main__":
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_alignment(left)
    plot_lags(right)
    figure.savefig(ROOT / ".github" / "lessons.png", dpi=100)
