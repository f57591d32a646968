"""What the loops of train and sample do, written down once more; first values, dropout, the best parameters."""
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from conftest import CHAR, LANGUAGE, LESSONS, TRANSLATION, WORD, module, run_lesson
from test_running import no_picture, same, small, text                # noqa: F401

lessons = pytest.mark.parametrize("name", LESSONS)
language = pytest.mark.parametrize("name", LANGUAGE)
words = pytest.mark.parametrize("name", WORD)


@language
def test_a_sample_goes_on_from_all_the_text_before(name):
    """Each token is picked by what the network says after all before it, which is read anew here."""
    lesson, vocab, word, rng = module(name), ["<eos>", *"bcdefgh"], name in WORD, np.random.default_rng(0)
    params = lesson.init_params(8, *([4] if word else []), 9, np.random.default_rng(1), np.float64)
    ids = [2, 7, 1, 3]
    prompt = (" " if word else "").join(vocab[i] for i in ids)
    for _ in range(30):
        state = lesson.init_state(9, 1, np.float64)
        for x in ids:
            state, _ = lesson.step(params, lesson.look_up(params, [x]), state)
        ids.append(lesson.pick(lesson.readout(params, state[0])[:, 0], 0.2, rng))
    text = lesson.sample(params, vocab, prompt, 30, 0.2, np.random.default_rng(0))
    assert text == lesson.detokenize([vocab[i] for i in ids])


@lessons
def test_training_is_this_loop(name, text, tmp_path, capsys):
    """What main keeps, from the steps written down here: lr, clip, dropout, state, order, best; its yardstick."""
    lesson, language = module(name), name in LANGUAGE
    flags = ["--lr", "0.3", "--clip", "0.2", "--seed", "3", "--steps", "70", *small(name), "--batch", "5"]
    flags += [] if name in CHAR else ["--embed", "6"]
    assert lesson.main(["--data", str(text), "--out", str(tmp_path), *flags]) == 0
    info, kept = lesson.restore(tmp_path / f"{name}.npz")
    settings, rng = info["settings"], np.random.default_rng(3)
    if language:
        whole = text.read_text(encoding="utf-8")
        vocab = lesson.build_vocab(lesson.tokenize(whole[:810]), settings)
        ids = lesson.encode(lesson.tokenize(whole[:810]), vocab)
        valid = lesson.encode_held_out(whole[810:], vocab)
        params, parts = lesson.new_params(settings, vocab, rng), lesson.windows(ids, 5, 9)
    else:
        pairs, held_out = lesson.read_data(settings)
        vocab, V_out = lesson.build_vocab(pairs, settings)
        ids, valid = (lesson.encode_pairs(part, vocab, V_out) for part in (pairs, held_out))
        params, parts = lesson.init_params(len(vocab), V_out, 6, 8, rng), [0] * math.ceil(len(ids) / 5)
    seen, scored = (ids, valid) if language else (
        [i for _, target in part for i in target[1:]] for part in (ids, valid))
    common = np.array([list(seen).count(i) + 1 for i in range(len(vocab) if language else V_out)])
    nats = -np.log(common / common.sum())[list(scored)].mean()
    yardstick = (f"{nats:.3f}" if name in TRANSLATION else f"{lesson.score(nats):.3f} by" if name in CHAR else
                 f"{lesson.score(nats):.1f}")
    (line,) = [line for line in capsys.readouterr().out.split("\n") if line.startswith("to beat")]
    assert f" {yardstick}" in line
    adam, history, recent = lesson.Adam(params), [], []
    for n in range(70):
        epoch, now = divmod(n, len(parts))
        if language:
            state = state if now else lesson.init_state(8, 5)
            noise = {"dropout": 0.5, "rng": np.random.default_rng([3, n])} if name in WORD else {}
            loss, state, cache = lesson.forward(params, *parts[now], state, **noise)
            grads, _ = lesson.backward(params, cache)
        else:
            part = lesson.batches(ids, 5, np.random.default_rng([3, epoch]))[now]
            loss, cache = lesson.forward(params, *(lesson.pad([ids[i][k] for i in part]) for k in (0, 1)))
            grads = lesson.backward(params, cache)
        lesson.clip_gradients(grads, 0.2)
        adam.update(params, grads, 0.3 * (1 - n / 70))
        recent.append(float(loss))
        if n + 1 in (10, 70) or (n + 1) % 5 == 0:
            nats = lesson.evaluate(params, valid, 9 if language else 100)
            history.append([n + 1, np.mean(recent), nats])
            recent = []
    assert epoch > 0 and [row[:3] for row in info["history"]] == [pytest.approx(row) for row in history]
    assert all((kept["params"][key] == params[key]).all() for key in params)
    assert params["Wy"].shape[1] in (8, 4) and ("E" not in params or params["E"].shape[1] == 6)


