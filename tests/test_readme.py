"""The README: it is short, its code is the lessons' code, its questions are answered where it says, its files exist."""
import re

import pytest

from conftest import LESSONS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^\| ([^|]+\?) \| ([^|]+) \| `(\w+)\.py`, (\d) \|$", README, re.M)


def section(name, number):
    """The text of a numbered section of a lesson."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    return re.search(rf"^# %% {number}\. .*?(?=^# %% |\Z)", source, re.M | re.S)[0]


def test_it_is_short():
    assert len(README) <= 16_000


def test_its_functions_are_those_of_the_file():
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    source = (ROOT / "char_lstm.py").read_text(encoding="utf-8")
    shown = [part.strip() for block in blocks for part in re.split(r"^(?=def )", block, flags=re.M)
             if part.startswith("def ")]
    assert [re.match(r"def (\w+)", part)[1] for part in shown] == ["step", "step_backward"]
    for part in shown:
        assert part + "\n\n\n" in source


def test_there_are_the_questions_that_learners_ask():
    assert len(QUESTIONS) >= 25 and len({question for question, *_ in QUESTIONS}) == len(QUESTIONS)
    assert README.split("## Questions")[1].split("\n## ")[0].count("\n| ") == len(QUESTIONS) + 1    # the head


@pytest.mark.parametrize(["question", "answer", "name", "number"], QUESTIONS)
def test_a_question_is_answered_in_the_section_named(question, answer, name, number):
    text = " ".join(re.sub(r"^\s*#", " ", section(name, number), flags=re.M).split()).lower()
    words = re.findall(r"\*([^*]+)\*", answer)
    assert words, f"the answer to {question!r} marks no word to look for"
    for word in words:
        assert word.lower() in text


def test_every_file_that_it_names_is_there():
    names = {name for name in re.findall(r"[\w./]+\.(?:py|txt|tsv|png)\b", README)
             if name.startswith(("tests/", "data/", ".github/", "test_")) or name.removesuffix(".py") in LESSONS}
    assert len(names) > 20
    for name in names:
        assert (ROOT / name).exists() or (ROOT / "tests" / name).exists(), name


def test_the_commands_use_flags_that_there_are():
    for name, flags in re.findall(r"python (\w+)\.py((?: --?[^`\n;&]*)?)", README):
        if name in LESSONS:
            known = (ROOT / f"{name}.py").read_text(encoding="utf-8")
            for flag in re.findall(r"--([a-z-]+)", flags):
                assert f'"{flag.replace("-", "_")}": (' in known, (name, flag)
