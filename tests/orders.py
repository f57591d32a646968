"""Which state of bahdanau.py asks and is read out? Train all three orders, and print a Markdown table.

    python tests/orders.py --seeds 3 --threads 1      nine default runs: 12 to 50 minutes, one core

The paper prints two orders, and the authors' program has a third, which is the lesson's. The other two are the lesson
with a few lines changed: s[i-1] asks, and so context[i] is read by step i; and in appendix A.2.2 s[i-1] is read out,
too. Before it learns, each changed lesson checks its gradients. Finished runs are not trained again.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

from common import ROOT

ASKS_BEFORE = [     # s[i-1] asks, and step i reads context[i]
    ("        s, cache = step(params[\"Wh_dec\"], a_t + params[\"Wc_dec\"] @ contexts[-1], s)\n"
     "        context, look = attend(params, annotations, keys, mask, s)\n",
     "        context, look = attend(params, annotations, keys, mask, s)\n"
     "        s, cache = step(params[\"Wh_dec\"], a_t + params[\"Wc_dec\"] @ context, s)\n"),
    ("        dcontext = dcontexts[t] + dcontext_next\n",
     "        da[t], ds_prev = step_backward(params[\"Wh_dec\"], caches[t], ds[t] + ds_next)\n"
     "        dcontext = dcontexts[t] + params[\"Wc_dec\"].T @ da[t]\n"),
    ("        da[t], ds_next = step_backward(params[\"Wh_dec\"], caches[t], ds[t] + ds_look + ds_next)\n"
     "        dcontext_next = params[\"Wc_dec\"].T @ da[t]\n",
     "        ds_next = ds_prev + ds_look\n"),
    ("@ np.concatenate(contexts[:-1], axis=1).T}", "@ np.concatenate(contexts[1:], axis=1).T}"),
    ("    a = params[\"Wx_dec\"] @ vectors + params[\"b_dec\"] + params[\"Wc_dec\"] @ context\n"
     "    s, _ = step(params[\"Wh_dec\"], a, s)\n"
     "    context, (weights, *_) = attend(params, *memory, s)\n",
     "    context, (weights, *_) = attend(params, *memory, s)\n"
     "    before = s\n"
     "    a = params[\"Wx_dec\"] @ vectors + params[\"b_dec\"] + params[\"Wc_dec\"] @ context\n"
     "    s, _ = step(params[\"Wh_dec\"], a, s)\n"),
]
READ_BEFORE = [     # s[i-1] is read out
    ("s, context = np.concatenate(states[1:], axis=1)", "s, context = np.concatenate(states[:-1], axis=1)"),
    ("caches[t], ds[t] + ds_next)\n", "caches[t], ds_next + np.zeros_like(ds[t]))\n"),
    ("        ds_next = ds_prev + ds_look\n", "        ds_next = ds_prev + ds_look + ds[t]\n"),
    ("readout(params, s, vectors, params[\"Oc\"] @ context)[0]", "readout(params, before, vectors, params[\"Oc\"] @ context)[0]"),
]
ORDERS = {"s[i-1] asks and is read out (appendix A.2.2)": ASKS_BEFORE + READ_BEFORE,
          "s[i-1] asks, s[i] is read out (section 3.1)": ASKS_BEFORE,
          "s[i] asks and is read out (the lesson)": []}


def changed(changes):
    """The text of bahdanau.py with these changes, each (old, new), made one after the other."""
    source = (ROOT / "bahdanau.py").read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1, f"bahdanau.py has {source.count(old)} times {old!r}"
        source = source.replace(old, new)
    return source


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default, text in (("seeds", 3, "runs of each order"), ("threads", 2, "threads of each run"),
                                ("steps", 0, "training steps of each run; 0: the lesson's own")):
        parser.add_argument("--" + flag, type=int, default=default, help=f"{text} (default {default})")
    parser.add_argument("--out", type=Path, default=Path("out/orders"), help="folder of the runs")
    options = parser.parse_args()
    print("| order | exact match, % | longest fifth, % | alignment error |\n| --- | ---: | ---: | ---: |")
    for n, (order, changes) in enumerate(ORDERS.items()):
        found = []
        for seed in range(options.seeds):
            folder = options.out / f"{n}-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "bahdanau.py").write_text(changed(changes), encoding="utf-8")
            if not (folder / "output.txt").exists():
                steps = ["--steps", str(options.steps)] if options.steps else []
                done = subprocess.run([sys.executable, folder / "bahdanau.py", "--out", folder, "--seed", str(seed),
                                       "--data", ROOT / "data" / "en_fr.tsv", *steps], stdout=subprocess.PIPE, check=True,
                                      encoding="utf-8", env=os.environ | {"OPENBLAS_NUM_THREADS": str(options.threads),
                                                                          "PYTHONIOENCODING": "utf-8"})
                (folder / "output.txt").write_text(done.stdout, encoding="utf-8")
                print(f"{folder} is trained", file=sys.stderr, flush=True)
            output = (folder / "output.txt").read_text(encoding="utf-8")
            found.append([float(re.findall(pattern, output)[-1]) for pattern in
                          (r"beam 2: .* exact match +([\d.]+)", r"sources of .* exact match +([\d.]+)",
                           r"alignment error rate ([\d.]+)")])
        exact, longest, error = map(statistics.fmean, zip(*found))
        print(f"| {order} | {exact:.1f} | {longest:.1f} | {error:.3f} |", flush=True)


if __name__ == "__main__":
    main()
