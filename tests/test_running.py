"""How the language lessons behave when people run them: the same result for the same seed, exact
resumption, Ctrl-C, sudden death, fine-tuning, odd texts, terminals and notebooks, memory.

What is bad input stands in test_bad_input.py.
"""
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from matplotlib.figure import Figure

from conftest import (CHAR, FABLES, LANGUAGE, ROOT, WORD, contents, error_of, module, read, run_lesson, same, small,
                      train)

language = pytest.mark.parametrize("name", LANGUAGE)
few = pytest.mark.parametrize("name", ["char_rnn", "char_gru", "word_lstm"])    # what is in no function: test_repeats
fast = pytest.mark.usefixtures("no_picture")


def untimed(output):
    """Printed output without the figures that depend on the clock."""
    return re.sub(r"[\d,]+ tokens/s +[\d.]+ min left", "", output)


NO_PICTURE = """import runpy, sys
sys.modules["matplotlib"], sys.argv = None, sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")"""         # then it ends with status 2, after all else


def failing(function, calls, error=KeyboardInterrupt):
    """That function, but one that raises at its n-th call."""
    count = []

    def wrapped(*args, **kwargs):
        count.append(1)
        if len(count) == calls:
            raise error
        return function(*args, **kwargs)
    return wrapped


# %% The same again
@language
def test_same_seed_same_run(name, text, tmp_path, capsys, monkeypatch):
    outputs = []
    for folder, seed in (("out1", 3), ("out2", 3), ("out3", 4)):
        path = train(name, text, tmp_path / folder, "--steps", 30, "--seed", seed)
        assert path.with_suffix(".png").stat().st_size > 10_000 or seed == 4
        assert {file.name for file in path.parent.iterdir()} == {f"{name}.npz", f"{name}.png"}
        outputs.append(untimed(capsys.readouterr().out).replace(folder, ""))
        if folder == "out2":                                # to save time
            monkeypatch.setattr(module(name), "draw", lambda path, *_: path.touch())
    same(*(tmp_path / folder / f"{name}.npz" for folder in ("out1", "out2")))
    assert outputs[0] == outputs[1] != outputs[2]


@language
def test_the_order_of_sets_does_not_matter(name, text, tmp_path):
    outputs = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        done = run_lesson(name, "--data", text, *small(name), "--steps", 3, cwd=tmp_path / seed, PYTHONHASHSEED=seed,
                          code=NO_PICTURE, check=False)
        outputs.append(untimed(done.stdout))
    same(*(tmp_path / seed / "out" / f"{name}.npz" for seed in ("1", "2")))
    assert outputs[0] == outputs[1]


@fast
@language
def test_it_learns(name, text, tmp_path):
    path = train(name, text, tmp_path, "--steps", 200, "--every", 50, "--hidden", 32, "--lr", 0.03)
    losses = contents(path)[1]["losses"]
    assert np.mean(losses[-20:]) < 0.75 * losses[0]


@fast
@language
def test_a_whole_run_raises_no_floating_point_error(name, text, tmp_path):
    flags = ["--data", str(text), "--steps", "30", "--out", str(tmp_path / "out"), *small(name)]
    with np.errstate(all="raise", under="ignore"):
        assert module(name).work(flags) == 0


# %% Ctrl-C and going on
@fast
@language
@pytest.mark.parametrize("where, calls, back_to", [
    ("clip_gradients", 2, 1), ("backward", 18, 15), ("evaluate", 5, 15), ("savez", 4, 10)])
def test_resuming_is_exact(name, where, calls, back_to, text, tmp_path, capsys, monkeypatch):
    """Ctrl-C anywhere goes back to the last checkpoint; then --load ends like the run that nobody stopped."""
    lesson = module(name)
    first = train(name, text, tmp_path / "a", "--steps", 25, "--prompt", "The")
    whole = capsys.readouterr().out
    with monkeypatch.context() as patch:
        owner = np if where == "savez" else lesson
        patch.setattr(owner, where, failing(getattr(owner, where), calls))
        flags = ["--data", text, "--steps", 25, "--prompt", "The", "--out", tmp_path / "b", *small(name)]
        assert lesson.main(list(map(str, flags))) == 130
    stopped = capsys.readouterr()
    second = tmp_path / "b" / f"{name}.npz"
    assert stopped.err == "" and len(lesson.restore(second)["losses"]) == back_to
    assert "The" in stopped.out.split("best held-out score:")[1]
    assert lesson.main(["--load", str(second)]) == 0
    same(first, second)
    resumed = capsys.readouterr().out
    assert whole.split("best held-out score:")[1].replace("/a/", "/b/") == resumed.split("best held-out score:")[1]


