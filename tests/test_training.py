"""What the loops of learn and sample do, written down once more; first values, dropout, the best parameters."""
import math

import numpy as np
import pytest

from conftest import CHAR, LANGUAGE, WORD, contents, error_of, init, module, parts, read, small, train

language = pytest.mark.parametrize("name", LANGUAGE)
words = pytest.mark.parametrize("name", WORD)
pytestmark = pytest.mark.usefixtures("no_picture")


# %% Sampling
VOCAB = ["<eos>", *"bcdefgh"]


def written(lesson, ids):
    """Tokens as the lesson writes them."""
    tokens = [VOCAB[i] for i in ids]
    return lesson.detokenize(tokens) if lesson.LESSON in WORD else "".join(tokens)


@language
def test_a_sample_goes_on_from_all_the_text_before(name):
    """Each token is drawn from what the network says after all before it, which is read anew here."""
    lesson, ids, rng = module(name), [2, 7, 1, 3], np.random.default_rng(0)
    params = init(name, 8, 9, np.random.default_rng(1))
    prompt = [VOCAB[i] for i in ids]
    for _ in range(30):
        state = lesson.init_state(9, 1, np.float64)
        for x in ids:
            logits, state = lesson.predict(params, np.array([x]), state)
        p = np.exp(logits[:, 0] / 0.2 - max(logits[:, 0] / 0.2))
        ids.append(rng.choice(8, p=p / p.sum()))
    text = lesson.sample(params, VOCAB, prompt, 30, 0.2, np.random.default_rng(0))
    assert text == written(lesson, ids)
    assert lesson.sample(params, VOCAB, prompt, 0, 0.2, None) == written(lesson, ids[:4])


@language
def test_a_sample_without_a_prompt_goes_on_from_id_0_and_does_not_show_it(name):
    lesson, params = module(name), init(name, 8, 9, np.random.default_rng(1))
    ids, rng, state = [0], np.random.default_rng(0), module(name).init_state(9, 1, np.float64)
    for _ in range(30):
        logits, state = lesson.predict(params, np.array(ids[-1:]), state)
        p = np.exp(logits[:, 0] / 0.2 - max(logits[:, 0] / 0.2))
        ids.append(rng.choice(8, p=p / p.sum()))
    assert lesson.sample(params, VOCAB, [], 30, 0.2, np.random.default_rng(0)) == written(lesson, ids[1:])
    assert lesson.sample(params, VOCAB, [], 0, 0.2, None) == ""


# %% Learning
def a_run(name, steps=70, **settings):
    """A run that has not begun, as main makes one, with its training and held-out ids."""
    lesson, rng = module(name), np.random.default_rng(3)
    ids, valid, params = rng.integers(0, 9, 480), rng.integers(0, 9, 80), init(name, 9, 8, rng, np.float32)
    adam = lesson.Adam(params)
    settings = {"hidden": 8, "embed": 7, "batch": 5, "seq_len": 9, "steps": steps, "lr": 0.3, "clip": 0.2, "seed": 3,
                "every": 5, "dropout": 0.4} | settings
    run = {"params": params, "best": params, "m": adam.m, "v": adam.v, "vocab": list("abcdefghi"), "losses": [],
           "scores": [], "best_nats": math.inf, "settings": settings}
    return run | ({"rows_t": adam.rows_t} if name in WORD else {}), ids, valid


@language
def test_learn_is_this_loop(name):
    """Order of the windows, state zeroed where the text begins again, clip, falling rate, scores, best kept."""
    lesson = module(name)
    run, ids, valid = a_run(name)
    params = {key: param.copy() for key, param in run["params"].items()}
    adam, losses, scores, best = lesson.Adam(params), [], [], (math.inf, None)
    pairs = lesson.windows(ids, 5, 9)
    yielded = list(lesson.learn(run, ids, valid))
    for n in range(70):
        epoch, now = divmod(n, len(pairs))
        state = state if now else lesson.init_state(8, 5)
        rng, size = np.random.default_rng([3, n]), pairs[now][0].size
        masks = [[lesson.dropout_mask(0.4, (rows, size), rng) for rows in (7, 8)]] if name in WORD else []
        loss, state, cache = lesson.forward(params, *pairs[now], state, *masks)
        grads, _ = lesson.backward(params, cache)
        norm = lesson.clip_gradients(grads, 0.2)
        adam.update(params, grads, 0.3 * (1 - n / 70))
        losses.append(float(loss))
        scored = n + 1 in (1, 70) or (n + 1) % 5 == 0
        assert yielded[n] == (norm, size, scored)
        if scored:
            nats = lesson.evaluate(params, valid, 45)
            scores.append([n + 1, np.mean(losses[-5:]), nats])
            if nats <= best[0]:
                best = nats, {key: param.copy() for key, param in params.items()}
    assert epoch > 1 and pairs[-1][0].shape != pairs[0][0].shape and len(yielded) == 70
    assert run["losses"] == losses and run["scores"] == [pytest.approx(row) for row in scores]
    assert run["best_nats"] == best[0]
    for group, want in (("params", params), ("best", best[1]), ("m", adam.m), ("v", adam.v)):
        assert all((run[group][key] == want[key]).all() for key in params), group
    assert all((a == b).all() for a, b in zip(parts(run["state"]), parts(state)))
    assert list(lesson.learn(run, ids, valid)) == []                        # no steps left


