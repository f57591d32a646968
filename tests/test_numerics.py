"""The building blocks at their extremes: cross-entropy, sigmoid, clipping, Adam, drawing, windows, scores."""
import math

import numpy as np
import pytest

from conftest import CHAR, LANGUAGE, ROOT, WORD, init, module, parts

language = pytest.mark.parametrize("name", LANGUAGE)
char = pytest.mark.parametrize("name", CHAR)


# %% Loss
@language
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_extremes(name, dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, -40 * math.log(10)]], dtype)
    with np.errstate(all="raise", under="ignore"):
        nats, p = module(name).cross_entropy(logits.copy(), np.array([0, 0, 1]))
    assert nats.dtype == p.dtype == dtype
    assert nats == pytest.approx([0, 2e4, 40 * math.log(10)], rel=1e-6)     # the last: p = 1e-40
    assert p == pytest.approx(np.array([[1, 0, 1], [0, 1, 0]]))


@language
def test_cross_entropy_is_log_softmax(name):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(5, 8)), rng.integers(0, 5, 8)
    given, ids = logits.copy(), targets.copy()
    want = np.exp(logits) / np.exp(logits).sum(axis=0)
    nats, p = module(name).cross_entropy(given, ids)
    assert np.allclose(p, want) and np.allclose(nats, -np.log(want[targets, range(8)]))
    assert (ids == targets).all()
    assert p is given if name in WORD else (given == logits).all()          # a word lesson says that it overwrites


@pytest.mark.parametrize("name", [name for name in LANGUAGE if not name.endswith("rnn")])
def test_sigmoid(name):
    x = np.array([-1e4, -800, -3, 0, 3, 800, 1e4])
    with np.errstate(all="raise", under="ignore"):
        y = module(name).sigmoid(x)
    assert np.allclose(y, [0, 0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1, 1], atol=1e-16)


# %% Clipping and Adam
@language
def test_clipping_keeps_the_direction(name):
    clip = module(name).clip_gradients
    rng = np.random.default_rng(0)
    grads = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=(5, 1))}
    before = {k: g.copy() for k, g in grads.items()}
    norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
    assert clip(grads, 2 * norm) == pytest.approx(norm, rel=1e-14)
    assert all((grads[k] == before[k]).all() for k in grads)                # below the limit: untouched
    assert clip(grads, 0.5) == pytest.approx(norm, rel=1e-14)
    for k in grads:                                                         # one factor for all
        assert np.allclose(grads[k], before[k] * 0.5 / norm, rtol=1e-14)
    assert math.sqrt(sum((g**2).sum() for g in grads.values())) == pytest.approx(0.5, rel=1e-14)


def adam_with(name, value):
    """An optimizer for arrays that are all `value`, among them word vectors where there are some."""
    params = {"w": np.full((1, 1), value)} | ({"E": np.full((1, 1), value)} if name in WORD else {})
    return module(name).Adam(params), params


def gradients(params, value):
    """That gradient for each of them; for word vectors it is sparse."""
    grads = {"w": np.full((1, 1), value), "E": (np.array([0]), np.full((1, 1), value))}
    return {key: grads[key] for key in params}


@language
def test_adam_by_hand(name):
    """One number, gradients 1, -2, 3, learning rate 0.1, by hand:

    t = 1   m .1    v .001      m^ 1          v^ 1          step  .1 * 1 / 1              = .1
    t = 2   m -.11  v .004999   m^ -.5789474  v^ 2.5007504  step -.1 * .5789474 / 1.581376
    t = 3   m .201  v .013994   m^ .7416974   v^ 4.6693345  step  .1 * .7416974 / 2.160864
    """
    adam, params = adam_with(name, 5.0)
    expected = [4.9, 4.9 + 0.05789474 / 1.581376, 4.9 + 0.05789474 / 1.581376 - 0.07416974 / 2.160864]
    for t, (g, value) in enumerate(zip((1.0, -2.0, 3.0), expected), 1):
        adam.update(params, gradients(params, g), 0.1)
        assert adam.t == t and all(p[0, 0] == pytest.approx(value, abs=2e-7) for p in params.values())
    for key in params:
        assert adam.m[key][0, 0] == pytest.approx(0.201) and adam.v[key][0, 0] == pytest.approx(0.013994, abs=1e-6)


