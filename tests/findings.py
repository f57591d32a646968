"""Reproduce the papers' findings at this scale, over several seeds, as Markdown tables.

    python tests/findings.py --jobs 2 --threads 1     all models, three seeds: half an hour, two cores
    python tests/findings.py --seeds 1 --steps 20     a trial of the script, with junk figures

A. the lessons with their default settings    B. the same with as many parameters for all
C. Luong's three scores    D. what a wider beam finds    E. words that look at a wrong place

It runs the lessons as their users do, each run in a folder of its own under --out, with what it
printed in output.txt beside the checkpoint. It may be interrupted (Ctrl-C lets the runs save) and
started again: finished runs are not trained again, the others go on from their checkpoints. Figures
are of the best parameters and the held-out pairs of each run, which change with the seed. Progress
goes to standard error.
"""
import argparse
import bisect
import contextlib
import io
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import ROOT, TRANSLATION, accuracy, module      # before NumPy: measuring needs one thread only

import numpy as np

BEAMS = 1, 2, 5
ROWS = {  # figure: (its name in the tables, format)
    "parameters": ("parameters", ",.0f"),
    "bleu_2": ("BLEU", ".2f"),
    "exact_2": ("exact match, %", ".1f"),
    "tokens": ("token accuracy, reference read, %", ".2f"),
    "tokens_longest": ("the same, longest fifth of the sources, %", ".2f"),
    **{f"fifth_{i}": (f"exact match, sources of about {{length_{i}:.1f}} tokens, %", ".1f")
       for i in range(5)},
    "nats": ("best held-out score, nats per token", ".4f"),
    "error": ("alignment error rate", ".3f"),
    "diagonal": ("of a diagonal", ".3f"),
}


# %% Training
def defaults(lesson):
    """A lesson -> the settings that its checkpoint keeps, as they are without flags."""
    return {name: row[0] for name, row in lesson.SETTINGS.items() if name not in ("load", "init", "out")}