@language
def test_learn_can_be_stopped_and_goes_on(name):
    """Whatever step the caller stops at, and with plain copies of the arrays, the end is the same."""
    lesson, ends = module(name), []
    for stop in (None, 1, 23):
        run, ids, valid = a_run(name, steps=40)
        if stop:
            for n, _ in enumerate(lesson.learn(run, ids, valid), 1):
                if n == stop:
                    break
            run = {key: {k: np.array(a) for k, a in value.items()} if key in ("params", "best", "m", "v") else value
                   for key, value in run.items()} | {"state": np.array(run["state"])}
        list(lesson.learn(run, ids, valid))
        ends.append(run)
    for run in ends[1:]:
        assert run["losses"] == ends[0]["losses"] and run["scores"] == ends[0]["scores"]
        assert all((run["best"][key] == ends[0]["best"][key]).all() for key in run["best"])


@language
def test_a_score_that_is_not_finite_ends_learning(name, monkeypatch):
    lesson, nats = module(name), iter((1.0, math.nan))
    run, ids, valid = a_run(name)
    monkeypatch.setattr(lesson, "evaluate", lambda *_: next(nats))
    with pytest.raises(lesson.BadInput):
        list(lesson.learn(run, ids, valid))
    assert len(run["losses"]) == 5 and run["best_nats"] == 1


@language
def test_main_learns_with_what_its_flags_say(name, text, tmp_path, capsys):
    """From first values of that seed, on the first nine tenths, with every setting; and what it tells to beat."""
    lesson = module(name)
    flags = ["--lr", 0.2, "--clip", 0.3, "--seed", 4, "--steps", 23, "--batch", 3, "--seq-len", 11, "--every", 4]
    path = train(name, text, tmp_path, *flags, *(["--dropout", 0.2, "--min-count", 1] if name in WORD else []))
    out = capsys.readouterr().out
    found = lesson.restore(path)
    vocab, ids, valid = read(name, text.read_text(encoding="utf-8"), "", min_count=1)
    sizes = (len(vocab), 6, 8) if name in WORD else (len(vocab), 8)
    params = lesson.init_params(*sizes, np.random.default_rng(4))
    adam = lesson.Adam(params)
    run = {"params": params, "m": adam.m, "v": adam.v, "losses": [], "scores": [], "best_nats": math.inf,
           "settings": {"hidden": 8, "embed": 6, "batch": 3, "seq_len": 11, "steps": 23, "lr": 0.2, "clip": 0.3,
                        "seed": 4, "every": 4, "dropout": 0.2}} | ({"rows_t": adam.rows_t} if name in WORD else {})
    list(lesson.learn(run, ids, valid))
    assert found["vocab"] == vocab and found["losses"] == run["losses"] and found["scores"] == run["scores"]
    assert all((found["params"][key] == run["params"][key]).all() for key in params)
    share = np.bincount(ids, minlength=len(vocab)) / len(ids) + 1e-9        # how common each one is
    (line,) = [line for line in out.split("\n") if line.startswith("to beat")]
    digits = ".1f" if name in WORD else ".3f"
    assert f" {lesson.score(-np.log(share[valid]).mean()):{digits}}" in line
    assert f" {len(vocab)} " in line if name in WORD else f" {math.log2(len(vocab)):.3f} " in line


@language
def test_the_best_parameters_are_kept(name, text, tmp_path, monkeypatch, capsys):
    """Of three evaluations the second is the best: its score is printed, its parameters loaded, sampled from, drawn."""
    lesson, nats, seen, used = module(name), iter((3.0, 1.0, 2.0)), [], []
    report = lesson.sample
    monkeypatch.setattr(lesson, "evaluate", lambda params, *_: (
        seen.append({key: param.copy() for key, param in params.items()}), next(nats))[1])
    monkeypatch.setattr(lesson, "sample", lambda params, *args: (used.append(params), report(params, *args))[1])
    monkeypatch.setattr(lesson, "draw", lambda path, run, *_: used.append(run["best"]))
    path = train(name, text, tmp_path, "--steps", 12, "--every", 6)
    (line,) = [line for line in capsys.readouterr().out.split("\n") if line.startswith("best held-out score:")]
    assert f" {lesson.score(1.0):.2f}" in line and len(seen) == 3 and len(used) == 2
    for params in (lesson.load(path)[0], *used):
        assert all((params[key] == seen[1][key]).all() for key in seen[1])
    assert (seen[1]["Wy"] != seen[2]["Wy"]).any()


