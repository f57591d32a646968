"""The word lessons' sparse gradient and sparse Adam: the same as dense where they should be, nothing
where nothing occurred, and work that does not depend on the size of the vocabulary."""
import math

import numpy as np
import pytest

from conftest import WORD, contents, dense, init, module, mutant, read, train

word = pytest.mark.parametrize("name", WORD)


def problem(name, V=9, B=4, T=5):
    """Parameters, ids and the gradients of a small problem in float64."""
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = init(name, V, 6, rng), rng.integers(0, V, (T + 1, B))
    ids[0, :3], ids[1, 0] = 4, 4                                # repeated across and within columns
    _, _, cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(6, B, np.float64))
    return params, ids, lesson.backward(params, cache)[0]


@word
def test_only_the_rows_that_occurred(name):
    _, ids, grads = problem(name, V=200)
    touched, rows = grads["E"]
    assert sorted(set(ids[:-1].ravel())) == list(touched) and rows.shape == (len(touched), 5)


@word
def test_sum_rows(name):
    ids, rows = np.array([5, 2, 5, 9, 2, 5]), np.arange(12.0).reshape(6, 2)
    distinct, sums = module(name).sum_rows(ids, rows)
    assert distinct.tolist() == [2, 5, 9]
    assert sums.tolist() == [[10, 12], [14, 17], [6, 7]]
    distinct, sums = module(name).sum_rows(ids[:1], rows[:1])
    assert distinct.tolist() == [5] and sums.tolist() == [[0, 1]]


@word
def test_the_norm_counts_the_sparse_part_exactly(name):
    params, _, grads = problem(name)
    full = dense(grads, params)
    norm = math.sqrt(sum((g**2).sum() for g in full.values()))
    assert module(name).clip_gradients(grads, 2 * norm) == pytest.approx(norm, rel=1e-14)
    assert all((grad == full[key]).all() for key, grad in dense(grads, params).items())
    assert module(name).clip_gradients(grads, norm / 2) == pytest.approx(norm, rel=1e-14)
    for key, grad in dense(grads, params).items():
        assert np.allclose(grad, full[key] / 2, rtol=1e-13)


@word
def test_sparse_adam_is_dense_adam_when_every_row_occurs(name):
    rng = np.random.default_rng(0)
    first, everything = rng.normal(size=(7, 3)), np.arange(7)
    params = {"E": first.copy(), "dense": first.copy()}
    adam = module(name).Adam(params)
    for _ in range(20):
        grad = rng.normal(size=first.shape)
        adam.update(params, {"E": (everything, grad.copy()), "dense": grad}, 0.01)
    assert np.allclose(params["E"], params["dense"], rtol=1e-12) and np.abs(params["E"] - first).max() > 0.01
    assert np.allclose(adam.m["E"], adam.m["dense"], rtol=1e-12) and (adam.rows_t == 20).all()
    assert np.allclose(adam.v["E"], adam.v["dense"], rtol=1e-12)


@word
def test_a_row_moves_as_if_only_its_own_steps_had_been(name):
    """Row 1 occurs at every third step; it ends like a row of an optimizer that made these steps alone."""
    rng = np.random.default_rng(0)
    params, alone = {"E": np.ones((3, 2))}, {"E": np.ones((3, 2))}
    adam, other = module(name).Adam(params), module(name).Adam(alone)
    for t in range(30):
        grad = rng.normal(size=(2, 2))
        ids = np.array([0, 1]) if t % 3 == 0 else np.array([0, 2])
        adam.update(params, {"E": (ids, grad.copy())}, 0.01)
        if t % 3 == 0:
            other.update(alone, {"E": (np.array([1]), grad[1:])}, 0.01)
    assert np.allclose(params["E"][1], alone["E"][1], rtol=1e-14) and (alone["E"][[0, 2]] == 1).all()
    assert adam.rows_t.tolist() == [[30], [10], [20]]


@word
def test_an_absent_row_does_not_move_and_a_late_one_begins_like_adam(name):
    """Its first step is lr; with one count for all it would be 3.2 times as long, as the comment above Adam says."""
    change = "self.rows_t[ids] += 1", "self.rows_t[ids] = self.t"
    for lesson, late in ((module(name), 0.01), (mutant(name, change), 0.032)):
        params = {"E": np.ones((5, 2))}
        adam = lesson.Adam(params)
        for _ in range(99):
            adam.update(params, {"E": (np.array([0, 2]), np.full((2, 2), 0.3))}, 0.01)
        adam.t = 9999                                           # as after so many steps
        assert (params["E"][[1, 3, 4]] == 1).all()              # bit-identical
        moved = params["E"][[0, 2]].copy()
        adam.update(params, {"E": (np.array([3]), np.array([[5.0, -0.002]]))}, 0.01)
        assert params["E"][3] == pytest.approx([1 - late, 1 + late], abs=5e-4)
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
        params = init(name, V, 6, np.random.default_rng(0))
        adam = lesson.Adam(params)
        ids = np.array([[3, 7], [7, 11], [40, 3]])
        arrays = [params["E"], adam.m["E"], adam.v["E"], adam.rows_t]
        params["E"], adam.m["E"], adam.v["E"], adam.rows_t = (array.view(Counting) for array in arrays)
        Counting.touched = 0
        _, _, cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(6, 2, np.float64))
        grads, _ = lesson.backward(params, cache)
        adam.update(params, {"E": grads["E"]}, 0.1)
        counts.append(Counting.touched)
    assert counts[0] == counts[1] > 0


@word
def test_the_counts_of_rows_are_kept(name, text, tmp_path, monkeypatch):
    """In the checkpoint there is one for each word; those that never occurred have none."""
    monkeypatch.setattr(module(name), "draw", lambda *args: None)
    path = train(name, text, tmp_path, "--steps", 2)
    vocab, ids, _ = read(name, text.read_text(encoding="utf-8"), "")
    seen = [set(inputs.ravel()) for inputs, _ in module(name).windows(ids, 4, 9)[:2]]
    assert contents(path)[0]["rows_t"].ravel().tolist() == [sum(i in part for part in seen) for i in range(len(vocab))]


@word
def test_masks_of_ones_change_nothing(name):
    """With others the loss is another one; their gradient is checked in test_gradients.py."""
    lesson, rng = module(name), np.random.default_rng(5)
    params, ids, _ = problem(name)
    state, losses = lesson.init_state(6, 4, np.float64), []
    plain = lesson.forward(params, ids[:-1], ids[1:], state)[0]
    for p in (0, 0.4):
        masks = [lesson.dropout_mask(p, (size, 20), rng) for size in (5, 6)]
        losses.append(lesson.forward(params, ids[:-1], ids[1:], state, masks)[0])
    assert losses[0] == plain != losses[1]
