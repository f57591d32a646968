"""Mistakes of users of the language lessons end with status 2, one line on standard error, and nothing broken."""
import os
import subprocess
import sys

import numpy as np
import pytest

from conftest import CHAR, FABLES, LANGUAGE, ROOT, WORD, contents, error_of, module, run_lesson, small, train

language = pytest.mark.parametrize("name", LANGUAGE)
pytestmark = pytest.mark.usefixtures("no_picture")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """A function that puts a checkpoint in a folder; each lesson's is made once, from a text that stays."""
    folder, made = tmp_path_factory.mktemp("checkpoints"), {}
    (folder / "text.txt").write_text(FABLES[:900], encoding="utf-8")

    def put(name, into):
        if name not in made:
            made[name] = train(name, folder / "text.txt", folder / name).read_bytes()
        into.mkdir(exist_ok=True)
        (into / f"{name}.npz").write_bytes(made[name])
        return into / f"{name}.npz"
    return put


def changed(checkpoint, path, **changes):
    """A copy of a checkpoint with some entries replaced, or left out where they are None."""
    with np.load(checkpoint) as file:
        entries = {key: file[key] for key in file.files} | changes
    np.savez(path, **{key: entry for key, entry in entries.items() if entry is not None})
    return path


BAD = {  # what is given -> flags, or a function of w, which writes a file, and c, a checkpoint, that returns them
    "no such file": ["--data", "nowhere.txt"],
    "a folder": ["--data", "."],
    "an empty file": lambda w, c: ["--data", w("", "t")],
    "too short": lambda w, c: ["--data", w("abc", "t")],
    "a binary file": lambda w, c: ["--data", w(b"\x89PNG\0\xff" * 50, "t")],
    "not UTF-8": lambda w, c: ["--data", w("caf\xe9 ".encode("latin-1") * 50, "t")],
    "UTF-16": lambda w, c: ["--data", w("a crow ".encode("utf-16") * 50, "t")],
    "no such held-out": ["--valid", "nowhere.txt"],
    "held-out not UTF-8": lambda w, c: ["--valid", w(b"\xff\xfe\xfd" * 50, "t")],
    "held-out too short": lambda w, c: ["--valid", w("a", "t")],
    "an empty name to load": ["--load", ""],
    "an empty name to begin from": ["--init", ""],
    "an empty name of data": ["--data", ""],
    "an empty folder": ["--out", ""],
    "size zero": ["--hidden", "0"],
    "negative": ["--steps", "-1"],
    "a negative seed": ["--seed", "-1"],
    "a negative temperature": ["--temperature", "-0.5"],
    "a negative length": ["--length", "-1"],
    "not a number": ["--lr", "nan"],
    "infinite": ["--clip", "inf"],
    "a word": ["--batch", "many"],
    "half a step": ["--steps", "2.5"],
    "too large": ["--steps", "100000001"],
    "a typo in a flag": ["--hiden", "5"],
    "half a flag": ["--hid", "5"],
    "a flag without a value": ["--seed"],
    "a stray word": ["fables.txt"],
    "no checkpoint": ["--load", "nowhere.npz"],
    "no checkpoint to begin from": ["--init", "nowhere.npz"],
    "a folder to load": ["--load", "."],
    "not a checkpoint": lambda w, c: ["--load", w("hello", "t")],
    "an empty checkpoint": lambda w, c: ["--load", w("", "t.npz")],
    "half a checkpoint": lambda w, c: ["--load", w(c.read_bytes()[:3000], "h.npz")],
    "half a checkpoint to begin from": lambda w, c: ["--init", w(c.read_bytes()[:3000], "h.npz")],
    "a broken checkpoint": lambda w, c: ["--load", w(bytes(b ^ (5 * (i % 97 == 96)) for i, b in
                                                           enumerate(c.read_bytes())), "h.npz")],
    "foreign arrays": lambda w, c: ["--load", foreign(c)],
    "another text": lambda w, c: ["--load", c, "--steps", "9", "--data", w(FABLES[2000:3000], "t")],
    "another held-out text": lambda w, c: ["--load", c, "--steps", "9", "--valid", w(FABLES[2000:3000], "t")],
    "another size": ["--load", None, "--hidden", "9"],
    "another batch": ["--load", None, "--batch", "5"],
    "another window": ["--load", None, "--seq-len", "8"],
    "another size, only to sample": ["--load", None, "--steps", "5", "--hidden", "9"],
}