@language
def test_adams_eps_is_small_beside_a_tiny_gradient(name):
    adam, params = adam_with(name, 0.0)
    adam.update(params, gradients(params, 1e-6), 0.1)
    assert all(param[0, 0] == pytest.approx(-0.1 / 1.01) for param in params.values())


@language
def test_an_explosion_stays_in_adams_memory(name):
    """One gradient a thousand times too large: the numbers in the comment above clip_gradients."""
    (adam, params), steps = adam_with(name, 0.0), []
    for t in range(1, 3800):
        before = params["w"].copy()
        adam.update(params, gradients(params, -1000.0 if t == 3000 else 1.0), 1.0)
        steps.append(float((before - params["w"])[0, 0]))
    assert steps[2998] == pytest.approx(1, abs=1e-3)
    assert -3.2 < min(steps) < -2.7 and steps[3030] < 0         # about 3 lr; the wrong way, for tens of steps
    assert 0 < steps[3100] < 0.5 and 0 < steps[3600] < 0.5      # too short, for hundreds


# %% Drawing
def counts_of_a_sample(name, monkeypatch, logits, temperature, length):
    """How often each of four tokens is drawn where every prediction is the same."""
    lesson = module(name)
    monkeypatch.setattr(lesson, "predict", lambda params, x, state: (np.array(logits)[:, None], state))
    text = lesson.sample({"Wy": np.zeros((4, 2))}, list("eabc"), [], length, temperature, np.random.default_rng(0))
    assert len(text.replace(" ", "")) == length
    return np.array([text.lower().count(token) for token in "eabc"])


@language
def test_a_sample_is_drawn_from_the_softmax(name, monkeypatch):
    logits, n = np.array([0.0, 1.0, 2.0, -1.0]), 5000
    for temperature in (0.5, 1.0, 2.0):
        p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        counts = counts_of_a_sample(name, monkeypatch, logits, temperature, n)
        assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


@language
def test_temperature_zero_takes_the_likeliest(name, monkeypatch):
    with np.errstate(all="raise", under="ignore"):
        assert counts_of_a_sample(name, monkeypatch, [0, 1, 1.01, -1], 0, 50).tolist() == [0, 0, 50, 0]
        assert counts_of_a_sample(name, monkeypatch, [-1e4, 1e4, 0, 0], 1e-3, 50).tolist() == [0, 50, 0, 0]


# %% Windows, states, scores
@language
@pytest.mark.parametrize("count, batch, seq_len", [(100, 3, 7), (64, 4, 5), (12, 11, 1), (50, 1, 49)])
def test_windows_show_everything_once(name, count, batch, seq_len):
    ids = np.arange(count)
    pairs = module(name).windows(ids, batch, seq_len)
    inputs = np.concatenate([x for x, _ in pairs])
    targets = np.concatenate([y for _, y in pairs])
    assert (targets == inputs + 1).all()                                    # the next one, always
    assert all(len(x) <= seq_len for x, _ in pairs)
    seen = inputs.T.ravel()                                                 # stream after stream
    assert (seen == np.arange(len(seen))).all() and count - 1 - len(seen) <= batch - 1
    assert all(len(x) == seq_len for x, _ in pairs[:-1])                    # only the last is shorter


@language
def test_windows_shrink_to_a_short_text(name):
    def shape(count, batch, seq_len):
        return module(name).windows(np.arange(count), batch, seq_len)[0][0].shape
    assert shape(1000, 4, 16) == (16, 4)
    assert shape(100, 32, 64) == (64, 1) and shape(270, 32, 64) == (64, 4) and shape(20, 32, 64) == (19, 1)
    assert shape(2, 32, 64) == (1, 1)


def test_the_drawing_of_the_windows():
    """The comment above windows in char_rnn.py shows what they are."""
    pairs = module("char_rnn").windows(np.array(list("the crow flew to the wood")), 2, 4)
    source = (ROOT / "char_rnn.py").read_text(encoding="utf-8")
    assert len(pairs) == 3
    for k in (0, 1):
        for stream in (0, 1):
            cells = ["".join(pair[k][:, stream]).replace(" ", ".") for pair in pairs]
            assert "    ".join(" ".join(cell) for cell in cells) in source, cells


