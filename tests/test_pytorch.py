"""The cells are PyTorch's, number for number; values stored by make_pytorch_values.py.

char_gru.py is the exception, on purpose: its GRU is the paper's, which is another function.
"""
import math

import numpy as np
import pytest

from conftest import ROOT, dense, module, parts

VALUES = np.load(ROOT / "tests" / "pytorch_values.npz")


def stored(case):
    """All stored arrays of one case, grouped -> nested dict."""
    found = {}
    for name in VALUES.files:
        if name.startswith(case + "/"):
            group, _, key = name[len(case) + 1:].partition("/")
            if key:
                found.setdefault(group, {})[key] = VALUES[name].copy()
            else:
                found[group] = VALUES[name].copy()
    return found


@pytest.mark.parametrize("name", ["char_rnn", "char_lstm", "word_rnn", "word_lstm", "word_gru"])
def test_language_models_equal_pytorch(name):
    lesson, want = module(name), stored(name)
    params, state = want["params"], tuple(want["state"].values())
    state = state if len(state) == 2 else state[0]          # the pair of an LSTM, or one array
    loss, last, cache = lesson.forward(params, want["ids"][:-1], want["ids"][1:], state)
    grads, dstate = lesson.backward(params, cache)
    grads = dense(grads, params)
    assert loss == pytest.approx(float(want["loss"]), rel=1e-13)
    assert grads.keys() == want["grads"].keys()
    assert len(parts(last)) == len(parts(dstate)) == len(want["last"])
    for got, group in ((grads, "grads"), (dict(enumerate(parts(dstate))), "dstate"),
                       (dict(enumerate(parts(last))), "last")):
        for key, array in got.items():
            assert np.allclose(array, want[group][str(key)], rtol=1e-11, atol=1e-13), (group, key)


def cho_gru(params, xs, h):
    """Cho et al. 2014, equations 5 to 8, entry by entry for one sequence -> the states h_1 .. h_T."""
    H = len(h)

    def sig(v):
        return 1 / (1 + math.exp(-v))

    def rows(gate):
        block = slice(gate * H, (gate + 1) * H)
        return params["Wx"][block], params["Wh"][block], params["b"][block, 0]
    states = []
    for x in xs:
        (Wr, Ur, br), (Wz, Uz, bz), (W, U, b) = rows(0), rows(1), rows(2)
        r = [sig(Wr[j, x] + sum(Ur[j, k] * h[k] for k in range(H)) + br[j]) for j in range(H)]    # 5
        z = [sig(Wz[j, x] + sum(Uz[j, k] * h[k] for k in range(H)) + bz[j]) for j in range(H)]    # 6
        new = [math.tanh(W[j, x] + sum(U[j, k] * r[k] * h[k] for k in range(H)) + b[j])           # 8
               for j in range(H)]
        h = [z[j] * h[j] + (1 - z[j]) * new[j] for j in range(H)]                                 # 7
        states.append(h)
    return np.array(states)


def char_gru_states(params, ids, state):
    """The states of char_gru.py's step over ids (T, B) -> (T, H, B)."""
    lesson, states = module("char_gru"), []
    for x in ids:
        state, _ = lesson.step(params, x, state)
        states.append(state)
    return np.array(states)


def test_char_gru_is_the_papers():
    want = stored("char_gru")
    del want["params"]["bn"]
    got = char_gru_states(want["params"], want["ids"], want["state"]["0"])
    for b in range(got.shape[2]):
        expected = cho_gru(want["params"], want["ids"][:, b], list(want["state"]["0"][:, b]))
        assert np.allclose(got[:, :, b], expected, rtol=0, atol=1e-14)


def test_the_papers_gru_is_not_pytorchs():
    """The same weights, another function: the reset gate before the product, not after it.

    With the reset gate held open (r = 1) and PyTorch's inner bias moved outside, the two agree, so
    nothing else differs.
    """
    want = stored("char_gru")
    params, state = want["params"], want["state"]["0"]
    H = len(state)
    bn = params.pop("bn")

    def pytorchs(params, bn):
        h = state
        for x in want["ids"][:-1]:
            a = params["Wx"][:, x] + params["b"]
            inner = params["Wh"][2 * H:] @ h + bn
            r, z = (1 / (1 + np.exp(-a[:2 * H] - params["Wh"][:2 * H] @ h))).reshape(2, H, -1)
            h = (1 - z) * np.tanh(a[2 * H:] + r * inner) + z * h
        return h
    assert np.allclose(pytorchs(params, bn), want["last"]["0"], atol=1e-13)     # this is nn.GRU
    papers = char_gru_states(params, want["ids"][:-1], state)[-1]
    assert np.abs(papers - pytorchs(params, 0 * bn)).max() > 0.05
    params["b"][:H] = 50                                                        # r = 1
    papers = char_gru_states(params, want["ids"][:-1], state)[-1]
    assert np.allclose(papers, pytorchs(params, 0 * bn), atol=1e-12)