def foreign(checkpoint):
    """Arrays of somebody else."""
    np.savez(checkpoint.with_name("foreign.npz"), weights=np.eye(3))
    return checkpoint.with_name("foreign.npz")


@language
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(name, what, tmp_path, checkpoints, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / f"{name}.npz"
    mine.write_bytes(b"an earlier checkpoint")
    checkpoint = checkpoints(name, tmp_path / "c")
    before = checkpoint.read_bytes()

    def write(content, file):
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return file
    flags = BAD[what](write, checkpoint) if callable(BAD[what]) else BAD[what]
    capsys.readouterr()
    status = module(name).main([str(checkpoint if flag is None else flag) for flag in flags])
    error = error_of(capsys, name)
    assert status == 2
    assert mine.read_bytes() == b"an earlier checkpoint" and checkpoint.read_bytes() == before
    assert {file.name for file in mine.parent.iterdir()} == {mine.name}
    for part in flags[1:2] if what.startswith(("no such", "not UTF-8", "a binary")) else []:
        assert str(part) in error                           # which file it is


@pytest.mark.parametrize("name, flags", [(name, flags) for name in WORD for flags in (
    ["--embed", "9"], ["--split", "spaces"], ["--min-count", "3"])])
def test_what_else_is_fixed_in_a_word_lesson(name, flags, text, tmp_path, capsys):
    path = train(name, text, tmp_path)
    before = path.read_bytes()
    capsys.readouterr()
    assert module(name).main(["--load", str(path), "--steps", "9", *flags]) == 2
    error_of(capsys, name)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", WORD)
def test_a_split_that_does_not_exist(name, text, tmp_path, capsys):
    assert module(name).main(["--data", str(text), "--out", str(tmp_path / "out"), "--split", "letters"]) == 2
    assert "--split" in error_of(capsys, name) and not (tmp_path / "out").exists()


@language
def test_a_value_that_begins_with_a_dash(name, tmp_path, text, capsys):
    """It looks like a flag; the line says how to write it, and so it works."""
    text.write_text("-Hello! said -Hello- the fox.\n" * 30, encoding="utf-8")
    flags = ["--data", str(text), "--out", str(tmp_path / "out"), *small(name), "--steps", "2"]
    assert module(name).main([*flags, "--prompt", "-Hello"]) == 2
    assert "--flag=-value" in error_of(capsys, name)
    assert module(name).main([*flags, "--prompt=-Hello"]) == 0
    assert "-hello" in capsys.readouterr().out.lower().replace("- hello", "-hello")


@language
def test_a_prompt_that_cannot_be_read(name, tmp_path, text, capsys):
    """It is told before the first step; a word lesson reads an unknown word as <unk> if it has that, and shows it."""
    flags = ["--data", str(text), "--out", str(tmp_path / "out"), *small(name), "--steps", "2"]
    if name in WORD:
        assert module(name).main([*flags, "--prompt", "the zyx the", "--out", str(tmp_path / "unk")]) == 0
        assert "The <unk> the" in capsys.readouterr().out
        flags += ["--min-count", "1"]
    assert module(name).main([*flags, "--prompt", "the zyx \u20ac"]) == 2
    assert "\u20ac" in error_of(capsys, name)
    assert not (tmp_path / "out").exists()
    path = train(name, text, tmp_path / "c", *(["--min-count", 1] if name in WORD else []))
    capsys.readouterr()
    assert module(name).main(["--load", str(path), "--prompt", "the zyx \u20ac"]) == 2
    error_of(capsys, name)


# %% Checkpoints
def test_another_lessons_checkpoint(tmp_path, text, capsys):
    for name, other in (("char_rnn", "char_lstm"), ("char_gru", "char_rnn"), ("word_rnn", "char_rnn"),
                        ("char_rnn", "word_rnn")):
        path = train(name, text, tmp_path)
        for flag in ("--load", "--init"):
            capsys.readouterr()
            assert module(other).main([flag, str(path), "--data", str(text), "--out", str(tmp_path / "o")]) == 2
            error_of(capsys, other)


@language
def test_a_pickle_is_refused(name, tmp_path, text, capsys):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)
    checkpoint = train(name, text, tmp_path)
    bomb = changed(checkpoint, tmp_path / "bomb.npz", **{"params/Wy": np.array([Bomb()], dtype=object)})
    capsys.readouterr()
    assert module(name).main(["--load", str(bomb)]) == 2 and not (tmp_path / "ran").exists()
    error_of(capsys, name)


