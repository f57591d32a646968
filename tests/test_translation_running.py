"""How the translation lessons behave when people run them: prompts, the same result for the same seed, exact
resumption, Ctrl-C, sudden death, fine-tuning, pictures, terminals, notebooks; and mistakes, told in one line.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, TRANSLATION, contents, error_of, module, run_lesson, same
from pairs import ATTENTION, LINES, SCORES, flags, no_pictures, some_pairs, start, train, write

translation = pytest.mark.parametrize("name", TRANSLATION)


@pytest.fixture
def data(tmp_path):
    """Few pairs, so that a few dozen steps go over their end and begin again."""
    return some_pairs(tmp_path)


@pytest.fixture
def fast(monkeypatch):
    """Runs inside the test process draw nothing, to save time."""
    no_pictures(monkeypatch)


without_pictures = pytest.mark.usefixtures("fast")


def untimed(output):
    """Printed output without the figures that depend on the clock."""
    return re.sub(r"[\d,]+ tokens/s +[\d.]+ min left", "", output)


def failing(function, calls, error=KeyboardInterrupt):
    """That function, but one that raises at its n-th call."""
    count = []

    def wrapped(*args, **kwargs):
        count.append(1)
        if len(count) == calls:
            raise error
        return function(*args, **kwargs)
    return wrapped


def last(output):
    """What a run prints after its training."""
    return output.rpartition("best held-out score:")[2].partition("\n")[2]


# %% The same again
@translation
def test_same_seed_same_run(name, data, tmp_path, capsys):
    outputs = []
    for folder, seed in (("out1", 3), ("out2", 3), ("out3", 4)):
        path = train(name, data, tmp_path / folder, "--steps", 12, "--seed", seed)
        assert path.with_suffix(".png").stat().st_size > 10_000
        assert {file.name for file in path.parent.iterdir()} == {f"{name}.npz", f"{name}.png"}
        outputs.append(untimed(capsys.readouterr().out).replace(folder, ""))
    same(*(tmp_path / folder / f"{name}.npz" for folder in ("out1", "out2")))
    assert outputs[0] == outputs[1] != outputs[2]


@translation
def test_the_order_of_sets_does_not_matter(name, data, tmp_path):
    outputs = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        done = run_lesson(name, *flags("--data", data, "--steps", 3), cwd=tmp_path / seed, PYTHONHASHSEED=seed)
        outputs.append(untimed(done.stdout))
    same(*(tmp_path / seed / "out" / f"{name}.npz" for seed in ("1", "2")))
    assert outputs[0] == outputs[1]


@without_pictures
@translation
def test_a_whole_run_raises_no_floating_point_error(name, data, tmp_path):
    with np.errstate(all="raise", under="ignore"):
        assert module(name).work(flags("--data", data, "--steps", 30, "--out", tmp_path / "out")) == 0


@without_pictures
@translation
def test_a_very_large_vocabulary_is_told_what_another_min_count_would_leave(name, tmp_path, capsys):
    """30,100 French words, of which 100 occur twice or more."""
    data = write(tmp_path / "many.tsv", "".join(f"a b\tw{i} v{i % 100}\n" for i in range(30_000)))
    assert module(name).main(flags("--data", data, "--steps", 0, "--out", tmp_path / "out")) == 0
    assert "--min-count 2 leaves 104\n" in capsys.readouterr().out


# %% Prompts
@without_pictures
@translation
def test_a_prompt_is_translated(name, data, tmp_path, capsys):
    """As a person writes it; words that nobody has seen are named; without a prompt there are five held-out pairs."""
    lesson, path = module(name), train(name, data, tmp_path)
    out = last(capsys.readouterr().out)
    assert out.count("Input:") == out.count("Output:") == out.count("Reference:") == 5
    assert lesson.main(["--load", str(path), "--prompt", "The Fox (an old one) doesn't quetzal, Bob."]) == 0
    out = last(capsys.readouterr().out)
    assert "The fox (an old one) doesn't quetzal, bob." in out and "Reference" not in out
    unknown = out.split("nknown:")[1]
    assert "bob" in unknown and "quetzal" in unknown and "fox" not in unknown
    params, vocab, own = lesson.load(path)
    words, looked = lesson.translate(params, vocab, lesson.tokenize("The fox sees the crow."), own["beam"])
    assert lesson.main(["--load", str(path), "--prompt", "the fox  sees the crow ."]) == 0
    assert lesson.detokenize(words) in last(capsys.readouterr().out).splitlines()[1]
    assert (looked is None) == (name == "seq2seq")
    if looked is not None:
        assert looked.shape[1] == 7 and looked.sum(axis=1) == pytest.approx(1)


@without_pictures
@translation
def test_each_line_of_standard_input_is_translated(name, data, tmp_path):
    path = train(name, data, tmp_path)
    three = ["A crow.", "L'eau est l\u00e0", "The fox"]
    for lines, want in (("A crow.\n\n \nL'eau est l\u00e0\r\nthe fox", three), ("", [])):
        done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), "--load", str(path), "--prompt", "-"],
                              input=lines.encode(), capture_output=True, env=os.environ | {"PYTHONIOENCODING": "utf-8"})
        out = done.stdout.decode()
        assert done.returncode == 0 and done.stderr == b"" and "Reference" not in out
        assert [line.partition("    (")[0] for line in re.findall(r"Input: +(.*)", out)] == want
        assert out.count("Output:") == len(want)


@without_pictures
@translation
def test_standard_input_that_is_not_utf_8(name, data, tmp_path):
    """A translation, or the one line; never a traceback."""
    path = train(name, data, tmp_path)
    done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), "--load", str(path), "--prompt", "-"],
                          input=b"caf\xe9\nthe crow\n", capture_output=True,
                          env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode in (0, 2) and done.stderr.count(b"\n") == (done.returncode == 2), done.stderr


@without_pictures
@translation
def test_standard_input_after_training(name, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", iter(["a crow\n", "a fox\n"]))
    train(name, data, tmp_path, "--prompt", "-", "--beam", 3)
    assert last(capsys.readouterr().out).count("Output:") == 2


@without_pictures
@translation
def test_with_no_steps_left_it_only_translates(name, data, tmp_path, capsys):
    """The pairs are not needed, the file stays as it is; another beam and prompt are used."""
    lesson, path = module(name), train(name, data, tmp_path)
    before, outputs = path.read_bytes(), []
    data.unlink()
    for more in ([], ["--beam", "1"], ["--beam", "5"], ["--prompt", "a crow", "--steps", "0"]):
        capsys.readouterr()
        assert lesson.main(["--load", str(path), *more]) == 0
        out, err = capsys.readouterr()
        assert err == "" and "tokens/s" not in out and "gradient check:" not in out and "BLEU" not in out
        outputs.append(last(out))
    assert outputs[0].count("Reference:") == 5 and "A crow" in outputs[3]
    assert path.read_bytes() == before and not path.with_suffix(".png").exists()


@translation
def test_no_steps_at_all(name, data, tmp_path, capsys):
    """The first values translate; nothing is written, for there is nothing to keep."""
    assert module(name).main(flags("--data", data, "--steps", 0, "--out", tmp_path / "out", "--prompt", "A crow")) == 0
    out, err = capsys.readouterr()
    assert err == "" and "Output:" in out and list(tmp_path.rglob(f"{name}*")) == []


@without_pictures
@translation
def test_a_prompt_of_ten_thousand_characters(name, data, tmp_path):
    """The time grows with the square of the length at most."""
    params, vocab, _ = module(name).load(train(name, data, tmp_path))
    started = time.process_time()
    words, _ = module(name).translate(params, vocab, ["the", "dogs"] * 1111, 2)
    assert isinstance(words, list) and time.process_time() - started < 30


# %% Ctrl-C and going on
@without_pictures
@translation
@pytest.mark.parametrize("where, calls, back_to", [
    ("clip_gradients", 2, 1), ("clip_gradients", 17, 15), ("evaluate", 5, 15),
    ("beam_search", 8, 5), ("savez", 4, 10)])
def test_resuming_is_exact(name, where, calls, back_to, data, tmp_path, capsys, monkeypatch):
    """Ctrl-C anywhere goes back to the last checkpoint; then --load ends like the run that nobody stopped."""
    lesson = module(name)
    first = train(name, data, tmp_path / "a", "--steps", 40, "--prompt", "A crow")
    whole = capsys.readouterr().out
    with monkeypatch.context() as patch:
        owner = np if where == "savez" else lesson
        patch.setattr(owner, where, failing(getattr(owner, where), calls))
        stopped = flags("--data", data, "--steps", 40, "--prompt", "A crow", "--out", tmp_path / "b")
        assert lesson.main(stopped) == 130
    out, err = capsys.readouterr()
    second = tmp_path / "b" / f"{name}.npz"
    assert err == "" and len(lesson.restore(second)["losses"]) == back_to
    assert "A crow" in last(out) and "picture" not in out
    assert lesson.main(["--load", str(second)]) == 0
    same(first, second)
    assert last(whole).replace("/a/", "/b/") == last(capsys.readouterr().out)


@without_pictures
@pytest.mark.parametrize("score", SCORES)
def test_two_interruptions_on_the_way(score, data, tmp_path, monkeypatch):
    lesson = module("luong")
    first = train("luong", data, tmp_path / "a", "--steps", 30, "--score", score)
    second = tmp_path / "b" / "luong.npz"
    more = flags("--data", data, "--steps", 30, "--out", tmp_path / "b", "--score", score)
    for calls, more in ((8, more), (9, ["--load", str(second)])):
        with monkeypatch.context() as patch:
            patch.setattr(lesson, "clip_gradients", failing(lesson.clip_gradients, calls))
            assert lesson.main(more) == 130
    assert lesson.main(["--load", str(second)]) == 0
    same(first, second)


@without_pictures
@translation
@pytest.mark.parametrize("where", ["read_data", "check_gradients", "clip_gradients", "measure"])
def test_ctrl_c_before_the_first_checkpoint(name, where, data, tmp_path, capsys, monkeypatch):
    """Nothing is written, and an earlier checkpoint is not lost."""
    lesson = module(name)
    earlier = train(name, data, tmp_path).read_bytes()
    capsys.readouterr()
    monkeypatch.setattr(lesson, where, failing(getattr(lesson, where), 1))
    assert lesson.main(flags("--data", data, "--steps", 40, "--seed", 1, "--out", tmp_path)) == 130
    out, err = capsys.readouterr()
    assert err == "" and (where in ("read_data", "check_gradients") or "nothing is saved" in out)
    assert [file.read_bytes() for file in tmp_path.glob(f"{name}*.npz")] == [earlier]


@without_pictures
@translation
@pytest.mark.parametrize("earlier", [False, True])
def test_ctrl_c_while_the_first_checkpoint_is_written(name, earlier, data, tmp_path, capsys, monkeypatch):
    """It ends quietly, and an earlier checkpoint is there, under its name or the other."""
    before = [train(name, data, tmp_path).read_bytes()] if earlier else []
    capsys.readouterr()
    monkeypatch.setattr(np, "savez", failing(np.savez, 1))
    assert module(name).main(flags("--data", data, "--steps", 40, "--seed", 1, "--out", tmp_path)) == 130
    assert capsys.readouterr().err == ""
    assert [file.read_bytes() for file in tmp_path.glob(f"{name}*.npz")] == before


@without_pictures
@translation
def test_a_second_ctrl_c_during_the_last_translations(name, data, tmp_path, capsys, monkeypatch):
    lesson = module(name)
    monkeypatch.setattr(lesson, "clip_gradients", failing(lesson.clip_gradients, 3))
    monkeypatch.setattr(lesson, "translate", failing(lesson.translate, 1))
    assert lesson.main(flags("--data", data, "--steps", 40, "--out", tmp_path)) == 130
    assert capsys.readouterr().err == "" and len(lesson.restore(tmp_path / f"{name}.npz")["losses"]) == 1


def wait_for(process, pattern):
    """Read lines of a process until one matches."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return
    raise AssertionError("".join(lines) + process.stderr.read())


