"""The gradient check: every entry of every parameter and initial state of every lesson, in float64.

Central differences of forward's loss against backward. All sizes are different, so a wrong axis
cannot hide; the parameters are moved off their initial values; ids repeat within and across columns.
"""
import types

import numpy as np
import pytest

from conftest import LANGUAGE, ROOT, module

STEP = 1e-5


def language_case(lesson, seed=0):
    """A small problem -> loss as a function, arrays by name, gradients by name."""
    rng = np.random.default_rng(seed)
    V, D, H, B, T = 7, 6, 5, 3, 4
    sizes = (V, D, H) if lesson.LESSON.startswith("word") else (V, H)
    params = lesson.init_params(*sizes, rng, np.float64)
    for param in params.values():
        param += 0.3 * rng.normal(size=param.shape)
    state = tuple(rng.normal(size=a.shape) for a in lesson.init_state(H, B, np.float64))
    ids = rng.integers(0, V, (T + 1, B))
    ids[1, 0] = ids[0, 0]                                   # twice in a column
    ids[2, :2] = ids[0, 0]                                  # and in another column
    _, _, cache = lesson.forward(params, ids[:-1], ids[1:], state)
    grads, dstate = lesson.backward(params, cache)
    arrays = params | {f"state {i}": a for i, a in enumerate(state)}
    grads = dense(grads, params) | {f"state {i}": a for i, a in enumerate(dstate)}
    return lambda: lesson.forward(params, ids[:-1], ids[1:], state)[0], arrays, grads


def dense(grads, params):
    """Gradients with the sparse ones, (ids, rows), written out in full."""
    full = {}
    for name, grad in grads.items():
        full[name] = None if isinstance(grad, tuple) else grad.copy()
        if isinstance(grad, tuple):
            full[name] = np.zeros_like(params[name])
            np.add.at(full[name], grad[0], grad[1])
    return full


def translation_case(lesson, *score, seed=0):
    """Sentences of unequal length in one batch -> loss, arrays, gradients."""
    rng = np.random.default_rng(seed)
    V, V_out, D, H = 11, 9, 5, 6
    params = lesson.init_params(V, V_out, D, H, rng, np.float64, *score)
    for param in params.values():
        param += 0.3 * rng.normal(size=param.shape)
    source = lesson.pad([[4, 10, 6, 10, 2], [7, 4, 2], [5, 2]])
    target = lesson.pad([[1, 4, 5, 2], [1, 8, 8, 4, 6, 2], [1, 2]])
    _, cache = lesson.forward(params, source, target)
    grads = dense(lesson.backward(params, cache), params)
    assert maxout_gap(lesson, params, source, target) > 100 * STEP
    return lambda: lesson.forward(params, source, target)[0], params, grads


