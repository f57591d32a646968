"""What all tests share: the lessons as modules, and the marker `slow` (run with --slow)."""
import importlib
import os
import subprocess
import sys
from pathlib import Path

# Two test models with two BLAS threads each get in each other's way; these models are tiny anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest                                               # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

CHAR = ["char_rnn", "char_lstm", "char_gru"]
WORD = ["word_rnn", "word_lstm", "word_gru"]
LANGUAGE = CHAR + WORD
TRANSLATION = ["seq2seq", "bahdanau", "luong"]
LESSONS = LANGUAGE + TRANSLATION


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that train at full size")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: trains at full size; runs only with --slow")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs --slow"))


def module(name):
    """The lesson of that name, imported."""
    return importlib.import_module(name)


def run_lesson(name, *flags, cwd, file=None, check=True, code=None, threads="1"):
    """Run a lesson in a process of its own -> the finished process with its output as text."""
    command = [sys.executable, *(("-c", code) if code else ()), str(file or ROOT / f"{name}.py"),
               *map(str, flags)]
    env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    env |= {"PYTHONIOENCODING": "utf-8"} | ({"OPENBLAS_NUM_THREADS": threads} if threads else {})
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", env=env)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
