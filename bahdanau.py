"""Translation with additive attention, in plain NumPy, every gradient derived by hand.

seq2seq.py squeezes every sentence into one vector. Here the decoder looks at the source again
before each word it writes: it gives every source word a weight, and reads their weighted mean.

    python bahdanau.py                                                 train: 56 to 105 s
    python bahdanau.py --load out/bahdanau.npz --prompt "the crow did not see the big pitcher ."
    python bahdanau.py --data data/crow.txt --steps 400                answer each line by the next

New since seq2seq.py: an encoder in both directions, attention and the gradient through it, the
alignment of words. `diff seq2seq.py bahdanau.py` shows it; the repeats are on purpose.

Contents
    1. Data            pairs -> vocabulary -> batches of like length
    2. Numerics        sigmoid and cross-entropy without overflow
    3. Forward         encoder, decoder, the whole batch
    4. Backward        the same lines undone in reverse order: through both networks
    5. Optimizer       clipping by the global norm, Adam, both for sparse gradients
    6. Translating     beam search, BLEU
    7. Looking inside  where the decoder looks, and quality by length: the figure
    8. Training        evaluation, checkpoint, command line

Notation, as in seq2seq.py, and
    fwd, bwd  states of the encoder's two directions (H, B)    s  decoder states (H, B)
    notes[j]  annotation of source word j (2H, B)    keys[j]  its half of the score (H, B)
    alpha[i, j]  weight of source word j for target word i    context[i]  (2H, B)
    Ws, Wa (H, H)   Ua (H, 2H)   va (1, H)   Wc_dec (3H, 2H)   Uo (2M, H)   Vo (2M, D)   Co (2M, 2H)

The model (gru as in seq2seq.py, but (1 - z) * h + z * n, as in the paper: z lets the new in)
    fwd[j]     = gru(Wh_fwd, Wx_fwd @ E[x[j]] + b_fwd, fwd[j-1])           from the first word on
    bwd[j]     = gru(Wh_bwd, Wx_bwd @ E[x[j]] + b_bwd, bwd[j+1])           from the last word on
    notes[j]   = [fwd[j]; bwd[j]]                                   the word and its surroundings
    s[0]       = tanh(Ws @ bwd[1])
    keys[j]    = Ua @ notes[j]
    e[i, j]    = va @ tanh(Wa @ s[i-1] + keys[j])                  does j fit what comes next?
    alpha[i]   = softmax of e[i] over the source words
    context[i] = sum over j of alpha[i, j] * notes[j]
    s[i]       = gru(Wh_dec, Wx_dec @ E[y[i-1]] + Wc_dec @ context[i] + b_dec, s[i-1])
    wide       = Uo @ s[i-1] + Vo @ E[y[i-1]] + Co @ context[i] + bo       the state before the step
    logits     = Wy @ max(wide[0::2], wide[1::2]) + by                     maxout
    loss       = mean of -log softmax(logits)[y[i]] over real target tokens

What a default run prints at the end (seed 0, two cores of an EPYC Zen 5, 56 seconds)
    held-out, beam 2: BLEU 98.76, exact match 95.9 %
    sources of about  5.4 tokens: BLEU 100.00, exact match 100.0 %
    sources of about  7.7 tokens: BLEU  99.82, exact match  99.5 %
    sources of about  9.6 tokens: BLEU  99.12, exact match  97.5 %
    sources of about 12.7 tokens: BLEU  98.68, exact match  94.5 %
    sources of about 18.8 tokens: BLEU  97.96, exact match  88.0 %
    alignment error rate 0.124 (of a diagonal 0.364, of the best with one link a word 0.034)

Papers, and where this file departs from them
    Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and
        translate": section 3 (equations 5 and 6) and appendix A.1 and A.2 (equation 7). Biases are
        added to gates, candidate and readout. One E serves both languages, where the paper has two.
        First values: recurrent matrices orthogonal and va zero as in the paper, the others with
        variance 1 / columns (E 0.1^2) where the paper has 0.01^2 (Wa and Ua 0.001^2: with that the
        attention starts late, and three seeds end with alignment error rates of 0.14, 0.27 and
        0.23), the biases of the encoders' update gates 2. The norm is clipped to 1 as there
        (Pascanu et al. 2013). The beam ends with the highest log p per token, as in seq2seq.py.
    Och & Ney 2003: the alignment error rate. Papineni et al. 2002: BLEU.
    Kingma & Ba 2015: Adam, with sparse updates of E as in word_rnn.py, where Bahdanau et al. have
        Adadelta.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.22", "matplotlib>=3.6"]
# ///
import argparse
import functools
import json
import math
import os
import re
import signal
import sys
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

# The C library of Linux gives the memory of a freed large array back to the system, and to get it
# again costs page faults: a tenth to a quarter of char_rnn.py's training, less elsewhere. After an
# array of 31 MB has come and gone, it keeps the memory of smaller ones, up to 62 MB that lie free.
freed = np.empty(31 * 2**20, np.uint8)
del freed                               # a notebook would show and keep a value without a name

# %% Settings
LESSON = "bahdanau"
HERE = Path(__file__).parent if "__file__" in globals() else Path()   # a notebook has no __file__

SETTINGS = {  # flag: (default, smallest, what it is and which way to turn it)
    "data": ("", None, "sentence pairs, tab-separated, or a text (default data/en_fr.tsv)"),
    "valid": ("", None, "held-out pairs to score (default: a tenth of the sources)"),
    "min_count": (1, 1, "words seen less often in training become <unk>"),
    "max_length": (50, 1, "longest sentence in tokens; pairs with a longer one are left out"),
    "embed": (192, 1, "size D of a word's vector"),
    "hidden": (88, 1, "hidden units H; more remember more, time grows with the square"),
    "batch": (64, 1, "pairs in a batch B; fewer make more updates of the same pairs"),
    "steps": (3000, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (0.006, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e9 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (200, 1, "steps between progress lines, each with an evaluation and a checkpoint"),
    # The checkpoint keeps the settings above; --load takes new --steps, but no new pairs.
    # Those below are free to differ from run to run.
    "load": ("", None, "checkpoint to go on from; with no steps left it only translates"),
    "out": ("out", None, "folder for the checkpoint and picture (with --load: where that is)"),
    "prompt": ("", None, "a sentence to translate"),
    "beam": (2, 1, "hypotheses that the search follows; 1 is greedy, more cost more time"),
}
NOT_KEPT = ("load", "out", "prompt", "beam")


class BadInput(ValueError):
    """Something the user gave cannot be used. The message says what, and what to do."""


# %% 1. Data
# A pair is a sentence and its translation, both tuples of tokens. One vocabulary serves both
# languages, and one matrix E holds the vectors of all its words: special tokens first, then the
# words of the translations, then those that only occur in sources. So the softmax, which only ever
# has to choose a word of the translation, covers the first V_out ids and no more.
# A tuple can be looked up in a set, and it saves time: Python's garbage collector goes through all
# lists again and again, and soon leaves out tuples of words or ids: encoding takes a third less.

PAD, BOS, EOS, UNK = range(4)
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]


@functools.cache                        # no word is cut twice: that halves the time of reading
def cut_word(word):
    """What stands between blanks -> tuple of its tokens, as tokenize tells."""
    return tuple(re.findall(r"(?:[cdjlmnst]|qu)['\u2019]|\w+(?:['\u2019-]\w+)*|\S", word))


def tokenize(text):
    """A sentence -> its tokens: lower-case words, signs, and the elided l' of French by itself.

    For languages with blanks between words, and letters without separate combining marks.
    """
    return [token for word in text.lower().split() for token in cut_word(word)]


def read_text(path):
    """A UTF-8 file -> its text, with plain newlines. BadInput if it is anything else."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read {path} ({error.strerror}); "
                       "name an existing text with --data or --valid") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{path} is not text in UTF-8; save it as plain text in UTF-8")
    return text


