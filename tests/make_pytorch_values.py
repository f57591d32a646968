"""Compute with PyTorch what the lessons must compute too, and store it in two files beside this one.

    pip install torch==2.13.0 && python tests/make_pytorch_values.py

Only this script needs PyTorch. It takes the parameters in the lessons' names and layout, hands them
to nn.RNN, nn.LSTM and nn.GRU in float64, and stores loss, states and all gradients beside them:
those of the language lessons in pytorch_values.npz, those of the translation lessons, whose models
are written down here once more, vector by vector, in pytorch_translation.npz.
"""
import importlib
import sys
from pathlib import Path

import numpy as np
import torch

V, D, H, B, T = 9, 6, 5, 3, 7
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
SEEDS = {"char_rnn": 125, "char_lstm": 140, "char_gru": 158, "word_rnn": 175, "word_lstm": 192, "word_gru": 212}


def blocks(array, order):
    """The rows of the gates of array, put in another order."""
    return torch.cat([array.chunk(len(order))[i] for i in order])


def language_model(cell, embedded, rng):
    """One recurrent language model, forward and backward -> dict of arrays in the lessons' layout."""
    G = GATES[cell] * H
    params = {"Wx": (G, D if embedded else V), "Wh": (G, H), "b": (G, 1), "Wy": (V, H), "by": (V, 1)}
    if embedded:
        params["E"] = (V, D)
    if cell == "gru":
        params["bn"] = (H, 1)
    params = {k: torch.tensor(rng.normal(0, 0.7, s), requires_grad=True) for k, s in params.items()}
    state = [torch.tensor(rng.normal(size=(H, B)), requires_grad=True)
             for _ in range(2 if cell == "lstm" else 1)]
    ids = rng.integers(0, V, (T + 1, B))
    # The lessons keep the LSTM's gates as i, f, o, g, PyTorch as i, f, g, o.
    order = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}[cell]
    module = getattr(torch.nn, cell.upper())(D if embedded else V, H, dtype=torch.float64)
    b_hh = torch.zeros(G, dtype=torch.float64)
    if cell == "gru":
        b_hh = torch.cat([b_hh[:2 * H], params["bn"][:, 0]])
    weights = {"weight_ih_l0": blocks(params["Wx"], order), "weight_hh_l0": blocks(params["Wh"], order),
               "bias_ih_l0": blocks(params["b"], order)[:, 0], "bias_hh_l0": b_hh}
    x = params["E"][ids[:-1]] if embedded else torch.eye(V, dtype=torch.float64)[ids[:-1]]
    first = tuple(s.T[None] for s in state)
    first = first if cell == "lstm" else first[0]
    outputs, last = torch.func.functional_call(module, weights, (x, first))
    logits = outputs @ params["Wy"].T + params["by"][:, 0]
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), torch.tensor(ids[1:]).reshape(-1))
    loss.backward()
    last = last if cell == "lstm" else (last,)
    out = {"ids": ids, "loss": loss.detach().numpy()}
    out |= {f"params/{k}": p.detach().numpy() for k, p in params.items()}
    out |= {f"grads/{k}": p.grad.numpy() for k, p in params.items()}
    out |= {f"state/{i}": s.detach().numpy() for i, s in enumerate(state)}
    out |= {f"dstate/{i}": s.grad.numpy() for i, s in enumerate(state)}
    out |= {f"last/{i}": s[0].T.detach().numpy() for i, s in enumerate(last)}
    return out


def gru(Wh, a, h):
    """The papers' GRU, reset before the product, z as in the authors' programs; autograd does the rest."""
    n = h.shape[0]
    r, z = torch.sigmoid(a[:2 * n] + Wh[:2 * n] @ h).chunk(2)
    new = torch.tanh(a[2 * n:] + Wh[2 * n:] @ (r * h))
    return (1 - z) * h + z * new


def gru_states(p, side, ids):
    """The states of one encoder after each word, from zero on."""
    h, states = torch.zeros(p["Wh_" + side].shape[1], dtype=torch.float64), []
    for x in ids:
        h = gru(p["Wh_" + side], p["Wx_" + side] @ p["E"][x] + p["b_" + side][:, 0], h)
        states.append(h)
    return states


def readout_nats(p, s, e, context, following):
    """-log p of the word that follows, by maxout over the state, the word before and the context."""
    wide = p["Oh"] @ s + p["Oy"] @ e + p["Oc"] @ context + p["bo"][:, 0]
    logits = p["Wy"] @ wide.reshape(-1, 2).max(dim=1).values + p["by"][:, 0]
    return -torch.log_softmax(logits, 0)[following]