@lessons
def test_the_best_parameters_are_kept(name, text, tmp_path, monkeypatch, capsys):
    """Of three evaluations the second is the best: its score is printed, its parameters loaded, sampled from, drawn."""
    lesson, nats, seen, used = module(name), iter((3.0, 1.0, 2.0)), [], []
    last = "sample" if name in LANGUAGE else "measure"
    report = getattr(lesson, last)
    monkeypatch.setattr(lesson, "evaluate", lambda params, *_: (
        seen.append({key: param.copy() for key, param in params.items()}), next(nats))[1])
    monkeypatch.setattr(lesson, last, lambda params, *args: (used.append(params), report(params, *args))[1])
    monkeypatch.setattr(lesson, "draw", lambda path, params, *_: used.append(params))
    assert lesson.main(["--data", str(text), "--out", str(tmp_path), "--steps", "12", *small(name)]) == 0
    best = "1.0000 nats" if name in TRANSLATION else f"{lesson.score(1.0):.3f} {lesson.UNIT}"
    assert f"best held-out score: {best}" in capsys.readouterr().out
    for params in (lesson.load(tmp_path / f"{name}.npz")[0], *used[-2:]):
        assert all((params[key] == seen[1][key]).all() for key in seen[1])
    assert (seen[1]["Wy"] != seen[2]["Wy"]).any()


@lessons
def test_adam_moves_every_row_of_a_large_array_by_lr(name):
    """Larger than the part that update does at a time; and eps is small beside a tiny gradient."""
    lesson = module(name)
    params = {key: np.zeros((301, 500)) for key in ("w", "E")}
    grads = {"w": np.full((301, 500), 1e-6)}
    if name in WORD + TRANSLATION:
        grads["E"] = np.arange(1, 301, 2), np.full((150, 500), 1e-6)
    lesson.Adam(params).update(params, grads, 0.1)
    assert np.allclose(params["w"], -0.1 / 1.01)
    if "E" in grads:
        assert np.allclose(params["E"][1::2], -0.1 / 1.01) and (params["E"][::2] == 0).all()


@words
def test_dropout_zeroes_its_part_and_keeps_the_mean(name):
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = lesson.init_params(9, 30, 40, rng), rng.integers(0, 9, (21, 10))
    cache = lesson.forward(params, ids[:-1], ids[1:], lesson.init_state(40, 10), 0.2, rng)[2]
    for mask in (cache[-2].reshape(20, -1), cache[-1].reshape(40, 20, 10).swapaxes(0, 1).reshape(20, -1)):
        assert set(mask.ravel().tolist()) == {0, 1.25} and abs((mask == 0).mean() - 0.2) < 0.02
        assert (mask[0] != mask[1]).any()                   # another one at every step


@pytest.mark.parametrize("name, key, gate, gates, value", [
    ("char_lstm", "b", 1, 4, 1), ("word_lstm", "b", 1, 4, 1), ("luong", "W_enc", 1, 4, 1), ("luong", "W_dec", 1, 4, 1),
    ("bahdanau", "b_fwd", 1, 3, 2), ("bahdanau", "b_bwd", 1, 3, 2)])
def test_the_gate_that_keeps_begins_open(name, key, gate, gates, value):
    sizes = {"char_lstm": (9, 6), "word_lstm": (9, 5, 6)}.get(name, (9, 8, 5, 6))
    params = module(name).init_params(*sizes, np.random.default_rng(0))
    biases = (params[key] if name != "luong" else params[key][:, 5]).reshape(gates, 6)
    assert (biases == np.where(np.arange(gates) == gate, value, 0)[:, None]).all()
    if name == "luong":
        assert (params["Wa"] == np.eye(6)).all()            # general begins as dot


@lessons
def test_first_values_keep_the_size_of_a_sum(name):
    """Variance 1 / columns, but for vectors of words (0.1, luong.py 0.3) and what is zero or a unit matrix."""
    lesson, H = module(name), 90
    sizes = {3: (80, H), 4: (80, 70, H), 5: (80, 75, 70, H)}[3 + (name in WORD) + 2 * (name in TRANSLATION)]
    for key, param in lesson.init_params(*sizes, np.random.default_rng(0)).items():
        want = {"E": 0.3 if name == "luong" else 0.1, "Wx": 1 if len(sizes) == 2 else 70**-0.5}.get(key)
        if key not in ("va", "Wa", "W_enc", "W_dec") and not key.startswith("b"):
            assert param.std() == pytest.approx(want or param.shape[1]**-0.5, rel=0.05), key