@language
def test_evaluate(name):
    """32 streams, fewer of a short text; every prediction weighs alike, the state is carried, size does not matter."""
    lesson, rng = module(name), np.random.default_rng(0)
    params = init(name, 5, 4, rng)
    for count, streams in ((3300, 32), (450, 4), (30, 1)):
        ids = rng.integers(0, 5, count)
        length = (count - 1) // streams
        inputs, targets = (ids[k:k + streams * length].reshape(streams, length).T for k in (0, 1))
        loss, _, _ = lesson.forward(params, inputs, targets, lesson.init_state(4, streams, np.float64))
        for size in (1, 7, 300, 10**8):
            assert lesson.evaluate(params, ids, size) == pytest.approx(loss, rel=1e-12)


@language
def test_the_unit_of_scores(name):
    lesson = module(name)
    assert lesson.score(math.log(7)) == pytest.approx(7 if name in WORD else math.log2(7))


@language
def test_the_state_carries_over(name):
    """Two windows with the state handed on are one long window; with a fresh state they are not."""
    lesson = module(name)
    rng = np.random.default_rng(0)
    params, ids = init(name, 5, 4, rng), rng.integers(0, 5, (9, 2))
    zero = lesson.init_state(4, 2, np.float64)
    whole, last, _ = lesson.forward(params, ids[:-1], ids[1:], zero)
    first, state, _ = lesson.forward(params, ids[:4], ids[1:5], zero)
    second, state, _ = lesson.forward(params, ids[4:8], ids[5:], state)
    fresh, _, _ = lesson.forward(params, ids[4:8], ids[5:], zero)
    assert (first + second) / 2 == pytest.approx(whole, rel=1e-12)
    assert all(np.allclose(a, b) for a, b in zip(parts(last), parts(state)))
    assert abs(fresh - second) > 1e-6 and all((a == 0).all() for a in parts(zero))


@language
def test_a_batch_is_its_single_streams(name):
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = init(name, 5, 4, rng), rng.integers(0, 5, (7, 3))
    whole, _, _ = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(4, 3, np.float64))
    single = [lesson.forward(params, ids[:-1, b:b + 1], ids[1:, b:b + 1],
                             lesson.init_state(4, 1, np.float64))[0] for b in range(3)]
    assert whole == pytest.approx(np.mean(single), rel=1e-12)


@language
def test_predict_is_forward_step_by_step(name):
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = init(name, 5, 4, rng), rng.integers(0, 5, (7, 3))
    zero = state = lesson.init_state(4, 3, np.float64)
    whole, last, _ = lesson.forward(params, ids[:-1], ids[1:], zero)
    nats = []
    for x, target in zip(ids, ids[1:]):
        logits, state = lesson.predict(params, x, state)
        nats.append(lesson.cross_entropy(logits, target)[0])
    assert np.mean(nats) == pytest.approx(whole, rel=1e-12)
    assert all(np.allclose(a, b) for a, b in zip(parts(last), parts(state)))


@language
def test_no_function_changes_its_arguments(name):
    """Parameters, ids and the state that is carried in are the same after forward, backward, predict, evaluate."""
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = init(name, 5, 4, rng), rng.integers(0, 5, (7, 3))
    arrays = [rng.normal(size=array.shape) for array in parts(lesson.init_state(4, 3, np.float64))]
    state = tuple(arrays) if len(arrays) > 1 else arrays[0]
    before = [array.copy() for array in (ids, *arrays, *params.values())]
    lesson.backward(params, lesson.forward(params, ids[:-1], ids[1:], state)[2])
    lesson.predict(params, ids[0], state)
    lesson.evaluate(params, ids.ravel(), 4)
    assert all((old == now).all() for old, now in zip(before, (ids, *arrays, *params.values())))


# %% How far back the gradient reaches
def lag_case(name, V=7, H=4, lags=5, streams=3, scale=1.0):
    """Parameters, a text for so many places, and the states before each of its last steps, read step by step."""
    lesson, rng = module(name), np.random.default_rng(0)
    params = init(name, V, H, rng)
    params["Wh"] *= scale
    ids = rng.integers(0, V, streams * (lags + 50) + 1)
    inputs, targets = lesson.windows(ids, streams, lags + 50)[0]
    states = [lesson.init_state(H, streams, np.float64)]
    for x in inputs:
        states.append(lesson.predict(params, x, states[-1])[1])
    return lesson, params, ids, inputs, targets, states


