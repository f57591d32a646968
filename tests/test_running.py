"""How the lessons behave when people run them: the same result for the same seed, exact resumption,
Ctrl-C, sudden death, bad input, a copy of one file alone in a folder."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from conftest import CHAR, LANGUAGE, LESSONS, ROOT, TRANSLATION, module, run_lesson

lessons = pytest.mark.parametrize("name", LESSONS)
language = pytest.mark.parametrize("name", LANGUAGE)
FABLES = (ROOT / "data" / "fables.txt").read_text(encoding="utf-8")
PAIRS = (ROOT / "data" / "en_fr.tsv").read_text(encoding="utf-8").splitlines(keepends=True)


def small(name):
    """Flags for a run of moments."""
    if name in TRANSLATION:
        return ["--hidden", "8", "--embed", "6", "--batch", "4", "--every", "5"]
    return ["--hidden", "8", "--batch", "4", "--seq-len", "9", "--every", "5", "--length", "40"]


@pytest.fixture
def text(request, tmp_path):
    """Little to learn from, so that a few dozen steps go over its end and begin again."""
    name = request.node.callspec.params["name"] if hasattr(request.node, "callspec") else "char_rnn"
    path = tmp_path / "text.txt"
    path.write_text("".join(PAIRS[:120]) if name in TRANSLATION else FABLES[:900], encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_picture(request, monkeypatch):
    """Runs inside the test process draw nothing, to save time; test_same_seed_same_run does."""
    if "test_same_seed" not in request.node.name:
        for name in LESSONS:
            monkeypatch.setattr(module(name), "draw", lambda *args: None)


def arrays(path):
    """All arrays of a checkpoint, without the plain values that tell the time."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def same(first, second):
    first, second = arrays(first), arrays(second)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype and (first[name] == second[name]).all(), name


def untimed(output):
    """Printed output without the figures that depend on the clock."""
    return re.sub(r"[\d,]+ tokens/s, \d+:\d+ left|out\w*", "", output)


@lessons
def test_same_seed_same_run(name, text, tmp_path, capsys):
    outputs = []
    for folder, seed in (("out1", 3), ("out2", 3), ("out3", 4)):
        status = module(name).main(["--data", str(text), "--out", str(tmp_path / folder), "--steps", "30",
                                    "--seed", str(seed), *small(name)])
        assert status == 0 and (tmp_path / folder / f"{name}.png").stat().st_size > 10_000
        outputs.append(untimed(capsys.readouterr().out).replace(str(tmp_path), ""))
    same(*(tmp_path / f / f"{name}.npz" for f in ("out1", "out2")))
    assert outputs[0] == outputs[1] != outputs[2]


@lessons
@pytest.mark.parametrize("steps_done", [1, 17, 22])
def test_resuming_is_exact(name, steps_done, text, tmp_path, capsys, monkeypatch):
    """Ctrl-C at some step, then --load: parameters, moments, state, history and samples all equal."""
    lesson = module(name)
    flags = ["--data", str(text), "--steps", "40", *small(name)]
    assert lesson.main([*flags, "--out", str(tmp_path / "a")]) == 0
    whole = capsys.readouterr().out
    clip, calls = lesson.clip_gradients, []

    def clip_then_interrupt(grads, max_norm):
        calls.append(1)
        if len(calls) == steps_done:
            os.kill(os.getpid(), signal.SIGINT)
        return clip(grads, max_norm)
    monkeypatch.setattr(lesson, "clip_gradients", clip_then_interrupt)
    assert lesson.main([*flags, "--out", str(tmp_path / "b")]) == 130
    assert len(calls) == steps_done and f"stopped and saved at step {steps_done}:" in capsys.readouterr().out
    checkpoint = tmp_path / "b" / f"{name}.npz"
    length = ["--length", "40"] if name in LANGUAGE else []
    assert lesson.main(["--load", str(checkpoint), "--out", str(tmp_path / "b"), *length]) == 0
    same(tmp_path / "a" / f"{name}.npz", checkpoint)
    resumed = capsys.readouterr().out
    assert whole.split("best held-out")[1].replace("/a/", "/b/") == resumed.split("best held-out")[1]