def read_pairs(path, max_length):
    """A file -> list of (source tokens, target tokens, third column as it is).

    Tab-separated columns are sentence, translation and perhaps more, such as links between words.
    In a text without tabs every line is answered by the next one. BadInput names a bad line.
    """
    lines = [line for line in enumerate(read_text(path).split("\n"), 1) if line[1].strip()]
    if lines and not any("\t" in line for _, line in lines):
        print(f"{path} has no tabs, so each line is to be answered by the next one")
        lines = [(n, f"{line}\t{answer}") for (n, line), (_, answer) in zip(lines, lines[1:])]
    pairs = []
    for number, line in lines:
        source, tab, rest = line.partition("\t")
        target, _, third = rest.partition("\t")
        third = third.partition("\t")[0]
        source, target = tuple(tokenize(source)), tuple(tokenize(target))
        if not tab or not source or not target:
            raise BadInput(f"{path}, line {number}: a sentence, a tab and its translation are "
                           "needed; mend or remove that line")
        pairs.append((source, target, third))
    kept = [pair for pair in pairs if max(len(pair[0]), len(pair[1])) <= max_length]
    if len(kept) < len(pairs):
        print(f"left out: {len(pairs) - len(kept):,} pairs with more than {max_length} tokens")
    if not kept:
        raise BadInput(f"{path} has no pair of at most {max_length} tokens; name another file, or "
                       "raise --max-length")
    return kept


