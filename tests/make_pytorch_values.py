"""Compute with PyTorch what the lessons must compute too, and store it in pytorch_values.npz.

    pip install torch==2.13.0 && python tests/make_pytorch_values.py

Only this script needs PyTorch. It takes the parameters in the lessons' names and layout, hands them
to nn.RNN, nn.LSTM and nn.GRU in float64, and stores loss, states and all gradients beside them.
"""
import importlib
import sys
from pathlib import Path

import numpy as np
import torch

V, D, H, B, T = 9, 6, 5, 3, 7
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


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


def gru(Wh, a, h, z_keeps):
    """The papers' GRU, reset before the product, columns as in the lessons; autograd does the rest."""
    n = h.shape[0]
    gates = torch.sigmoid(a[:2 * n] + Wh[:2 * n] @ h)
    r, z = gates[:n], gates[n:]
    new = torch.tanh(a[2 * n:] + Wh[2 * n:] @ (r * h))
    return z * h + (1 - z) * new if z_keeps else (1 - z) * h + z * new


def maxout_logits(p, s):
    return p["Wy"] @ s.reshape(-1, 2).max(dim=1).values + p["by"][:, 0]


def seq2seq_nats(p, source, target):
    """Cho et al. 2014 for one sentence, vector by vector -> list of -log p of each target word."""
    h = torch.zeros(p["Wc"].shape[0], dtype=torch.float64)
    for x in source:
        h = gru(p["Wh_enc"], p["Wx_enc"] @ p["E"][x] + p["b_enc"][:, 0], h, True)
    c = torch.tanh(p["Wc"] @ h)
    h, nats = torch.tanh(p["Wb"] @ c), []
    for y, following in zip(target, target[1:]):
        e = p["E"][y]
        h = gru(p["Wh_dec"], p["Wx_dec"] @ e + p["Wc_dec"] @ c + p["b_dec"][:, 0], h, True)
        logits = maxout_logits(p, p["Oh"] @ h + p["Oy"] @ e + p["Oc"] @ c + p["bo"][:, 0])
        nats.append(-torch.log_softmax(logits, 0)[following])
    return nats


def bahdanau_nats(p, source, target):
    """Bahdanau et al. 2015, appendix A.1 and A.2, for one sentence."""
    zero = torch.zeros(p["Ws"].shape[0], dtype=torch.float64)
    halves = []
    for name, order in (("fwd", source), ("bwd", source[::-1])):
        h, states = zero, []
        for x in order:
            h = gru(p["Wh_" + name], p["Wx_" + name] @ p["E"][x] + p["b_" + name][:, 0], h, False)
            states.append(h)
        halves.append(states if name == "fwd" else states[::-1])
    notes = [torch.cat(pair) for pair in zip(*halves)]
    s, nats = torch.tanh(p["Ws"] @ halves[1][0]), []
    for y, following in zip(target, target[1:]):
        e = p["E"][y]
        scores = torch.stack([p["va"][0] @ torch.tanh(p["Wa"] @ s + p["Ua"] @ note) for note in notes])
        alpha = torch.softmax(scores, 0)
        context = sum(weight * note for weight, note in zip(alpha, notes))
        logits = maxout_logits(p, p["Uo"] @ s + p["Vo"] @ e + p["Co"] @ context + p["bo"][:, 0])
        nats.append(-torch.log_softmax(logits, 0)[following])
        s = gru(p["Wh_dec"], p["Wx_dec"] @ e + p["Wc_dec"] @ context + p["b_dec"][:, 0], s, False)
    return nats


def luong_nats(p, source, target):
    """Luong et al. 2015, global attention, with nn.LSTM on both sides, for one sentence."""
    H = p["Wc"].shape[0]

    def lstm(side, ids, state):
        module = torch.nn.LSTM(p["E"].shape[1], H, dtype=torch.float64)
        order = [0, 1, 3, 2]                                # PyTorch has i, f, g, o
        Wx, b, Wh = blocks(p["W_" + side], order).split([p["E"].shape[1], 1, H], dim=1)
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
    values = {}
    for case in ("seq2seq", "bahdanau", "luong general", "luong dot", "luong concat"):
        lesson, *score = case.split()
        for name, array in translation_model(lesson, np.random.default_rng(7), *score).items():
            values[f"{case}/{name}"] = array
    for embedded, level in ((False, "char"), (True, "word")):
        for cell in GATES:
            rng = np.random.default_rng(len(values))
            for name, array in language_model(cell, embedded, rng).items():
                values[f"{level}_{cell}/{name}"] = array
    np.savez_compressed(Path(__file__).with_name("pytorch_values.npz"), **values)


if __name__ == "__main__":
    main()