DAMAGE = {  # what is done to an array
    "missing": lambda array: None,
    "of another size": lambda array: np.zeros((3, 2), np.float32),
    "one row more": lambda array: np.concatenate([array, array[:1]]),
    "not a number": lambda array: array * np.nan,
    "infinite at one place": lambda array: np.where(np.arange(array.size).reshape(array.shape) == 3, np.inf, array),
}


@language
@pytest.mark.parametrize("group", ["params", "best", "m", "v"])
def test_a_checkpoint_with_an_array_that_is_none_of_its_own(name, group, tmp_path, text, capsys):
    checkpoint = train(name, text, tmp_path)
    with np.load(checkpoint) as file:
        array = file[f"{group}/Wy"]
    for what, damage in DAMAGE.items():
        other = changed(checkpoint, tmp_path / "x.npz", **{f"{group}/Wy": damage(array)})
        for flags in (["--load", other], ["--init", other, "--data", text, "--out", tmp_path / "new"]):
            capsys.readouterr()
            assert module(name).main(list(map(str, flags))) == 2, what
            error_of(capsys, name)
        with pytest.raises(module(name).BadInput):
            module(name).load(other)
    assert not (tmp_path / "new").exists()


@language
def test_a_checkpoint_of_an_older_version(name, tmp_path, text, capsys):
    """Parameters with other names, or the plain values under another one or without their settings."""
    checkpoint = train(name, text, tmp_path)
    with np.load(checkpoint) as file:
        renamed = {f"{group}/{key}": value for group in ("params", "best", "m", "v")
                   for key, value in (("W", file[f"{group}/Wh"]), ("Wh", None))}
        plain = {key: str(file[key]) for key in file.files if file[key].dtype.kind == "U"}
    ((key, value),) = plain.items()
    with np.load(checkpoint) as file:
        nan = {"state": file["state"] * np.nan}
    for changes in (renamed, {key: None, "info": value}, {key: "{}"}, {key: value[:50]}, {key: "[1]"},
                    {"state": None}, nan):
        other = changed(checkpoint, tmp_path / "x.npz", **changes)
        capsys.readouterr()
        assert module(name).main(["--load", str(other)]) == 2, changes.keys()
        error_of(capsys, name)


@language
def test_a_checkpoint_comes_back(name, tmp_path, text):
    """What save wrote, restore returns: nothing else, nothing less, and saving changes nothing."""
    lesson, path = module(name), train(name, text, tmp_path)
    run = lesson.restore(path)
    lesson.save(tmp_path / "copy.npz", run)
    arrays, plain = contents(tmp_path / "copy.npz")
    others, other = contents(path)
    assert plain == other and arrays.keys() == others.keys() and run.keys() == lesson.restore(path).keys()
    assert all((arrays[key] == others[key]).all() and arrays[key].dtype == others[key].dtype for key in arrays)
    assert sorted(file.name for file in tmp_path.glob("*.npz*")) == sorted([path.name, "copy.npz"])


# %% While it runs
@language
def test_a_loss_that_runs_away(name, tmp_path, text, capsys, monkeypatch):
    """The last good checkpoint stays, and so does the one of the run before; the line names a smaller rate."""
    lesson, path = module(name), train(name, text, tmp_path, "--seed", 1)
    first, update = path.read_bytes(), lesson.Adam.update

    def overflow(self, params, grads, lr):
        update(self, params, grads, lr)
        if self.t == 7:
            params["Wy"] *= np.nan
    monkeypatch.setattr(lesson.Adam, "update", overflow)
    capsys.readouterr()
    flags = ["--data", text, "--steps", 40, "--lr", 0.3, "--out", tmp_path, *small(name)]
    assert lesson.main(list(map(str, flags))) == 2
    assert "--lr 0.1" in error_of(capsys, name)
    run = lesson.restore(path)
    assert len(run["losses"]) == 5 and path.with_suffix(".old.npz").read_bytes() == first


@language
def test_a_loss_that_runs_away_at_once(name, tmp_path, text, capsys, monkeypatch):
    """Nothing is saved, and the checkpoint of the run before is where it was."""
    lesson, path = module(name), train(name, text, tmp_path, "--seed", 1)
    first, update = path.read_bytes(), lesson.Adam.update

    def overflow(self, params, grads, lr):
        update(self, params, grads, lr)
        params["Wy"] *= np.nan
    monkeypatch.setattr(lesson.Adam, "update", overflow)
    capsys.readouterr()
    assert lesson.main(["--data", str(text), "--out", str(tmp_path), *small(name)]) == 2
    error_of(capsys, name)
    assert [file.name for file in tmp_path.glob("*.npz*")] == [path.name] and path.read_bytes() == first


