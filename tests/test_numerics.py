"""The building blocks at their extremes: cross-entropy, sigmoid, clipping, Adam, drawing, windows."""
import math

import numpy as np
import pytest

from conftest import CHAR, LANGUAGE, LESSONS, TRANSLATION, WORD, module

lessons = pytest.mark.parametrize("name", LESSONS)
language = pytest.mark.parametrize("name", LANGUAGE)


@lessons
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_extremes(name, dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, -40 * math.log(10)]], dtype)
    with np.errstate(all="raise", under="ignore"):
        nats, grad = module(name).cross_entropy(logits.copy(), np.array([0, 0, 1]), 0.5)
    assert nats.dtype == grad.dtype == dtype and np.isfinite(grad).all()
    assert nats == pytest.approx([0, 2e4, 40 * math.log(10)], rel=1e-6)     # the last: p = 1e-40
    assert grad == pytest.approx(0.5 * np.array([[0, -1, 1], [0, 1, -1]]))


@lessons
def test_cross_entropy_is_log_softmax(name):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(5, 8)), rng.integers(0, 5, 8)
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    nats, grad = module(name).cross_entropy(logits.copy(), targets, np.arange(8.0))
    assert np.allclose(grad, np.arange(8) * (p - np.eye(5)[:, targets]))
    assert np.allclose(nats, -np.log(p[targets, range(8)]))


@pytest.mark.parametrize("name", [n for n in LESSONS if hasattr(module(n), "sigmoid")])
def test_sigmoid(name):
    x = np.array([-1e4, -800, -3, 0, 3, 800, 1e4])
    with np.errstate(all="raise", under="ignore"):
        y = module(name).sigmoid(x)
    assert np.allclose(y, [0, 0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1, 1], atol=1e-16)


@lessons
def test_clipping_keeps_the_direction(name):
    clip = module(name).clip_gradients
    rng = np.random.default_rng(0)
    grads = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=(5, 1))}
    before = {k: g.copy() for k, g in grads.items()}
    norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
    assert clip(grads, 2 * norm) == pytest.approx(norm, rel=1e-14)
    assert all((grads[k] == before[k]).all() for k in grads)                # below the limit: untouched
    assert clip(grads, 0.5) == pytest.approx(norm, rel=1e-14)
    for k in grads:                                                          # one factor for all
        assert np.allclose(grads[k], before[k] * 0.5 / norm, rtol=1e-14)
    assert math.sqrt(sum((g**2).sum() for g in grads.values())) == pytest.approx(0.5, rel=1e-14)


@lessons
def test_adam_by_hand(name):
    """One number, gradients 1, -2, 3, learning rate 0.1, by hand:

    t = 1   m .1    v .001      m^ 1          v^ 1          step  .1 * 1 / 1              = .1
    t = 2   m -.11  v .004999   m^ -.5789474  v^ 2.5007504  step -.1 * .5789474 / 1.581376
    t = 3   m .201  v .013994   m^ .7416974   v^ 4.6693345  step  .1 * .7416974 / 2.160864
    """
    params = {"w": np.array([[5.0]])}
    adam = module(name).Adam(params)
    expected = [4.9, 4.9 + 0.05789474 / 1.581376, 4.9 + 0.05789474 / 1.581376 - 0.07416974 / 2.160864]
    for g, value in zip((1.0, -2.0, 3.0), expected):
        adam.update(params, {"w": np.array([[g]])}, 0.1)
        assert params["w"][0, 0] == pytest.approx(value, abs=2e-7)


@lessons
def test_an_explosion_stays_in_adams_memory(name):
    """One gradient a thousand times too large: what the docstring of clip_gradients says of it."""
    params, steps = {"w": np.zeros((1, 1))}, []
    adam = module(name).Adam(params)
    for t in range(1, 3800):
        before = params["w"].copy()
        adam.update(params, {"w": np.full((1, 1), -1000.0 if t == 3000 else 1.0)}, 1.0)
        steps.append(float((before - params["w"])[0, 0]))
    assert steps[2998] == pytest.approx(1, abs=1e-3)
    assert -3.2 < min(steps) < -2.7 and steps[3030] < 0         # the wrong way, for tens of steps
    assert 0 < steps[3100] < 0.5 and 0 < steps[3600] < 0.5      # too short, for hundreds