@fast
@language
def test_two_interruptions_on_the_way(name, text, tmp_path, monkeypatch):
    lesson = module(name)
    first = train(name, text, tmp_path / "a", "--steps", 30)
    second = tmp_path / "b" / f"{name}.npz"
    flags = ["--data", text, "--steps", 30, "--out", tmp_path / "b", *small(name)]
    for calls, flags in ((8, flags), (9, ["--load", second])):
        with monkeypatch.context() as patch:
            patch.setattr(lesson, "clip_gradients", failing(lesson.clip_gradients, calls))
            assert lesson.main(list(map(str, flags))) == 130
    assert lesson.main(["--load", str(second)]) == 0
    same(first, second)


@fast
@language
@pytest.mark.parametrize("where", ["read_data", "check_gradients", "clip_gradients", "savez"])
def test_ctrl_c_before_the_first_checkpoint(name, where, text, tmp_path, capsys, monkeypatch):
    """Nothing is written, and an earlier checkpoint is not lost."""
    lesson = module(name)
    earlier = train(name, text, tmp_path).read_bytes()
    capsys.readouterr()
    owner = np if where == "savez" else lesson
    monkeypatch.setattr(owner, where, failing(getattr(owner, where), 1))
    flags = ["--data", text, "--steps", 40, "--seed", 1, "--out", tmp_path, *small(name)]
    assert lesson.main(list(map(str, flags))) == 130
    out, err = capsys.readouterr()
    assert err == "" and (where in ("read_data", "check_gradients") or "nothing is saved" in out)
    assert (tmp_path / f"{name}.npz").read_bytes() == earlier and not list(tmp_path.glob("*.old.npz"))


@fast
@language
def test_a_second_ctrl_c_during_the_last_sample(name, text, tmp_path, capsys, monkeypatch):
    lesson = module(name)
    monkeypatch.setattr(lesson, "clip_gradients", failing(lesson.clip_gradients, 3))
    monkeypatch.setattr(lesson, "sample", failing(lesson.sample, 1))
    flags = ["--data", text, "--steps", 40, "--out", tmp_path, *small(name)]
    assert lesson.main(list(map(str, flags))) == 130 and capsys.readouterr().err == ""
    assert len(lesson.restore(tmp_path / f"{name}.npz")["losses"]) == 1