def measured(lesson, params, ids, lags):
    """The measured norms, and where there are some the products beside them."""
    found = lesson.gradient_by_lag(params, ids, lags)
    return found if isinstance(found, tuple) else (found, None)


@char
def test_gradient_by_lag_is_the_gradient(name):
    """Norms at all lags and places equal those of numerical derivatives by the state there."""
    lesson, params, ids, inputs, targets, states = lag_case(name)
    norms, _ = measured(lesson, params, ids, 5)
    assert norms.shape == (5, 3) and len(set(norms[0])) == 3
    for k in range(5):
        def loss(state):
            for x in inputs[len(inputs) - k:]:
                state = lesson.predict(params, x, state)[1]
            h = parts(state)[0]
            return lesson.cross_entropy(params["Wy"] @ h + params["by"], targets[-1])[0]
        squares = 0
        for part in range(len(parts(states[0]))):
            for unit in range(4):
                losses = []
                for move in (1e-6, -1e-6):
                    moved = [array.copy() for array in parts(states[-1 - k])]
                    moved[part][unit] += move
                    losses.append(loss(tuple(moved) if len(moved) > 1 else moved[0]))
                squares = squares + ((losses[0] - losses[1]) / 2e-6)**2
        assert norms[k] == pytest.approx(np.sqrt(squares), rel=1e-5)


@char
def test_gradient_by_lag_of_short_and_long_texts(name):
    """As many lags as there are characters, at most 200, and at most 16 places."""
    params, rng = init(name, 7, 4, np.random.default_rng(0)), np.random.default_rng(0)
    for count, shape in ((2, (1, 1)), (40, (39, 1)), (250 * 40, (200, 16)), (251, (200, 1)), (501, (200, 2))):
        norms, products = measured(module(name), params, rng.integers(0, 7, count), 200)
        assert norms.shape == shape and (products is None or products.shape == shape)


def test_the_product_beside_it_is_that_of_singular_values():
    """Of their root mean squares, for weights small and large; that of the largest ones is a bound."""
    for scale in (0.5, 1.0, 3.0):
        lesson, params, ids, _, _, states = lag_case("char_rnn", scale=scale)
        norms, products = lesson.gradient_by_lag(params, ids, 5)
        for place in range(3):
            mean, largest = [norms[0, place]], [norms[0, place]]
            for h in states[:-5:-1]:
                values = np.linalg.svd(params["Wh"].T @ np.diag(1 - h[:, place]**2), compute_uv=False)
                mean.append(mean[-1] * math.sqrt((values**2).mean()))
                largest.append(largest[-1] * values.max())
            assert np.allclose(products[:, place], mean, rtol=1e-12, atol=0)
            assert (norms[:, place] <= np.array(largest) * (1 + 1e-12)).all()


def test_with_one_unit_the_product_is_the_gradient():
    lesson, params, ids, *_ = lag_case("char_rnn", H=1, lags=20)
    norms, products = lesson.gradient_by_lag(params, ids, 20)
    assert np.allclose(products, norms, rtol=1e-9, atol=0)


# %% Types
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@language
def test_the_parameters_decide_the_dtype_of_everything(name, dtype):
    """One array in float64 would make a training in float32 twice as slow."""
    lesson, rng = module(name), np.random.default_rng(0)
    params = init(name, 5, 4, rng, dtype)
    ids = rng.integers(0, 5, (9, 2))
    masks = [[lesson.dropout_mask(0.3, (size, 16), rng) for size in (3, 4)]] if name in WORD else []
    loss, state, cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(4, 2, dtype), *masks)
    grads, dstate = lesson.backward(params, cache)
    logits, after = lesson.predict(params, ids[0], state)
    adam = lesson.Adam(params)
    adam.update(params, grads, 0.1)
    found = [loss, logits, *parts(state), *parts(dstate), *parts(after), *params.values(), *adam.m.values(),
             *adam.v.values(), *(grad[1] if isinstance(grad, tuple) else grad for grad in grads.values())]
    assert {array.dtype for array in found} == {np.dtype(dtype)}
    assert init(name, 5, 4, rng, np.float32).keys() == params.keys()
    assert {a.dtype for a in parts(lesson.init_state(4, 2))} == {np.dtype(np.float32)}      # to train