@lessons
def test_a_checkpoint_comes_back_and_leaves_its_arguments_alone(name, tmp_path):
    lesson = module(name)
    params = {"E": np.arange(6.0).reshape(3, 2), "b": np.ones(2, np.float32)}
    adam, info, arrays = lesson.Adam(params), {"lesson": name, "step": 7}, {"params": params}
    lesson.save(str(tmp_path / "x.npz"), info, arrays, adam, (np.eye(2),))
    assert info == {"lesson": name, "step": 7} and list(arrays) == ["params"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    found, groups = lesson.restore(str(tmp_path / "x.npz"))
    assert found == info | {"t": 0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    for array, wanted in [(groups["params"]["E"], params["E"]), (groups["m"]["b"], adam.m["b"]),
                          (groups["params"]["b"], params["b"]), (groups["state"]["0"], np.eye(2))]:
        assert array.dtype == wanted.dtype and np.array_equal(array, wanted)


@language
def test_pick_draws_from_the_softmax(name):
    pick, rng = module(name).pick, np.random.default_rng(0)
    logits, n = np.array([0.0, 1.0, 2.0, -1.0]), 20_000
    for temperature in (0.5, 1.0, 2.0):
        p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        counts = np.bincount([pick(logits, temperature, rng) for _ in range(n)], minlength=4)
        assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    assert {pick(logits, 0, rng) for _ in range(50)} == {2}


@language
@pytest.mark.parametrize("count, batch, seq_len", [(100, 3, 7), (64, 4, 5), (12, 11, 1), (50, 1, 49)])
def test_windows_show_everything_once(name, count, batch, seq_len):
    ids = np.arange(count)
    parts = module(name).windows(ids, batch, seq_len)
    inputs = np.concatenate([x for x, _ in parts])
    targets = np.concatenate([y for _, y in parts])
    assert (targets == inputs + 1).all()                                     # the next one, always
    assert all(len(x) <= seq_len for x, _ in parts)
    seen = inputs.T.ravel()                                                  # stream after stream
    assert (seen == np.arange(len(seen))).all() and count - 1 - len(seen) <= batch - 1
    assert all(len(x) == seq_len for x, _ in parts[:-1])                     # only the last is shorter


@language
def test_windows_shrink_to_a_short_text(name):
    def shape(count, batch, seq_len):
        return module(name).windows(np.arange(count), batch, seq_len)[0][0].shape
    assert shape(1000, 4, 16) == (16, 4)
    assert shape(100, 32, 64) == (64, 1) and shape(270, 32, 64) == (64, 4) and shape(20, 32, 64) == (19, 1)


@language
def test_windows_are_as_their_docstring_has_them(name):
    text = np.array(list("abcdefg"))
    assert [("".join(x.T.ravel()), "".join(y.T.ravel())) for x, y in module(name).windows(text, 2, 2)] == [
        ("abde", "bcef"), ("cf", "dg")]


@pytest.mark.parametrize("name", CHAR)
def test_score_and_evaluate(name):
    """32 streams; every prediction weighs alike, and the state is carried from window to window."""
    lesson = module(name)
    rng = np.random.default_rng(0)
    params = lesson.init_params(5, 4, rng, np.float64)
    ids = rng.integers(0, 5, 32 * 40 + 1)
    inputs, targets = (part.reshape(32, 40).T for part in (ids[:-1], ids[1:]))
    loss, _, _ = lesson.forward(params, inputs, targets, lesson.init_state(4, 32, np.float64))
    assert lesson.evaluate(params, ids, 7) == pytest.approx(loss, rel=1e-12)
    assert lesson.score(math.log(2)) == 1


@language
def test_the_state_carries_over(name):
    """Two windows with the state handed on are one long window; with a fresh state they are not."""
    lesson = module(name)
    rng = np.random.default_rng(0)
    sizes = (5, 3, 4) if name.startswith("word") else (5, 4)
    params = lesson.init_params(*sizes, rng, np.float64)
    ids = rng.integers(0, 5, (9, 2))
    zero = lesson.init_state(4, 2, np.float64)
    whole, last, _ = lesson.forward(params, ids[:-1], ids[1:], zero)
    first, state, _ = lesson.forward(params, ids[:4], ids[1:5], zero)
    second, state, _ = lesson.forward(params, ids[4:8], ids[5:], state)
    fresh, _, _ = lesson.forward(params, ids[4:8], ids[5:], zero)
    assert (first + second) / 2 == pytest.approx(whole, rel=1e-12)
    assert all(np.allclose(a, b) for a, b in zip(last, state))
    assert abs(fresh - second) > 1e-6


@language
def test_a_batch_is_its_single_streams(name):
    lesson = module(name)
    rng = np.random.default_rng(0)
    sizes = (5, 3, 4) if name.startswith("word") else (5, 4)
    params = lesson.init_params(*sizes, rng, np.float64)
    ids = rng.integers(0, 5, (7, 3))
    whole, _, _ = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(4, 3, np.float64))
    single = [lesson.forward(params, ids[:-1, b:b + 1], ids[1:, b:b + 1],
                             lesson.init_state(4, 1, np.float64))[0] for b in range(3)]
    assert whole == pytest.approx(np.mean(single), rel=1e-12)


@pytest.mark.parametrize("name", ["char_rnn"])
def test_no_gradient_exceeds_the_product_of_norms(name):
    """Pascanu et al., equation 5, on weights small and large: measured norm <= product of step norms."""
    lesson = module(name)
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 7, 400)
    for scale in (0.5, 1.5, 4.0):
        params = lesson.init_params(7, 9, rng, np.float64)
        params["Wh"] *= scale
        norms, saved = lesson.gradient_by_lag(params, ids, 40, 6)
        bound = lesson.norm_products(params, norms, saved)
        assert norms.shape == bound.shape == (41, 6)
        assert (norms <= bound * (1 + 1e-9)).all() and (norms[5] < bound[5]).all()


