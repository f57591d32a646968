"""What char_lstm.py writes after 10, 100 and 300 steps of a default run, and at its end: `python tests/ages.py`."""
import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import char_lstm                                            # noqa: E402

AGES = 10, 100, 300, 600


def main():
    """Train as a default run does, without scores and checkpoints, and print a sample at each age."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    settings = {flag: row[0] for flag, row in char_lstm.SETTINGS.items()}
    vocab, ids, valid = char_lstm.read_data(None, None)
    params = char_lstm.init_params(len(vocab), settings["hidden"], np.random.default_rng(settings["seed"]))
    adam = char_lstm.Adam(params)
    run = {"settings": settings, "vocab": vocab, "params": params, "best": params, "best_nats": np.inf, "m": adam.m,
           "v": adam.v, "losses": [], "scores": [], "state": None}
    for _ in char_lstm.learn(run, ids, valid):
        if len(run["losses"]) in AGES:
            text = char_lstm.sample(params, vocab, "The fox ", 120, 0.7, np.random.default_rng(0))
            print(f"{len(run['losses'])}: {' '.join(text.split())}", flush=True)


if __name__ == "__main__":
    main()