def maxout_gap(lesson, params, source, target):
    """The smallest distance within a maxout pair: where two are equal there is no derivative."""
    if "bo" not in params:
        return np.inf
    seen, readout = [], lesson.readout
    lesson.readout = lambda params, *args: (seen.append(args), readout(params, *args))[1]
    lesson.forward(params, source, target)
    lesson.readout = readout
    (h, vectors, last), = seen
    s = params["bo"] + (params["Oh"] @ h + params["Oy"] @ vectors
                        + np.tile(last, h.shape[1] // last.shape[1]) if "Oh" in params else
                        params["Uo"] @ h + params["Vo"] @ vectors + params["Co"] @ last)
    return np.abs(s[0::2] - s[1::2]).min()


CASES = {name: (language_case, name) for name in LANGUAGE}
CASES |= {name: (translation_case, name) for name in ("seq2seq", "bahdanau", "luong")}
CASES |= {f"luong {score}": (translation_case, "luong", score) for score in ("dot", "concat")}


def check(loss, arrays, grads):
    """Raise AssertionError unless every entry's gradient equals its central difference."""
    assert grads.keys() == arrays.keys()
    for name, array in arrays.items():
        assert grads[name].shape == array.shape and np.abs(grads[name]).max() > 0, name
        for i in np.ndindex(array.shape):
            value = array[i]
            array[i] = value + STEP
            above = loss()
            array[i] = value - STEP
            below = loss()
            array[i] = value
            error = abs((above - below) / (2 * STEP) - grads[name][i])
            assert error <= 1e-7 * np.abs(grads[name]).max() + 1e-9, f"{name}{list(i)}: {error}"


@pytest.mark.parametrize("case", CASES)
def test_every_entry(case):
    make, name = CASES[case][:2]
    check(*make(module(name), *CASES[case][2:]))


# Each mutation is a mistake that people make: a transpose forgotten (with the shape forced where the
# product would refuse), a sum of two gradients of which one is dropped, a gate mistaken for another.
MUTATIONS = {
    "char_rnn": [
        ('params["Wh"].T @ da', 'params["Wh"] @ da'),
        ("dh = dstate[0] + dhidden[:, t", "dh = dhidden[:, t"),
        ("tanh_slope(h), out=da", "h * (1 - h), out=da"),
    ],
    "char_lstm": [
        ('params["Wh"].T @ da', 'params["Wh"].reshape(len(dc), -1) @ da'),
        ("dc = dc + dtc", "dc = dtc"),
        ("dc_prev = dc * f", "dc_prev = dc * i"),
    ],
    "char_gru": [
        ('params["Wh"][2 * H:].T @ dn', 'params["Wh"][2 * H:] @ dn'),
        ("dh_prev += dseen", "dh_prev = dseen"),
        ("np.subtract(1, z, out=dn)", "dn[:] = z"),
    ],
    "word_rnn": [
        ('params["Wh"].T @ da', 'params["Wh"] @ da'),
        ("dh = dstate[0] + dhidden[:, t", "dh = dhidden[:, t"),
        ("np.add.reduceat(rows[order], first, axis=0)", "rows[order][first]"),
    ],
    "word_lstm": [
        ('params["Wh"].T @ da', 'params["Wh"].reshape(len(dc), -1) @ da'),
        ("dc = dc + dtc", "dc = dtc"),
        ("np.multiply(dc, g, out=di)", "np.multiply(dc, i, out=di)"),
    ],
    "word_gru": [
        ('params["Wh"].T @ du', 'params["Wh"].reshape(len(dh), -1) @ du'),
        ("    dh_prev += dh * z\n", ""),
        ("np.multiply(dn, r, out=du", "np.multiply(dn, z, out=du"),
    ],
    "seq2seq": [
        ('params["Oc"].T @ dfrom_c', 'params["Oc"] @ dfrom_c'),
        ('dc += params["Wb"].T @ dpre', 'dc = params["Wb"].T @ dpre'),
        ("np.subtract(1, z, out=dn)", "dn[:] = z"),
    ],
    "bahdanau": [
        ('params["Wa"].T @ dq[t]', 'params["Wa"] @ dq[t]'),
        ("dkeys += part", "dkeys = part"),
        ("de = alpha * (dalpha - (alpha * dalpha).sum(axis=0))", "de = alpha * dalpha"),
    ],
    "luong": [
        ('times(du, params["Wa"].T)', 'times(du, params["Wa"])'),
        ("by_step(dasking + from_scores)", "by_step(dasking)"),
        ("dstate[0] + dhidden[t]", "dstate[0]"),
        ("    dvectors *= (source != PAD).reshape(-1, 1)", "    pass"),
    ],
}


@pytest.mark.parametrize("name, old, new", [(n, *m) for n in MUTATIONS for m in MUTATIONS[n]])
def test_the_check_can_fail(name, old, new):
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    assert source.count(old) == 1
    mutant = types.ModuleType(name)
    mutant.__file__ = str(ROOT / f"{name}.py")
    exec(compile(source.replace(old, new), name, "exec"), mutant.__dict__)
    make, *rest = CASES[name]
    with pytest.raises(AssertionError):
        check(*make(mutant, *rest[1:]))


def test_every_lesson_is_checked_and_mutated():
    lessons = {path.stem for path in ROOT.glob("*.py")}
    assert lessons == {name for _, name, *_ in CASES.values()} == set(MUTATIONS)