@pytest.mark.parametrize("name", CHAR)
def test_gradient_by_lag_is_the_gradient(name):
    """The norms at the largest lag equal those of a numerical derivative by the state there."""
    lesson = module(name)
    rng = np.random.default_rng(0)
    params = lesson.init_params(5, 4, rng, np.float64)
    ids = rng.integers(0, 5, 60)
    norms, _ = lesson.gradient_by_lag(params, ids, 3, 1)
    text = ids[:min(53, len(ids) - 2) + 2]
    state = lesson.init_state(4, 1, np.float64)
    for x in text[:-4]:
        state, _ = lesson.step(params, lesson.look_up(params, x[None]), state)

    def loss(state):
        for x in text[-4:-1]:
            state, _ = lesson.step(params, lesson.look_up(params, x[None]), state)
        return lesson.cross_entropy(lesson.readout(params, state[0]), text[-1:], 1)[0][0]
    slopes = []
    for k, array in enumerate(state):
        for i in np.ndindex(array.shape):
            up, down = [[a.copy() for a in state] for _ in range(2)]
            up[k][i] += 1e-6
            down[k][i] -= 1e-6
            slopes.append((loss(up) - loss(down)) / 2e-6)
    assert norms[3, 0] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def test_the_bound_is_the_product_of_the_largest_singular_values():
    lesson, rng = module("char_rnn"), np.random.default_rng(0)
    params = lesson.init_params(7, 5, rng, np.float64)
    norms, saved = lesson.gradient_by_lag(params, rng.integers(0, 7, 200), 9, 3)
    want = [norms[0, 1]]
    for (h,) in reversed(saved):
        want.append(want[-1] * np.linalg.norm(params["Wh"].T @ np.diag(1 - h[:, 1]**2), 2))
    assert np.allclose(lesson.norm_products(params, norms, saved)[:, 1], want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LESSONS)
def test_the_parameters_decide_the_dtype_of_everything(name, dtype):
    """Loss, states and gradients; a single float64 mask would make a training in float32 twice as slow."""
    lesson, rng, found = module(name), np.random.default_rng(0), []
    for score in ({"score": s} for s in ("dot", "general", "concat")) if name == "luong" else ({},):
        if name in TRANSLATION:
            params = lesson.init_params(11, 9, 5, 6, rng, dtype, **score)
            source, target = lesson.pad([[4, 5, 2], [6, 2]]), lesson.pad([[1, 4, 2], [1, 5, 6, 2]])
            memory, state = lesson.start(params, source)
            found += [*memory, *state, *lesson.predict(params, memory, state, target[0])]
            loss, cache = lesson.forward(params, source, target)
            grads = lesson.backward(params, cache)
        else:
            params = lesson.init_params(*((5, 3, 4) if name in WORD else (5, 4)), rng, dtype)
            noise = {"dropout": 0.3, "rng": rng} if name in WORD else {}
            ids = rng.integers(0, 5, (9, 2))
            loss, state, cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(4, 2, dtype), **noise)
            grads, dstate = lesson.backward(params, cache)
            found += [*state, *dstate]
        found += [loss, *(grad[1] if isinstance(grad, tuple) else grad for grad in grads.values())]
    assert {array.dtype for array in found if hasattr(array, "dtype")} == {np.dtype(dtype)}
