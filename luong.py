"""Translation with multiplicative attention after the recurrence, in plain NumPy, derived by hand.

In bahdanau.py the attention is a part of the decoder's recurrence and must go word by word. Here
the decoder, in training, first runs through with nothing of the source but the state it began with;
then all its states look at all source words at once, in two products a sentence.
At the default sizes it trains on 42,000 target tokens a second, bahdanau.py on 29,000.

    python luong.py                                                 train: 53 to 106 s
    python luong.py --load out/luong.npz --prompt "the crow did not see the big pitcher ."
    python luong.py --score dot                           another way to score: dot, concat

New since bahdanau.py: LSTMs, the source read from its end, three scores, the attentional vector,
and attention outside the time loop. `diff bahdanau.py luong.py` shows it. The repeats are
on purpose.

Contents
    1. Data            pairs -> vocabulary -> batches of like length
    2. Numerics        sigmoid and cross-entropy without overflow
    3. Forward         encoder, decoder, the whole batch
    4. Backward        the same lines undone in reverse order: through both networks
    5. Optimizer       clipping by the global norm, Adam, both for sparse gradients
    6. Translating     beam search, BLEU
    7. Looking inside  where the decoder looks, and quality by length: the figure
    8. Training        evaluation, checkpoint, command line

Notation, as in seq2seq.py; new or different here:
    c  cell of an LSTM (H, B)    N  rows: step t of sentence b, t from 0, is row b * T + t
    hbar[s]  encoder states (H, B)    h[t]  decoder states (H, B)    alpha[t, s]  attention weights
    W_enc, W_dec (4H, D + 1 + H)  Wx, b and Wh of char_lstm.py side by side
    Wc (H, 2H)   Wy (V_out, H)
    Wa (H, H) for general, (H, 2H) for concat    va (1, H) for concat

The model (; is below each other; lstm makes gates, c and h of it, as char_lstm.py of its a)
    hbar[s]    = lstm(W_enc @ [E[x[s]]; 1; hbar[s+1]])                     from the last word on
    h[0]       = the encoder's last state, h and c
    h[t]       = lstm(W_dec @ [E[y[t-1]]; 1; h[t-1]])
    e[t, s]    = h[t] . hbar[s]  or  h[t] . Wa @ hbar[s]  or  va @ tanh(Wa @ [h[t]; hbar[s]])
    alpha[t]   = softmax of e[t] over the source words
    context[t] = sum over s of alpha[t, s] * hbar[s]
    vector[t]  = tanh(Wc @ [context[t]; h[t]])                             the attentional vector
    logits     = Wy @ vector[t]
    loss       = mean of -log softmax(logits)[y[t]] over real target tokens

What a default run prints at the end (seed 0, two cores of an EPYC Zen 5, 53 seconds)
    held-out, beam 2: BLEU 98.52, exact match 95.7 %
    sources of about  5.4 tokens: BLEU 100.00, exact match 100.0 %
    sources of about  7.7 tokens: BLEU  99.83, exact match  99.5 %
    sources of about  9.6 tokens: BLEU  99.49, exact match  98.5 %
    sources of about 12.7 tokens: BLEU  98.98, exact match  95.5 %
    sources of about 18.8 tokens: BLEU  96.91, exact match  85.0 %
    alignment error rate 0.076 (of a diagonal 0.364, of the best with one link a word 0.034)

Papers, and where this file departs from them
    Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine
        translation": global attention, equations 5 to 7, and its three scores. One layer a side
        where the paper has four. No input feeding (section 3.3), which would give the decoder its
        last attentional vector and so tell it what it has already translated; the paper gains from
        it, but then attention could not wait until the loop has ended. No local attention.
        The source is reversed as there (after Sutskever et al. 2014); figure and alignment error
        rate use the sentence's own order. First values: variance 1 / columns, of Wx and Wh each by
        itself (E 0.3^2), general's Wa the unit matrix, forget gates' biases 1, where the paper has
        U(-0.1, 0.1); the norm clipped to 1, not 5; one E for both languages, not two. The beam
        ends with the highest log p per token, as in seq2seq.py.
    Gers et al. 2000: the LSTM with a forget gate, as in char_lstm.py. Och & Ney 2003: the alignment
        error rate. Papineni et al. 2002: BLEU.
    Pascanu et al. 2013, Algorithm 1: clipping. Kingma & Ba 2015: Adam, with sparse updates of E as
        in word_rnn.py, where Luong et al. have plain gradient descent.
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
LESSON = "luong"
HERE = Path(__file__).parent if "__file__" in globals() else Path()   # a notebook has no __file__

SETTINGS = {  # flag: (default, smallest, what it is and which way to turn it)
    "data": ("", None, "sentence pairs, tab-separated, or a text (default data/en_fr.tsv)"),
    "valid": ("", None, "held-out pairs to score (default: a tenth of the sources)"),
    "min_count": (1, 1, "words seen less often in training become <unk>"),
    "max_length": (50, 1, "longest sentence in tokens; pairs with a longer one are left out"),
    "embed": (64, 1, "size D of a word's vector"),
    "hidden": (128, 1, "hidden units H; more remember more, time grows with the square"),
    "score": ("general", None, "how attention scores: dot, general or concat"),
    "batch": (64, 1, "pairs in a batch B; fewer make more updates of the same pairs"),
    "steps": (4400, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (0.008, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
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
def init_params(V, V_out, D, H, rng, dtype=np.float32, score="general"):
    """First values -> dict of arrays; their dtype decides that of all the rest.

    W_enc and W_dec hold the rows of the gates i, f, o and of the candidate g below each other; the
    forget gate's bias begins at 1. score is dot, general or concat; the parameters tell which.
    general begins as dot. That and word vectors of 0.3 let the attention find its places early:
    200 steps into a default run, three seeds have 0.5 to 0.9 nats a token on held-out pairs; with a
    random Wa they have 0.7 to 2.0, with 0.1 they have 0.9 to 2.2.
    """
    def weight(rows, columns):
        return rng.normal(0, columns**-0.5, (rows, columns))

    def lstm_weight():
        b = np.repeat([[0], [1], [0], [0]], H, axis=0)          # of i, f, o and g
        return np.hstack([weight(4 * H, D), b, weight(4 * H, H)])
    params = {"E": rng.normal(0, 0.3, (V, D)), "W_enc": lstm_weight(), "W_dec": lstm_weight(),
              "Wc": weight(H, 2 * H), "Wy": weight(V_out, H)}
    scores = {"dot": {}, "general": {"Wa": np.eye(H)},
              "concat": {"Wa": weight(H, 2 * H), "va": weight(1, H)}}
    if score not in scores:
        raise BadInput(f"--score {score} is none of {', '.join(scores)}")
    params |= scores[score]
    return {name: param.astype(dtype) for name, param in params.items()}


def look_up(params, ids):
    """Ids (T, B) -> read (D + 1 + H, T + 1, B): what lstm reads, a column a step and sentence.

    It is the word's vector, a 1, and below them room for the state before. The last step, T, only
    has the state after the last word.
    """
    (T, B), D, H = ids.shape, params["E"].shape[1], len(params["Wc"])
    read = np.empty((D + 1 + H, T + 1, B), params["E"].dtype)
    read[:D, :T] = params["E"][ids].transpose(2, 0, 1)
    read[D, :T] = 1
    return read


def step(W, read, c_prev, h):
    """One LSTM step: W (4H, D + 1 + H), read (D + 1 + H, B), c_prev (H, B)

    -> c (H, B), what step_backward needs; h (H, B) is filled in.
    """
    H, B = c_prev.shape
    # [Wx b Wh] @ [word; 1; h], word a column of E, is Wx @ word + b + Wh @ h: one product adds up
    # all three. That is 3 to 4 % faster than Wx @ word for all steps at once and two additions.
    a = W @ read
    gates = sigmoid(a[:3 * H], out=a[:3 * H])       # open (1) or shut (0), for every unit by itself
    i, f, o = gates.reshape(3, H, B)
    g = np.tanh(a[3 * H:], out=a[3 * H:])           # candidate: what could be written
    c = f * c_prev                                  # f: how much to keep
    c += i * g                                      # i: how much to write
    tc = np.tanh(c)
    np.multiply(o, tc, out=h)                       # o: how much to show
    return c, (gates, g, c_prev, tc)


def lstm(W, read, state):
    """Run over read (D + 1 + H, T + 1, B) from state (h, c) on, with W (4H, D + 1 + H).

    -> hidden (H, T, B), the state after, what lstm_backward needs. Encoder and decoder both use it,
    each with its own W. h is written into read and all this looks at it: a new read for each call.
    """
    H, saved = len(W) // 4, []
    read[-H:, 0], c = state
    for t in range(read.shape[1] - 1):
        c, kept = step(W, read[:, t], c, read[-H:, t + 1])      # h goes where the next step reads
        saved.append(kept)
    return read[-H:, 1:], (read[-H:, -1], c), (read, saved)


def encode(params, source):
    """Source ids (S, B) -> states hbar (B, S, H), hide (B, 1, S), last state (h, c), cache.

    The source is read from its end, so a state knows its word and all words after it. The first
    words, with which the translation mostly begins, are the freshest when the decoder starts.
    """
    read = look_up(params, source[::-1])
    # The mask: in this order padding comes first. A column of zeros, without the 1, makes a = 0, so
    # g = tanh(0) = 0, and the state stays zero until the first word.
    H = len(params["Wc"])
    read[:-H, :-1] *= source[::-1] != PAD
    zero = np.zeros((H, source.shape[1]), read.dtype)
    hidden, state, encoded = lstm(params["W_enc"], read, (zero, zero))
    hide = np.where(source != PAD, 0, -np.inf).astype(read.dtype).T[:, None]
    return by_sentence(hidden[:, ::-1]), hide, state, encoded


def times(states, W):
    """States (B, T, H) @ W (H, K) -> (B, T, K), as one product: @ would make B small ones of it."""
    return np.tensordot(states, W, 1)


def times_columns(dY, X):
    """(B, T, H), (B, T, K) -> (H, K), dY.T @ X over the rows of all sentences and words."""
    return dY.reshape(-1, dY.shape[2]).T @ X.reshape(-1, X.shape[2])


def attend(params, hbar, hide, asking):
    """Encoder states hbar (B, S, H), hide (B, 1, S), -inf at padding, decoder states (B, T, H)

    -> contexts (B, T, H), weights alpha (B, T, S), saved. The decoder's recurrence does not wait
    for the contexts, so all T states ask at once: dot and general by a product of (T, H) and (H, S)
    for each sentence.
    """
    if "va" in params:                              # concat: va @ tanh(Wa @ [h; hbar])
        Wa_h, Wa_s = np.hsplit(params["Wa"], 2)
        u = np.tanh(times(asking, Wa_h.T)[:, :, None] + times(hbar, Wa_s.T)[:, None])
        e = u @ params["va"][0]                                         # u (B, T, S, H)
    else:                                           # general: h @ Wa @ hbar; dot: h @ hbar
        u = times(asking, params["Wa"]) if "Wa" in params else asking
        e = u @ hbar.transpose(0, 2, 1)
    e = e + hide
    alpha = np.exp(e - e.max(axis=2, keepdims=True))
    alpha /= alpha.sum(axis=2, keepdims=True)
    return alpha @ hbar, alpha, u


def readout(params, pair):
    """Contexts and beside them states, (N, 2H) -> logits (V_out, N), attentional vectors (N, H)."""
    vector = pair @ params["Wc"].T
    np.tanh(vector, out=vector)
    return params["Wy"] @ vector.T, vector


def by_sentence(states):
    """States (H, T, B) -> (B, T, H): attention is one small product for each sentence."""
    return np.ascontiguousarray(states.transpose(2, 1, 0))


def by_step(states):
    """Gradients of states (B, T, H) -> (T, H, B), as lstm_backward takes them."""
    return np.ascontiguousarray(states.transpose(1, 2, 0))


def forward(params, source, target):
    """Source ids (S, B), target ids (T + 1, B) -> mean loss in nats per token, the cache.

    A source ends in <eos>, a target is framed by <bos> and <eos>: the decoder reads all but the
    last (teacher forcing) and is to predict all but the first. Padding counts nothing and is not
    attended to.
    """
    T, B = len(target) - 1, target.shape[1]
    hbar, hide, state, encoded = encode(params, source)
    hidden, _, decoded = lstm(params["W_dec"], look_up(params, target[:-1]), state)
    # The time loop is over, and attention, attentional vector and output follow for all steps.
    # Attention needs a row a word, sentence by sentence, and the vector stays so: to turn contexts
    # and states back into columns took 3 % longer.
    asking = by_sentence(hidden)
    context, alpha, u = attend(params, hbar, hide, asking)
    pair = np.concatenate([context, asking], axis=2).reshape(B * T, -1)
    logits, vector = readout(params, pair)
    answers = target[1:].T.ravel()                  # sentence by sentence, as the rows of pair
    weight = (answers != PAD).astype(pair.dtype)
    weight /= weight.sum()
    nats, dlogits = cross_entropy(logits, answers, weight)
    return nats @ weight, (source, target, encoded, decoded, hbar, asking, alpha, u, pair, vector,
                           dlogits)


def start(params, source):
    """Source ids (S, B) -> memory, state for predict: tuples of arrays."""
    hbar, hide, state, _ = encode(params, source)
    return (hbar, hide), state


def predict(params, memory, state, words):
    """Previous words (B,) -> logits of the next (V_out, B), the state after, attention (S, B)."""
    hidden, state, _ = lstm(params["W_dec"], look_up(params, words[None]), state)
    asking = by_sentence(hidden)                                        # (B, 1, H)
    context, alpha, _ = attend(params, *memory, asking)
    logits, _ = readout(params, np.concatenate([context, asking], axis=2)[:, 0])
    return logits, state, alpha[:, 0].T


# %% 4. Backward
# The rules are those of the lessons before. The softmax inside the network, as in bahdanau.py: the
# derivative of alpha_j with respect to e_k is alpha_j * (1 - alpha_k) for j = k, and for all others
# alpha_j * (0 - alpha_k), so
#   de_k = alpha_k * (dalpha_k - sum_j dalpha_j * alpha_j),
# each weight's gradient as far as it differs from the weighted mean of all. At the output, the loss
# looks at the target alone: nats = log(sum_j exp(y_j)) - y_target gives dy = p - onehot.
#
# The encoder's states are used by every context, by every score, and the last one by the decoder.
#
# Around the attention a word is a row, not a column: Y = X @ W.T, and the rule for the product,
# with both sides transposed, is dW = dY.T @ X, dX = dY @ W.

def step_backward(W, dstate, kept, da):
    """Undo step: gradient of the state after -> of the state before; da (4H, B) is filled in."""
    (dh, dc), (gates, g, c_prev, tc) = dstate, kept
    i, f, o = gates.reshape(3, *g.shape)
    di, df, do, dg = da.reshape(4, *g.shape)        # views: what is written there is in da
    # forward: h = o * tc, tc = tanh(c). c was used twice: here, and at t + 1, from where dc came.
    np.multiply(dh, tc, out=do)
    dtc = dh * o
    dtc *= tanh_slope(tc)
    dc = dc + dtc
    # forward: c = f * c_prev + i * g
    np.multiply(dc, c_prev, out=df)
    np.multiply(dc, g, out=di)
    np.multiply(dc, i, out=dg)
    dc_prev = dc * f
    # forward: gates = i, f, o = sigmoid(a[:3H]), g = tanh(a[3H:])
    da[:len(gates)] *= sigmoid_slope(gates)
    dg *= tanh_slope(g)
    # forward: a = W @ [word; 1; h_prev]. Only h_prev's part is needed now, by the step before.
    return W[:, -len(g):].T @ da, dc_prev


def lstm_backward(W, dhidden, dstate, cache):
    """Undo lstm: dhidden (T, H, B), gradient of the state after, what lstm kept

    -> gradients of W, of the words' vectors (T * B, D), a row a word, and of the first state.
    """
    (T, H, B), (read, saved) = dhidden.shape, cache
    da = np.empty((T, 4 * H, B), read.dtype)
    for t in reversed(range(T)):
        # h was used twice: outside, and by the next step.
        dstate = step_backward(W, (dstate[0] + dhidden[t], dstate[1]), saved[t], da[t])
    # forward: a = W @ read, now all steps at once, with a column a step and sentence
    da, read = da.transpose(1, 0, 2).reshape(4 * H, -1), read[:, :T].reshape(-1, T * B)
    return da @ read.T, da.T @ W[:, :-1 - H], dstate


def attend_backward(params, hbar, asking, alpha, u, dcontext):
    """Undo attend: -> gradients of its parameters, dasking (B, T, H), dhbar (B, S, H)."""
    # forward: context = alpha @ hbar
    dalpha = dcontext @ hbar.transpose(0, 2, 1)
    dhbar = alpha.transpose(0, 2, 1) @ dcontext
    # forward: alpha = softmax(e), derived above
    de = alpha * (dalpha - (alpha * dalpha).sum(axis=2, keepdims=True))         # (B, T, S)
    if "va" in params:
        # forward: e = u @ va
        dva = de.reshape(1, -1) @ u.reshape(-1, u.shape[3])
        # forward: u = tanh(from_h + from_s), from_h the same for all s and from_s for all t
        dpre = de[..., None] * params["va"][0] * (1 - u * u)            # (B, T, S, H)
        dfrom_h, dfrom_s = dpre.sum(axis=2), dpre.sum(axis=1)
        # forward: from_h, from_s = asking @ Wa_h.T, hbar @ Wa_s.T
        Wa_h, Wa_s = np.hsplit(params["Wa"], 2)
        dWa = times_columns(dfrom_h, asking), times_columns(dfrom_s, hbar)
        return {"va": dva, "Wa": np.hstack(dWa)}, times(dfrom_h, Wa_h), dhbar + times(dfrom_s, Wa_s)
    # forward: e = u @ hbar.T
    du = de @ hbar
    dhbar += de.transpose(0, 2, 1) @ u
    if "Wa" not in params:
        return {}, du, dhbar
    # forward: u = asking @ Wa
    return {"Wa": times_columns(asking, du)}, times(du, params["Wa"].T), dhbar


def sum_rows(ids, rows):
    """ids (N,), rows (N, D) -> the distinct ids in order, and for each the sum of its rows."""
    # Sorted, equal ids stand side by side, and reduceat adds up each such group of rows. Plain
    # dE[ids] += rows would keep only one of the rows of a word that occurs twice.
    order = np.argsort(ids, kind="stable")
    distinct, first = np.unique(ids[order], return_index=True)
    return distinct, np.add.reduceat(rows[order], first, axis=0)


def backward(params, cache):
    """The cache of forward -> gradients of the mean loss: dict like params, E's as (ids, rows)."""
    source, target, encoded, decoded, hbar, asking, alpha, u, pair, vector, dlogits = cache
    B, T, H = asking.shape
    # forward: loss = the sum of weight * nats; cross_entropy has made dlogits already
    # forward: logits = Wy @ vector.T, vector = tanh(pair @ Wc.T), pair = [context, asking]
    grads = {"Wy": dlogits @ vector}
    dvector = dlogits.T @ params["Wy"]
    dvector *= tanh_slope(vector)
    grads["Wc"] = dvector.T @ pair
    dcontext, dasking = np.split((dvector @ params["Wc"]).reshape(B, T, -1), 2, axis=2)
    more, from_scores, dhbar = attend_backward(params, hbar, asking, alpha, u, dcontext)
    grads |= more
    dhidden = by_step(dasking + from_scores)        # states: used by the vector and by the scores
    zero = np.zeros((H, B), hbar.dtype)             # nothing follows the last step
    grads["W_dec"], dvectors_dec, dstate = lstm_backward(params["W_dec"], dhidden, (zero, zero),
                                                         decoded)
    # The decoder began with the encoder's last state, so its gradient goes on there. The encoder
    # read from the end. At padding it read zeros, which add nothing to the gradient of W_enc.
    grads["W_enc"], dvectors, _ = lstm_backward(params["W_enc"], by_step(dhbar)[::-1], dstate,
                                                encoded)
    source = source[::-1]
    dvectors *= (source != PAD).reshape(-1, 1)      # as they were multiplied in encode
    grads["E"] = sum_rows(np.concatenate([source.ravel(), target[:-1].ravel()]),
                          np.concatenate([dvectors, dvectors_dec]))
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
# As in bahdanau.py: quality by source length, and where the decoder looks, beside the true links.

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
#     python luong.py --score dot --steps 800
#         79 % exact after so few steps, general has 76: the matrix gains nothing so soon
#     python luong.py --score concat --steps 800
#         81 %, and takes about half as long again: a hidden layer for each pair of words
#     python luong.py --data data/crow.txt --steps 400
#         the story by heart: every line answered by the next
