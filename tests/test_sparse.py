"""The word lessons' sparse gradient and sparse Adam: the same as dense where they should be, nothing
where nothing occurred, and work that does not depend on the size of the vocabulary."""
import math

import numpy as np
import pytest

from conftest import WORD, module
from test_gradients import dense

word = pytest.mark.parametrize("name", WORD)


def problem(lesson, V=9, B=4, T=5, seed=0):
    """Parameters, ids and the gradients of a small problem in float64."""
    rng = np.random.default_rng(seed)
    params = lesson.init_params(V, 3, 6, rng, np.float64)
    ids = rng.integers(0, V, (T + 1, B))
    ids[0, :3], ids[1, 0] = 4, 4                                # repeated across and within columns
    _, _, cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(6, B, np.float64))
    return params, ids, lesson.backward(params, cache)[0]


@word
def test_only_the_rows_that_occurred(name):
    params, ids, grads = problem(module(name), V=200)
    touched, rows = grads["E"]
    assert sorted(set(ids[:-1].ravel())) == list(touched) and rows.shape == (len(touched), 3)


@word
def test_the_norm_counts_the_sparse_part_exactly(name):
    lesson = module(name)
    params, _, grads = problem(lesson)
    full = dense(grads, params)
    norm = math.sqrt(sum((g**2).sum() for g in full.values()))
    assert lesson.clip_gradients(grads, norm / 2) == pytest.approx(norm, rel=1e-14)
    for key, grad in dense(grads, params).items():
        assert np.allclose(grad, full[key] / 2, rtol=1e-13)


@word
def test_sparse_adam_is_dense_adam_when_every_row_occurs(name):
    lesson = module(name)
    rng = np.random.default_rng(0)
    E, everything = rng.normal(size=(7, 3)), np.arange(7)
    sparse, full = {"E": E.copy()}, {"E": E.copy()}
    adams = lesson.Adam(sparse), lesson.Adam(full)
    for _ in range(20):
        grad = rng.normal(size=E.shape)
        adams[0].update(sparse, {"E": (everything, grad)}, 0.01)
        adams[1].update(full, {"E": grad}, 0.01)
    assert np.allclose(sparse["E"], full["E"], rtol=1e-12) and np.abs(sparse["E"] - E).max() > 0.01


@word
def test_an_absent_row_does_not_move_and_a_late_one_begins_like_adam(name):
    lesson = module(name)
    params = {"E": np.ones((5, 2))}
    adam = lesson.Adam(params)
    for _ in range(99):
        adam.update(params, {"E": (np.array([0, 2]), np.full((2, 2), 0.3))}, 0.01)
    assert (params["E"][[1, 3, 4]] == 1).all()                  # bit-identical
    moved = params["E"][[0, 2]].copy()
    adam.update(params, {"E": (np.array([3]), np.array([[5.0, -0.002]]))}, 0.01)
    assert params["E"][3] == pytest.approx([1 - 0.01, 1 + 0.01], rel=1e-6)      # by lr, as at t = 1
    assert (params["E"][[1, 4]] == 1).all() and (params["E"][[0, 2]] == moved).all()


class Counting(np.ndarray):
    """An array that counts the entries handed out or written by indexing."""
    touched = 0

    def __getitem__(self, index):
        part = np.asarray(self)[index]
        Counting.touched += np.size(part)
        return part

    def __setitem__(self, index, value):
        Counting.touched += np.asarray(self)[index].size
        np.asarray(self)[index] = value


@word
def test_the_work_does_not_depend_on_the_vocabulary(name):
    """Forward and update of the embedding touch as many entries with V = 50 as with V = 5000."""
    lesson, counts = module(name), []
    for V in (50, 5000):
        rng = np.random.default_rng(0)
        params = {"E": rng.normal(size=(V, 3)).view(Counting)}
        adam = lesson.Adam(params)
        for group in (adam.m, adam.v, adam.rows_t):
            group["E"] = group["E"].view(Counting)
        Counting.touched = 0
        ids = np.array([3, 7, 7, 11, 40])
        distinct, rows = lesson.sum_rows(ids, np.ones((5, 3)))
        adam.update(params, {"E": (distinct, rows)}, 0.1)
        counts.append(Counting.touched)
    assert counts[0] == counts[1] > 0


@word
def test_sum_rows(name):
    ids, rows = np.array([5, 2, 5, 9, 2, 5]), np.arange(12.0).reshape(6, 2)
    distinct, sums = module(name).sum_rows(ids, rows)
    assert distinct.tolist() == [2, 5, 9]
    assert sums.tolist() == [[10, 12], [14, 17], [6, 7]]


@word
def test_dropout_keeps_the_mean_and_is_in_the_gradient(name):
    """With the same noise, backward is the gradient of what forward computed; without, nothing changes."""
    lesson = module(name)
    params, ids, _ = problem(lesson)
    state = lesson.init_state(6, 4, np.float64)

    def run():
        return lesson.forward(params, ids[:-1], ids[1:], state, 0.4, np.random.default_rng(5))
    loss, _, cache = run()
    plain = lesson.forward(params, ids[:-1], ids[1:], state)[0]
    assert loss != plain and lesson.forward(params, ids[:-1], ids[1:], state, 0)[0] == plain
    grads = dense(lesson.backward(params, cache)[0], params)
    for key in params:
        for i in list(np.ndindex(params[key].shape))[::3]:
            params[key][i] += 1e-5
            above = run()[0]
            params[key][i] -= 2e-5
            below = run()[0]
            params[key][i] += 1e-5
            assert (above - below) / 2e-5 == pytest.approx(grads[key][i], abs=1e-8)