@translation
def test_a_real_ctrl_c(name, data, tmp_path):
    process = start(name, "--data", data, "--steps", 10**6, "--prompt", "The crow", cwd=tmp_path)
    wait_for(process, "tokens/s")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err == "" and "Output:" in out.split("The crow")[-1]
    module(name).load(tmp_path / "out" / f"{name}.npz")


def test_sudden_death_leaves_a_whole_checkpoint(data, tmp_path):
    """SIGKILL at six random moments of runs that save after every step; a later run is not disturbed."""
    rng = random.Random(0)
    for kill in range(6):
        name = TRANSLATION[kill % 3]
        checkpoint = tmp_path / "out" / f"{name}.npz"
        process = start(name, "--data", data, "--every", 1, "--steps", 10**6, cwd=tmp_path)
        wait_for(process, "tokens/s")
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        module(name).load(checkpoint)
    run_lesson(name, *flags("--data", data, "--steps", 2), cwd=tmp_path)
    assert len(contents(checkpoint)[1]["losses"]) == 2


@without_pictures
@translation
def test_an_earlier_checkpoint_is_moved_aside(name, data, tmp_path, capsys):
    """At a new run's first save, and it says so; not by a run that goes on, nor by one that fails before."""
    old, path = tmp_path / f"{name}.old.npz", train(name, data, tmp_path, "--seed", 1)
    assert module(name).main(["--load", str(path), "--steps", "6"]) == 0
    assert not old.exists() and old.name not in capsys.readouterr().out
    first = path.read_bytes()
    assert module(name).main(["--data", "nowhere.tsv", "--out", str(tmp_path)]) == 2
    train(name, data, tmp_path, "--steps", 0)
    assert not old.exists() and path.read_bytes() == first
    capsys.readouterr()
    train(name, data, tmp_path, "--seed", 2)
    assert old.read_bytes() == first and old.name in capsys.readouterr().out
    second = path.read_bytes()
    train(name, data, tmp_path, "--seed", 3)
    assert old.read_bytes() == second


