"""The gradients of the translation lessons: every entry against differences, and against PyTorch's autograd.

The sentences of a batch have unequal lengths, so that padding is part of it, on both sides. No maxout
pair is so near a tie that the moved parameter could cross it. PyTorch's values are stored by
make_pytorch_values.py.
"""
import time

import numpy as np
import pytest

from conftest import ROOT, TRANSLATION, dense, error_of, module, mutant
from orders import ORDERS
from pairs import MODELS, flags, small_model, some_pairs
from test_gradients import STEP, check

VALUES = np.load(ROOT / "tests" / "pytorch_translation.npz")


def case(lesson, *score, extra=0):
    """A small problem -> loss as a function, arrays by name, gradients by name; `extra` rows of padding."""
    params = small_model(lesson.LESSON, *score)
    source, target = (np.pad(lesson.pad(ids), ((0, extra), (0, 0))) for ids in (
        [[4, 10, 6, 10, 2], [7, 4, 2], [5, 2]], [[1, 4, 5, 2], [1, 8, 8, 4, 6, 2], [1, 2]]))
    assert maxout_gap(lesson, params, source, target) > 100 * STEP
    grads = dense(lesson.backward(params, lesson.forward(params, source, target)[1]), params)
    return lambda: lesson.forward(params, source, target)[0], params, grads


def maxout_gap(lesson, params, source, target):
    """The smallest distance within a maxout pair of real words: where two are equal there is no derivative."""
    if "bo" not in params:
        return np.inf
    seen, readout = [], lesson.readout
    lesson.readout = lambda params, *args: (seen.append(args), readout(params, *args))[1]
    lesson.forward(params, source, target)
    lesson.readout = readout
    ((s, vectors, from_context),) = seen
    wide = params["Oh"] @ s + params["Oy"] @ vectors + from_context + params["bo"]
    return np.abs(wide[0::2] - wide[1::2])[:, target[1:].ravel() != 0].min()


@pytest.mark.parametrize("model", MODELS)
def test_every_entry(model):
    name, *score = MODELS[model]
    check(*case(module(name), *score))


@pytest.mark.parametrize("model", MODELS)
def test_every_entry_beside_more_padding(model):
    """The gradients of a padded batch are those of the batch, which are checked above."""
    name, *score = MODELS[model]
    (loss, _, grads), (padded, _, others) = (case(module(name), *score, extra=extra) for extra in (0, 3))
    assert padded() == pytest.approx(loss(), abs=1e-13)
    assert all(np.allclose(grads[key], others[key], rtol=0, atol=1e-13) for key in grads)


# Each mutation is a mistake that people make: a transpose forgotten, one of several gradients dropped
# from a sum, a wrong slope, a gate mistaken for another, a state after a step where the one before
# belongs, words from the wrong end, a softmax of which only the diagonal is derived. Behind each: the
# score of luong.py that it takes.
GRU = [
    ("drh = Wh[2 * H:].T @ da_n", "drh = Wh[2 * H:] @ da_n"),
    ("\n    dh_prev += drh * r", "\n    dh_prev = drh * r"),
    ("\n    dn = dh * z\n", "\n    dn = dh * (1 - z)\n"),
    ("\n    dr = drh * h_prev", "\n    dr = drh * r"),
    ("da[2 * H:] @ rh.T", "da[2 * H:] @ h_prev.T"),
    ("dstates[t] + dh)", "dstates[t])"),
    ("np.stack([dlarger * first, dlarger * ~first], axis=1)", "np.stack([dlarger, dlarger], axis=1)"),
    ("dlogits *= shares", "dlogits /= p.shape[1]"),
    ("np.add.reduceat(rows[order], first, axis=0)", "rows[order][first]"),
    ('dvectors += params["Wx_dec"].T @ da', "pass"),
    ("ds_next * (1 - s0 * s0)", "ds_next * (1 - s0)"),
]
MUTATIONS = {
    "seq2seq": [
        *GRU,
        ('dc = params["Oc"].T @ dwide', 'dc = params["Oc"].reshape(len(c), -1) @ dwide'),
        ('dc += params["Wc_dec"].T @ da_c + params["Wb"].T @ dpre', 'dc += params["Wc_dec"].T @ da_c'),
        ('dc += params["Wc_dec"].T @ da_c + params["Wb"].T @ dpre', 'dc = params["Wb"].T @ dpre'),
        ("ds[t] + ds_next", "ds_next"),
        ("da_c, da = sum(da),", "da_c, da = da[0],"),
        ("dpre = dc * (1 - c * c)", "dpre = dc"),
        ('grads["Wc"] = dpre @ states[-1].T', 'grads["Wc"] = dpre @ states[-2].T'),
        ("dwide.reshape(-1, T, B).sum(axis=1)", "dwide.reshape(-1, B, T).sum(axis=2)"),
        ("ids = np.concatenate([source.ravel(), target[:-1]", "ids = np.concatenate([source.ravel(), target[1:]"),
    ],
    "bahdanau": [
        *GRU,
        ('params["Wa"].T @ dq, dkeys', 'params["Wa"] @ dq, dkeys'),
        ("de = weights * (dweights - (weights * dweights).sum(axis=0))", "de = weights * dweights"),
        ("dcontext = dcontexts[t] + dcontext_next", "dcontext = dcontexts[t]"),
        ("ds[t] + ds_look + ds_next", "ds[t] + ds_next"),
        ("dkeys, dannotations = dkeys + dkeys_t, ", "dkeys, dannotations = dkeys_t, "),
        ("de[:, None] * (1 - u * u)", "de[:, None] * (1 - u)"),
        ('dannotations += params["Ua"].T @ dkeys', "pass"),
        ("dannotations[::-1, H:]", "dannotations[:, H:]"),
        ('dbwd[-1] += params["Ws"].T @ dpre', 'dbwd[0] += params["Ws"].T @ dpre'),
        ("np.concatenate(contexts[:-1], axis=1).T", "np.concatenate(contexts[1:], axis=1).T"),
        ("source[::-1].ravel(), target", "source.ravel(), target"),
    ],
    "luong": [
        ('(params["Wy"].T @ dlogits) * (1 - mixed * mixed)', 'params["Wy"].T @ dlogits'),
        ("\n    dc = dc_next + dh * o", "\n    dc = dh * o"),
        ("\n    dc_prev = dc * f", "\n    dc_prev = dc * i"),
        ("\n    di = dc * g", "\n    di = dc * c_prev"),
        ("do * o * (1 - o)", "do * o"),
        ("dg * (1 - g * g)", "dg * g * (1 - g)"),
        ("return da, Wh.T @ da, dc_prev", "return da, Wh.reshape(len(dc), -1) @ da, dc_prev"),
        ("dstates[t] + dh, dc)", "dstates[t], dc)"),
        ("decoded, ds + ds_look,", "decoded, ds,"),
        ("encoded, dstates, dstate)", "encoded, dstates, (0, 0))"),
        ("(dweights - (weights * dweights).sum(axis=2, keepdims=True))", "dweights"),
        ("by_step(dh + de.transpose(0, 2, 1) @ q)", "by_step(dh)"),
        ('params["Wa"] @ dq, dh) if', 'params["Wa"].T @ dq, dh) if'),
        ("np.split(dannotations, len(source), axis=1)[::-1]", "np.split(dannotations, len(source), axis=1)"),
        ("[source[::-1].ravel(), target", "[source.ravel(), target"),
        ("dlogits *= shares", "dlogits /= p.shape[1]"),
        ("dq, dh = by_step(de @ h)", "dq, dh = by_step(de @ h) / 2", "dot"),
        ("dpre.sum(axis=2)), by_step(dpre.sum(axis=1))", "dpre.sum(axis=2)), by_step(dpre[:, 0])", "concat"),
        ('params["va"][0] * (1 - u * u)', 'params["va"][0] * (1 - u)', "concat"),
        ("by_step(dh) + Wa_h.T @ dk", "by_step(dh)", "concat"),
    ],
}