def start(name, *flags, cwd):
    """Begin a run in a process of its own, which Ctrl-C can reach even where the tests run in the background."""
    return subprocess.Popen([sys.executable, str(ROOT / f"{name}.py"), *map(str, flags)], cwd=cwd, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def wait_for(process, pattern):
    """Read lines of a process until one matches."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return
    raise AssertionError("".join(lines) + process.stderr.read())


@language
def test_a_real_ctrl_c(name, tmp_path):
    process = start(name, *small(name), "--steps", 10**6, "--prompt", "The fox", cwd=tmp_path)
    wait_for(process, "tokens/s")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err == ""
    assert len(out.split("The fox")[-1].split()) > (2 if name in CHAR else 20)      # a sample
    module(name).load(tmp_path / "out" / f"{name}.npz")


def test_sudden_death_leaves_a_whole_checkpoint(tmp_path):
    """SIGKILL at twenty random moments of runs that save after every step; a later run is not disturbed."""
    rng = random.Random(0)
    for kill in range(20):
        name = LANGUAGE[kill % len(LANGUAGE)]
        checkpoint = tmp_path / "out" / f"{name}.npz"
        process = start(name, *small(name), "--every", 1, "--steps", 10**6, cwd=tmp_path)
        wait_for(process, "tokens/s")
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        module(name).load(checkpoint)
    run_lesson(name, *small(name), "--steps", 2, cwd=tmp_path)
    assert len(contents(checkpoint)[1]["losses"]) == 2


@fast
@language
def test_an_earlier_checkpoint_is_moved_aside(name, text, tmp_path, capsys):
    """At a new run's first save, and it says so; not by a run that goes on, nor by one that fails before."""
    old = tmp_path / f"{name}.old.npz"
    path = train(name, text, tmp_path, "--seed", 1)
    first = path.read_bytes()
    assert not old.exists() and old.name not in capsys.readouterr().out
    assert module(name).main(["--load", str(path), "--steps", "6"]) == 0
    assert not old.exists() and old.name not in capsys.readouterr().out
    first = path.read_bytes()
    train(name, text, tmp_path, "--steps", 0)
    assert module(name).main(["--data", "nowhere.txt", "--out", str(tmp_path)]) == 2
    assert not old.exists() and path.read_bytes() == first
    capsys.readouterr()
    train(name, text, tmp_path, "--seed", 2)
    assert old.read_bytes() == first and old.name in capsys.readouterr().out
    second = path.read_bytes()
    train(name, text, tmp_path, "--seed", 3)
    assert old.read_bytes() == second


@fast
@language
def test_what_may_change_on_the_way(name, text, tmp_path, monkeypatch):
    """Steps, rate, clip, every: the checkpoint's are the defaults, what is given wins, and is kept."""
    monkeypatch.chdir(tmp_path)
    lesson, path = module(name), train(name, text, tmp_path / "mine", "--clip", 0.7)
    own = path.rename(path.with_name("my.own.npz"))
    changed = ["--steps", "12", "--lr", "0.01", "--every", "4"]
    assert lesson.main(["--load", str(own), *changed, "--hidden", "8", "--batch", "4", "--seq-len", "9"]) == 0
    run = lesson.restore(own)
    assert len(run["losses"]) == 12 and [row[0] for row in run["scores"]] == [1, 5, 8, 12]
    assert [run["settings"][key] for key in ("steps", "lr", "every", "clip")] == [12, 0.01, 4, 0.7]
    assert not (tmp_path / "out").exists() and not path.exists()            # it goes on in that file


@fast
@language
def test_a_changed_rate_is_used(name, text, tmp_path):
    """With a rate of 0 the parameters stay, while the text is read."""
    path = train(name, text, tmp_path)
    before = module(name).restore(path)["params"]
    assert module(name).main(["--load", str(path), "--steps", "9", "--lr", "0"]) == 0
    after = module(name).restore(path)
    assert len(after["losses"]) == 9 and all((before[key] == after["params"][key]).all() for key in before)


@fast
@language
def test_the_same_text_in_another_place_is_the_same(name, text, tmp_path):
    path = train(name, text, tmp_path)
    moved = text.rename(tmp_path / "moved.txt")
    assert module(name).main(["--load", str(path), "--data", str(moved), "--steps", "9"]) == 0
    assert len(module(name).restore(path)["losses"]) == 9


@fast
@language
def test_with_no_steps_left_it_only_samples(name, text, tmp_path, capsys):
    """The text is not needed, the file stays as it is; other prompts, lengths, temperatures and seeds are used."""
    lesson, path = module(name), train(name, text, tmp_path)
    before, samples = path.read_bytes(), []
    text.unlink()
    for flags in (["--seed", "0"], ["--seed", "1"], ["--seed", "1"], ["--seed", "1", "--temperature", "0.1"],
                  ["--prompt", "The", "--steps", "0"], ["--length", "0"], ["--length", "0", "--prompt", "The"]):
        capsys.readouterr()
        assert lesson.main(["--load", str(path), *flags]) == 0
        out, err = capsys.readouterr()
        assert err == "" and "tokens/s" not in out and "gradient check:" not in out
        samples.append(out.split("best held-out score:")[1].partition("\n")[2])
    assert samples[0] != samples[1] == samples[2] != samples[3]
    assert samples[4].startswith("The") and len(samples[4]) > 20 and samples[5:] == ["\n", "The\n"]
    assert path.read_bytes() == before and not path.with_suffix(".png").exists()


@language
def test_no_steps_at_all(name, text, tmp_path, capsys):
    """The first values are sampled; nothing is written, for there is nothing to keep."""
    flags = ["--data", str(text), "--steps", "0", "--out", str(tmp_path / "out"), *small(name), "--prompt", "The"]
    assert module(name).main(flags) == 0
    out, err = capsys.readouterr()
    assert err == "" and len(out.rsplit("The", 1)[1].strip()) > 20          # the sample
    assert list(tmp_path.rglob(f"{name}*")) == []


@fast
@language
def test_load_gives_what_an_importer_needs(name, text, tmp_path):
    lesson = module(name)
    params, vocab, settings = lesson.load(train(name, text, tmp_path))
    assert settings["hidden"] == 8 and isinstance(vocab, list) and params["Wy"].shape == (len(vocab), 8)
    prompt = lesson.tokenize("The") if name in WORD else "The"
    texts = [lesson.sample(params, vocab, prompt, 30, 1.0, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and all(t.startswith("The") for t in texts)


# %% Fine-tuning
@fast
@language
def test_init_begins_with_the_best_parameters_and_the_vocabulary(name, text, tmp_path, monkeypatch):
    """Moments, losses and plan are new; batch and window may be others; the checkpoint itself stays."""
    lesson = module(name)
    with monkeypatch.context() as patch:                    # so that the best are not the last
        nats = iter((2.0, 1.0, 3.0))
        patch.setattr(lesson, "evaluate", lambda *_: next(nats))
        path = train(name, text, tmp_path / "a", "--steps", 10)
    start, before = lesson.restore(path), path.read_bytes()
    assert any((start["best"][key] != start["params"][key]).any() for key in start["best"])
    other = tmp_path / "other.txt"
    other.write_text(FABLES[3000:4000], encoding="utf-8")
    new = train(name, other, tmp_path / "b", "--init", path, "--lr", 0, "--batch", 3, "--seq-len", 7)
    run = lesson.restore(new)
    assert path.read_bytes() == before and run["vocab"] == start["vocab"] and len(run["losses"]) == 5
    assert all((run["params"][key] == start["best"][key]).all() for key in start["best"])
    assert lesson.main(["--load", str(new), "--steps", "9"]) == 0           # it is a run like others
    alone = ["--init", str(path), "--data", str(other), "--steps", "1", "--out", str(tmp_path / "c"), "--length", "9"]
    assert lesson.main(alone) == 0                                          # sizes come from the checkpoint
    run = lesson.restore(tmp_path / "c" / f"{name}.npz")
    assert run["settings"]["hidden"] == 8 and run["settings"]["seq_len"] == lesson.SETTINGS["seq_len"][0]
    assert all(0 < np.abs(run["m"][key]).max() <= 0.1 * (1 + 1e-6) for key in run["m"])    # one clipped gradient


@fast
@pytest.mark.parametrize("name", CHAR)
def test_init_leaves_out_unknown_characters(name, text, tmp_path, capsys):
    path = train(name, text, tmp_path / "a")
    other = tmp_path / "other.txt"
    other.write_text("\u20acThe \u03b1crow\u03b1 sat.\n" * 41, encoding="utf-8")
    capsys.readouterr()
    new = train(name, other, tmp_path / "b", "--init", path)
    assert re.search(rf"\b{3 * 41}\b", capsys.readouterr().out)
    plain = tmp_path / "plain.txt"
    plain.write_text("The crow sat.\n" * 41, encoding="utf-8")
    assert contents(new)[1]["vocab"] == contents(path)[1]["vocab"]
    flags = ["--load", str(new), "--data", str(plain), "--steps", "7"]      # what is left is this text
    assert module(name).main(flags) in (0, 2) and len(contents(new)[1]["losses"]) >= 5


@fast
@pytest.mark.parametrize("name", WORD)
def test_init_reads_unknown_words_as_unk(name, text, tmp_path, capsys):
    path = train(name, text, tmp_path / "a")
    other = tmp_path / "other.txt"
    other.write_text("the zyx saw the fox .\n" * 41, encoding="utf-8")
    capsys.readouterr()
    new = train(name, other, tmp_path / "b", "--init", path)
    assert re.search(r"\d+ of \d+ tokens", capsys.readouterr().out)
    assert contents(new)[1]["vocab"] == contents(path)[1]["vocab"]
    path = train(name, text, tmp_path / "c", "--min-count", 1)              # without <unk> they are left out
    new = train(name, other, tmp_path / "d", "--init", path)
    assert contents(new)[1]["vocab"] == contents(path)[1]["vocab"] and "<unk>" not in contents(path)[1]["vocab"]


@fast
@language
@pytest.mark.parametrize("other", ["", ".old"])
def test_init_never_writes_over_its_file(name, other, text, tmp_path, capsys):
    """Not where --out is the folder of FILE, however it is spelled, nor by moving an earlier checkpoint there."""
    train(name, text, tmp_path)
    file = train(name, text, tmp_path, "--seed", 1).with_name(f"{name}{other}.npz")
    before = file.read_bytes()
    for out in (tmp_path, tmp_path / ".." / tmp_path.name):
        capsys.readouterr()
        flags = ["--init", file, "--data", text, "--out", out, "--steps", 5, *small(name)]
        assert module(name).main(list(map(str, flags))) == 2
        error_of(capsys, name)
        assert file.read_bytes() == before


@language
@pytest.mark.parametrize("size", ["--hidden", "--embed"])
def test_init_with_other_sizes_is_refused(name, size, text, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module(name), "draw", lambda *args: None)
    path = train(name, text, tmp_path / "a")
    flags = ["--init", path, "--data", text, "--out", tmp_path / "b", *small(name), size, 9]
    capsys.readouterr()
    assert module(name).main(list(map(str, flags))) == 2                    # char lessons have no --embed
    error_of(capsys, name)
    assert not (tmp_path / "b").exists()


# %% Texts
@language
def test_a_lesson_alone_in_a_folder(name, tmp_path):
    """One file beside the reader's 300 characters, run in that folder, whose name has accents."""
    folder = tmp_path / "un dossier \u00e9t\u00e9"
    folder.mkdir()
    copy = shutil.copy(ROOT / f"{name}.py", folder)
    (folder / "mine.txt").write_text(FABLES[:300], encoding="utf-8")
    done = run_lesson(name, "--data", "mine.txt", "--steps", 20, cwd=folder, file=copy)
    assert {p.name for p in (folder / "out").iterdir()} == {f"{name}.npz", f"{name}.png"} and done.stderr == ""
    done = run_lesson(name, cwd=folder, file=copy, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "fables.txt" in done.stderr


@few
def test_through_a_symbolic_link_from_another_folder(name, tmp_path):
    (tmp_path / "link.py").symlink_to(ROOT / f"{name}.py")
    (tmp_path / "elsewhere").mkdir()
    run_lesson(name, *small(name), "--steps", 1, cwd=tmp_path / "elsewhere", file="../link.py", code=NO_PICTURE,
               check=False)
    assert (tmp_path / "elsewhere" / "out" / f"{name}.npz").exists()


@fast
@language
def test_greek_emoji_byte_order_mark_and_windows_line_ends(name, tmp_path, capsys):
    text = "\u03b1\u03b2\u03b3 \u03b4\u03ad\u03bd\u03c4\u03c1\u03bf \U0001f98a.\r\nThe fox \U0001f98a saw it.\r\n" * 30
    text += "only here: \u0416\u20ac\r\n"
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    path = train(name, tmp_path / "t.txt", tmp_path / "out", "--prompt", "The fox")
    out, err = capsys.readouterr()
    assert err == "" and "The fox" in out
    if name in CHAR:                                        # held-out characters that training lacks are counted
        text = text.replace("\r\n", "\n")
        cut = len(text) * 9 // 10
        assert re.search(rf"\b{sum(c not in text[:cut] for c in text[cut:])}\b", out)
    vocab = module(name).load(path)[1]
    assert "\U0001f98a" in vocab and not any("\r" in v or "\ufeff" in v or "\u20ac" in v for v in vocab)


@fast
@language
def test_valid_names_the_held_out_text(name, tmp_path, text, capsys):
    """Then all of the data is learned from, and the vocabulary comes from it alone."""
    lesson, held = module(name), FABLES[5000:5400] + "\u0416"
    (tmp_path / "held.txt").write_text(held, encoding="utf-8")
    path = train(name, text, tmp_path, "--valid", tmp_path / "held.txt")
    vocab, ids, valid = read(name, text.read_text(encoding="utf-8"), held)
    out, run = capsys.readouterr().out, lesson.restore(path)
    assert re.search(rf"\b{len(ids)}\b.*\b{len(valid)} held out", out)
    assert run["vocab"] == vocab and "\u0416" not in vocab
    assert run["scores"][-1][2] == pytest.approx(lesson.evaluate(run["params"], valid, 36))


@fast
@language
def test_extreme_settings(name, tmp_path, text):
    for flags in (["--hidden", 1], ["--batch", 1], ["--seq-len", 1], ["--batch", 9999], ["--seq-len", 9999],
                  ["--batch", 10**8], ["--seq-len", 10**8], ["--every", 10**8], ["--lr", 0], ["--temperature", 0],
                  ["--length", 0], ["--lr", 100], ["--clip", 0], ["--clip", 1e8], ["--seed", 10**8],
                  ["--prompt", FABLES[:800]], ["--dropout", 0], ["--embed", 2]):
        if name in WORD or flags[0] not in ("--dropout", "--embed"):
            train(name, text, tmp_path, "--steps", 3, *flags)


@language
def test_a_text_of_twenty_tokens(name, tmp_path, capsys):
    """The smallest that works, and one whose held-out tenth has one known token."""
    for content, status in (("ab" * 10, 0), ("ab" * 9 + "ac", 2), ("ab" * 9 + "cd", 2), ("ab" * 5, 2)):
        (tmp_path / "t.txt").write_text((" " if name in WORD else "").join(content), encoding="utf-8")
        flags = ["--data", str(tmp_path / "t.txt"), "--steps", "3", "--out", str(tmp_path / content), *small(name),
                 *(["--min-count", "1"] if name in WORD else [])]
        assert module(name).main(flags) == status, content
        if status:
            error_of(capsys, name)
        else:
            assert capsys.readouterr().err == ""


# %% Where it runs
@pytest.mark.parametrize("name, encoding", [*zip(LANGUAGE, ["ascii", "cp1252", "utf-8:strict"] * 2)])
def test_a_terminal_that_lacks_letters_of_the_text(name, encoding, tmp_path):
    (tmp_path / "t.txt").write_text("\u03b1\u03b2\u03b3 \u03b4\u03ad\u03bd\u03c4 \U0001f98a.\n" * 60, encoding="utf-8")
    done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), "--data", "t.txt", *small(name), "--steps", "5",
                           "--out", b"o\xff"], cwd=tmp_path, capture_output=True,
                          env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and done.stderr == b"" and b"picture: " in done.stdout


@few
def test_as_cells_of_a_notebook(name, tmp_path):
    """No __file__, flags of another program on the command line; the picture is shown, and an error is one line."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    for flag, value in (("hidden", 8), ("steps", 2), ("length", 9)):
        source, count = re.subn(rf'("{flag}": \()\d+', rf"\g<1>{value}", source)
        assert count == 1
    (tmp_path / "cells.py").write_text(source, encoding="utf-8")
    code = """import sys, types
fake = types.ModuleType("IPython.display")
fake.Image, fake.display = lambda path: ("picture of", path), print
top = types.ModuleType("IPython")
top.version_info, top.get_ipython = (9, 0), lambda: None
sys.modules |= {"IPython": top, "IPython.display": fake}
source = open(sys.argv[1], encoding="utf-8").read()
sys.argv = ["pydevconsole.py", "--port=1"]
names = {"__name__": "__main__", "get_ipython": None}
exec(compile(source, "cells", "exec"), names)
assert "sample" in names"""
    done = run_lesson(name, cwd=tmp_path, file="cells.py", code=code, check=False)
    assert "fables.txt" in done.stderr.splitlines()[0] and "SystemExit" not in done.stderr      # no data here
    (tmp_path / "data").symlink_to(ROOT / "data")
    done = run_lesson(name, cwd=tmp_path, file="cells.py", code=code, MPLBACKEND="module://no.such.backend")
    assert done.stderr == "" and f"('picture of', 'out/{name}.png')" in done.stdout
    assert (tmp_path / "out" / f"{name}.png").exists()


@fast
@language
def test_from_a_thread_and_twice(name, text, tmp_path):
    paths = []
    for folder in ("a", "b"):
        thread = threading.Thread(target=lambda: paths.append(train(name, text, tmp_path / folder)))
        thread.start()
        thread.join()
    same(*paths)
    same(paths[0], train(name, text, tmp_path / "c"))


@language
def test_without_matplotlib_only_the_picture_is_missing(name, text, tmp_path, monkeypatch, capsys):
    for part in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, part, None)
    flags = ["--data", str(text), *small(name), "--steps", "2", "--out", str(tmp_path), "--prompt", "The"]
    assert module(name).main(flags) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "matplotlib" in err and "The" in out.split("best held-out score:")[1]
    assert [path.name for path in tmp_path.glob(f"{name}*")] == [f"{name}.npz"]


@few
def test_threads(name, tmp_path):
    """A script takes two, unless it is told how many; an import leaves that to its importer."""
    code = """import os, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__" if "--help" in sys.argv else "lesson")
except SystemExit:
    pass
print("threads", os.environ.get("OPENBLAS_NUM_THREADS"))"""

    def threads(*flags, **env):
        for key in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            env.setdefault(key, None)
        own = {key: value for key, value in (os.environ | env).items() if value is not None}
        done = subprocess.run([sys.executable, "-c", code, str(ROOT / f"{name}.py"), *flags], cwd=tmp_path, env=own,
                              capture_output=True, text=True)
        return done.stdout.split("threads ")[-1].strip()
    assert threads("--help") == "2" and threads() == "None"
    assert threads("--help", OPENBLAS_NUM_THREADS="3") == "3" and threads("--help", OMP_NUM_THREADS="1") == "None"


@language
def test_help_names_every_flag(name, capsys):
    with pytest.raises(SystemExit) as end:
        module(name).main(["--help"])
    out = capsys.readouterr().out
    assert not end.value.code and all("--" + flag.replace("_", "-") in out for flag in module(name).SETTINGS)


# %% Memory
@language
def test_scoring_and_the_figure_need_no_more_memory_than_training(name, monkeypatch):
    """Peaks beside the parameters, at batch 1, windows of 2000 and 200,000 tokens, a tenth of them held out."""
    lesson, rng = module(name), np.random.default_rng(0)
    V, H = (3000 if name in WORD else 60), 128
    params = lesson.init_params(*((V, 64, H) if name in WORD else (V, H)), rng)
    ids, valid, adam = rng.integers(0, V, 180_000), rng.integers(0, V, 20_000), lesson.Adam(params)
    settings = {"hidden": H, "embed": 64, "batch": 1, "seq_len": 2000, "steps": 3, "lr": 0.01, "clip": 1, "seed": 0,
                "every": 5, "dropout": 0.5}
    run = {"params": params, "best": params, "m": adam.m, "v": adam.v, "losses": [], "scores": [],
           "best_nats": math.inf, "settings": settings} | ({"rows_t": adam.rows_t} if name in WORD else {})
    with monkeypatch.context() as patch:
        patch.setattr(lesson, "evaluate", lambda *_: 1.0)
        training = peak(lambda: list(lesson.learn(run, ids, valid)))
    assert peak(lambda: lesson.evaluate(params, valid, 2000)) <= training
    if name in CHAR:
        assert peak(lambda: lesson.gradient_by_lag(params, valid)) <= training
        if name != "char_rnn":
            find = lesson.best_cells if name == "char_lstm" else lesson.best_units
            with np.errstate(all="ignore"):                 # as main does it: this text has no quotation marks
                assert peak(lambda: find(params, valid, [chr(65 + n) for n in range(V)])) <= training
    else:       # words of one letter, as in Chinese: the map has no longer ones to choose from
        axes = Figure().subplots()
        assert peak(lambda: lesson.plot_words(axes, params["E"], [chr(0x4e00 + n) for n in range(V)])) <= training


def peak(function):
    """The most memory that the function holds at a time."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