@without_pictures
@translation
def test_what_may_change_on_the_way(name, data, tmp_path, monkeypatch):
    """Steps, rate, clip, every, beam: the checkpoint's are the defaults, what is given wins, and is kept."""
    monkeypatch.chdir(tmp_path)
    lesson, path = module(name), train(name, data, tmp_path / "mine", "--clip", 0.7)
    own = path.rename(path.with_name("my.own.npz"))
    moved = data.rename(tmp_path / "moved.tsv")             # the same pairs in another place are the same
    changed = ["--steps", "12", "--lr", "0.01", "--every", "4", "--beam", "3", "--data", str(moved)]
    assert lesson.main(["--load", str(own), *changed, "--hidden", "8", "--batch", "4", "--split", "words"]) == 0
    run = lesson.restore(own)
    assert len(run["losses"]) == 12 and [row[0] for row in run["scores"]] == [1, 5, 8, 12]
    assert [run["settings"][key] for key in ("steps", "lr", "every", "beam", "clip")] == [12, 0.01, 4, 3, 0.7]
    assert not (tmp_path / "out").exists() and not path.exists()            # it goes on in that file
    before = run["params"]
    assert lesson.main(["--load", str(own), "--steps", "15", "--lr", "0"]) == 0
    after = lesson.restore(own)
    assert len(after["losses"]) == 15 and all((before[key] == after["params"][key]).all() for key in before)