@pytest.mark.parametrize("name, old, new, score", [
    (name, old, new, score) for name in MUTATIONS for old, new, *score in MUTATIONS[name]])
def test_a_mistake_is_found(name, old, new, score, tmp_path, capsys):
    """By the check above; by the lesson's own; and then main ends before training and writes nothing."""
    lesson = mutant(name, (old, new))
    with pytest.raises(AssertionError):
        check(*case(lesson, *score))
    assert not lesson.check_gradients(**{"score": score[0]} if score else {}) <= 1e-6       # nan is a mistake too
    capsys.readouterr()
    more = ["--score", *score] if score else []
    assert lesson.main(flags("--data", some_pairs(tmp_path), "--out", tmp_path / "out", *more)) == 2
    error_of(capsys, name)
    assert not (tmp_path / "out").exists()


def test_every_lesson_is_mutated():
    assert set(MUTATIONS) == set(TRANSLATION) and min(map(len, MUTATIONS.values())) >= 4


@pytest.mark.parametrize("model", MODELS)
def test_the_lessons_own_check(model, capsys):
    """Far below its limit, but for rounding; the same each time, whatever was drawn before; quick; one line."""
    name, *score = MODELS[model]
    lesson, chosen = module(name), {"score": score[0]} if score else {}
    started = time.process_time()
    error = lesson.check_gradients(**chosen)
    assert time.process_time() - started < 2
    assert 0 < error < 1e-7
    np.random.seed(5)
    assert lesson.check_gradients(**chosen) == error
    assert [line[:16] for line in capsys.readouterr().out.splitlines()] == ["gradient check: "] * 2


# %% PyTorch
@pytest.mark.parametrize("model", MODELS)
def test_equal_to_pytorchs_autograd(model):
    """The whole model, sentence by sentence: luong.py against nn.LSTM, the others against a transcription."""
    lesson, want = module(MODELS[model][0]), {}
    for key in VALUES.files:
        if key.startswith(model + "/"):
            group, _, part = key[len(model) + 1:].partition("/")
            want.setdefault(group, {})[part] = VALUES[key]
    loss, cache = lesson.forward(want["params"], want["source"][""], want["target"][""])
    grads = dense(lesson.backward(want["params"], cache), want["params"])
    assert loss == pytest.approx(float(want["loss"][""]), rel=1e-12)
    assert grads.keys() == want["grads"].keys() == want["params"].keys()
    for key, grad in grads.items():
        assert np.allclose(grad, want["grads"][key], rtol=1e-10, atol=1e-13), key


# %% The two orders that the paper prints
@pytest.mark.parametrize("order", ORDERS)
def test_the_other_orders_of_bahdanau_have_right_gradients_and_translate_as_they_learn(order):
    lesson = mutant("bahdanau", *ORDERS[order])
    assert lesson.check_gradients() < 1e-6
    params = lesson.init_params(9, 7, 3, 4, np.random.default_rng(0), np.float64)
    params = {name: param + np.random.default_rng(1).normal(size=param.shape) for name, param in params.items()}
    source, target = lesson.pad([[4, 8, 4, 2]]), lesson.pad([[1, 5, 5, 6, 2]])
    memory, state = lesson.prepare(params, source)
    nats = []
    for now, following in zip(target[:-1], target[1:]):
        logits, state, _ = lesson.predict(params, memory, state, now)
        nats.append(lesson.cross_entropy(logits, following)[0])
    assert np.mean(nats) == pytest.approx(float(lesson.forward(params, source, target)[0]))