@words
def test_perplexity_and_neighbours(name):
    lesson = module(name)
    assert lesson.score(math.log(7)) == pytest.approx(7)
    E = np.array([[1, 0], [0.2, 0.01], [9, 9], [-1, 0.0]])  # by angle: the lengths do not count
    assert lesson.neighbours(E, ["fox", "wolf", "stone", "sky"], "fox", 3) == ["wolf", "stone", "sky"]


@pytest.mark.parametrize("name", CHAR)
def test_gradient_by_lag_begins_at_the_output_and_its_places_differ(name, capsys):
    lesson, rng = module(name), np.random.default_rng(0)
    params, ids = lesson.init_params(5, 4, rng, np.float64), rng.integers(0, 5, 90)
    norms, saved = lesson.gradient_by_lag(params, ids, 6, 3)
    assert norms.shape == (7, 3) and len(saved) == 6 and len(set(norms[0])) == 3
    last = lesson.init_state(4, 1, np.float64)
    for x in ids[:57]:
        last, _ = lesson.step(params, lesson.look_up(params, [x]), last)
    _, slope = lesson.cross_entropy(lesson.readout(params, last[0]), ids[57:58], 1)
    assert norms[0, 0] == pytest.approx(np.linalg.norm(params["Wy"].T @ slope))
    lesson.plot_lags(Figure().subplots(), 10.0 ** -np.array([[0, 0, 0], [0, 1, 1.1], [0.5, 1.9, 3], [2, 2.1, 3]]))
    assert capsys.readouterr().out.split("\n")[:3] == [
        "gradient below 1/10 of that at lag 0: first at lag 1", "gradient below 1/100 of that at lag 0: first at lag 3",
        "gradient below 1/1000 of that at lag 0: not up to lag 3"]


def test_with_one_unit_the_bound_is_the_gradient():
    lesson, rng = module("char_rnn"), np.random.default_rng(0)
    params = lesson.init_params(7, 1, rng, np.float64)
    norms, saved = lesson.gradient_by_lag(params, rng.integers(0, 7, 200), 20, 5)
    assert np.allclose(lesson.norm_products(params, norms, saved), norms, rtol=1e-9, atol=0)


@lessons
def test_the_order_of_sets_does_not_matter(name, text, tmp_path, monkeypatch):
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        run_lesson(name, "--data", text, *small(name), "--steps", 3, "--out", seed, cwd=tmp_path)
    same(tmp_path / "1" / f"{name}.npz", tmp_path / "2" / f"{name}.npz")


@language
def test_a_sample_without_a_prompt_goes_on_from_id_0_and_does_not_show_it(name):
    lesson, vocab, ids, rng = module(name), ["<eos>", *"bcdefgh"], [0], np.random.default_rng(0)
    params = lesson.init_params(8, *([4] if name in WORD else []), 9, np.random.default_rng(1), np.float64)
    state = lesson.init_state(9, 1, np.float64)
    for _ in range(30):
        state, _ = lesson.step(params, lesson.look_up(params, ids[-1:]), state)
        ids.append(lesson.pick(lesson.readout(params, state[0])[:, 0], 0.2, rng))
    text = lesson.sample(params, vocab, "", 30, 0.2, np.random.default_rng(0))
    assert text == lesson.detokenize([vocab[i] for i in ids[1:]])


@pytest.mark.parametrize("name", TRANSLATION)
def test_what_is_scored_on_the_way(name, tmp_path, monkeypatch):
    """Nats of 500 held-out pairs of all lengths; a greedy BLEU of 100; at the end all 600, with the beam asked for."""
    lesson, calls = module(name), []
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"fox {n:04} {'x ' * (n // 700)}\tb\n" for n in range(6000)), encoding="utf-8")
    monkeypatch.setattr(lesson, "evaluate", lambda params, ids, size: (
        calls.append([len(source) for source, _ in ids]), 1.0)[1])
    monkeypatch.setattr(lesson, "measure", lambda params, vocab, pairs, ids, beam: (
        calls.append((len(pairs), len(ids), beam)), (7.0, 8.0, []))[1])
    flags = ["--data", str(path), "--out", str(tmp_path), "--steps", "1", "--beam", "3", *small(name)]
    assert lesson.main(flags) == 0
    assert len(calls[0]) == 500 and calls[0] != sorted(calls[0]) and calls[1:] == [(100, 100, 1), (600, 600, 3)]
    assert lesson.restore(tmp_path / f"{name}.npz")[0]["history"][0][3] == 7