@translation
def test_a_run_that_goes_on_draws_beside_its_checkpoint(name, data, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        no_pictures(patch)
        path = train(name, data, tmp_path).rename(tmp_path / "mine.npz")
    assert module(name).main(["--load", str(path), "--steps", "7"]) == 0
    assert (tmp_path / "mine.png").stat().st_size > 10_000 and "mine.png" in capsys.readouterr().out


# %% Fine-tuning
@without_pictures
@translation
def test_init_begins_with_the_best_parameters_and_the_vocabulary(name, data, tmp_path, monkeypatch):
    """Moments, losses and plan are new; batch and beam may be others; the checkpoint itself stays."""
    lesson = module(name)
    with monkeypatch.context() as patch:                    # so that the best are not the last
        nats = iter((2.0, 1.0, 3.0))
        patch.setattr(lesson, "evaluate", lambda *_: next(nats))
        path = train(name, data, tmp_path / "a", "--steps", 10)
    begun, before = lesson.restore(path), path.read_bytes()
    assert any((begun["best"][key] != begun["params"][key]).any() for key in begun["best"])
    other = write(tmp_path / "other.tsv", "".join(LINES[500:620]) + "zyx fox\tle zyx\n")
    new = train(name, other, tmp_path / "b", "--init", path, "--lr", 0, "--batch", 3)
    run = lesson.restore(new)
    assert path.read_bytes() == before and run["vocab"] == begun["vocab"] and len(run["losses"]) == 5
    assert all((run["params"][key] == begun["best"][key]).all() for key in begun["best"])
    assert lesson.main(["--load", str(new), "--steps", "9"]) == 0           # it is a run like others
    alone = ["--init", path, "--data", other, "--steps", 1, "--out", tmp_path / "c"]
    assert lesson.main(list(map(str, alone))) == 0                          # sizes come from the checkpoint
    run = lesson.restore(tmp_path / "c" / f"{name}.npz")
    assert run["settings"]["hidden"] == 8 and run["settings"]["batch"] == lesson.SETTINGS["batch"][0]
    assert all(np.abs(run["m"][key]).max() <= 0.1 * (1 + 1e-6) for key in run["m"])     # one clipped gradient


@without_pictures
@translation
def test_init_never_writes_over_its_file(name, data, tmp_path, capsys):
    path = train(name, data, tmp_path)
    before = path.read_bytes()
    for out in (tmp_path, tmp_path / ".." / tmp_path.name):
        capsys.readouterr()
        assert module(name).main(flags("--init", path, "--data", data, "--out", out)) == 2
        error_of(capsys, name)
        assert path.read_bytes() == before


@without_pictures
@translation
def test_init_never_moves_another_checkpoint_over_its_file(name, data, tmp_path, capsys):
    """The earlier checkpoint would become FILE where FILE is the .old.npz of the same folder."""
    train(name, data, tmp_path)
    train(name, data, tmp_path, "--seed", 1)
    old = tmp_path / f"{name}.old.npz"
    before = old.read_bytes()
    capsys.readouterr()
    assert module(name).main(flags("--init", old, "--data", data, "--out", tmp_path)) == 2
    error_of(capsys, name)
    assert old.read_bytes() == before


@without_pictures
@translation
def test_init_splits_as_the_checkpoint_did(name, data, tmp_path):
    """For its vocabulary is made of such tokens."""
    path = train(name, data, tmp_path / "a", "--split", "spaces")
    new = train(name, data, tmp_path / "b", "--init", path)
    assert module(name).restore(new)["settings"]["split"] == "spaces"


@without_pictures
@pytest.mark.parametrize("score", SCORES)
def test_init_keeps_the_score(score, data, tmp_path, capsys):
    """Its parameters are made for it; so another one is refused, and what comes out can be loaded."""
    path = train("luong", data, tmp_path / "a", "--score", score)
    alone = list(map(str, ["--init", path, "--data", data, "--steps", 1, "--out", tmp_path / "b"]))
    assert module("luong").main(alone) == 0
    assert module("luong").restore(tmp_path / "b" / "luong.npz")["settings"]["score"] == score
    capsys.readouterr()
    for other in set(SCORES) - {score}:
        assert module("luong").main([*alone, "--score", other, "--out", str(tmp_path / other)]) == 2
        error_of(capsys, "luong")
        assert not (tmp_path / other).exists()


# %% Pictures
ODD_PAIRS = {  # content: flags
    "one pair": ("a fox .\tun renard .\n", []),
    "one hidden unit": ("a fox .\tun renard .\n", ["--hidden", 1, "--embed", 1]),
    "words alone": ("".join(f"w{n}\tx{n}\n" for n in range(30)), []),
    "signs of formulas": ("a $ b ^ ^ $ \\frac{ .\t$x$ _ % & {\n" * 3, []),
    "tokens that look like formulas": ("a $^$ $\\frac{$ b c d e f\t$_$ g\n" * 3, ["--split", "spaces"]),
    "all of one length": ("".join(f"{'a ' * 9}{n}\tb\n" for n in range(120)), []),
    "a long word": (f"{'a' * 3000}\t\u4e00\n", []),
    "Chinese": ("\u6211\u559c\u6b22\u82f9\u679c\u3002\tI like apples .\n" * 12, []),
    "control characters": ("a\0b \x07 \x1b[0m \u202e \ufffd c d e\tx \0 y\n" * 12, []),
    "one source, many translations": ("".join(f"a fox .\tun {n} .\n" for n in range(120)), []),
    "a text": ("The crow sat.\nThe fox ran.\nThe end.\n", []),
    "links that do not fit": ("a b c\tx y\t0-0 7-1\nd e\tz\t0-0\n" * 9, []),
    "a wide beam": ("a fox .\tun renard .\n" * 3, ["--beam", 50]),
}


@translation
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", ODD_PAIRS)
def test_a_picture_that_can_always_be_drawn(name, what, tmp_path, capsys):
    content, more = ODD_PAIRS[what]
    path = train(name, write(tmp_path / "p.tsv", content), tmp_path / "out", "--steps", 3, *more)
    assert capsys.readouterr().err == ""
    assert {file.name for file in path.parent.iterdir()} == {f"{name}.npz", f"{name}.png"}


@translation
def test_without_matplotlib_only_the_picture_is_missing(name, data, tmp_path, monkeypatch, capsys):
    for part in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, part, None)
    assert module(name).main(flags("--data", data, "--out", tmp_path)) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "matplotlib" in err and "held-out, beam" in out and "sources of about" in last(out)
    assert [path.name for path in tmp_path.glob(f"{name}*")] == [f"{name}.npz"]


