"""The gradient check: every entry of every parameter and initial state of the language lessons, in float64.

Central differences of forward's loss against backward. All sizes are different, so a wrong axis
cannot hide; the parameters are moved off their initial values; ids repeat within and across columns.
That the check can fail, and the lesson's own one with it, is tried with mistakes that people make.
"""
import time

import numpy as np
import pytest

from conftest import LANGUAGE, ROOT, WORD, dense, error_of, init, module, mutant, parts, small

STEP = 1e-5


def language_case(lesson, dropped=False, seed=0):
    """A small problem -> loss as a function, arrays by name, gradients by name."""
    rng = np.random.default_rng(seed)
    V, H, B, T = 7, 5, 3, 4
    params = init(lesson.LESSON, V, H, rng)
    for param in params.values():
        param += 0.3 * rng.normal(size=param.shape)
    state = lesson.init_state(H, B, np.float64)
    arrays = [rng.normal(size=array.shape) for array in parts(state)]
    state = tuple(arrays) if isinstance(state, tuple) else arrays[0]
    ids = rng.integers(0, V, (T + 1, B))
    ids[1, 0] = ids[0, 0]                                   # twice in a column
    ids[2, :2] = ids[0, 0]                                  # and in another column
    masks = [[(rng.random((size, T * B)) > 0.4) / 0.6 for size in (H - 1, H)]] if dropped else []

    def forward():
        return lesson.forward(params, ids[:-1], ids[1:], state, *masks)
    grads, dstate = lesson.backward(params, forward()[2])
    grads = dense(grads, params) | {f"state {i}": a for i, a in enumerate(parts(dstate))}
    return lambda: forward()[0], params | {f"state {i}": a for i, a in enumerate(arrays)}, grads


CASES = {name: (language_case, name) for name in LANGUAGE}
CASES |= {f"{name} with dropout": (language_case, name, True) for name in WORD}


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
# product would refuse), a sum of two gradients of which one is dropped, a wrong slope, a gate mistaken
# for another, the state after a step where the one before belongs, a step or a row left out of a sum.
MUTATIONS = {
    "char_rnn": [
        ('params["Wh"].T @ da', 'params["Wh"] @ da'),
        ("dh = dhidden[t] + dh_next", "dh = dhidden[t]"),
        ("da = dh * (1 - h * h)", "da = dh * (1 - h)"),
        ("da @ h_prev.T", "da @ hidden.T"),
        ("dlogits /= T * B", "dlogits /= T"),
        ("[inputs.ravel()]", "[inputs.T.ravel()]"),
        ('"b": da.sum(axis=1, keepdims=True)', '"b": da[:, :B].sum(axis=1, keepdims=True)'),
    ],
    "char_lstm": [
        ('params["Wh"].T @ da', 'params["Wh"].reshape(len(dc), -1) @ da'),
        ("\n    dc = dc_next + dh", "\n    dc = dh"),
        ("dc = dc_next + dh * o * (1 - tc * tc)", "dc = dc_next + dh * o"),
        ("    dc_prev = dc * f\n", "    dc_prev = dc * i\n"),
        ("    di = dc * g\n", "    di = dc * c_prev\n"),
        ("do * o * (1 - o)", "do * o"),
        ("dh = dhidden[t] + dh_next", "dh = dhidden[t]"),
    ],
    "char_gru": [
        ("Wh[2 * H:].T @ da_n", "Wh[2 * H:] @ da_n"),
        ("\n    dh_prev += drh * r", "\n    dh_prev = drh * r"),
        ("\n    dn = dh * (1 - z)", "\n    dn = dh * z"),
        ("da[2 * H:] @ rh.T", "da[2 * H:] @ h_prev.T"),
        ("    dr = drh * h_prev\n", "    dr = drh * r\n"),
        ("dh = dhidden[t] + dh_next", "dh = dhidden[t]"),
    ],
    "word_rnn": [
        ('params["Wh"].T @ da', 'params["Wh"] @ da'),
        ("dh = dhidden[t] + dh_next", "dh = dhidden[t]"),
        ("np.add.reduceat(rows[order], first, axis=0)", "rows[order][first]"),
        ("sum_rows(inputs.ravel(), (", "sum_rows(inputs.T.ravel(), ("),
        ('params["Wx"].T @ da * mask_in', 'params["Wx"].T @ da'),
        ('params["Wy"].T @ dlogits * mask_out', 'params["Wy"].T @ dlogits'),
        ("da @ v.T", 'da @ params["E"][inputs.ravel()]'),
    ],
    "word_lstm": [
        ('params["Wh"].T @ da', 'params["Wh"].reshape(len(dc), -1) @ da'),
        ("\n    dc = dc_next + dh", "\n    dc = dh"),
        ("    dc_prev = dc * f\n", "    dc_prev = dc * i\n"),
        ("    di = dc * g\n", "    di = dc * i\n"),
        ("dg * (1 - g * g)", "dg * g * (1 - g)"),
        ('params["Wx"].T @ da * mask_in', 'params["Wx"].T @ da'),
        ('params["Wy"].T @ dlogits * mask_out', 'params["Wy"].T @ dlogits'),
        ("np.add.reduceat(rows[order], first, axis=0)", "np.add.reduceat(rows, first, axis=0)"),
    ],
    "word_gru": [
        ('params["Wh"].T @ du', 'params["Wh"].reshape(len(dz), -1) @ du'),
        ("\n    dh_prev = dh * z", "\n    dh_prev = dh * (1 - z)"),
        ("\n    dq = da_n * r", "\n    dq = da_n * z"),
        ("np.concatenate([da_rz, dq])", "np.concatenate([da_rz, da_n])"),
        ('"Wx": da @ v.T', '"Wx": du @ v.T'),
        ('"Wh": du @ h_prev.T', '"Wh": da @ h_prev.T'),
        ('params["Wx"].T @ da * mask_in', 'params["Wx"].T @ da'),
        ('params["Wy"].T @ dlogits * mask_out', 'params["Wy"].T @ dlogits'),
        ("rows[order]", "rows"),
    ],
}