def seq2seq_nats(p, source, target):
    """Cho et al. 2014 for one sentence, vector by vector -> list of -log p of each target word."""
    c = torch.tanh(p["Wc"] @ gru_states(p, "enc", source)[-1])
    s, nats = torch.tanh(p["Wb"] @ c), []
    for y, following in zip(target, target[1:]):
        e = p["E"][y]
        s = gru(p["Wh_dec"], p["Wx_dec"] @ e + p["Wc_dec"] @ c + p["b_dec"][:, 0], s)
        nats.append(readout_nats(p, s, e, c, following))
    return nats


def bahdanau_nats(p, source, target):
    """Bahdanau et al. 2015 for one sentence, the state asking after it has read the word before."""
    fwd, bwd = gru_states(p, "fwd", source), gru_states(p, "bwd", source[::-1])[::-1]
    notes = [torch.cat(pair) for pair in zip(fwd, bwd)]
    s, nats = torch.tanh(p["Ws"] @ bwd[0]), []
    context = torch.zeros_like(notes[0])
    for y, following in zip(target, target[1:]):
        e = p["E"][y]
        s = gru(p["Wh_dec"], p["Wx_dec"] @ e + p["Wc_dec"] @ context + p["b_dec"][:, 0], s)
        scores = torch.stack([p["va"][0] @ torch.tanh(p["Wa"] @ s + p["Ua"] @ note) for note in notes])
        context = sum(weight * note for weight, note in zip(torch.softmax(scores, 0), notes))
        nats.append(readout_nats(p, s, e, context, following))
    return nats


def luong_nats(p, source, target):
    """Luong et al. 2015, global attention, with nn.LSTM on both sides, for one sentence."""
    H = p["Wc"].shape[0]

    def lstm(side, ids, state):
        module = torch.nn.LSTM(p["E"].shape[1], H, dtype=torch.float64)
        order = [0, 1, 3, 2]                                # PyTorch has i, f, g, o
        Wx, Wh, b = (blocks(p[part + side], order) for part in ("Wx_", "Wh_", "b_"))
        weights = {"weight_ih_l0": Wx, "weight_hh_l0": Wh, "bias_ih_l0": b[:, 0],
                   "bias_hh_l0": torch.zeros(4 * H, dtype=torch.float64)}
        return torch.func.functional_call(module, weights, (p["E"][ids][:, None], state))
    zero = torch.zeros(1, 1, H, dtype=torch.float64)
    hbar, last = lstm("enc", source[::-1], (zero, zero))
    hbar = hbar[:, 0].flip(0)
    nats = []
    for h, following in zip(lstm("dec", target[:-1], last)[0][:, 0], target[1:]):
        if "va" in p:
            scores = torch.stack([p["va"][0] @ torch.tanh(p["Wa"] @ torch.cat([h, s])) for s in hbar])
        else:
            scores = hbar @ (p["Wa"].T @ h if "Wa" in p else h)
        context = torch.softmax(scores, 0) @ hbar
        vector = torch.tanh(p["Wc"] @ torch.cat([context, h]))
        nats.append(-torch.log_softmax(p["Wy"] @ vector, 0)[following])
    return nats


def translation_model(name, rng, *score):
    """A lesson's own parameters and small sentences, the transcription's loss and gradients."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    lesson = importlib.import_module(name)
    params = lesson.init_params(11, 9, 5, 6, rng, np.float64, *score)
    params = {k: torch.tensor(p + 0.4 * rng.normal(size=p.shape), requires_grad=True)
              for k, p in params.items()}
    pairs = [([4, 10, 6, 10, 2], [1, 4, 5, 2]), ([7, 4, 2], [1, 8, 8, 4, 6, 2]), ([5, 2], [1, 2])]
    model = {"seq2seq": seq2seq_nats, "bahdanau": bahdanau_nats, "luong": luong_nats}[name]
    nats = [n for source, target in pairs for n in model(params, source, target)]
    loss = torch.stack(nats).mean()
    loss.backward()
    out = {"loss": loss.detach().numpy(), "source": lesson.pad([s for s, _ in pairs]),
           "target": lesson.pad([t for _, t in pairs])}
    out |= {f"params/{k}": p.detach().numpy() for k, p in params.items()}
    return out | {f"grads/{k}": p.grad.numpy() for k, p in params.items()}


def main():
    """Write both files."""
    values = {}
    for case, seed in SEEDS.items():
        level, cell = case.split("_")
        for name, array in language_model(cell, level == "word", np.random.default_rng(seed)).items():
            values[f"{case}/{name}"] = array
    np.savez_compressed(Path(__file__).with_name("pytorch_values.npz"), **values)
    values = {}
    for case in ("seq2seq", "bahdanau", "luong general", "luong dot", "luong concat"):
        lesson, *score = case.split()
        for name, array in translation_model(lesson, np.random.default_rng(7), *score).items():
            values[f"{case}/{name}"] = array
    np.savez_compressed(Path(__file__).with_name("pytorch_translation.npz"), **values)


if __name__ == "__main__":
    main()