# %% Where it runs
@translation
def test_a_lesson_alone_in_a_folder(name, tmp_path):
    """One file beside the reader's own pairs, with Windows line ends and accents in the folder's name."""
    folder = tmp_path / "un dossier \u00e9t\u00e9"
    folder.mkdir()
    copy = shutil.copy(ROOT / f"{name}.py", folder)
    write(folder / "mine.tsv", "".join(LINES[:130]).replace("\n", "\r\n").encode())
    done = run_lesson(name, *flags("--data", "mine.tsv"), cwd=folder, file=copy)
    assert {p.name for p in (folder / "out").iterdir()} == {f"{name}.npz", f"{name}.png"} and done.stderr == ""
    done = run_lesson(name, cwd=folder, file=copy, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "en_fr.tsv" in done.stderr


@translation
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_a_terminal_that_lacks_letters_of_the_text(name, encoding, tmp_path):
    write(tmp_path / "p.tsv", "\u03b1\u03b2\u03b3 \u03b4\u03ad\u03bd\u03c4 \U0001f98a.\t\u6211\u559c\u6b22\n" * 12)
    done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), *flags("--data", "p.tsv"), "--out", b"o\xff"],
                          cwd=tmp_path, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and done.stderr == b"" and b"picture: " in done.stdout


@translation
def test_as_cells_of_a_notebook(name, tmp_path):
    """No __file__, flags of another program on the command line; the picture is shown, and an error is one line."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    for flag, value in (("hidden", 8), ("steps", 2)):
        source, count = re.subn(rf'("{flag}": \()\d+', rf"\g<1>{value}", source)
        assert count == 1
    write(tmp_path / "cells.py", source)
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
assert "translate" in names"""
    done = run_lesson(name, cwd=tmp_path, file="cells.py", code=code, check=False)
    assert "en_fr.tsv" in done.stderr.splitlines()[0] and "SystemExit" not in done.stderr       # no data here
    (tmp_path / "data").mkdir()
    some_pairs(tmp_path / "data", 200).rename(tmp_path / "data" / "en_fr.tsv")
    done = run_lesson(name, cwd=tmp_path, file="cells.py", code=code, MPLBACKEND="module://no.such.backend")
    assert done.stderr == "" and f"('picture of', 'out/{name}.png')" in done.stdout
    assert (tmp_path / "out" / f"{name}.png").exists()