def read_data(settings):
    """The settings -> training pairs, held-out pairs.

    A tenth of the sources, a thousand at most, is held out with all their translations: a source
    seen in training would only test memory. Of fewer than a hundred pairs none is held out.
    """
    pairs = read_pairs(settings["data"] or HERE / "data" / "en_fr.tsv", settings["max_length"])
    if settings["valid"]:
        seen = {source for source, _, _ in pairs}
        valid = read_pairs(settings["valid"], settings["max_length"])
        new = [pair for pair in valid if pair[0] not in seen]
        if not new:
            raise BadInput(f"training has all sources of {settings['valid']}; leave --valid out")
        if len(new) < len(valid):
            print(f"left out: {len(valid) - len(new):,} held-out pairs whose source training has")
        return pairs, new
    sources = sorted({source for source, _, _ in pairs})
    np.random.default_rng(settings["seed"]).shuffle(sources)
    count = min(1000, len(sources) // 10) if len(pairs) >= 100 else 0
    held_out = set(sources[:count])
    return ([pair for pair in pairs if pair[0] not in held_out],
            [pair for pair in pairs if pair[0] in held_out])


def build_vocab(pairs, settings):
    """Training pairs -> the vocabulary in id order, and V_out, the number of ids the output covers.

    Words seen less than min_count times, in sources and in translations each by themselves, are
    left to <unk> there.
    """
    counts = [Counter(word for pair in pairs for word in pair[side]) for side in (0, 1)]
    source, target = ({word for word in count if count[word] >= settings["min_count"]}
                      - set(SPECIAL) for count in counts)
    vocab = SPECIAL + sorted(target, key=lambda word: (-counts[1][word], word))
    return vocab + sorted(source - target, key=lambda word: (-counts[0][word], word)), len(vocab)


def encode_pairs(pairs, vocab, V_out):
    """Pairs as of read_pairs -> pairs of id tuples: source + <eos>, <bos> + target + <eos>."""
    index = {word: i for i, word in enumerate(vocab)}
    outputs = {word: i for word, i in index.items() if i < V_out}
    return [(tuple([index.get(word, UNK) for word in source] + [EOS]),
             tuple([BOS] + [outputs.get(word, UNK) for word in target] + [EOS]))
            for source, target, _ in pairs]


def pad(sentences):
    """Id tuples -> ids (longest, B), a sentence a column, <pad> below the shorter ones."""
    ids = np.full((max(map(len, sentences)), len(sentences)), PAD, dtype=np.intp)
    for b, sentence in enumerate(sentences):
        ids[:len(sentence), b] = sentence
    return ids


def batches(ids, size, rng=None):
    """Id pairs -> index lists of at most `size` pairs of like length; with rng in random order.

    Padding is wasted work, so the pairs are shuffled, cut into blocks of 20 batches, and sorted by
    length within each block (as Bahdanau et al. did). Without rng all are sorted, longest last.
    """
    order = list(range(len(ids))) if rng is None else rng.permutation(len(ids)).tolist()
    block = max(1, len(ids)) if rng is None else 20 * size
    cut = []
    for start in range(0, len(order), block):
        part = sorted(order[start:start + block], key=lambda i: (len(ids[i][0]), len(ids[i][1])))
        cut += [part[i:i + size] for i in range(0, len(part), size)]
    if rng is not None:
        rng.shuffle(cut)
    return cut


# %% 2. Numerics
def sigmoid(x, out=None):
    """1 / (1 + exp(-x)), written with tanh, which cannot overflow: a switch between 0 and 1."""
    y = np.multiply(x, 0.5, out=out)                # in place, for a fresh array is slow
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5
    return y


def sigmoid_slope(y):
    """The derivative of sigmoid where its value is y: y * (1 - y)."""
    slope = 1 - y
    slope *= y
    return slope


def tanh_slope(y):
    """The derivative of tanh where its value is y: 1 - y * y."""
    slope = y * y
    return np.subtract(1, slope, out=slope)


def cross_entropy(logits, targets, weight):
    """logits (V, N), ids (N,) -> -log p(target) in nats (N,), gradient by the logits (V, N).

    softmax(y) = exp(y) / sum(exp(y)) stays the same when a constant is added to y, so we move the
    largest logit to 0 and exp cannot overflow. Only the sum, which is at least 1, goes through the
    logarithm: -log p = log(sum(exp(y))) - y[target] is right even where p itself rounds to 0.

    The gradient is that of the sum of weight * nats, weight a number or one for each (N,). Section
    4 derives it: weight * (p - onehot). With many words this is the largest array of all, so it is
    made on the way, in the memory of the logits.
    """
    logits -= logits.max(axis=0)
    columns = np.arange(len(targets))
    nats = -logits[targets, columns]
    np.exp(logits, out=logits)
    total = logits.sum(axis=0)
    nats += np.log(total)
    logits *= weight / total                        # weight * p
    logits[targets, columns] -= weight
    return nats, logits


# %% 3. Forward
def init_params(V, V_out, D, H, rng, dtype=np.float32):
    """First values -> dict of arrays; their dtype decides that of all the rest.

    Recurrent matrices are orthogonal (lengths neither grow nor shrink), gate by gate; the other
    weights have variance 1 / columns; the word vectors begin small. va begins at zero, as in the
    paper: the attention begins uniform. The encoders' update gates begin open, z with a bias of 2,
    so that an annotation is at first mostly its own word, and learns what to add of the others.
    """
    M = (H + 1) // 2                                # maxout units

    def weight(rows, columns):
        return rng.normal(0, columns**-0.5, (rows, columns))

    def recurrent():
        u, _, v = np.linalg.svd(rng.normal(size=(3, H, H)))
        return (u @ v).reshape(3 * H, H)            # the orthogonal matrices nearest to random ones
    params = {
        "E": rng.normal(0, 0.1, (V, D)),
        "Wx_fwd": weight(3 * H, D), "Wh_fwd": recurrent(), "b_fwd": np.zeros((3 * H, 1)),
        "Wx_bwd": weight(3 * H, D), "Wh_bwd": recurrent(), "b_bwd": np.zeros((3 * H, 1)),
        "Ws": weight(H, H),
        "Wa": weight(H, H), "Ua": weight(H, 2 * H), "va": np.zeros((1, H)),
        "Wx_dec": weight(3 * H, D), "Wh_dec": recurrent(), "b_dec": np.zeros((3 * H, 1)),
        "Wc_dec": weight(3 * H, 2 * H),
        "Uo": weight(2 * M, H), "Vo": weight(2 * M, D), "Co": weight(2 * M, 2 * H),
        "bo": np.zeros((2 * M, 1)),
        "Wy": weight(V_out, M), "by": np.zeros((V_out, 1)),
    }
    params["b_fwd"][H:2 * H] = params["b_bwd"][H:2 * H] = 2
    return {name: param.astype(dtype) for name, param in params.items()}


def step(Wh, a, h_prev):
    """One GRU step: Wh (3H, H), inputs a (3H, B), state before -> state, what step_backward needs.

    Both encoders and the decoder use it. In this paper z lets the new content in; in Cho et al.
    it keeps the old. That is the same function with z and 1 - z renamed.
    """
    H, B = h_prev.shape
    u = Wh[:2 * H] @ h_prev
    u += a[:2 * H]
    gates = sigmoid(u, out=u)
    r, z = gates.reshape(2, H, B)
    seen = r * h_prev                               # r: which units of the memory to look at
    n = Wh[2 * H:] @ seen
    n += a[2 * H:]
    np.tanh(n, out=n)                               # candidate: the new content
    h = n - h_prev
    h *= z                                          # z: how much of it to let in
    h += h_prev                                     # = (1 - z) * h_prev + z * n
    return h, (gates, n, h_prev, seen)


def encode_direction(params, name, hide, vectors, order, states):
    """One encoder over the time steps in `order`: states (S, H, B) is filled in. -> saved"""
    # The inputs of all steps at once: W @ each step's columns. Only the recurrence must wait.
    a = params["Wx_" + name] @ vectors.transpose(0, 2, 1)               # (S, 3H, B)
    a += params["b_" + name]
    # The mask: at padding z is made 0, so h = (1 - z) * h_prev + z * n leaves the state as it is.
    H, h = states.shape[1], np.zeros_like(states[0])
    a[:, H:2 * H] += hide[:, None]
    saved = [None] * len(hide)
    for t in order:
        h, saved[t] = step(params["Wh_" + name], a[t], h)
        states[t] = h
    return saved


def encode(params, source):
    """Source ids (S, B) -> annotations (B, S, 2H), keys (S, H, B), hide (S, B), s_0, saved.

    The annotation of a word is what the forward encoder knows after it, and what the backward
    encoder knows after it, coming from the end: the word with all its surroundings.
    """
    vectors = params["E"][source]                                       # (S, B, D)
    S, B, H = *source.shape, len(params["Ws"])
    hide = np.where(source != PAD, 0, -np.inf).astype(vectors.dtype)    # for scores and for z
    columns = np.empty((S, 2 * H, B), vectors.dtype)
    fwd, bwd = columns[:, :H], columns[:, H:]
    saved_fwd = encode_direction(params, "fwd", hide, vectors, range(S), fwd)
    saved_bwd = encode_direction(params, "bwd", hide, vectors, reversed(range(S)), bwd)
    keys = params["Ua"] @ columns       # once: they are the same for every word of the target
    # A context is the product of one sentence's weights and annotations, and for that these are
    # kept a row a word, sentence by sentence. np.einsum can do it with columns, in three to four
    # times the time: a step takes 3 to 6 % longer.
    notes = np.ascontiguousarray(columns.transpose(2, 0, 1))
    s = np.tanh(params["Ws"] @ bwd[0])
    return notes, keys, hide, s, (source, vectors, columns, saved_fwd, saved_bwd)


def attend(params, notes, keys, hide, s_prev):
    """Annotations notes (B, S, 2H), keys (S, H, B), hide (S, B), -inf at padding, s_prev (H, B)

    -> context (B, 2H), weights alpha (S, B), saved. Every source word gets a score for how well it
    fits the state, a small network with one hidden layer; softmax makes weights of the scores, and
    the context is the weighted mean.
    """
    u = keys + params["Wa"] @ s_prev                                    # (S, H, B)
    np.tanh(u, out=u)
    e = (params["va"] @ u)[:, 0] + hide                                 # (S, B)
    alpha = np.exp(e - e.max(axis=0))
    alpha /= alpha.sum(axis=0)
    return (alpha.T[:, None] @ notes)[:, 0], alpha, u                   # (B, 1, S) @ (B, S, 2H)


def readout(params, s_prev, vectors, context):
    """States *before* the step (H, N), previous words (D, N), contexts -> logits (V_out, N), saved.

    Maxout: of every two rows the larger goes on, so two linear functions share a unit.
    """
    wide = params["Uo"] @ s_prev
    wide += params["Vo"] @ vectors                  # in place, for a fresh array is slow
    wide += params["Co"] @ context
    wide += params["bo"]
    pairs = wide.reshape(len(wide) // 2, 2, -1)
    first = pairs[:, 0] >= pairs[:, 1]
    m = np.maximum(pairs[:, 0], pairs[:, 1])                            # (M, N)
    logits = params["Wy"] @ m
    logits += params["by"]
    return logits, (first, m)


def forward(params, source, target):
    """Source ids (S, B), target ids (T + 1, B) -> mean loss in nats per token, the cache.

    A source ends in <eos>, a target is framed by <bos> and <eos>: the decoder reads all but the
    last (teacher forcing) and is to predict all but the first. Padding counts nothing and is not
    attended to.
    """
    T, B = len(target) - 1, target.shape[1]
    notes, keys, hide, s, encoded = encode(params, source)
    vectors = params["E"][target[:-1]]                                  # (T, B, D)
    a = params["Wx_dec"] @ vectors.transpose(0, 2, 1)
    a += params["b_dec"]
    states, contexts, looks, saved = [s], [], [], []
    for t in range(T):
        context, alpha, u = attend(params, notes, keys, hide, s)
        a[t] += params["Wc_dec"] @ context.T
        s, kept = step(params["Wh_dec"], a[t], s)
        states.append(s)
        contexts.append(context)
        looks.append((alpha, u))
        saved.append(kept)
    # The state of step t is needed by the attention of t + 1, so that part goes word by word. The
    # readout does not feed back: all T steps at once. It reads the states before each step.
    before = np.concatenate(states[:-1], axis=1)                        # (H, T * B)
    vectors, contexts = vectors.reshape(T * B, -1).T, np.concatenate(contexts).T
    logits, read = readout(params, before, vectors, contexts)
    weight = (target[1:].ravel() != PAD).astype(s.dtype)
    weight /= weight.sum()
    nats, dlogits = cross_entropy(logits, target[1:].ravel(), weight)
    return nats @ weight, (target, encoded, notes, states, vectors, contexts, looks, saved, before,
                           read, dlogits)


def start(params, source):
    """Source ids (S, B) -> memory, state for predict: tuples of arrays, a column a sentence."""
    notes, keys, hide, s, _ = encode(params, source)
    return (notes, keys, hide), (s,)


def predict(params, memory, state, words):
    """Previous words (B,) -> logits of the next (V_out, B), the state after, attention (S, B)."""
    vectors = params["E"][words].T
    context, alpha, _ = attend(params, *memory, state[0])
    a = params["Wx_dec"] @ vectors + params["b_dec"] + params["Wc_dec"] @ context.T
    s, _ = step(params["Wh_dec"], a, state[0])
    return readout(params, state[0], vectors, context.T)[0], (s,), alpha


# %% 4. Backward
# The rules are those of the lessons before: product, sum, elementwise, used twice, look-up, softmax
# with cross-entropy. New is the softmax *inside* the network, alpha = softmax(e). The derivative of
# alpha_j with respect to e_k is alpha_j * (1 - alpha_k) for j = k and alpha_j * (0 - alpha_k) for
# the others. e_k acts through every alpha_j, so its gradient is a sum over all j:
#   de_k = alpha_k * dalpha_k - sum_j dalpha_j * alpha_j * alpha_k
#        = alpha_k * (dalpha_k - sum_j dalpha_j * alpha_j).
# With cross-entropy behind it, dalpha is -1 / alpha at the target and 0 elsewhere, so the sum is -1
# and alpha - onehot is left. Here every alpha_j matters, and the sum stays: each weight's gradient
# counts as far as it differs from the weighted mean of all. At padding alpha is exactly 0, and so
# is the gradient.
#
# The annotations are used by every context and every score, and the first one's backward half by
# s_0; the state before a word by three: the step, the attention, the readout. The state after the
# last word is used by nothing, so its gradient is zero.

def step_backward(Wh, dh, kept, da):
    """Undo step: gradient of the state after -> of the state before; da (3H, B) is filled in."""
    gates, n, h_prev, seen = kept
    H, B = h_prev.shape
    r, z = gates.reshape(2, H, B)
    dr, dz, dn = da.reshape(3, H, B)                # views: what is written there is in da
    # forward: h = (1 - z) * h_prev + z * n
    np.subtract(n, h_prev, out=dz)
    dz *= dh
    np.multiply(dh, z, out=dn)
    dh_prev = 1 - z
    dh_prev *= dh
    # forward: n = tanh(a[n] + Wh[n] @ seen)
    dn *= tanh_slope(n)
    dseen = Wh[2 * H:].T @ dn
    # forward: seen = r * h_prev
    np.multiply(dseen, h_prev, out=dr)
    dseen *= r
    dh_prev += dseen
    # forward: gates = r, z = sigmoid(a[rz] + Wh[rz] @ h_prev)
    da[:2 * H] *= sigmoid_slope(gates)
    dh_prev += Wh[:2 * H].T @ da[:2 * H]
    return dh_prev


def attend_backward(notes, dcontext, look):
    """Undo attend, dcontext (B, 2H), but for the part of notes: -> part (S, H, B), dva (1, H).

    va * part is the gradient before the tanh, that of keys + Wa @ s_prev. va is the same at every
    step, so backward multiplies by it once, after its loop.
    """
    alpha, u = look
    # forward: context = sum_j alpha_j * notes_j
    dalpha = (notes @ dcontext[:, :, None])[:, :, 0].T
    # forward: alpha = softmax(e), derived above
    de = alpha * (dalpha - (alpha * dalpha).sum(axis=0))
    # forward: e = va @ u, u = tanh(keys + Wa @ s_prev)
    part = tanh_slope(u)
    part *= de[:, None]                             # in place: the largest arrays of all steps
    return part, (u @ de[:, :, None]).sum(axis=0).T


def recurrent_gradient(da, h_prev, saved):
    """da (3H, N), h_prev (H, N) of all steps -> gradient of Wh; the candidate's rows read seen."""
    H = len(h_prev)
    seen = np.concatenate([kept[3] for kept in saved], axis=1)
    return np.concatenate([da[:2 * H] @ h_prev.T, da[2 * H:] @ seen.T])


def sum_rows(ids, rows):
    """ids (N,), rows (N, D) -> the distinct ids in order, and for each the sum of its rows."""
    # Sorted, equal ids stand side by side, and reduceat adds up each such group of rows. Plain
    # dE[ids] += rows would keep only one of the rows of a word that occurs twice.
    order = np.argsort(ids, kind="stable")
    distinct, first = np.unique(ids[order], return_index=True)
    return distinct, np.add.reduceat(rows[order], first, axis=0)


def encode_direction_backward(params, name, encoded, saved, dstates, order):
    """Undo encode_direction: dstates (S, H, B) -> gradients of its parameters, dvectors (N, D)."""
    source, vectors = encoded[:2]
    S, H, B = dstates.shape
    dh, da = np.zeros((H, B), dstates.dtype), np.empty((S, 3 * H, B), dstates.dtype)
    for t in order:                                 # where z is 0, at padding, all of da is 0
        dh = step_backward(params["Wh_" + name], dh + dstates[t], saved[t], da[t])
    da = da.transpose(1, 0, 2).reshape(3 * H, -1)   # a column a step and sentence
    h_prev = np.concatenate([kept[2] for kept in saved], axis=1)
    grads = {"Wh_" + name: recurrent_gradient(da, h_prev, saved),
             "Wx_" + name: da @ vectors.reshape(da.shape[1], -1),
             "b_" + name: da.sum(axis=1, keepdims=True)}
    return grads, da.T @ params["Wx_" + name]


def readout_backward(params, dlogits, s_prev, vectors, context, read):
    """Undo readout: -> gradients of its parameters, and of s_prev, vectors and context."""
    first, m = read
    # forward: logits = Wy @ m + by
    grads = {"Wy": dlogits @ m.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dm = params["Wy"].T @ dlogits
    # forward: m = the larger of each pair of rows of wide: only that one moved the loss
    dwide = np.empty((len(dm), 2, dm.shape[1]), dm.dtype)
    np.multiply(dm, first, out=dwide[:, 0])
    np.multiply(dm, ~first, out=dwide[:, 1])
    dwide = dwide.reshape(2 * len(dm), -1)
    # forward: wide = Uo @ s_prev + Vo @ vectors + Co @ context + bo
    grads |= {"Uo": dwide @ s_prev.T, "Vo": dwide @ vectors.T, "Co": dwide @ context.T,
              "bo": dwide.sum(axis=1, keepdims=True)}
    return grads, params["Uo"].T @ dwide, dwide.T @ params["Vo"], params["Co"].T @ dwide


def backward(params, cache):
    """The cache of forward -> gradients of the mean loss: dict like params, E's as (ids, rows)."""
    (target, encoded, notes, states, vectors, contexts, looks, saved, before,
     read, dlogits) = cache
    source, _, columns, saved_fwd, saved_bwd = encoded
    T, B, S = len(target) - 1, target.shape[1], len(source)
    H, N = before.shape
    # forward: loss = the sum of weight * nats; cross_entropy has made dlogits already
    grads, dbefore, dvectors, dread = readout_backward(params, dlogits, before, vectors, contexts,
                                                       read)
    dstate, dkeys, dva = np.zeros_like(states[0]), np.zeros_like(looks[0][1]), 0
    da, dq = (np.empty((T, rows, B), dstate.dtype) for rows in (3 * H, H))
    dcontexts = np.empty((B, T, 2 * H), dstate.dtype)
    for t in reversed(range(T)):
        now = slice(t * B, (t + 1) * B)
        # forward: s = step(a + Wc_dec @ context, s_prev); the context also went to the readout
        dstate = step_backward(params["Wh_dec"], dstate, saved[t], da[t])
        dcontext = params["Wc_dec"].T @ da[t]
        dcontext += dread[:, now]
        dcontexts[:, t] = dcontext.T
        part, dva_t = attend_backward(notes, dcontexts[:, t], looks[t])
        # forward: u = tanh(keys + q), q = Wa @ s_prev. The keys are the same at every step, so
        # dkeys is a sum over t; q is the same at every source word, so dq is a sum over those.
        dkeys += part
        dva += dva_t
        np.multiply(part.sum(axis=0), params["va"].T, out=dq[t])
        # The state before was used three times: by the step, the attention and the readout.
        dstate += params["Wa"].T @ dq[t]
        dstate += dbefore[:, now]
    da, dq = (array.transpose(1, 0, 2).reshape(-1, N) for array in (da, dq))
    grads |= {"Wh_dec": recurrent_gradient(da, before, saved), "Wx_dec": da @ vectors.T,
              "Wc_dec": da @ contexts.T, "b_dec": da.sum(axis=1, keepdims=True),
              "Wa": dq @ before.T, "va": dva}
    dvectors += da.T @ params["Wx_dec"]
    dkeys *= params["va"].T                         # the factor that attend_backward left out
    # forward: keys = Ua @ columns, at every source word: all columns (S, B) side by side
    flat = [array.transpose(1, 0, 2).reshape(-1, S * B) for array in (dkeys, columns)]
    grads["Ua"] = flat[0] @ flat[1].T
    dcolumns = params["Ua"].T @ dkeys
    # forward: context_t = sum_j alpha_tj * notes_j, so dnotes_j = sum_t alpha_tj * dcontext_t
    alphas = np.stack([alpha.T for alpha, _ in looks], axis=2)          # (B, S, T)
    dcolumns += (alphas @ dcontexts).transpose(1, 2, 0)
    # forward: s_0 = tanh(Ws @ bwd[0])
    dpre = dstate * (1 - states[0]**2)                                  # of Ws @ bwd[0]
    grads["Ws"] = dpre @ columns[0, H:].T
    dcolumns[0, H:] += params["Ws"].T @ dpre
    dvectors_enc = 0
    for name, kept, half, order in (("fwd", saved_fwd, slice(0, H), reversed(range(S))),
                                    ("bwd", saved_bwd, slice(H, 2 * H), range(S))):
        more, part = encode_direction_backward(params, name, encoded, kept, dcolumns[:, half],
                                               order)
        grads |= more
        dvectors_enc = dvectors_enc + part
    grads["E"] = sum_rows(np.concatenate([source.ravel(), target[:-1].ravel()]),
                          np.concatenate([dvectors_enc, dvectors]))
    return grads


# %% 5. Optimizer
def clip_gradients(grads, max_norm):
    """Scale the gradients in place to a global norm of at most max_norm -> the norm before.

    Pascanu et al., Algorithm 1: one norm over all parameters and one factor for all of them, so the
    gradient keeps its direction. A product of many factors now and then explodes. Adam would
    answer it with a step of about 3 lr at most, but its running means would keep the explosion: m a
    wrong direction for tens of steps, v steps that are far too short for hundreds.
    """
    # A sparse gradient, that of E where words are looked up, is a pair (ids, rows): the rest is 0.
    arrays = [grad[1] if isinstance(grad, tuple) else grad for grad in grads.values()]
    norm = math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
    if norm > max_norm:
        for array in arrays:
            array *= max_norm / norm
    return norm


class Adam:
    """Kingma & Ba 2015, Algorithm 1: steps of about lr, whatever the scale of an entry's gradient.

    m is a running mean of the gradient and v of its square. Both start at zero, so after t steps
    their weights add up to 1 - beta^t only; dividing by that makes them true averages.

    The sparse gradient of E, (ids, rows), each id once, touches those rows only: m, v and the
    parameters of all others stay as they are, where dense Adam would let their m and v decay and go
    on moving them. That is wanted: a word that did not occur has given no evidence, and the work
    does not grow with V. Each row counts its own steps t. With one count for all, a word met late
    would find the correction used up, and its first step would be (1 - beta1) / sqrt(1 - beta2) =
    3.2 times too long.
    """

    def __init__(self, params, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t = beta1, beta2, eps, 0
        self.m = {name: np.zeros_like(param) for name, param in params.items()}
        self.v = {name: np.zeros_like(param) for name, param in params.items()}
        self.rows_t = {name: np.zeros((len(params[name]), 1), params[name].dtype)
                       for name in params if name == "E"}

    def update(self, params, grads, lr):
        """One step with learning rate lr; changes params in place."""
        self.t += 1
        for name, grad in grads.items():
            ids, grad = grad if isinstance(grad, tuple) else (None, grad)
            # A few rows at a time, so that what is computed on the way stays in the cache: at 1.2
            # million parameters 2.4 ms, not 3.6, on an Intel Xeon; a newer EPYC gains nothing.
            rows = max(1, 2**15 // grad[0].size)
            for start in range(0, len(grad), rows):
                part, t = slice(start, start + rows), self.t
                g = grad[part]
                if ids is not None:
                    part = ids[part]            # from here on these rows, each only once
                    self.rows_t[name][part] += 1
                    t = self.rows_t[name][part]
                m, v = self.m[name][part], self.v[name][part]
                m += (1 - self.beta1) * (g - m)             # = beta1 * m + (1 - beta1) * g
                v += (1 - self.beta2) * (g * g - v)
                change = np.sqrt(v / (1 - self.beta2**t))
                change += self.eps
                np.divide(m, change, out=change)
                change *= lr / (1 - self.beta1**t)          # = lr * m_hat / (sqrt(v_hat) + eps)
                params[name][part] -= change
                if ids is not None:             # unlike a slice, rows picked by ids are a copy
                    self.m[name][part], self.v[name][part] = m, v


# %% 6. Translating
# In training the network read the true previous word (teacher forcing); here it reads its own.
# After a first mistake it is in a situation that training never showed, which is one reason why
# long sentences are harder. Beam search softens that: it follows several beginnings at once.

def beam_search(params, source, beam, limit):
    """Source ids (S, B) -> per sentence (ids, score, attention (T, S) or None).

    Each sentence has `beam` hypotheses. In every step all their continuations compete, and the best
    stay, as many as are not finished yet. Those that end in <eos> are finished and give up their
    place. The search stops when all are finished, or after `limit` words, 1 or more; the best is
    the one with the highest log-probability per word, <eos> counted, and unfinished ones, without
    <eos>, count only if nothing was finished. With beam 1 this is greedy search.
    """
    B = source.shape[1]
    memory, state = start(params, np.repeat(source, beam, axis=1))      # column b * beam + k
    total = np.where(np.arange(beam) == 0, 0.0, -np.inf) + np.zeros((B, 1))     # log p (B, beam)
    words = np.full((B * beam, 1), BOS)
    looked = [[]] * (B * beam)                      # the attention of each word, row by row
    best = [(-np.inf, None, None) for _ in range(B)]
    finished = np.zeros(B, int)
    for length in range(1, limit + 1):
        logits, state, attention = predict(params, memory, state, words[:, -1])
        logits = logits.astype(float)
        logits -= logits.max(axis=0)
        log_p = (logits - np.log(np.exp(logits).sum(axis=0))).T         # (B * beam, V_out)
        log_p[:, [PAD, BOS]] = -np.inf
        V = log_p.shape[1]
        scores = (total.reshape(-1, 1) + log_p).reshape(B, beam * V)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :beam]
        total = np.take_along_axis(scores, top, axis=1)
        total[np.arange(beam) >= (beam - finished)[:, None]] = -np.inf
        parents = (top // V + beam * np.arange(B)[:, None]).ravel()
        words = np.concatenate([words[parents], top.reshape(-1, 1) % V], axis=1)
        state = tuple(array[:, parents] for array in state)
        if attention is not None:
            looked = [[*looked[row], new] for row, new in zip(parents, attention.T[parents])]
        alive = total > -np.inf
        ended = alive & (words[:, -1] == EOS).reshape(B, beam)
        finished += ended.sum(axis=1)
        cut_off = alive & ((length == limit) & (finished == 0))[:, None]
        for b, k in zip(*np.nonzero(ended | cut_off)):
            row = b * beam + k
            if total[b, k] / length > best[b][0]:
                best[b] = total[b, k] / length, words[row, 1:].tolist(), looked[row]
        total[ended] = -np.inf
        if (total == -np.inf).all():
            break
    return [(ids, score, None if attention is None else np.array(look))
            for score, ids, look in best]


def translate_ids(params, sources, beam):
    """Many source id tuples -> what beam_search finds for each, in their order.

    Up to 100 are searched at once, with the limit of the longest of them.
    """
    found = [None] * len(sources)
    for part in batches([(ids, ids) for ids in sources], 100):
        ids = pad([sources[i] for i in part])
        for i, result in zip(part, beam_search(params, ids, beam, 2 * len(ids) + 10)):
            found[i] = result
    return found


def check_prompt(prompt, vocab, min_count):
    """Say which words of the prompt the model does not know. BadInput if it cannot read them."""
    tokens = tokenize(prompt)
    unknown = [word for word in tokens if word not in vocab]
    if not tokens or unknown and min_count == 1:
        raise BadInput(f"--prompt: {'no training sentence has ' if tokens else 'it has no words'}"
                       f"{', '.join(unknown)}; use words of the training sentences")
    if unknown:
        print(f"read as <unk>, since training shows them too seldom: {' '.join(unknown)}")


def translate(params, vocab, sentence, beam):
    """A sentence -> the words of its translation, and the attention (T, S), or None without one.

    Rows of the attention are the words and <eos>, columns the tokens of the sentence and <eos>; a
    translation that did not end within twice as many tokens and 12 is cut off, without <eos>.
    Words that vocab lacks are read as <unk>; with min_count 1 its vector has learned nothing.
    """
    (source, _), = encode_pairs([(tokenize(sentence), [], "")], vocab, len(params["Wy"]))
    (ids, _, attention), = beam_search(params, pad([source]), beam, 2 * len(source) + 10)
    return [vocab[i] for i in ids if i != EOS], attention


def bleu(candidates, references):
    """Lists of token tuples -> BLEU of the whole corpus, 0 to 100 (Papineni et al. 2002).

    The geometric mean of the precisions of 1- to 4-grams, each n-gram of a candidate counted at
    most as often as its reference has it, times a penalty for candidates that are too short. The
    counts are summed over the corpus first: a single sentence often has no 4-gram right. Lengths
    of n-grams that no candidate reaches are left out.
    """
    right, total = np.zeros(4), np.zeros(4)
    for candidate, reference in zip(candidates, references):
        for n in range(1, 5):
            have, want = (Counter(zip(*(words[i:] for i in range(n))))
                          for words in (candidate, reference))
            right[n - 1] += (have & want).total()
            total[n - 1] += have.total()
    right, total = right[total > 0], total[total > 0]
    if not (right.size and right.all()):
        return 0.0
    length, wanted = sum(map(len, candidates)), sum(map(len, references))
    penalty = 1 if length > wanted else math.exp(1 - wanted / length)
    return 100 * penalty * math.exp(np.log(right / total).mean())


# %% 7. Looking inside
# The decoder may look at any source word at any time, so length should not matter as it did for one
# summary. And where it looks can be compared with where a person would: the weights alpha against
# the true links between the words of a pair.

def forced_attention(params, source, target):
    """Source (S, B), target (T + 1, B) -> attention (T, S, B) while the target is read."""
    memory, state = start(params, source)
    rows = []
    for words in target[:-1]:
        _, state, alpha = predict(params, memory, state, words)
        rows.append(alpha)
    return np.stack(rows)


def alignment_error(guessed, true):
    """Lists of sets of links -> 1 - 2 |A and S| / (|A| + |S|), counts summed over the corpus.

    The alignment error rate of Och & Ney (2003), where all true links are sure ones.
    """
    both = sum(len(a & s) for a, s in zip(guessed, true))
    return 1 - 2 * both / (sum(map(len, guessed)) + sum(map(len, true)))


def read_links(pair):
    """A pair of read_pairs -> the set of its links, each (place in the source, in the target).

    The places count the tokens that tokenize makes, from 0; "l'eau" is two. The set is empty where
    the third column is something else, and links beyond the sentences are left out.
    """
    source, target, third = pair
    if not all(re.fullmatch(r"\d{1,4}-\d{1,4}", link) for link in third.split()):
        return set()
    links = (tuple(map(int, link.split("-"))) for link in third.split())
    return {(s, t) for s, t in links if s < len(source) and t < len(target)}


def print_alignment(params, pairs, ids):
    """Print the alignment error rate of the attention, references forced, and of yardsticks.

    Each target word but <eos> is linked to the source word that it looks at most, <eos> left out.
    The diagonal links word t to the word at the same part of the sentence. The best alignment with
    one link a word has a true link for each word that has one, and a wrong one for the others.
    """
    true, guessed, diagonal, best = [], [], [], []
    for part in batches(ids, 100):
        source, target = pad([ids[i][0] for i in part]), pad([ids[i][1] for i in part])
        attention = forced_attention(params, source, target)
        for b, i in enumerate(part):
            S, T = len(ids[i][0]) - 1, len(ids[i][1]) - 2
            links = read_links(pairs[i])
            if links:
                true.append(links)
                guessed.append({(int(attention[t, :S, b].argmax()), t) for t in range(T)})
                diagonal.append({(min(S - 1, int((t + 0.5) * S / T)), t) for t in range(T)})
                one = {t: (s, t) for s, t in sorted(links)}
                best.append({one.get(t, (-1, t)) for t in range(T)})
    if true:
        print(f"alignment error rate {alignment_error(guessed, true):.3f} (of a diagonal "
              f"{alignment_error(diagonal, true):.3f}, of the best with one link a word "
              f"{alignment_error(best, true):.3f})")


def plot_alignment(axes, params, pair, ids):
    """Draw the attention of one pair with its reference forced, true links marked by circles."""
    source, target = pad([ids[0]]), pad([ids[1]])
    axes.imshow(forced_attention(params, source, target)[:, :, 0], cmap="Greys", vmin=0, vmax=1)
    for link in read_links(pair):
        axes.plot(*link, "o", color="none", markeredgecolor="C3", markersize=9)
    axes.set_xticks(range(len(ids[0])), [*pair[0], "<eos>"], rotation=60, ha="right", fontsize=9)
    axes.set_yticks(range(len(ids[1]) - 1), [*pair[1], "<eos>"], fontsize=9)


def by_length(pairs, words):
    """Group pairs into fifths by source length -> rows of (mean length, BLEU, exact match in %)."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    rows = []
    for part in np.array_split(order, min(5, len(order))):
        got, want = [words[i] for i in part], [pairs[i][1] for i in part]
        rows.append((np.mean([len(pairs[i][0]) for i in part]), bleu(got, want),
                     100 * np.mean([tuple(g) == tuple(w) for g, w in zip(got, want)])))
    return np.array(rows)


def plot_learning(left, middle, info, rows):
    """Draw the learning curves, and BLEU and exact match by source length."""
    steps, train, valid, scores = np.array(info["history"]).T
    left.semilogy(steps, train, label="while training")
    left.semilogy(steps, valid, label=f"{info['scored']} score")
    left.set(xlabel="training step", ylabel="nats per token", title="Learning")
    right = left.twinx()
    right.plot(steps, scores, "C2--", label="BLEU (right axis)")
    right.set(ylabel="BLEU", ylim=(0, 101))
    left.legend(handles=[*left.lines, *right.lines], loc="upper center", ncol=3,
                bbox_to_anchor=(0.5, -0.12))        # below, for the curves leave no corner free
    middle.plot(rows[:, 0], rows[:, 1], "o-", label="BLEU")
    middle.plot(rows[:, 0], rows[:, 2], "s-", label="exact match, %")
    middle.set(xlabel="source length, tokens (mean of each fifth)", ylim=(0, 101),
               title="Quality by length")
    middle.legend(loc="lower left")


def draw(path, params, vocab, pairs, ids, words, info):
    """Print what the lesson found, and write its picture to path."""
    rows = by_length(pairs, words)
    for length, score, exact in rows:
        print(f"sources of about {length:4.1f} tokens: BLEU {score:6.2f}, exact match "
              f"{exact:5.1f} %")
    print_alignment(params, pairs, ids)
    from matplotlib.figure import Figure        # here, so that all else runs without it
    figure = Figure(figsize=(14, 16), layout="constrained")
    axes = figure.subplot_mosaic("LM;AB;CD", height_ratios=(1, 1.4, 1.4))
    plot_learning(axes["L"], axes["M"], info, rows)
    some = [i for i in range(len(pairs)) if 7 <= len(pairs[i][0]) <= 13] or range(len(pairs))
    for name, i in zip("ABCD", some):
        plot_alignment(axes[name], params, pairs[i], ids[i])
    figure.suptitle("Below: attention, reference forced; circles: true links")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)            # letters that the font lacks
        figure.savefig(path, dpi=110)


# %% 8. Training
def evaluate(params, ids, size):
    """Mean nats per target token over id pairs."""
    total = count = 0
    for part in batches(ids, size):
        source, target = pad([ids[i][0] for i in part]), pad([ids[i][1] for i in part])
        tokens = int((target[1:] != PAD).sum())
        total += float(forward(params, source, target)[0]) * tokens
        count += tokens
    return total / count


def measure(params, vocab, pairs, ids, beam):
    """Translate pairs -> BLEU, exact matches in %, the translations as token tuples."""
    found = translate_ids(params, [source for source, _ in ids], beam)
    words = [tuple(vocab[i] for i in result[0] if i != EOS) for result in found]
    exact = np.mean([got == tuple(want) for got, (_, want, _) in zip(words, pairs)])
    return bleu(words, [target for _, target, _ in pairs]), 100 * exact, words


def save(path, info, arrays, adam, state):
    """Write a checkpoint: info (plain values, "lesson" among them) and arrays (dicts by group).

    The optimizer's memory goes with them, and from a language model the state carried to the next
    window. All is written to a file beside path that is then renamed. Renaming is atomic: whenever
    the program is killed, path is the old checkpoint or the new one, never half of either.
    """
    # Adam's t and betas are plain values and go to info; its m and v are dicts and go to arrays.
    info, arrays = dict(info), {**arrays, "state": {str(i): a for i, a in enumerate(state)}}
    for name, value in vars(adam).items():
        (arrays if isinstance(value, dict) else info)[name] = value
    flat = {f"{group}/{name}": a for group, named in arrays.items() for name, a in named.items()}
    part = Path(f"{path}.{os.getpid()}.part")       # two runs may share a folder
    try:
        with open(part, "wb") as file:
            np.savez(file, info=json.dumps(info), **flat)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def restore(path):
    """A checkpoint -> info, arrays. BadInput if it is missing, damaged or another lesson's."""
    arrays = {}
    try:
        with np.load(path) as file:             # pickle is off: a stranger's file can run no code
            info = json.loads(str(file["info"]))
            for name in file.files:
                group, _, key = name.partition("/")
                arrays.setdefault(group, {})[key] = file[name]
        lesson = info["lesson"]
        shapes = {name: array.shape for name, array in arrays["params"].items()}
        for group in arrays.keys() & {"m", "v", "best"}:
            if {name: array.shape for name, array in arrays[group].items()} != shapes:
                raise ValueError(f"{group} is not of the size of params")
    except Exception:                           # there are many ways to be damaged
        raise BadInput(f"{path} is missing, unreadable or not a whole checkpoint; --load another "
                       "one, or train anew") from None
    if lesson != LESSON:
        raise BadInput(f"{path} is a checkpoint of {lesson}.py; --load it there")
    del arrays["info"]
    return info, arrays


def load(path):
    """A checkpoint -> best parameters, vocabulary, settings: for programs that import this file."""
    info, arrays = restore(path)
    return arrays.get("best", arrays["params"]), info["vocab"], info["settings"]


def command_line(argv):
    """argv -> the flags that were given, a dict. BadInput if one is unknown or out of range."""
    def fail(message):
        raise BadInput(f"{message}; --help lists the flags")
    parser = argparse.ArgumentParser(f"{LESSON}.py", description=(__doc__ or "").split("\n")[0],
                                     argument_default=argparse.SUPPRESS, allow_abbrev=False)
    parser.error = fail
    for name, (default, smallest, text) in SETTINGS.items():
        shown = "" if default == "" else f" (default {default})"
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), help=text + shown,
                            metavar={int: "N", float: "X", str: "TEXT"}[type(default)])
    given = vars(parser.parse_args(argv))
    for name, value in given.items():
        smallest, largest = SETTINGS[name][1], 10**8 if isinstance(value, int) else 1e300
        largest = 0.99 if name == "dropout" else largest        # only word lessons have it
        if smallest is not None and not smallest <= value <= largest:
            fail(f"--{name.replace('_', '-')} {value} is not between {smallest} and {largest:g}")
        if value == "" and name != "prompt":        # of a shell variable that is not set, perhaps
            fail(f"--{name} is empty")
    return given


def check_finite(value, step, lr):
    """BadInput if a loss, the gradient's norm or the parameters' sum has run away."""
    if not math.isfinite(value):
        raise BadInput(f"the loss is not finite any more at step {step}; train anew "
                       f"with --lr {lr / 3:.2g}; a checkpoint saved before is kept")


def train(info, arrays, ids, valid, valid_pairs, path):
    """Train up to the planned steps, saving on the way -> False if Ctrl-C ended it early."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings, params = info["settings"], arrays["params"]
    size = min(settings["batch"], len(ids))
    adam = Adam(params)                         # after --load, with the memory that save kept
    vars(adam).update({name: (info | arrays).get(name, new) for name, new in vars(adam).items()})
    interrupts = []

    def interrupt(*_):
        interrupts.append(True)                 # the loop looks here after each whole step
        signal.signal(signal.SIGINT, signal.default_int_handler)        # a second one ends at once
    before = signal.signal(signal.SIGINT, interrupt)
    print(f"{'step':>12} {'training':>9} {info['scored']:>9}  nats per token; BLEU of 100 "
          "sentences")
    started, first, tokens = time.perf_counter(), info["step"], 0
    per_epoch, parts, epoch = -(-len(ids) // size), None, None
    while info["step"] < settings["steps"] and not interrupts:
        if epoch != info["step"] // per_epoch:  # a new pass over the data, in a new order
            epoch = info["step"] // per_epoch
            parts = batches(ids, size, np.random.default_rng([settings["seed"], epoch]))
        part = parts[info["step"] % per_epoch]
        source, target = pad([ids[i][0] for i in part]), pad([ids[i][1] for i in part])
        loss, cache = forward(params, source, target)
        grads = backward(params, cache)
        norm = clip_gradients(grads, settings["clip"])
        check_finite(loss + norm, info["step"], settings["lr"])
        adam.update(params, grads, settings["lr"] * (1 - info["step"] / settings["steps"]))
        info["step"] += 1
        info["recent"].append(float(loss))
        tokens += int((target[1:] != PAD).sum())
        if info["step"] % settings["every"] and info["step"] not in (10, settings["steps"]):
            continue
        nats = evaluate(params, valid[:500], 100)
        check_finite(nats, info["step"], settings["lr"])     # before it replaces a good one
        score, _, _ = measure(params, info["vocab"], valid_pairs[:100], valid[:100], 1)
        if nats < min((row[2] for row in info["history"]), default=math.inf):
            arrays["best"] = {name: param.copy() for name, param in params.items()}
        train_nats, info["recent"] = sum(info["recent"]) / len(info["recent"]), []
        info["history"].append([info["step"], train_nats, nats, score])
        save(path, info, arrays, adam, ())
        seconds = time.perf_counter() - started
        left = round(seconds / (info["step"] - first) * (settings["steps"] - info["step"]))
        print(f"{info['step']:>5}/{settings['steps']:<6} {train_nats:9.3f} {nats:9.3f}  "
              f"BLEU {score:.1f}, gradient norm {norm:.2f}, {tokens / seconds:,.0f} tokens/s, "
              f"{left // 60}:{left % 60:02} left")
    # After Ctrl-C no loss has yet shown whether the last update left anything finite.
    total = sum(float(param.sum()) for param in params.values())
    check_finite(total, info["step"], settings["lr"])
    save(path, info, arrays, adam, ())
    if not interrupts:
        signal.signal(signal.SIGINT, before)
    finished = info["step"] == settings["steps"]
    print(f"{'saved' if finished else 'stopped and saved'} at step {info['step']}: {path}")
    return finished


def print_samples(params, vocab, pairs, prompt, beam):
    """Translate the prompt, or without one show a few pairs: input, output, reference."""
    shown = [(" ".join(source), " ".join(target)) for source, target, _ in pairs]
    for source, target in [(prompt, "")] if prompt else shown:
        words, _ = translate(params, vocab, source, beam)
        print(f"Input:     {source}\nOutput:    {' '.join(words)}")
        if target:
            print(f"Reference: {target}\n")


def main(argv=None):
    """Run the lesson with these flags, by default the command line's -> exit status."""
    given = command_line(argv)
    options = {name: row[0] for name, row in SETTINGS.items()} | given
    path = Path(options["out"]) / f"{LESSON}.npz"
    if options["load"] and "out" not in given:      # it may have been renamed, to be kept
        path = Path(options["load"])
    kept = {name: options[name] for name in SETTINGS if name not in NOT_KEPT}
    info = {"lesson": LESSON, "settings": kept, "step": 0, "recent": [], "history": [],
            "scored": "held-out"}
    saved, arrays = restore(options["load"]) if options["load"] else ({}, {})
    info |= saved
    settings = info["settings"]
    for name in given.keys() & settings.keys():
        if name not in ("steps", "data", "valid") and given[name] != settings[name]:
            raise BadInput(f"--{name.replace('_', '-')} {given[name]} contradicts the checkpoint, "
                           f"which has {settings[name]}; leave the flag out, or train anew")
        settings[name] = given[name]
    training = not options["load"] or info["step"] < settings["steps"]
    if not training and given.keys() & {"data", "valid"}:
        raise BadInput("the checkpoint has no steps left, so nothing would be read or scored; "
                       "leave --data and --valid out, or raise --steps")
    if training:
        pairs, held_out = read_data(settings)
        checksum = zlib.crc32(json.dumps([pairs, held_out]).encode())
        if not arrays:
            vocab, V_out = build_vocab(pairs, settings)
            info |= {"vocab": vocab, "V_out": V_out, "checksum": checksum}
            rng = np.random.default_rng(settings["seed"])
            score = {"score": settings["score"]} if "score" in settings else {}
            arrays["params"] = init_params(len(vocab), V_out, settings["embed"], settings["hidden"],
                                           rng, **score)
        if info["checksum"] != checksum:
            raise BadInput("the checkpoint was made with other pairs; give its --data and --valid")
        # Scores on the way are of the first held-out pairs: put all lengths among them.
        order = np.random.default_rng(settings["seed"]).permutation(len(held_out))
        held_out = [held_out[i] for i in order]
        info["examples"] = held_out[:5] or pairs[:100]
        vocab, V_out = info["vocab"], info["V_out"]
        print(f"{LESSON}: {len(pairs):,} pairs to learn from, {len(held_out):,} held out, "
              f"vocabulary of {len(vocab):,}, {V_out:,} of it for output, "
              f"{sum(param.size for param in arrays['params'].values()):,} parameters")
        if not held_out:
            print("too few sentences to hold some out: the training pairs are scored")
            info["scored"], held_out = "training", pairs
        ids, valid = encode_pairs(pairs, vocab, V_out), encode_pairs(held_out, vocab, V_out)
        seen, scored = (np.concatenate([target[1:] for _, target in part]) for part in (ids, valid))
        counts = np.bincount(seen, minlength=V_out) + 1
        unigram = -np.log(counts / counts.sum())[scored].mean()
        print(f"to beat: {unigram:.3f} nats per token, of a model that only knows how common each "
              "word is")
    if options["prompt"]:
        check_prompt(options["prompt"], info["vocab"], settings["min_count"])
    finished = not training or train(info, arrays, ids, valid, held_out, path)
    best = arrays.get("best", arrays["params"])
    if info["history"]:
        lowest = min(row[2] for row in info["history"])
        print(f"best {info['scored']} score: {lowest:.4f} nats per token (a little optimistic: it "
              "also chose the parameters that are kept)")
    print_samples(best, info["vocab"], info["examples"], options["prompt"], options["beam"])
    if training and finished and info["history"]:
        score, exact, words = measure(best, info["vocab"], held_out, valid, options["beam"])
        print(f"{info['scored']}, beam {options['beam']}: BLEU {score:.2f}, exact match "
              f"{exact:.1f} %")
        draw(path.with_suffix(".png"), best, info["vocab"], held_out, valid, words, info)
        print(f"picture: {path.with_suffix('.png')}")
    return 0 if finished else 130


@np.errstate(all="ignore")                      # train finds a loss that is not finite by itself
def command(argv=None):
    """main, with every expected mistake told in one line on standard error -> exit status."""
    if hasattr(sys.stdout, "reconfigure"):      # the terminal may lack letters that the text has
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    handler = signal.getsignal(signal.SIGINT)
    try:
        try:
            return main(argv)
        finally:
            signal.signal(signal.SIGINT, handler)
            try:
                print(end="", flush=True)
            except OSError:                     # what is left must not fail again at the very end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise
    except BrokenPipeError:                     # nobody reads our output any more: `| head`
        return 141
    except KeyboardInterrupt:
        return 130
    except BadInput as error:
        message = error
    except MemoryError as error:                # Python's own has no text
        message = f"{str(error) or 'out of memory'}; take smaller sizes or less data"
    except ImportError as error:                # Matplotlib draws last, when all else is done
        message = f"{error}, so there is no picture; the rest is saved: pip install matplotlib"
    except OSError as error:
        message = (f"cannot write {error.filename or 'the output'} ({error.strerror}); make room, "
                   "or write elsewhere")
    print(f"{LESSON}.py: error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    alone = "__file__" in globals() and Path(sys.argv[0]).name == Path(__file__).name
    if alone and "IPython" not in sys.modules:  # as a script: neither cells of a notebook, nor %run
        os.environ.pop("MPLBACKEND", None)      # a notebook's backend, inherited, works only there
    status = command(None if alone else [])
    if alone and status:
        sys.exit(status)                        # in a notebook it would look like an error

# Try, and watch for
#     python bahdanau.py --load out/bahdanau.npz --beam 10 --prompt "the wolf sleeps ."
#         a wide beam, the same translation
#     python bahdanau.py --data data/crow.txt --steps 400
#         the story by heart: every line answered by the next
#     python bahdanau.py --hidden 32 --steps 600
#         BLEU 66, as seq2seq.py has with six times the units and three times the steps; but 40 %
#         exact, not 57, and an alignment error rate that is still a diagonal's
