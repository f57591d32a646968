"""Are the lines that headers and README quote what the default runs print?

    python tests/quoted.py [FOLDER]      run each lesson whose FOLDER/<lesson>.txt is missing, and compare

A run's output goes to FOLDER/<lesson>.txt (default out/quoted), its checkpoint beside it: about 20 minutes
for all nine. Every quoted line must stand in the output of its lesson, but for what a clock says. The last
bits of a matrix product differ between processors, and so after some hundred steps do all the others: on
another machine the scores are near those quoted, and the samples are other samples.
"""
import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ["char_rnn", "char_lstm", "char_gru", "word_rnn", "word_lstm", "word_gru", "seq2seq", "bahdanau", "luong"]
CLOCK = re.compile(r"[\d,]+ tokens/s|[\d.]+ min left|in \S+\.npz")


def same(line):
    """A line as it is compared: without what a clock says, dots for what is left out, and double blanks."""
    return " ".join(CLOCK.sub("", line.removesuffix("...")).split())


def header_quotes(source):
    """The source of a lesson -> the indented lines below the line of its header that announces what a run prints."""
    lines = iter(ast.get_docstring(ast.parse(source)).split("\n"))
    for line in lines:
        if line.startswith("The first command"):
            break
    quotes = []
    for line in lines:
        if not line.startswith("    "):
            return quotes
        quotes.append(line)
    return quotes


def readme_quotes(text, name):
    """The README -> the lines of those of its blocks that begin with what name's run prints first."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if block.startswith(name + ":")]


def main():
    folder, wrong = Path(sys.argv[1] if len(sys.argv) > 1 else "out/quoted"), 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in LESSONS:
        path = folder / f"{name}.txt"
        if not path.exists():
            print(f"running {name}.py", file=sys.stderr, flush=True)
            output = subprocess.run([sys.executable, ROOT / f"{name}.py", "--out", folder], check=True,
                                    stdout=subprocess.PIPE, encoding="utf-8").stdout
            path.write_text(output, encoding="utf-8")
        printed = same(path.read_text(encoding="utf-8").replace("\n", " "))
        quotes = header_quotes((ROOT / f"{name}.py").read_text(encoding="utf-8"))
        assert quotes, f"the header of {name}.py quotes nothing"
        for line in quotes + readme_quotes((ROOT / "README.md").read_text(encoding="utf-8"), name):
            if same(line) not in printed:
                wrong += 1
                print(f"{name}: not printed: {line.strip()}")
    print(f"{wrong} quoted lines are not what the runs printed")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