@without_pictures
@translation
def test_from_a_thread_and_twice(name, data, tmp_path):
    paths = []
    for folder in ("a", "b"):
        thread = threading.Thread(target=lambda: paths.append(train(name, data, tmp_path / folder)))
        thread.start()
        thread.join()
    same(*paths)


@without_pictures
@translation
def test_extreme_settings(name, data, tmp_path):
    for more in (["--hidden", 1, "--embed", 1], ["--batch", 1, "--every", 10**8], ["--batch", 10**8, "--lr", 0],
                 ["--lr", 100, "--clip", 1e8], ["--clip", 0, "--seed", 10**8], ["--beam", 99, "--max-length", 10**8]):
        train(name, data, tmp_path, "--steps", 3, *more)


@translation
def test_help_names_every_flag(name, capsys):
    with pytest.raises(SystemExit) as end:
        module(name).main(["--help"])
    out = capsys.readouterr().out
    assert not end.value.code and all("--" + flag.replace("_", "-") in out for flag in module(name).SETTINGS)


# %% Mistakes
BAD = {  # what is given -> flags, or a function of w, which writes a file, and c, a checkpoint, that returns them
    "no such file": ["--data", "nowhere.tsv"],
    "a folder": ["--data", "."],
    "no such held-out": ["--valid", "nowhere.tsv"],
    "held-out not UTF-8": lambda w, c: ["--valid", w(b"\xff\xfe\xfd" * 50, "t")],
    "an empty name to load": ["--load", ""],
    "an empty name to begin from": ["--init", ""],
    "an empty name of data": ["--data", ""],
    "an empty folder": ["--out", ""],
    "size zero": ["--hidden", "0"],
    "no hypotheses": ["--beam", "0"],
    "no length": ["--max-length", "0"],
    "negative": ["--steps", "-1"],
    "a negative seed": ["--seed", "-1"],
    "not a number": ["--lr", "nan"],
    "infinite": ["--clip", "inf"],
    "a word": ["--batch", "many"],
    "half a step": ["--steps", "2.5"],
    "too large": ["--steps", "100000001"],
    "a typo in a flag": ["--hiden", "5"],
    "half a flag": ["--hid", "5"],
    "a flag without a value": ["--seed"],
    "a stray word": ["pairs.tsv"],
    "a prompt with a dash": ["--prompt", "-hello"],
    "a split that does not exist": ["--split", "letters"],
    "a score that does not exist": ["--score", "product"],
    "no checkpoint": ["--load", "nowhere.npz"],
    "no checkpoint to begin from": ["--init", "nowhere.npz"],
    "a folder to load": ["--load", "."],
    "not a checkpoint": lambda w, c: ["--load", w("hello", "t")],
    "an empty checkpoint": lambda w, c: ["--load", w("", "t.npz")],
    "half a checkpoint": lambda w, c: ["--load", w(c.read_bytes()[:3000], "h.npz")],
    "half a checkpoint to begin from": lambda w, c: ["--init", w(c.read_bytes()[:3000], "h.npz")],
    "a broken checkpoint": lambda w, c: ["--load", w(bytes(b ^ (5 * (i % 97 == 96)) for i, b in
                                                           enumerate(c.read_bytes())), "h.npz")],
    "other pairs": lambda w, c: ["--load", c, "--steps", "9", "--data", w("".join(LINES[200:330]), "t")],
    "other held-out pairs": lambda w, c: ["--load", c, "--steps", "9", "--valid", w("".join(LINES[200:330]), "t")],
    "another seed, which splits otherwise": ["--load", None, "--steps", "9", "--seed", "5"],
    "another size": ["--load", None, "--hidden", "9"],
    "another word vector": ["--load", None, "--steps", "9", "--embed", "9"],
    "another batch": ["--load", None, "--batch", "5"],
    "another count": ["--load", None, "--min-count", "2"],
    "another length": ["--load", None, "--max-length", "49"],
    "another split": ["--load", None, "--split", "spaces"],
    "another score": ["--load", None, "--score", "dot"],
    "another size to begin from": ["--init", None, "--hidden", "9", "--data", "pairs.tsv"],
}


