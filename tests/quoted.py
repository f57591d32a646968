"""Are the lines that headers and README quote what the default runs print?

    python tests/quoted.py [FOLDER]      run each lesson whose FOLDER/<lesson>.txt is missing, and compare

A run's output goes to FOLDER/<lesson>.txt (default out/quoted), its checkpoint beside it: 7 to 20 minutes for
all nine. Every quoted line must stand in the output of its lesson, but for what a clock says; so must the
scores in README's tables; README's translation must be what the checkpoint of bahdanau.py says, and the search
in section 6 of seq2seq.py what its checkpoint finds. The last bits of a matrix product differ between
processors, and so after some hundred steps do all the others: on another machine the scores are near those
quoted, and the samples are other samples.
"""
import argparse
import ast
import contextlib
import io
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


def readme_scores(text, name):
    """The README -> the numbers in the rows of its tables that tell name's scores, as they are written."""
    rows = [row.split("|") for row in re.findall(rf"^\| `{name}\.py` \|(.*)\|$", text, re.M)]
    scores = [cell for row in rows for cell in row if re.search("bits|perplexity|BLEU|%", cell)]
    scores += [row[-1] for row in rows if sum("%" in cell for cell in row) > 1]      # the alignment error
    return [number for cell in scores for number in re.findall(r"\d+\.\d+", re.sub(r"\(.*?\)", "", cell))]


def translation(text, folder):
    """The README -> what it quotes as the output of its own program on bahdanau.py, and what that prints here."""
    (code,) = [block for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S) if "bahdanau.load" in block]
    (quoted,) = re.findall(r"^```\n(\w+<-.*)\n```$", text, re.M)
    sys.path.insert(0, str(ROOT))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("out/bahdanau.npz", str(folder / "bahdanau.npz")), {})
    return quoted, printed.getvalue()


def search(folder):
    """What section 6 of seq2seq.py says of one sentence, greedily and with a beam of two, and what its checkpoint says."""
    text = (ROOT / "seq2seq.py").read_text(encoding="utf-8").replace("\n# ", " ")
    source, *quoted = re.search(r'For "([^"]*)" the run.*?"([^"]*)".*?(-[.\d]+\d).*?, and finds "([^"]*)".*?(-[.\d]+\d)',
                                text).groups()
    sys.path.insert(0, str(ROOT))
    import seq2seq
    params, vocab, _ = seq2seq.load(folder / "seq2seq.npz")
    (ids, _), = seq2seq.encode_pairs([(source.split(), [], "")], vocab, len(params["Wy"]))
    found = [seq2seq.beam_search(params, seq2seq.pad([ids]), beam, 30)[0] for beam in (1, 2)]
    return quoted, [text for ids, score, _ in found
                    for text in (" ".join(vocab[i] for i in ids[:-1]), f"{score:.2f}")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/quoted"), help="of the outputs and checkpoints")
    folder, wrong = parser.parse_args().folder, 0
    folder.mkdir(parents=True, exist_ok=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
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
        missing = [line.strip() for line in quotes + readme_quotes(readme, name) if same(line) not in printed]
        numbers = [float(number) for number in re.findall(r"\d+\.\d+", printed)]
        missing += [score for score in readme_scores(readme, name)
                    if not any(f"{number:.{len(score.split('.')[1])}f}" == score for number in numbers)]
        for line in missing:
            print(f"{name}: not printed: {line}")
        wrong += len(missing)
    quoted, printed = translation(readme, folder)
    if quoted.strip() != printed.strip():
        wrong += 1
        print(f"bahdanau: the translation is {printed}")
    quoted, printed = search(folder)
    if quoted != printed:
        wrong += 1
        print(f"seq2seq: the search finds {printed}")
    print(f"{wrong} quoted lines are not what the runs printed")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