@pytest.mark.parametrize("name, old, new", [(n, *m) for n in MUTATIONS for m in MUTATIONS[n]])
def test_a_mistake_is_found(name, old, new, tmp_path, text, capsys):
    """By the check above; by the lesson's own; and then main ends before training and writes nothing."""
    lesson = mutant(name, (old, new))
    make = [case[0] for case in CASES.values() if case[1] == name][0]
    with pytest.raises(AssertionError):
        for dropped in ([], [True]) if name in WORD else ([],):
            check(*make(lesson, *dropped))
    assert not lesson.check_gradients() <= 1e-6             # nan is a mistake too
    capsys.readouterr()
    assert lesson.main(["--data", str(text), "--out", str(tmp_path / "out"), *small(name)]) == 2
    error_of(capsys, name)
    assert not (tmp_path / "out").exists()


def test_every_lesson_is_checked_and_mutated():
    assert set(LANGUAGE) == {name for _, name, *_ in CASES.values()} == set(MUTATIONS)
    assert min(map(len, MUTATIONS.values())) >= 4


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_lessons_own_check(name, capsys):
    """Far below its limit, but for rounding; the same each time, whatever was drawn before; quick; one line."""
    lesson = module(name)
    started = time.process_time()
    error = lesson.check_gradients()
    assert time.process_time() - started < 1
    assert 0 < error < 1e-7
    np.random.seed(5)
    assert lesson.check_gradients() == error
    out = capsys.readouterr().out
    assert [line[:16] for line in out.splitlines()] == ["gradient check: "] * 2


def test_the_worked_example():
    """It fails where forward or backward is another; and all figures in the comment are those of the network."""
    lesson = module("char_rnn")
    lesson.worked_example()
    for change in [("da = dh * (1 - h * h)", "da = dh * (1 - h)"), ("dlogits /= T * B", "pass"),
                   ("np.tanh(np.take", "np.sin(np.take")]:
        with pytest.raises(AssertionError):
            mutant("char_rnn", change).worked_example()
    params = {"Wx": np.array([[1.0, -1]]), "Wh": np.array([[2.0]]), "b": np.zeros((1, 1)),
              "Wy": np.array([[1.0], [0]]), "by": np.zeros((2, 1))}
    inputs, targets = np.array([[0], [1]]), np.array([[1], [0]])
    loss, _, cache = lesson.forward(params, inputs, targets, np.zeros((1, 1)))
    grads, _ = lesson.backward(params, cache)
    states = [np.zeros((1, 1))]
    for x in inputs:
        states.append(lesson.step(params, x, states[-1]))
    first, second = (float(h[0, 0]) for h in states[1:])
    nats, p = lesson.cross_entropy(np.array([[first, second], [0, 0]]), targets[:, 0])
    dlogits = (p - np.eye(2)[:, targets[:, 0]]) / 2
    da2, da1 = grads["Wx"][0, 1], grads["Wx"][0, 0]         # each character occurs once
    source = (ROOT / "char_rnn.py").read_text(encoding="utf-8")
    comment = source.split("def worked_example")[0].split("The same by hand")[1]
    for figure in (first, second, *p.ravel(), *nats, loss, *dlogits[0], da2, dlogits[0, 0] + 2 * da2, da1,
                   grads["Wh"][0, 0]):
        assert f"{figure:.3f}" in comment, figure