@lessons
def test_a_loaded_run_goes_on_where_it_was_saved(name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = a_checkpoint(name, tmp_path / "mine", text)
    steps = module(name).restore(checkpoint)[0]["step"] + 1
    assert module(name).main(["--load", str(checkpoint), "--steps", str(steps), "--data", str(text)]) == 0
    assert module(name).restore(checkpoint)[0]["step"] == steps and not (tmp_path / "out").exists()
    kept = checkpoint.rename(checkpoint.with_name("kept.npz"))
    other = a_checkpoint(name, tmp_path / "mine", text).read_bytes()
    assert module(name).main(["--load", str(kept), "--steps", str(steps + 1), "--data", str(text)]) == 0
    assert module(name).restore(kept)[0]["step"] == steps + 1 and checkpoint.read_bytes() == other


@lessons
def test_as_cells_of_a_notebook_and_started_from_one(name, text, tmp_path, monkeypatch):
    """PyCharm's and Colab's consoles leave flags of their own, and a kernel its Matplotlib backend."""
    code = """import sys
source = open(sys.argv[1], encoding="utf-8").read()
main = "def main(argv=None):\\n"
source = source.replace(main, main + "    print(argv); return 0\\n")
sys.argv = ["pydevconsole.py", "--port=1"]
names = {"__name__": "__main__"}                            # no __file__
exec(compile(source, "cells", "exec"), names)
assert "freed" not in names"""
    assert run_lesson(name, cwd=tmp_path, code=code).stdout == "[]\n"
    monkeypatch.setenv("MPLBACKEND", "module://no.such.backend")
    run_lesson(name, "--data", text, *small(name), "--steps", 2, cwd=tmp_path)
    assert (tmp_path / "out" / f"{name}.png").exists()


@lessons
def test_scores_of_two_held_out_texts_are_not_mixed(name, text, tmp_path, capsys):
    valid = tmp_path / "valid.txt"
    valid.write_text("The crow\tsaw the fox.\n" * 9, encoding="utf-8")
    flags = ["--data", str(text), "--valid", str(valid), "--steps", "5", "--out", str(tmp_path), *small(name)]
    assert module(name).main(flags) == 0
    valid.write_text("The fox\tsaw the crow.\n" * 9, encoding="utf-8")
    assert module(name).command(["--load", str(tmp_path / f"{name}.npz"), "--steps", "9"]) == 2
    assert "give its --data and --valid" in capsys.readouterr().err


@lessons
def test_without_matplotlib_only_the_picture_is_missing(name, text, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()                              # with draw
    for part in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, part, None)
    assert module(name).command(["--data", str(text), *small(name), "--steps", "2", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "so there is no picture" in err and [path.name for path in tmp_path.glob(f"{name}*")] == [f"{name}.npz"]
    assert name in LANGUAGE or "sources of about" in out


@language
def test_steps_extends_the_plan_and_none_left_only_samples(name, text, tmp_path, capsys):
    lesson = module(name)
    flags = ["--out", str(tmp_path / "o"), "--length", "40"]
    lesson.main(["--data", str(text), "--steps", "10", *small(name), *flags])
    checkpoint = tmp_path / "o" / f"{name}.npz"
    before = checkpoint.read_bytes()
    capsys.readouterr()
    text.unlink()                                           # only sampling: the text is not needed
    lesson.main(["--load", str(checkpoint), "--prompt", "The", *flags])
    out = capsys.readouterr().out
    assert "The" in out and "left" not in out and checkpoint.read_bytes() == before
    texts = []
    for seed in ("0", "1", "1"):
        assert lesson.main(["--load", str(checkpoint), "--seed", seed, *flags]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] != texts[1] == texts[2]
    text.write_text(FABLES[:900], encoding="utf-8")
    assert lesson.main(["--load", str(checkpoint), "--steps", "20", *flags]) == 0
    assert lesson.restore(checkpoint)[0]["step"] == 20


@language
def test_load_gives_what_an_importer_needs(name, text, tmp_path):
    lesson = module(name)
    lesson.main(["--data", str(text), "--steps", "10", "--out", str(tmp_path), *small(name)])
    params, vocab, settings = lesson.load(tmp_path / f"{name}.npz")
    assert settings["hidden"] == 8 and isinstance(vocab, list)
    texts = [lesson.sample(params, vocab, "The", 30, 1.0, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and all(t.startswith("The") for t in texts)


@lessons
def test_it_learns(name, text, tmp_path, capsys):
    lesson = module(name)
    lesson.main(["--data", str(text), "--steps", "200", "--out", str(tmp_path), *small(name), "--every", "50",
                 "--hidden", "32", "--lr", "0.03" if name in LANGUAGE else "0.01"])
    history = lesson.restore(tmp_path / f"{name}.npz")[0]["history"]
    assert history[-1][1] < 0.75 * history[0][1]


@lessons
def test_a_whole_run_raises_no_floating_point_error(name, text, tmp_path):
    with np.errstate(all="raise", under="ignore"):
        assert module(name).main(["--data", str(text), "--steps", "30", "--out", str(tmp_path), *small(name)]) == 0


def wait_for(process, pattern):
    """Read lines of a process until one matches -> all of them."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError("".join(lines) + process.stderr.read())


def start(name, *flags, cwd):
    return subprocess.Popen([sys.executable, str(ROOT / f"{name}.py"), *map(str, flags)], cwd=cwd, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@lessons
def test_ctrl_c_saves_and_samples(name, tmp_path):
    process = start(name, *small(name), "--steps", 10**6, cwd=tmp_path)
    wait_for(process, "tokens/s")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err == ""
    assert "stopped and saved" in out and len(out.split("best held-out")[1]) > 100
    module(name).load(tmp_path / "out" / f"{name}.npz")


@lessons
def test_a_second_ctrl_c_ends_at_once(name, tmp_path):
    endless = ["--length", 10**8] if name in LANGUAGE else ["--beam", 400]
    process = start(name, *small(name), "--steps", 10**6, *endless, cwd=tmp_path)
    wait_for(process, "tokens/s")
    process.send_signal(signal.SIGINT)
    wait_for(process, "stopped and saved")
    process.send_signal(signal.SIGINT)                      # during the endless last sample
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and "Traceback" not in err


def test_sudden_death_leaves_a_whole_checkpoint(tmp_path):
    """SIGKILL at twenty random moments of runs that save after every step."""
    rng = random.Random(0)
    for kill in range(20):
        name = LESSONS[kill % len(LESSONS)]
        checkpoint = tmp_path / "out" / f"{name}.npz"
        process = start(name, *small(name), "--every", 1, "--steps", 10**6, cwd=tmp_path)
        if not checkpoint.exists():
            wait_for(process, "tokens/s")
        time.sleep(rng.uniform(0, 0.7))
        process.kill()
        process.communicate()
        module(name).load(checkpoint)


def a_checkpoint(name, tmp_path, text):
    module(name).main(["--data", str(text), "--steps", "5", "--out", str(tmp_path / "c"), *small(name)])
    return tmp_path / "c" / f"{name}.npz"


BAD = {  # what is given -> (flags or a function that prepares them, what the message says)
    "no such file": (["--data", "nowhere.txt"], "cannot read nowhere.txt"),
    "a folder": (["--data", "."], "cannot read ."),
    "an empty file": (lambda w, c: ["--data", w("", "t")], "only 0 characters|no pair"),
    "too short": (lambda w, c: ["--data", w("abc", "t")], "only 3 characters|no pair"),
    "a binary file": (lambda w, c: ["--data", w(b"\x89PNG\0\xff" * 50, "t")], "not text in UTF-8"),
    "not UTF-8": (lambda w, c: ["--data", w("caf\xe9 ".encode("latin-1") * 50, "t")], "not text in UTF-8"),
    "no such held-out": (["--valid", "nowhere.txt"], "cannot read nowhere.txt"),
    "an empty name": (["--load", ""], "--load is empty"),
    "size zero": (["--hidden", "0"], "--hidden 0 is not between"),
    "negative": (["--steps", "-1"], "--steps -1 is not between 0"),
    "not a number": (["--lr", "nan"], "--lr nan is not between"),
    "a word": (["--batch", "many"], "invalid int value: 'many'"),
    "a typo in a flag": (["--hiden", "5"], "unrecognized arguments: --hiden 5; --help"),
    "no checkpoint": (["--load", "nowhere.npz"], "missing, unreadable or not a whole checkpoint"),
    "not a checkpoint": (lambda w, c: ["--load", w("hello", "t")], "missing, unreadable or not a whole checkpoint"),
    "half a checkpoint": (lambda w, c: ["--load", w(c.read_bytes()[:3000], "h.npz")], "not a whole checkpoint"),
    "contradiction": (lambda w, c: ["--load", c, "--hidden", "9"], "--hidden 9 contradicts the checkpoint"),
    "nothing left to score": (lambda w, c: ["--load", c, "--valid", "nowhere.txt"], "no steps left"),
    "another text": (lambda w, c: ["--load", c, "--steps", "9", "--data", w("other text. \n" * 9, "t")],
                     "was made with other pairs|was made with another text"),
    "huge": (["--hidden", "300000", "--steps", "1"], "; take smaller sizes or less data"),
    "loss runs away": (["--lr", "1e38", "--steps", "400", "--hidden", "8"], "not finite"),
}


@lessons
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(name, what, tmp_path, text, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / f"{name}.npz"
    mine.write_bytes(b"an earlier checkpoint")
    checkpoint = a_checkpoint(name, tmp_path, text)

    def write(content, file):
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return file
    flags, message = BAD[what]
    flags = flags(write, checkpoint) if callable(flags) else flags
    capsys.readouterr()
    status = module(name).command([str(flag) for flag in flags])
    err = capsys.readouterr().err
    assert status == 2 and err.startswith(f"{name}.py: error: ") and err.count("\n") == 1
    assert any(part in err for part in message.split("|"))
    if what != "loss runs away":                            # that one had begun to train
        assert mine.read_bytes() == b"an earlier checkpoint"


@pytest.mark.parametrize("name", CHAR)
def test_an_unknown_character_in_the_prompt(name, tmp_path, text, capsys):
    status = module(name).command(["--data", str(text), "--out", str(tmp_path), "--prompt", "a\u20ac"])
    assert status == 2 and "no '\u20ac'" in capsys.readouterr().err
    assert not (tmp_path / f"{name}.npz").exists()          # found before the first step


def test_another_lessons_checkpoint(tmp_path, text, capsys):
    checkpoint = a_checkpoint("char_rnn", tmp_path, text)
    assert module("char_lstm").command(["--load", str(checkpoint)]) == 2
    assert "a checkpoint of char_rnn.py" in capsys.readouterr().err


@lessons
def test_a_pickle_is_refused(name, tmp_path, text, capsys):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)
    checkpoint = a_checkpoint(name, tmp_path, text)
    content = arrays(checkpoint)
    content["params/Wy"] = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "bomb.npz", **content)
    assert module(name).command(["--load", str(tmp_path / "bomb.npz")]) == 2
    assert not (tmp_path / "ran").exists() and "not a whole checkpoint" in capsys.readouterr().err


@lessons
@pytest.mark.parametrize("group", ["params", "best", "m"])
@pytest.mark.parametrize("change", [None, np.zeros((3, 2), np.float32)])
def test_a_checkpoint_with_an_array_missing_or_of_another_size(name, group, change, tmp_path, text, capsys):
    checkpoint = a_checkpoint(name, tmp_path, text)
    kept = arrays(checkpoint)
    del kept[f"{group}/Wy"]
    np.savez(checkpoint, **kept, **({} if change is None else {f"{group}/Wy": change}))
    assert module(name).command(["--load", str(checkpoint), "--out", str(tmp_path)]) == 2
    assert "not a whole checkpoint" in capsys.readouterr().err


@lessons
def test_a_process_ends_the_same_way(name, tmp_path):
    done = run_lesson(name, "--data", "nowhere.txt", cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = run_lesson(name, "--help", cwd=tmp_path)
    assert all("--" + flag.replace("_", "-") in done.stdout for flag in module(name).SETTINGS)


@lessons
def test_output_that_cannot_be_written(name, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert module(name).command(["--out", str(tmp_path / "file" / "out"), "--steps", "1"]) == 2
    assert "cannot write" in capsys.readouterr().err


@lessons
def test_a_closed_pipe_ends_quietly(name, tmp_path):
    process = start(name, *small(name), "--steps", 10**6, "--every", 1, cwd=tmp_path)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 141 and process.stderr.read() == ""


@language
def test_a_lesson_alone_in_a_folder(name, tmp_path):
    """One file beside the reader's 300 characters, run in that folder."""
    copy = shutil.copy(ROOT / f"{name}.py", tmp_path)
    (tmp_path / "mine.txt").write_text(FABLES[:300], encoding="utf-8")
    done = run_lesson(name, "--data", "mine.txt", "--steps", 20, cwd=tmp_path, file=copy)
    assert "the text is short: batch" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{name}.npz", f"{name}.png"}
    done = run_lesson(name, cwd=tmp_path, file=copy, check=False)
    assert done.returncode == 2 and "fables.txt" in done.stderr and "--data" in done.stderr


@language
def test_greek_emoji_and_windows_line_ends(name, tmp_path):
    text = "\u03b1\u03b2\u03b3 \u03b4\u03ad\u03bd\u03c4\u03c1\u03bf \U0001f98a.\r\nThe fox \U0001f98a saw it.\r\n" * 30
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbf" + (text + "only here: \u0416\u20ac\r\n").encode())
    done = run_lesson(name, "--data", "t.txt", "--steps", 20, "--prompt", "The fox", cwd=tmp_path)
    text = (text + "only here: \u0416\u20ac\r\n").replace("\r\n", "\n")
    cut = len(text) * 9 // 10
    new = sum(c not in text[:cut] for c in text[cut:])
    assert name.startswith("word") or f"left out of the held-out score: {new} characters" in done.stdout
    assert done.stderr == ""
    vocab = module(name).load(tmp_path / "out" / f"{name}.npz")[1]
    assert "\U0001f98a" in vocab and not any("\r" in v or "\ufeff" in v or "\u20ac" in v for v in vocab)


@language
def test_valid_names_the_held_out_text(name, tmp_path, text, capsys):
    (tmp_path / "held.txt").write_text(FABLES[5000:5400], encoding="utf-8")
    assert module(name).main(["--data", str(text), "--valid", str(tmp_path / "held.txt"), "--steps", "5",
                              "--out", str(tmp_path), *small(name)]) == 0
    assert "900 tokens" in capsys.readouterr().out or name.startswith("word")


@language
def test_with_nothing_held_out_no_score_is_called_held_out(name, tmp_path, capsys):
    (tmp_path / "short.txt").write_text("a fox saw a fox saw.", encoding="utf-8")
    assert module(name).main(["--data", str(tmp_path / "short.txt"), "--steps", "10", "--out", str(tmp_path),
                              *small(name)]) == 0
    out = capsys.readouterr().out
    assert "too little is held out" in out and "best training score" in out and "best held-out" not in out


@language
def test_extreme_settings(name, tmp_path, text):
    for flags in (["--hidden", 1], ["--batch", 1], ["--seq-len", 1], ["--batch", 9999], ["--seq-len", 9999],
                  ["--steps", 0], ["--lr", 0], ["--temperature", 0], ["--length", 0], ["--lr", 100],
                  ["--prompt", FABLES[:5000]]):
        flags = ["--data", text, "--steps", 3, "--out", tmp_path, *small(name), *flags]
        if name.startswith("word") or FABLES[:5000] not in flags:
            assert module(name).command([str(flag) for flag in flags]) == 0, flags
    two = tmp_path / "two.txt"
    two.write_text("ab" * 40)
    status = module(name).command(["--data", str(two), "--steps", "3", "--out", str(tmp_path)])
    assert status == (2 if name.startswith("word") else 0)      # two characters, or one long word


@pytest.mark.parametrize("name", TRANSLATION)
def test_prompts(name, text, tmp_path, capsys):
    lesson = module(name)
    flags = ["--data", str(text), "--steps", "3", "--out", str(tmp_path / "o"), *small(name)]
    assert lesson.command([*flags, "--prompt", "Quetzalcoatl ."]) == 2
    assert "no training sentence has quetzalcoatl" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()                    # found before the first step
    sentence = PAIRS[3].split("\t")[0]
    assert lesson.command([*flags, "--prompt", sentence]) == 0
    out = capsys.readouterr().out
    assert f"Input:     {sentence}" in out and "Output:" in out and "Reference:" not in out
    long = " ".join([sentence] * 40)                        # far longer than any sentence in training
    checkpoint = tmp_path / "o" / f"{name}.npz"
    assert lesson.command(["--load", str(checkpoint), "--prompt", long, "--out", str(tmp_path)]) == 0
    assert lesson.command(["--load", str(checkpoint), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("Reference:") == 5
    params, vocab, _ = lesson.load(checkpoint)
    words, attention = lesson.translate(params, vocab, sentence, 3)
    assert all(word in vocab for word in words)
    assert (attention is None) == (name == "seq2seq")
    if attention is not None:
        assert attention.shape[1] == len(sentence.split()) + 1 and attention.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("name", TRANSLATION)
def test_a_prompt_of_ten_thousand_characters(name, text, tmp_path):
    """The time grows with the square of the length, for each new word looks at the whole source."""
    params, vocab, _ = module(name).load(a_checkpoint(name, tmp_path, text))
    started = time.process_time()
    words, _ = module(name).translate(params, vocab, "the dogs " * 1111, 2)
    assert words and time.process_time() - started < 30


@pytest.mark.parametrize("name", TRANSLATION)
@pytest.mark.parametrize("content, flags", [
    ("a fox .\tun renard .\n", []), ("a fox .\tun renard .\n", ["--hidden", "1"]),
    ("a $ b ^ ^ $ .\tun\n" * 3, []),
    ("".join(f"{'a ' * 9}{n}\tb\n" for n in range(120)), []), (f"{'a' * 3000}\t\u4e00\n", [])])
def test_a_translation_picture_that_can_always_be_drawn(name, content, flags, tmp_path, monkeypatch):
    monkeypatch.undo()                              # with draw
    (tmp_path / "p.tsv").write_text(content, encoding="utf-8")
    flags = ["--data", str(tmp_path / "p.tsv"), "--steps", "3", "--out", str(tmp_path), *small(name), *flags]
    assert module(name).command(flags) == 0 and (tmp_path / f"{name}.png").exists()


@pytest.mark.parametrize("name", TRANSLATION)
def test_translation_extremes(name, text, tmp_path, capsys):
    lesson = module(name)
    (tmp_path / "one.tsv").write_text("a fox .\tun renard .\n")
    for flags in (["--hidden", 2], ["--batch", 1], ["--batch", 9999], ["--steps", 0], ["--lr", 0], ["--lr", 100],
                  ["--beam", 9], ["--data", tmp_path / "one.tsv"], ["--min-count", 50], ["--embed", 1]):
        flags = ["--data", text, "--steps", 3, "--out", tmp_path, *small(name), *flags]
        assert lesson.command([str(flag) for flag in flags]) == 0, flags
    capsys.readouterr()
    flags = ["--data", str(tmp_path / "one.tsv"), "--steps", "10", "--out", str(tmp_path), *small(name)]
    assert lesson.main(flags) == 0
    out = capsys.readouterr().out
    assert "too few sentences to hold some out" in out and "1 pairs to learn from, 0 held out" in out
    assert "best training score" in out and "training, beam" in out and "held-out" not in out


@pytest.mark.parametrize("name", TRANSLATION)
def test_held_out_pairs_that_training_has_are_left_out(name, text, tmp_path, capsys):
    (tmp_path / "valid.tsv").write_text(text.read_text(encoding="utf-8").split("\n")[0] + "\na fox .\tun renard .\n",
                                        encoding="utf-8")
    assert module(name).main(["--data", str(text), "--valid", str(tmp_path / "valid.tsv"), "--steps", "5",
                              "--out", str(tmp_path), *small(name)]) == 0
    out = capsys.readouterr().out
    assert "left out: 1 held-out pairs whose source training has" in out and " 1 held out" in out


@pytest.mark.parametrize("name", TRANSLATION)
def test_a_translation_lesson_alone_in_a_folder(name, tmp_path):
    """One file beside the reader's own pairs, with Windows line ends and accents in the folder's name."""
    folder = tmp_path / "un dossier \u00e9t\u00e9"
    folder.mkdir()
    copy = shutil.copy(ROOT / f"{name}.py", folder)
    (folder / "mine.tsv").write_bytes("".join(PAIRS[:130]).replace("\n", "\r\n").encode())
    done = run_lesson(name, "--data", "mine.tsv", "--steps", 12, "--hidden", 8, cwd=folder, file=copy)
    assert {p.name for p in (folder / "out").iterdir()} == {f"{name}.npz", f"{name}.png"}
    assert "BLEU" in done.stdout and done.stderr == ""
    done = run_lesson(name, cwd=folder, file=copy, check=False)
    assert done.returncode == 2 and "en_fr.tsv" in done.stderr and "--data" in done.stderr


@lessons
def test_ctrl_c_after_an_overflow_keeps_the_checkpoint(name, text, tmp_path, capsys, monkeypatch):
    lesson, checkpoint = module(name), tmp_path / f"{name}.npz"
    flags = ["--data", str(text), "--out", str(tmp_path), *small(name)]
    assert lesson.command([*flags, "--steps", "1"]) == 0
    good, update = checkpoint.read_bytes(), lesson.Adam.update

    def overflow(*args):
        update(*args)
        signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(lesson.Adam, "update", overflow)
    capsys.readouterr()
    assert lesson.command([*flags, "--steps", "9", "--lr", "1e300"]) == 2
    assert "not finite" in capsys.readouterr().err and checkpoint.read_bytes() == good


@lessons
def test_full_memory_is_told(name, capsys, monkeypatch):
    def full(_):
        raise MemoryError
    monkeypatch.setattr(module(name), "main", full)
    assert module(name).command([]) == 2
    assert "out of memory; take smaller sizes" in capsys.readouterr().err


def test_luong_scores(tmp_path, capsys):
    lesson = module("luong")
    (tmp_path / "p.tsv").write_text("".join(PAIRS[:120]), encoding="utf-8")
    flags = ["--data", str(tmp_path / "p.tsv"), "--steps", "2", "--out", str(tmp_path), *small("luong")]
    for score in ("dot", "general", "concat"):
        assert lesson.command([*flags, "--score", score]) == 0
    assert lesson.command([*flags, "--score", "product"]) == 2
    assert "--score product" in capsys.readouterr().err


@lessons
def test_a_picture_that_can_always_be_drawn(name, text, tmp_path, capsys):
    """The last update may be one after which nothing is finite."""
    done = run_lesson(name, "--data", text, *small(name), "--lr", "1e300", "--steps", 1, cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "not finite" in done.stderr
    assert not (tmp_path / "out" / f"{name}.npz").exists()


@lessons
def test_parameters_that_are_not_finite_never_replace_a_checkpoint(name, text, tmp_path, capsys):
    checkpoint = a_checkpoint(name, tmp_path, text)
    before = checkpoint.read_bytes()
    assert module(name).command(["--data", str(text), *small(name), "--lr", "1e300", "--every", "1", "--steps", "9",
                                 "--out", str(checkpoint.parent)]) == 2
    assert "a checkpoint saved before is kept" in capsys.readouterr().err and checkpoint.read_bytes() == before


@pytest.mark.parametrize("name", [name for name in LANGUAGE if name.startswith("word")])
@pytest.mark.parametrize("dropout", ["1", "1.5"])
def test_dropout_of_everything(name, dropout, text, tmp_path, capsys):
    assert module(name).command(["--data", str(text), *small(name), "--steps", "2", "--dropout", dropout,
                                 "--out", str(tmp_path)]) == 2
    assert f"--dropout {float(dropout)} is not between 0 and" in capsys.readouterr().err


@lessons
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_a_terminal_that_lacks_letters_of_the_text(name, encoding, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)        # run_lesson always sets utf-8 and would hide it
    (tmp_path / "t.txt").write_text("\u03b1\u03b2\u03b3 \u03b4\u03ad\u03bd\u03c4 \U0001f98a.\n" * 60, encoding="utf-8")
    done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), "--data", "t.txt", *small(name), "--steps", "5",
                           "--out", b"o\xff"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0 and done.stderr == b"" and b"picture: " in done.stdout


@lessons
def test_a_pipe_closed_before_the_last_line_ends_quietly(name, text, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    process = start(name, "--data", text, *small(name), "--steps", 5, cwd=tmp_path)
    wait_for(process, "saved at step")
    process.stdout.close()                                  # while the picture is drawn
    assert process.wait(timeout=30) == 141 and process.stderr.read() == ""


@lessons
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_to_a_full_disk(name, text, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), "--data", str(text), *small(name), "--steps",
                               "5"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--out" not in done.stderr


@pytest.mark.parametrize("name", CHAR)
def test_a_text_of_one_character(name, tmp_path):
    (tmp_path / "t.txt").write_text("a" * 100)
    done = run_lesson(name, "--data", "t.txt", *small(name), "--steps", 5, cwd=tmp_path)
    assert done.stderr == ""


@pytest.mark.parametrize("name", [name for name in LANGUAGE if name.startswith("word")])
def test_splitting_takes_time_in_proportion(name):
    started = time.perf_counter()
    assert module(name).tokenize("a" + " " * 50_000 + "b") == ["a", "b"]
    assert time.perf_counter() - started < 1


@lessons
def test_the_interrupt_handler_is_given_back_after_an_error(name, text, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert module(name).command(["--data", str(text), *small(name), "--lr", "1e38", "--steps", "400",
                                 "--out", str(tmp_path)]) == 2
    after = signal.signal(signal.SIGINT, before)
    assert after is before


@pytest.mark.parametrize("name", TRANSLATION)
def test_the_seed_that_split_the_pairs_stays(name, tmp_path, text, capsys):
    assert module(name).command(["--load", str(a_checkpoint(name, tmp_path, text)), "--seed", "5"]) == 2
    assert "--seed 5 contradicts" in capsys.readouterr().err


@lessons
def test_a_checkpoint_that_cannot_be_put_in_its_place_leaves_nothing(name, tmp_path, text, monkeypatch, capsys):
    checkpoint, lesson = a_checkpoint(name, tmp_path, text), module(name)
    before = checkpoint.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(lesson.os, "replace", fail)
    assert lesson.command(["--load", str(checkpoint), "--steps", "9"]) == 2
    assert list(checkpoint.parent.iterdir()) == [checkpoint] and checkpoint.read_bytes() == before