@language
def test_samples_on_the_way_change_nothing(name, text, tmp_path, capsys):
    """After every fifth score a short one is printed, which begins with the prompt."""
    flags = ["--steps", 30, "--every", 2]
    first = train(name, text, tmp_path / "a", *flags, "--prompt", "A crow")
    out = capsys.readouterr().out.split("step    30")[0]
    assert out.count("A crow") == 3
    second = train(name, text, tmp_path / "b", *flags)
    assert contents(first)[1]["losses"] == contents(second)[1]["losses"]


@language
def test_of_a_long_held_out_text_the_first_100_000_tokens_are_scored(name, text, tmp_path, monkeypatch, capsys):
    seen = []
    (tmp_path / "valid.txt").write_text("the crow " * (12_000 if name in CHAR else 51_000), encoding="utf-8")
    monkeypatch.setattr(module(name), "evaluate", lambda params, ids, size: (seen.append(len(ids)), 1.0)[1])
    train(name, text, tmp_path / "out", "--valid", tmp_path / "valid.txt", "--steps", 1)
    assert seen == [100_001] and "100,00" in capsys.readouterr().out


# %% First values
def test_first_values_keep_the_size_of_a_sum():
    """Variance 1 / columns, but for vectors of words (0.1) and for characters, which are one column each (1)."""
    for name in LANGUAGE:
        for key, param in init(name, 80, 90, np.random.default_rng(0)).items():
            want = {"E": 0.1}.get(key, 1 if key == "Wx" and name in CHAR else param.shape[1]**-0.5)
            if not key.startswith("b"):
                assert param.std() == pytest.approx(want, rel=0.05) and abs(param.mean()) < 0.1 * want, (name, key)


@language
def test_first_biases_are_zero_but_for_the_forget_gate(name):
    params = init(name, 9, 6, np.random.default_rng(0))
    for key in ("b", "by", "bn"):
        if key in params:
            rows = slice(6, 12) if name.endswith("lstm") and key == "b" else slice(0)
            assert (params[key][rows] == 1).all() and params[key].sum() == len(params[key][rows]), key


@pytest.mark.parametrize("name", CHAR)
def test_the_first_loss_is_that_of_guessing(name):
    """Of 62 characters: 5.95 bits, as the comment above cross_entropy says; and 2.14 bits are 4.4 characters."""
    vocab, ids, _ = module(name).read_data(None, None)
    inputs, targets = module(name).windows(ids, 32, 64)[0]
    params = module(name).init_params(len(vocab), 256, np.random.default_rng(0))
    loss, _, _ = module(name).forward(params, inputs, targets, module(name).init_state(256, 32))
    assert len(vocab) == 62 and round(math.log2(62), 2) == 5.95 and abs(loss / math.log(2) - 5.95) < 0.5
    assert round(2**2.14, 1) == 4.4


# %% Dropout
@words
def test_dropout_zeroes_its_fraction_and_keeps_the_mean(name):
    mask = module(name).dropout_mask(0.2, (70, 400), np.random.default_rng(0))
    assert mask.shape == (70, 400) and set(mask.ravel().tolist()) == {0, 1.25}
    assert abs((mask == 0).mean() - 0.2) < 0.01 and abs(mask.mean() - 1) < 0.01
    assert (mask[0] != mask[1]).any() and (mask[:, 0] != mask[:, 1]).any()
    assert (module(name).dropout_mask(0, (70, 400), np.random.default_rng(0)) == 1).all()


@words
def test_every_step_has_masks_of_its_own_and_held_out_text_none(name, monkeypatch):
    lesson, seen = module(name), []
    run, ids, valid = a_run(name, steps=3)
    forward = lesson.forward
    monkeypatch.setattr(lesson, "forward", lambda *args: (seen.append(args[4:]), forward(*args))[1])
    list(lesson.learn(run, ids, valid))
    drawn = [masks[0] for masks in seen if masks and masks[0] is not None]
    assert len(drawn) == 3 and len(seen) > 3                # the others are of scores
    for first, second in zip(drawn, drawn[1:]):
        assert [mask.shape for mask in first] == [(7, 45), (8, 45)]
        assert all((a != b).any() and 0.2 < (a == 0).mean() < 0.6 for a, b in zip(first, second))


@words
@pytest.mark.parametrize("dropout", ["1", "1.5", "-0.1", "nan"])
def test_dropout_of_everything(name, dropout, text, tmp_path, capsys):
    flags = ["--data", str(text), *small(name), f"--dropout={dropout}", "--out", str(tmp_path / "out")]
    assert module(name).main(flags) == 2 and not (tmp_path / "out").exists()
    assert "--dropout" in error_of(capsys, name)