def silent(function, *args):
    """The result of a function that prints, and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        return function(*args), printed.getvalue()


def equal_hidden(name):
    """A lesson's name -> the H that brings it nearest to bahdanau.py's number of parameters."""
    bahdanau = module("bahdanau")
    settings = defaults(bahdanau)
    (pairs, _), _ = silent(bahdanau.read_data, settings)
    vocab, V_out = bahdanau.build_vocab(pairs, settings["min_count"])

    def size(name, H):
        params = module(name).init_params(len(vocab), V_out, defaults(module(name))["embed"], H,
                                          np.random.default_rng(0))
        return sum(param.size for param in params.values())
    budget = size("bahdanau", settings["hidden"])
    above = bisect.bisect_left(range(512), budget, lo=1, key=lambda H: size(name, H))
    return min(above - 1, above, key=lambda H: abs(size(name, H) - budget))


def train(name, flags, seed, options):
    """A lesson's name, flags, a seed -> the path of its finished checkpoint, trained if need be."""
    flags = flags | {"seed": seed} | ({"steps": options.steps} if options.steps else {})
    folder = Path(options.out) / "-".join([name, *(f"{k}-{v}" for k, v in flags.items())])
    path, load = folder / f"{name}.npz", []
    if path.exists():
        run = module(name).restore(path)
        kept = {key: value for key, value in run["settings"].items() if key != "checksum"}
        if kept != defaults(module(name)) | flags:
            sys.exit(f"{path} has other settings than this run; remove it or change --out")
        if len(run["losses"]) == kept["steps"]:
            return path
        load = ["--load", path]
    folder.mkdir(parents=True, exist_ok=True)
    env = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    env |= {"OPENBLAS_NUM_THREADS": str(options.threads)} if options.threads else {}
    command = [sys.executable, ROOT / f"{name}.py", "--out", folder, *load,
               *(part for flag, value in flags.items() for part in (f"--{flag}", str(value)))]
    started = time.perf_counter()
    with open(folder / "output.txt", "a") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT,
                              env=env | {"PYTHONIOENCODING": "utf-8"})
    if done.returncode:
        sys.exit(f"{folder.name} ended with status {done.returncode}: see {folder / 'output.txt'}")
    print(f"{folder.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return path


def train_all(runs, options):
    """Runs (lesson's name, flags) by label -> their checkpoints by label, a list over the seeds."""
    pool = ThreadPoolExecutor(options.jobs)
    try:
        # Seed by seed: interrupted, it leaves whole seeds, which --seeds can ask for.
        waiting = [(label, pool.submit(train, *run, seed, options))
                   for seed in range(options.seeds) for label, run in runs.items()]
        paths = {label: [] for label in runs}
        for label, future in waiting:
            paths[label].append(future.result())
    finally:
        pool.shutdown(cancel_futures=True)          # begin no other run, wait for those that save
    return paths


# %% Measuring
def measure(path, beams):
    """A checkpoint, beams to search with (2 among them) -> its figures by name, of ROWS and more.

    "lower" counts the sentences for which the widest beam finds another translation than the
    narrowest, with a lower log-probability per token.
    """
    lesson = module(path.stem)
    run = lesson.restore(path)
    params, vocab, size = run["best"], run["vocab"], run["settings"]["batch"]
    (_, pairs), _ = silent(lesson.read_data, run["settings"])
    ids = lesson.encode_pairs(pairs, vocab, run["V_out"])
    longest = sorted(ids, key=lambda pair: len(pair[0]))[-len(ids) // 5:]
    figures = {"parameters": sum(param.size for param in params.values()), "pairs": len(pairs),
               "nats": run["best_nats"],
               "tokens": 100 * accuracy(lesson, params, ids),
               "tokens_longest": 100 * accuracy(lesson, params, longest)}
    found = {}
    for beam in beams:
        found[beam] = lesson.translate_ids(params, [source for source, _ in ids], beam, size)
        (score, exact, rows), _ = silent(lesson.measure, params, vocab, pairs, beam, size)
        figures |= {f"bleu_{beam}": score, f"exact_{beam}": exact,
                    f"log_p_{beam}": statistics.fmean(result[1] for result in found[beam])}
        if beam == 2:
            for i, (length, _, exact) in enumerate(lesson.by_length(rows)):
                figures |= {f"length_{i}": length, f"fifth_{i}": exact}
    figures["lower"] = sum(wide[0] != narrow[0] and wide[1] < narrow[1]
                           for narrow, wide in zip(found[min(beams)], found[max(beams)]))
    if hasattr(lesson, "print_alignment"):
        _, printed = silent(lesson.print_alignment, params, pairs, ids, size)
        figures |= zip(("error", "diagonal"), map(float, re.findall(r"\d\.\d+", printed)))
        figures["wrong"], figures["words"] = wrong_links(lesson, params, pairs, ids)
    return figures


def wrong_links(lesson, params, pairs, ids):
    """-> counters of target words: those that look most at a source word without a link, all."""
    wrong, words = Counter(), Counter()
    for part in lesson.batches(ids, 100):
        source, target = (lesson.pad([ids[i][side] for i in part]) for side in (0, 1))
        attention = lesson.forced_attention(params, source, target)
        for b, i in enumerate(part):
            looked = attention[:len(pairs[i][1]), :len(pairs[i][0]), b].argmax(axis=1)
            links = lesson.read_links(pairs[i])
            words.update(pairs[i][1])
            wrong.update(word for t, word in enumerate(pairs[i][1])
                         if (int(looked[t]), t) not in links)
    return wrong, words


# %% Tables
def spread(runs, key, form):
    """Figures of several seeds -> one's mean, in brackets smallest and largest if they differ."""
    values = [run[key] for run in runs]
    mean, low, high = (f"{f(values):{form}}" for f in (statistics.fmean, min, max))
    return mean if low == high else f"{mean} ({low} to {high})"


def print_table(heading, head, rows):
    """Print a Markdown table."""
    print(f"\n{heading}\n")
    for cells in (head, ["---"] + ["---:"] * (len(head) - 1), *rows):
        print("| " + " | ".join(cells) + " |")


def print_columns(heading, columns, keys):
    """Print a table with these figures as rows; columns: by label, the figures of each seed."""
    some = list(columns.values())[0]                # the lengths are the same in all columns
    means = {key: statistics.fmean(run[key] for run in some) for key in some[0]
             if key.startswith("length")}
    print_table(heading, ["", *columns], (
        [ROWS[key][0].format(**means), *(spread(runs, key, ROWS[key][1]) if key in runs[0] else ""
                                         for runs in columns.values())] for key in keys))


def main():
    """Read the command line, train what is not trained yet, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for flag, default, text in (("out", "out/findings", "folder of the runs"),
                                ("seeds", 3, "seeds of each model, from 0 on"),
                                ("steps", 0, "training steps of each run; 0: the lesson's own"),
                                ("jobs", 1, "runs at the same time"),
                                ("threads", 0, "threads of each run; 0 lets it choose")):
        parser.add_argument("--" + flag, type=type(default), default=default,
                            help=f"{text} (default {default})")
    options = parser.parse_args()
    runs = {name: (name, {}) for name in TRANSLATION}
    runs |= {score: ("luong", {"score": score}) for score in ("dot", "concat")}
    hidden = {name: equal_hidden(name) for name in ("seq2seq", "luong")}
    equal = {f"{name}, H = {H}": (name, {"hidden": H}) for name, H in hidden.items()}
    found = {label: [measure(path, BEAMS if label in TRANSLATION else (2,)) for path in paths]
             for label, paths in train_all(runs | equal, options).items()}
    print(f"Means of {options.seeds} seeds, in brackets the smallest and the largest. "
          f"{found['luong'][0]['pairs']:,} held-out pairs, beam 2 in tables A to C.")
    fifths = [f"fifth_{i}" for i in range(5)]
    print_columns("A. Default settings", {name: found[name] for name in TRANSLATION},
                  ["parameters", "bleu_2", "exact_2", "tokens", "tokens_longest", *fifths, "error",
                   "diagonal"])
    print_columns("B. As many parameters for all",
                  {label: found[label] for label in (*equal, "bahdanau")},
                  ["parameters", "bleu_2", "exact_2", *fifths])
    print_columns("C. The scores of luong.py",
                  {"dot": found["dot"], "general": found["luong"], "concat": found["concat"]},
                  ["bleu_2", "exact_2", "nats", "error"])
    print_table("D. Beam search", ["lesson", "beam", "BLEU", "exact match, %",
                                   "log-probability per token, mean of the sentences"],
                ([name, str(beam), *(spread(found[name], f"{key}_{beam}", form) for key, form in
                                     (("bleu", ".2f"), ("exact", ".1f"), ("log_p", ".5f")))]
                 for name in TRANSLATION for beam in BEAMS))
    lower = ", ".join(f"{name} {spread(found[name], 'lower', '.1f')}" for name in TRANSLATION)
    print("\nA wider beam can make a single sentence worse. Held-out sentences whose translation "
          f"scores lower with beam {BEAMS[-1]} than with beam {BEAMS[0]}: {lower}.")
    print("\nE. Target words whose largest weight is at a source word without a link, all seeds:")
    for name in ("bahdanau", "luong"):
        wrong, words = (sum((run[key] for run in found[name]), Counter())
                        for key in ("wrong", "words"))
        print(f"{name}, {wrong.total():,} of {words.total():,}: " + ", ".join(
            f"{word} {count:,} of {words[word]:,}" for word, count in wrong.most_common(12)))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