@pytest.fixture(scope="module")
def checkpoint_of(tmp_path_factory):
    """A function that copies a checkpoint of a lesson, trained once, into a folder."""
    made = {}

    def copy(name, folder):
        if name not in made:
            own = tmp_path_factory.mktemp(name)
            with pytest.MonkeyPatch.context() as patch:
                no_pictures(patch)
                made[name] = train(name, some_pairs(own), own)
        folder.mkdir()
        return Path(shutil.copy(made[name], folder))
    return copy


@without_pictures
@translation
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(name, what, tmp_path, data, checkpoint_of, capsys, monkeypatch):
    """Nothing is written, and what stands in the folder stays."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    mine = write(tmp_path / "out" / f"{name}.npz", "an earlier checkpoint")
    checkpoint = checkpoint_of(name, tmp_path / "c")
    before = checkpoint.read_bytes()
    given = BAD[what]
    if callable(given):
        given = given(lambda content, file: write(tmp_path / file, content), checkpoint)
    capsys.readouterr()
    assert module(name).main([str(checkpoint if flag is None else flag) for flag in given]) == 2
    error = error_of(capsys, name)
    assert mine.read_bytes() == b"an earlier checkpoint" and checkpoint.read_bytes() == before
    assert [file.name for file in mine.parent.iterdir()] == [mine.name]
    assert str(given[1]) in error if what.startswith("no such") else True   # which file it is


@without_pictures
@translation
def test_a_value_that_begins_with_a_dash(name, tmp_path, data, capsys):
    path = train(name, data, tmp_path)
    assert module(name).main(["--load", str(path), "--prompt=-Hello crow"]) == 0
    assert "hello crow" in last(capsys.readouterr().out).lower()


def changed(checkpoint, path, **changes):
    """A copy of a checkpoint with some entries replaced, or left out where they are None."""
    with np.load(checkpoint) as file:
        entries = {key: file[key] for key in file.files} | changes
    np.savez(path, **{key: entry for key, entry in entries.items() if entry is not None})
    return path


@without_pictures
@translation
def test_a_checkpoint_that_is_none_of_its_own(name, tmp_path, data, capsys):
    """An array missing, of another size, not finite; other names; another lesson's; pickled; foreign."""
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)
    checkpoint = train(name, data, tmp_path)
    with np.load(checkpoint) as file:
        Wy, E, plain = file["params/Wy"], file["v/E"], str(file[name])
    bad = [{"params/Wy": None}, {"best/Wy": np.zeros((3, 2), np.float32)}, {"m/Wy": np.concatenate([Wy, Wy[:1]])},
           {"v/E": E * np.nan}, {"best/E": np.where(np.arange(E.size).reshape(E.shape) == 3, np.inf, E)},
           {"params/W": Wy, "params/Wy": None}, {"params/Wy": np.array([Bomb()], dtype=object)}, {"rows_t": None},
           {name: None, "other": plain}, {name: "{}"}, {name: plain[:50]}, {name: "[1]"}]
    for changes in bad:
        other = changed(checkpoint, tmp_path / "x.npz", **changes)
        for more in (["--load", other], ["--init", other, "--data", data, "--out", tmp_path / "new"]):
            capsys.readouterr()
            assert module(name).main(list(map(str, more))) == 2, changes.keys()
            error_of(capsys, name)
        with pytest.raises(module(name).BadInput):
            module(name).load(other)
    assert not (tmp_path / "new").exists() and not (tmp_path / "ran").exists()
    others = [other for other in TRANSLATION if other != name]
    for other in others:
        assert module(other).main(["--load", str(checkpoint)]) == 2
        error_of(capsys, other)


@without_pictures
@translation
def test_a_checkpoint_comes_back(name, tmp_path, data):
    """What save wrote, restore returns: nothing else, nothing less, and saving changes nothing."""
    lesson, path = module(name), train(name, data, tmp_path)
    lesson.save(tmp_path / "copy.npz", lesson.restore(path))
    same(path, tmp_path / "copy.npz")
    assert sorted(file.name for file in tmp_path.glob("*.npz*")) == sorted([path.name, "copy.npz"])


