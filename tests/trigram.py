"""An interpolated trigram model, the yardstick for the language models' held-out scores."""
from collections import Counter

import numpy as np


def trigram_nats(train, valid, V):
    """Mean nats per token of valid (ids) under a trigram model of train, V ids in all.

    p = w3 p3 + w2 p2 + w1 p1 + w0 / V from relative frequencies, unseen contexts giving their weight
    to the shorter ones. The weights are found by EM on the last tenth of train with counts of the
    first nine tenths; then all of train is counted.
    """
    cut = len(train) * 9 // 10
    weights = np.full(4, 0.25)
    tuning = probabilities(train[:cut], train[cut:], V)
    for _ in range(100):
        shares = tuning * weights
        weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return -np.log(probabilities(train, valid, V) @ weights).mean()


def probabilities(train, text, V):
    """What uniform, unigram, bigram and trigram frequencies of train give each token of text -> (N, 4)."""
    train, text = list(map(int, train)), list(map(int, text))
    ones, twos, threes = Counter(train), Counter(zip(train, train[1:])), Counter(
        zip(train, train[1:], train[2:]))
    rows = []
    for a, b, c in zip(text, text[1:], text[2:]):
        uniform, unigram = 1 / V, ones[c] / len(train)
        bigram = twos[b, c] / ones[b] if ones[b] else unigram
        trigram = threes[a, b, c] / twos[a, b] if twos[a, b] else bigram
        rows.append((uniform, unigram, bigram, trigram))
    return np.array(rows)
