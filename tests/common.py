"""What tests and measuring scripts share: the lessons by name, as modules, and changed ones. It needs no pytest."""
import importlib
import os
import sys
import types
from pathlib import Path

# Two test models with two BLAS threads each get in each other's way; these models are tiny anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

CHAR = ["char_rnn", "char_lstm", "char_gru"]
WORD = ["word_rnn", "word_lstm", "word_gru"]
LANGUAGE = CHAR + WORD
TRANSLATION = ["seq2seq", "bahdanau", "luong"]
LESSONS = LANGUAGE + TRANSLATION


def module(name):
    """The lesson of that name, imported."""
    return importlib.import_module(name)


def mutant(name, *changes):
    """The lesson with some of its text replaced, each (old, new), as a module that nobody else has."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1, f"{name}.py has {source.count(old)} times {old!r}"
        source = source.replace(old, new)
    changed = types.ModuleType(name)
    changed.__file__ = str(ROOT / f"{name}.py")
    exec(compile(source, name, "exec"), changed.__dict__)
    return changed


def accuracy(lesson, params, ids):
    """Share of target words, <eos> counted, that the model ranks first when it reads the reference."""
    right = total = 0
    for part in lesson.batches(ids, 100):
        source, target = lesson.pad([ids[i][0] for i in part]), lesson.pad([ids[i][1] for i in part])
        memory, state = lesson.prepare(params, source)
        for now, following in zip(target[:-1], target[1:]):
            logits, state, _ = lesson.predict(params, memory, state, now)
            right += ((logits.argmax(axis=0) == following) & (following != 0)).sum()
            total += (following != 0).sum()
    return right / total