@without_pictures
@translation
def test_a_loss_that_runs_away(name, tmp_path, data, capsys, monkeypatch):
    """The last good checkpoint stays, and so does the one of the run before; the line names a smaller rate."""
    lesson, path = module(name), train(name, data, tmp_path, "--seed", 1)
    first, update = path.read_bytes(), lesson.Adam.update

    def overflow(self, params, grads, lr):
        update(self, params, grads, lr)
        if self.t == at:
            params["Wy"] *= np.nan
    monkeypatch.setattr(lesson.Adam, "update", overflow)
    for at, old in ((1, False), (7, True)):
        capsys.readouterr()
        assert lesson.main(flags("--data", data, "--steps", 40, "--lr", 0.03, "--out", tmp_path)) == 2
        assert "--lr 0.01" in error_of(capsys, name)
        assert path.with_suffix(".old.npz").exists() == old
        assert (path.with_suffix(".old.npz") if old else path).read_bytes() == first
    assert len(lesson.restore(path)["losses"]) == 5


@without_pictures
@translation
@pytest.mark.parametrize("clip", [1.0, 1e8])
def test_the_largest_rate(name, clip, tmp_path, data, capsys):
    """Whatever becomes of it: a result, or the one line; and what is kept is finite."""
    status = module(name).main(flags("--data", data, "--steps", 40, "--lr", 1e8, "--clip", clip, "--out", tmp_path))
    if status:
        assert status == 2 and error_of(capsys, name)
    else:
        assert capsys.readouterr().err == ""
    for path in tmp_path.glob("*.npz"):
        module(name).restore(path)


@without_pictures
@translation
def test_a_checkpoint_that_cannot_be_written(name, tmp_path, data, monkeypatch, capsys):
    """The disk is full after some bytes, or the file cannot be put in its place: the one before stays whole."""
    lesson, path = module(name), train(name, data, tmp_path)
    before = path.read_bytes()

    def full(file, **_):
        file.write(b"PK")
        raise OSError(28, "No space left on device")

    def refused(*_):
        raise PermissionError(13, "Permission denied")
    for owner, attribute, broken in ((np, "savez", full), (lesson.Path, "replace", refused)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, broken)
            capsys.readouterr()
            assert lesson.main(["--load", str(path), "--steps", "9"]) == 2
        error_of(capsys, name)
        assert path.read_bytes() == before
    write(tmp_path / "file", "in the way")
    assert lesson.main(flags("--data", data, "--out", tmp_path / "file" / "out")) == 2
    error_of(capsys, name)


@translation
@pytest.mark.parametrize("size", ["--hidden", "--embed"])
def test_huge_sizes(name, size, data, tmp_path):
    """In seconds, not after it has filled all memory; here with 8 GB of it."""
    code = """import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")"""
    done = run_lesson(name, *flags("--data", data, size, 10**8), cwd=tmp_path, code=code, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.startswith(f"{name}.py: error: ")
    assert list(tmp_path.iterdir()) == [data]


@without_pictures
@translation
def test_errors_of_users_become_a_line_and_others_do_not(name, tmp_path, data, monkeypatch, capsys):
    """Full memory is told; who edits a lesson sees the traceback of a mistake."""
    for error, told in ((MemoryError, True), (ImportError, True), (ValueError, False), (KeyError, False)):
        with monkeypatch.context() as patch:
            patch.setattr(module(name), "backward", failing(module(name).backward, 3, error("broken")))
            more = flags("--data", data, "--out", tmp_path / "o")
            if told:
                assert module(name).main(more) == 2 and "broken" in error_of(capsys, name)
            else:
                with pytest.raises(error):
                    module(name).main(more)


@translation
def test_a_process_ends_the_same_way(name, tmp_path):
    done = run_lesson(name, "--data", "nowhere.tsv", cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert done.stderr.startswith(f"{name}.py: error: ") and done.stderr.count("\n") == 1


@translation
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_to_a_full_disk(name, data, tmp_path):
    code = "import runpy, sys; sys.argv = sys.argv[1:]; sys.stdout = open('/dev/full', 'w')\n" \
           "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run_lesson(name, *flags("--data", data), cwd=tmp_path, code=code, check=False)
    assert done.returncode and done.stderr.startswith(f"{name}.py: error: ") and "Traceback" not in done.stderr


@without_pictures
@pytest.mark.parametrize("name", ATTENTION)
def test_links_that_fit_no_tokens_are_told(name, tmp_path, capsys, monkeypatch):
    monkeypatch.undo()                                      # with the picture, which tells it
    train(name, write(tmp_path / "p.tsv", "a b c\tx y\t0-0 7-1\n" * 5 + "d e\tz\tCC-BY\n"), tmp_path / "out")
    out = capsys.readouterr().out
    assert re.search(r"\b6 pairs", out) and "alignment error rate" not in out