@language
def test_the_largest_rate_without_clipping(name, tmp_path, text, capsys):
    """Whatever becomes of it: a result, or the one line; and what is kept is finite."""
    flags = ["--data", text, "--steps", 40, "--lr", 1e8, "--clip", 1e8, "--out", tmp_path, *small(name)]
    status = module(name).main(list(map(str, flags)))
    if status:
        assert status == 2 and error_of(capsys, name)
    else:
        assert capsys.readouterr().err == ""
    for path in tmp_path.glob("*.npz"):
        module(name).restore(path)


@language
def test_a_checkpoint_that_cannot_be_written(name, tmp_path, text, monkeypatch, capsys):
    """The disk is full after some bytes, or the file cannot be put in its place: the one before stays whole."""
    lesson, path = module(name), train(name, text, tmp_path)
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


@language
def test_an_output_folder_that_cannot_be_made(name, tmp_path, text, capsys):
    (tmp_path / "file").write_text("in the way")
    assert module(name).main(["--data", str(text), "--out", str(tmp_path / "file" / "out"), "--steps", "1"]) == 2
    error_of(capsys, name)
    assert (tmp_path / "file").read_text() == "in the way"


@language
def test_full_memory_is_told(name, tmp_path, text, capsys, monkeypatch):
    def full(*_):
        raise MemoryError
    monkeypatch.setattr(module(name), "backward", full)
    assert module(name).main(["--data", str(text), "--out", str(tmp_path), *small(name)]) == 2
    assert len(error_of(capsys, name)) > len(f"{name}.py: error: ") + 5


@language
@pytest.mark.parametrize("size", ["--hidden", "--embed"])
def test_huge_sizes(name, size, tmp_path):
    """In seconds, not after it has filled all memory; here with 8 GB of it."""
    if size == "--embed" and name in CHAR:
        return
    code = """import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")"""
    done = run_lesson(name, size, 10**8, "--steps", 1, cwd=tmp_path, code=code, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.startswith(f"{name}.py: error: ")
    assert list(tmp_path.iterdir()) == []


@language
def test_a_process_ends_the_same_way(name, tmp_path):
    done = run_lesson(name, "--data", "nowhere.txt", cwd=tmp_path, check=False)
    assert done.returncode == 2 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert done.stderr.startswith(f"{name}.py: error: ") and done.stderr.count("\n") == 1


@language
def test_a_mistake_in_the_lesson_is_not_hidden(name, tmp_path, text, monkeypatch):
    """Who edits a lesson sees the traceback: only errors of users become a line."""
    for error in (ValueError, KeyError, TypeError, IndexError, ZeroDivisionError):
        def broken(*_):
            raise error("a bug")
        monkeypatch.setattr(module(name), "backward", broken)
        with pytest.raises(error):
            module(name).main(["--data", str(text), "--out", str(tmp_path), *small(name)])


@language
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_to_a_full_disk(name, text, tmp_path):
    code = "import runpy, sys; sys.argv = sys.argv[1:]; sys.stdout = open('/dev/full', 'w')\n" \
           "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run_lesson(name, "--data", text, *small(name), "--steps", 5, cwd=tmp_path, code=code, check=False)
    assert done.returncode and done.stderr.startswith(f"{name}.py: error: ") and "Traceback" not in done.stderr


@language
def test_lost_modules_are_told_whenever_they_are_missed(name, text, tmp_path, monkeypatch, capsys):
    """A missing module before training must not be told as if something had been saved."""
    def missing(*_):
        raise ImportError("No module named 'numpy.x'")
    monkeypatch.setattr(module(name), "read_data", missing)
    assert module(name).main(["--data", str(text), "--out", str(tmp_path / "o"), *small(name)]) == 2
    assert "saved" not in error_of(capsys, name)


@pytest.mark.parametrize("name", ["char_rnn", "word_gru"])
def test_a_closed_pipe_ends_the_run(name, tmp_path):
    """As with `| head -1`: it does not go on for nobody, and there is no traceback."""
    process = subprocess.Popen([sys.executable, str(ROOT / f"{name}.py"), *small(name), "--steps", "1000000", "--every",
                                "1"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait(timeout=30) in (2, 120)         # 120: Python itself could not flush the last line
    assert error.startswith(f"{name}.py: error: ") and "Traceback" not in error
