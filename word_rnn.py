"""A word-level recurrent neural network in plain NumPy, every gradient derived by hand.

From characters to words: the vocabulary grows from sixty to thousands. So a word becomes a vector,
learned like everything else, and a window of text touches the vectors of its own words, no others.

    python word_rnn.py                                   train on the fables: 19 to 39 s
    python word_rnn.py --data my.txt --prompt "The fox"  your own text, and how the samples begin
    python word_rnn.py --load out/word_rnn.npz --seed 1  another text from the checkpoint

New since char_rnn.py: tokens, <unk> and <eos>, word vectors, their sparse gradient and sparse Adam,
dropout, perplexity, and another figure. `diff char_rnn.py word_rnn.py` shows it; the repeats are
on purpose.

Contents
    1. Data            text -> words -> ids -> parallel streams -> windows
    2. Numerics        softmax and cross-entropy without overflow
    3. Forward         one step of the network, then the whole window
    4. Backward        the same lines undone in reverse order: the sparse gradient
    5. Optimizer       clipping by the global norm, Adam, both for sparse gradients
    6. Sampling        temperature
    7. Looking inside  the map of the word vectors: the figure
    8. Training        evaluation, checkpoint, command line

Notation, as in char_rnn.py, and
    D  size of a word vector    E (V, D)  the word vectors, a row a word    Wx (H, D)
    <eos>  the token for a line's end    <unk>  the token for all rare words

The model
    vector    = E[x[t]].T                          (D, B): a look-up
    a[t]      = Wx @ vector + b + Wh @ h[t-1]
    h[t]      = tanh(a[t])
    logits[t] = Wy @ h[t] + by
    loss      = mean of -log softmax(logits[t])[x[t+1]], and perplexity = exp(loss): it is as
                unsure as if it had to choose among so many equally likely words

What a default run prints at the end (seed 0, two cores of an EPYC Zen 5, 19 seconds)
    best held-out score: 71.692 perplexity
    In the north had the white out of the hens, and it was, and the chief. "
    The ox ate the river
    The granary brought the mill door in the hill, and him, and he had the same leg. The ...
    nearest to said: above, answered, cried, asked, whispered, across
    nearest to came: flew, come, go, went, walked, burst
    nearest to went: flew, go, came, walked, way, ran

Papers, and where this file departs from them
    Bengio et al. 2003, "A neural probabilistic language model": word vectors that are learned.
    Mikolov et al. 2010: the recurrent network as a language model.
    Srivastava et al. 2014, "Dropout"; Zaremba et al. 2014: where to put it in a recurrent
        network, on what comes in and what goes out, not on the recurrence.
    Pascanu et al. 2013, Algorithm 1: clipping. Kingma & Ba 2015, Algorithm 1: Adam; that it moves
        only the rows that occurred, each with its own step count, and that the learning rate falls
        to zero are departures.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.22", "matplotlib>=3.6"]
# ///
import argparse
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
from textwrap import indent

import numpy as np

# The C library of Linux gives the memory of a freed large array back to the system, and to get it
# again costs page faults: a tenth to a quarter of char_rnn.py's training, less elsewhere. After an
# array of 31 MB has come and gone, it keeps the memory of smaller ones, up to 62 MB that lie free.
freed = np.empty(31 * 2**20, np.uint8)
del freed                               # a notebook would show and keep a value without a name

# %% Settings
LESSON = "word_rnn"
UNIT = "perplexity"
HERE = Path(__file__).parent if "__file__" in globals() else Path()   # a notebook has no __file__

SETTINGS = {  # flag: (default, smallest, what it is and which way to turn it)
    "data": ("", None, "text to learn from, UTF-8 (default data/fables.txt beside this file)"),
    "valid": ("", None, "held-out text to score (default: the last tenth of the data)"),
    "min_count": (2, 1, "words seen less often in training become <unk>; higher is an easier task"),
    "embed": (96, 1, "size D of a word's vector; larger can tell more words apart, and is slower"),
    "hidden": (256, 1, "hidden units H; twice as many remember more and take about twice the time"),
    "batch": (32, 1, "parallel streams B; fewer make more updates of the same text"),
    "seq_len": (64, 1, "tokens T in a window: as far back as the gradient goes"),
    "steps": (500, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (4e-3, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e9 is no clipping, 0 is no learning"),
    "dropout": (0.5, 0, "part of the entries of word vectors and h zeroed in training; 0 is off"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (100, 1, "steps between progress lines, each with an evaluation and a checkpoint"),
    # The checkpoint keeps the settings above; --load takes new --steps and --seed, but no new text.
    # Those below are free to differ from run to run.
    "load": ("", None, "checkpoint to go on from; with no steps left it only writes a sample"),
    "out": ("out", None, "folder for the checkpoint and picture (with --load: where that is)"),
    "prompt": ("", None, "how each sample begins"),
    "length": (500, 0, "length of the last sample, in tokens"),
    "temperature": (0.7, 0, "of sampling: 0 takes the likeliest, 1 draws as predicted, 2 is wild"),
}
NOT_KEPT = ("load", "out", "prompt", "length", "temperature")


class BadInput(ValueError):
    """Something the user gave cannot be used. The message says what, and what to do."""


# %% 1. Data
# Networks compute with numbers, so each word gets an id, its place in the vocabulary: <eos>, then
# the training text's words, commonest first. The held-out tenth is never trained on; it shows
# whether the network has learned the language or the text by heart.

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


def read_data(data, valid):
    """The flags --data and --valid -> (training text, held-out text)."""
    data = data or HERE / "data" / "fables.txt"
    text = read_text(data)
    if len(text) < 20:
        raise BadInput(f"{data} has only {len(text)} characters; give a longer text")
    cut = len(text) * 9 // 10
    return (text, read_text(valid)) if valid else (text[:cut], text[cut:])


def tokenize(text, vocab=()):
    """A text -> its tokens: words in lower case, punctuation marks one each, <eos> at line ends.

    A word keeps inner apostrophes and hyphens. These rules are for languages with blanks between
    words, and letters without separate combining marks. Prose may be wrapped: in a text that has
    blank lines a paragraph is one line and gets one <eos>. Training text, held-out text and prompt
    are looked at one by one.

    A training text with the word <unk> in it has been split by somebody: it is split at white
    space, and every line end counts, blank lines do not. If its vocabulary has words that the rules
    for prose would change, N or mr. for instance, held-out texts and prompts are split so too; else
    they are read as prose.
    """
    prose = re.compile(r"<eos>|<unk>|\w+(?:['\u2019-]\w+)*|[^\w\s]")
    ready = "<unk>" in text.split()
    if vocab:
        ready = any(prose.findall(word.lower()) != [word] for word in vocab)
    blank = re.search(r"\n[^\S\n]*\n", text.strip())     # one at the very end says nothing
    ends = r"\n\s*\n|\n\s*$" if blank and not ready else r"\n"
    # (?<!\s): a match starts where white space starts; from every blank of a long gap it would
    # search the rest of the gap again.
    text = re.sub(rf"(?<!\s)\s*({ends})\s*", " <eos> ", text.lstrip())
    return text.split() if ready else prose.findall(text.lower())


def detokenize(tokens):
    """Tokens -> text: lines, signs close to their words, capitals for I and where sentences begin.

    The first letter of a quotation gets one too, and a mark without its partner turns those after
    it in the line. The I is English; for another language take its line out.
    """
    text = re.sub(r" ?<eos> ?", "\n", " ".join(tokens))
    text = re.sub(r'" ([^"\n]*?) ?"', lambda m: f'"{m[1][:1].upper()}{m[1][1:]}"', text)
    text = re.sub(r" ([.,;:!?)\u201d])|([(\u201c]) ", r"\1\2", text)
    text = re.sub(r"\bi\b", "I", text)
    return re.sub(r'(^|\n|[.!?] |\." |\u201c)(\w)', lambda m: m[1] + m[2].upper(), text)


def build_vocab(tokens, settings):
    """Training tokens -> the vocabulary in id order, <eos> first, then the commonest.

    Words seen less than min_count times share the token <unk>: too little to learn a vector from,
    and held-out text has new words too. This way <unk> is trained like any other token.
    """
    counts = Counter(token for token in tokens if token != "<eos>")
    common = Counter()
    for word, count in counts.items():
        common[word if count >= settings["min_count"] else "<unk>"] += count
    return ["<eos>"] + sorted(common, key=lambda word: (-common[word], word))


def encode(tokens, vocab):
    """Tokens -> ids (N,), unknown words as <unk>, or BadInput where the vocabulary has no <unk>."""
    index = {token: i for i, token in enumerate(vocab)}
    unknown = sorted(set(tokens) - set(vocab))
    if unknown and "<unk>" not in index:
        raise BadInput(f"the training text has no {' '.join(map(repr, unknown[:9]))}; do without")
    return np.array([index.get(token, index.get("<unk>")) for token in tokens], dtype=np.intp)


def encode_held_out(text, vocab):
    """Held-out text -> ids (N,); without <unk> in the vocabulary, unknown words are left out."""
    tokens, known = tokenize(text, vocab), set(vocab)
    kept = [token for token in tokens if token in known]
    if len(kept) < len(tokens):
        print(f"unknown words in the held-out text: {len(tokens) - len(kept):,} of "
              f"{len(tokens):,}, {'read as <unk>' if '<unk>' in known else 'left out'}")
    return encode(tokens if "<unk>" in known else kept, vocab)


def check_prompt(prompt, vocab):
    """Say which words of the prompt become <unk>. BadInput if some would and there is no <unk>."""
    tokens = tokenize(prompt, vocab)
    encode(tokens, vocab)
    unknown = sorted(set(tokens) - set(vocab))
    if unknown:
        print(f"read as <unk>, since training shows them too seldom: {' '.join(unknown)}")


def windows(ids, batch, seq_len):
    """ids (N,) -> a list of windows (inputs, targets), each (T, B) with T = seq_len or less.

    The text is cut into B long streams that are read side by side, one a column, window by window.
    "abcdefg" with B = T = 2 has the streams abc and def: inputs [ad be] [cf], targets [be cf] [dg].
    Every token's target is the one after it. The last window is the rest of the streams, so at most
    B - 1 ids at the very end are never seen. A text too short for a window gets a smaller T and B,
    and 2 ids are the least.
    """
    seq_len = min(seq_len, len(ids) - 1)
    batch = min(batch, (len(ids) - 1) // seq_len)
    length = (len(ids) - 1) // batch
    inputs = ids[:batch * length].reshape(batch, length).T
    targets = ids[1:batch * length + 1].reshape(batch, length).T
    return [(inputs[t:t + seq_len], targets[t:t + seq_len]) for t in range(0, length, seq_len)]


# %% 2. Numerics
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
def init_params(V, D, H, rng, dtype=np.float32):
    """Random weights, zero biases -> dict of arrays; their dtype is that of all the rest.

    A word's vector is a row of E. It begins small, so that what a word learns soon outweighs what
    it began with; with entries of variance 1 the neighbours found below are chance.
    """
    params = {
        "E": rng.normal(0, 0.1, (V, D)),
        "Wx": rng.normal(0, D**-0.5, (H, D)),
        "Wh": rng.normal(0, H**-0.5, (H, H)),
        "b": np.zeros((H, 1)),
        "Wy": rng.normal(0, H**-0.5, (V, H)),
        "by": np.zeros((V, 1)),
    }
    return {name: param.astype(dtype) for name, param in params.items()}


def init_state(H, B, dtype=np.float32):
    """The state before the first token: (h,), h (H, B) zero."""
    return (np.zeros((H, B), dtype),)


def look_up(params, x):
    """Ids x (B,) -> what they add to a, (H, B): Wx times their rows of E, and b.

    A character's one-hot column picked a column of Wx: H numbers a character. A word's picks a row
    of E, only D numbers, and one Wx reads the vectors of all words. So V words need V * D numbers
    here, not V * H, and words that behave alike can come to lie near each other.
    """
    return params["Wx"] @ params["E"][x].T + params["b"]


def step(params, ax, state):
    """One step: look_up's ax (H, B), the state before -> the state after, what backward needs."""
    (h_prev,) = state
    a = params["Wh"] @ h_prev
    a += ax
    h = np.tanh(a, out=a)
    return (h,), (h,)


def readout(params, h):
    """Hidden states h (H, N) -> logits (V, N)."""
    logits = params["Wy"] @ h
    logits += params["by"]                          # in place, for a fresh array is slow
    return logits


def forward(params, inputs, targets, state, dropout=0, rng=None):
    """inputs, targets: ids (T, B); state -> mean nats per token, state after, cache for backward.

    In training, dropout sets this part of the entries of the word vectors, and of h on its way to
    the readout, to zero at random. No unit can then rely on another one being there, which makes it
    harder to learn the text by heart. The other entries are multiplied by 1 / (1 - dropout), which
    keeps the expected sums. Held-out text is read without, so its score may be the better one.
    Dropout draws from rng, a np.random.Generator.
    """
    (T, B), H = inputs.shape, params["Wy"].shape[1]
    vectors, mask_in, mask_out = params["E"][inputs], 1, 1             # (T, B, D)
    if dropout:
        scale = params["E"].dtype.type(1 / (1 - dropout))
        mask_in = (rng.random(vectors.shape, np.float32) >= dropout) * scale
        mask_out = (rng.random((H, T * B), np.float32) >= dropout) * scale
        vectors *= mask_in
    # look_up for all steps at once: Wx @ each step's columns. Only the recurrence must wait.
    ax = params["Wx"] @ vectors.transpose(0, 2, 1)                      # (T, H, B)
    ax += params["b"]
    hidden, saved = [state[0]], []
    for t in range(T):
        state, kept = step(params, ax[t], state)
        hidden.append(state[0])
        saved.append(kept)
    # Only the recurrence must go step by step. For the rest the order of time does not matter: with
    # the columns of all steps side by side, one product does the work of T, and does it faster.
    hidden = np.concatenate(hidden, axis=1)                             # (H, (T + 1) * B)
    shown = hidden[:, B:] * mask_out
    nats, dlogits = cross_entropy(readout(params, shown), targets.ravel(), 1 / targets.size)
    return nats.mean(), state, (inputs, vectors, saved, hidden, shown, dlogits, mask_in, mask_out)


# %% 4. Backward
# Six rules do all of it. Each turns the gradient of a line's result into those of its operands.
#
#   product        Y = W @ X        dW = dY @ X.T,  dX = W.T @ dY. For Y_ij = sum_k W_ik * X_kj, and
#                                   W_ik meets X_kj in every column j: dW_ik = sum_j dY_ij * X_kj
#   sum            Y = A + b        dA = dY,  db = dY summed over the columns that b was added to
#   elementwise    Y = tanh(A)      dA = dY * (1 - Y * Y): the derivative of tanh is 1 - tanh^2
#   used twice     Y = f(X), Z = g(X)    dX = what comes through Y + what comes through Z
#   look-up        Y = E[ids].T     is E.T @ onehot, a column an id, so dE = onehot @ dY.T: each
#                                   column of dY is added to the row of E that was looked up
#   softmax with   nats = log(sum_j exp(y_j)) - y_target
#   cross-entropy                   The first part's derivative by y_i is exp(y_i) / sum_j exp(y_j),
#                                   which is p_i; the second's is 1 at the target: dy = p - onehot
#
# Back-propagation through time is these rules applied to the unrolled network, last step first.
# At the start of the window the gradient stops: the *state* came over from the window before, but
# to follow the gradient there would mean going back to the beginning of the text at every step. So
# the network can remember for longer than T, but what it learns from spans T steps at most.

def step_backward(params, dstate, kept, da):
    """Undo step: gradient of the state after -> of the state before; da (H, B) is filled in.

    The gradients of the parameters follow in backward, from the da of all steps at once.
    """
    (dh,), (h,) = dstate, kept
    # forward: h = tanh(a)
    np.multiply(dh, tanh_slope(h), out=da)
    # forward: a = Wx @ vector + b + Wh @ h_prev
    dh_prev = params["Wh"].T @ da
    # Over k steps the gradient is multiplied k times by 1 - h^2, at most 1, and k times by Wh.T.
    # This product is why it vanishes, or explodes (Pascanu et al., equation 5, whose state is a).
    return (dh_prev,)


def sum_rows(ids, rows):
    """ids (N,), rows (N, D) -> the distinct ids in order, and for each the sum of its rows."""
    # Sorted, equal ids stand side by side, and reduceat adds up each such group of rows. Plain
    # dE[ids] += rows would keep only one of the rows of a word that occurs twice.
    order = np.argsort(ids, kind="stable")
    distinct, first = np.unique(ids[order], return_index=True)
    return distinct, np.add.reduceat(rows[order], first, axis=0)


def backward(params, cache):
    """The cache of forward -> gradients of the mean loss: dict like params, and of the first state.

    The gradient of E is sparse: a pair (ids, rows) of the words that occurred.
    """
    inputs, vectors, saved, hidden, shown, dlogits, mask_in, mask_out = cache
    T, B = inputs.shape
    N = T * B
    # forward: loss = mean of the cross-entropies; cross_entropy has made dlogits already
    # forward: logits = Wy @ shown + by, shown = h * mask_out
    grads = {"Wy": dlogits @ shown.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dhidden = params["Wy"].T @ dlogits
    dhidden *= mask_out
    dstate = init_state(len(hidden), B, hidden.dtype)       # zero: no loss lies beyond the window
    da = np.empty((T, len(params["b"]), B), dhidden.dtype)
    for t in reversed(range(T)):
        # h[t] was used twice: by the logits at t, and by the step to t + 1.
        dh = dstate[0] + dhidden[:, t * B:(t + 1) * B]
        dstate = step_backward(params, (dh, *dstate[1:]), saved[t], da[t])
    da = da.transpose(1, 0, 2).reshape(-1, N)               # a column a step and stream
    # forward: a = Wx @ vector + b + Wh @ h_prev, with the same parameters at every step
    grads |= {"Wx": da @ vectors.reshape(N, -1), "Wh": da @ hidden[:, :-B].T,
              "b": da.sum(axis=1, keepdims=True)}
    # forward: vectors = E[inputs] * mask_in. By the product rule dE = onehot @ dvectors, and its
    # rows are zero for all words that did not occur. So we keep the other rows and their ids, and
    # never make a V x D array. A word that occurred five times gets five rows' sum.
    dvectors = (da.T @ params["Wx"]).reshape(vectors.shape)             # a row a word, as in E
    dvectors *= mask_in
    grads["E"] = sum_rows(inputs.ravel(), dvectors.reshape(N, -1))
    return grads, dstate


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


# %% 6. Sampling
def pick(logits, temperature, rng):
    """logits (V,) -> an id drawn from softmax(logits / temperature); 0 takes the largest.

    The Gumbel trick: add noise -log(E) to every logit, each E drawn from the exponential law, and
    take the largest sum. That is the smallest E * exp(-y): a wait that ends at the rate exp(y), and
    of several such waits number i ends first with probability exp(y_i) / sum(exp(y)). More noise
    does the same as smaller logits.
    """
    # rng.gumbel draws such noise in one call, but slowly: with it word_lstm.py takes a tenth to a
    # fifth longer for each word that it writes.
    return int(np.argmax(logits - temperature * np.log(rng.exponential(size=len(logits)))))


def sample(params, vocab, prompt, length, temperature, rng):
    """Read the prompt, then `length` times draw a token and read it in turn -> the text."""
    ids = encode(tokenize(prompt, vocab), vocab).tolist()
    shown = 0 if ids else 1
    ids = ids or [0]                            # no prompt: as if after id 0, mostly the line end
    silent = [i for i, token in enumerate(vocab) if token == "<unk>"]   # words only: never written
    state = init_state(params["Wy"].shape[1], 1, params["Wy"].dtype)
    for x in ids[:-1]:
        state, _ = step(params, look_up(params, [x]), state)
    for _ in range(length):
        state, _ = step(params, look_up(params, ids[-1:]), state)
        logits = readout(params, state[0])[:, 0]
        logits[silent] = -np.inf
        ids.append(pick(logits, temperature, rng))
    return detokenize([vocab[i] for i in ids[shown:]])


# %% 7. Looking inside
# After training, a word's row of E says how the network uses that word. Words used alike should lie
# near each other, though nobody told the network what a noun is. Two views of it: the nearest
# neighbours of some words by the angle between vectors, and a map, the two directions in which the
# vectors of the commonest words differ most (principal components).

FUNCTION_WORDS = set("""a about above across after again all along am an and another any are as at
    be been before behind between but by can could did do down each ever every for from had has have
    he her him himself his how i if in into is it its itself like me more must my no nor not now of
    off on one only or other our out over own shall she should since so some such than that the
    their them then there these they this those through to too two under until up upon us very was
    we were what when where which while who why will with without would you your""".split())


def content_words(vocab, count):
    """The `count` commonest words of the vocabulary that are not function words or signs."""
    words = [word for word in vocab if word.isalpha() and word not in FUNCTION_WORDS]
    return words[:count]


def neighbours(E, vocab, word, count):
    """The words whose vectors make the smallest angles with that of `word`, nearest first."""
    directions = E / (np.linalg.norm(E, axis=1, keepdims=True) + 1e-12)
    order = np.argsort(-(directions @ directions[vocab.index(word)]))
    return [vocab[i] for i in order if vocab[i] != word][:count]


def plot_words(axes, E, vocab):
    """Write the hundred commonest content words, ordered along their two principal components."""
    words = content_words(vocab, 100)
    if min(len(words), E.shape[1]) < 2:
        return                                  # too little for a map
    vectors = E[[vocab.index(word) for word in words]]
    vectors = vectors - vectors.mean(axis=0)
    places = vectors @ np.linalg.svd(vectors, full_matrices=False)[2][:2].T
    places = places.argsort(axis=0).argsort(axis=0)     # ranks, so that few words overlap
    axes.set(xlim=(-5, len(words) + 4), ylim=(-2, len(words) + 1),
             xlabel="rank along the first principal component", ylabel="rank along the second",
             title="A map of the word vectors")
    for word, place in zip(words, places):
        axes.annotate(word[:20], place, ha="center", va="center", fontsize=9)


def plot_losses(axes, info):
    """Draw the learning curves; info["history"]: rows of (step, training nats, held-out nats)."""
    steps, train, valid = np.array(info["history"]).T
    axes.plot(steps, score(train), label="while training")
    axes.plot(steps, score(valid), label=f"{info['scored']} score")
    axes.set(xlabel="training step", ylabel=UNIT, title="Learning",
             yscale="log" if UNIT == "perplexity" else "linear")
    axes.legend()


def draw(path, params, vocab, valid, info):
    """Print neighbours of some words, and write the lesson's picture to path."""
    for word in content_words(vocab, 5):
        print(f"nearest to {word}: {', '.join(neighbours(params['E'], vocab, word, 6))}")
    from matplotlib.figure import Figure        # here, so that all else runs without it
    figure = Figure(figsize=(16, 9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    plot_losses(left, info)
    plot_words(right, params["E"], vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)            # letters that the font lacks
        figure.savefig(path, dpi=110)


# %% 8. Training
# The learning is four lines of train: forward, backward, clip_gradients, adam.update. All else here
# keeps house: the score, the checkpoint, the flags, and what to say when something goes wrong.

def score(nats):
    """Mean nats per token -> the unit of the field."""
    return np.exp(nats)


def print_baseline(train, valid, V):
    """Print the score of a model that only knows how common each word is."""
    counts = np.bincount(train, minlength=V) + 1
    unigram = -np.log(counts / counts.sum())[valid].mean()
    print(f"to beat: {UNIT} {score(unigram):.1f}, of a model that only knows how common each word "
          "is (<eos> counted)")


def new_params(settings, vocab, rng):
    """Parameters of the size the settings ask for."""
    return init_params(len(vocab), settings["embed"], settings["hidden"], rng)


def evaluate(params, ids, seq_len):
    """Mean nats per token over ids (N,), read as in training: in streams, their state carried on.

    A stream begins with nothing in its memory, so many streams score worse than few. Here there are
    32, in a short text fewer, whatever the batch: scores of different settings can be compared.
    """
    parts, total, count = windows(ids, 32, seq_len), 0, 0
    state = init_state(params["Wy"].shape[1], parts[0][0].shape[1], params["Wy"].dtype)
    for inputs, targets in parts:
        loss, state, _ = forward(params, inputs, targets, state)
        total += float(loss) * targets.size
        count += targets.size
    return total / count


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


def train(info, arrays, ids, valid, path, options):
    """Train up to the planned steps, saving on the way -> False if Ctrl-C ended it early."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings, params = info["settings"], arrays["params"]
    parts = windows(ids, settings["batch"], settings["seq_len"])
    seq_len, batch = parts[0][0].shape
    size = sum(inputs.size for inputs, _ in parts) / len(parts)
    if (batch, seq_len) != (settings["batch"], settings["seq_len"]):
        print(f"the text is short: batch {batch} and window {seq_len} instead of "
              f"{settings['batch']} and {settings['seq_len']}")
    adam = Adam(params)                         # after --load, with the memory that save kept
    vars(adam).update({name: (info | arrays).get(name, new) for name, new in vars(adam).items()})
    state = tuple(arrays.get("state", {}).values())
    interrupts = []

    def interrupt(*_):
        interrupts.append(True)                 # the loop looks here after each whole step
        signal.signal(signal.SIGINT, signal.default_int_handler)        # a second one ends at once
    before = signal.signal(signal.SIGINT, interrupt)
    print(f"{'step':>12} {'training':>9} {info['scored']:>9}  {UNIT}")
    started, first = time.perf_counter(), info["step"]
    while info["step"] < settings["steps"] and not interrupts:
        window = info["step"] % len(parts)
        if window == 0:                         # the streams start again: nothing to remember yet
            state = init_state(params["Wy"].shape[1], batch, params["Wy"].dtype)
        noise = {}
        if "dropout" in settings:               # only the word lessons have it
            rng = np.random.default_rng([settings["seed"], info["step"]])
            noise = {"dropout": settings["dropout"], "rng": rng}
        loss, state, cache = forward(params, *parts[window], state, **noise)
        grads, _ = backward(params, cache)
        norm = clip_gradients(grads, settings["clip"])
        check_finite(loss + norm, info["step"], settings["lr"])
        adam.update(params, grads, settings["lr"] * (1 - info["step"] / settings["steps"]))
        info["step"] += 1
        info["recent"].append(float(loss))
        if info["step"] % settings["every"] and info["step"] not in (10, settings["steps"]):
            continue
        nats = evaluate(params, valid, seq_len)
        check_finite(nats, info["step"], settings["lr"])     # before it replaces a good one
        if nats < min((row[2] for row in info["history"]), default=math.inf):
            arrays["best"] = {name: param.copy() for name, param in params.items()}
        info["history"].append([info["step"], sum(info["recent"]) / len(info["recent"]), nats])
        info["recent"] = []
        save(path, info, arrays, adam, state)
        seconds = (time.perf_counter() - started) / (info["step"] - first)
        left = round(seconds * (settings["steps"] - info["step"]))
        print(f"{info['step']:>5}/{settings['steps']:<6} {score(info['history'][-1][1]):9.3f} "
              f"{score(nats):9.3f}  gradient norm {norm:.2f}, {size / seconds:,.0f} "
              f"tokens/s, {left // 60}:{left % 60:02} left")
        if info["step"] % (5 * settings["every"]) == 0 and info["step"] < settings["steps"]:
            rng = np.random.default_rng([settings["seed"], info["step"]])
            print(indent(sample(params, info["vocab"], options["prompt"], 150,
                                options["temperature"], rng), " | "))
    # After Ctrl-C no loss has yet shown whether the last update left anything finite.
    total = sum(float(param.sum()) for param in params.values())
    check_finite(total, info["step"], settings["lr"])
    save(path, info, arrays, adam, state)
    if not interrupts:
        signal.signal(signal.SIGINT, before)
    finished = info["step"] == settings["steps"]
    print(f"{'saved' if finished else 'stopped and saved'} at step {info['step']}: {path}")
    return finished


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
        if name not in ("steps", "data", "valid", "seed") and given[name] != settings[name]:
            raise BadInput(f"--{name.replace('_', '-')} {given[name]} contradicts the checkpoint, "
                           f"which has {settings[name]}; leave the flag out, or train anew")
        settings[name] = given[name]
    training = not options["load"] or info["step"] < settings["steps"]
    if not training and given.keys() & {"data", "valid"}:
        raise BadInput("the checkpoint has no steps left, so nothing would be read or scored; "
                       "leave --data and --valid out, or raise --steps")
    if training:
        text, held_out = read_data(settings["data"], settings["valid"])
        tokens, checksum = tokenize(text), zlib.crc32(f"{text}\0{held_out}".encode())
        if not arrays:
            info |= {"vocab": build_vocab(tokens, settings), "checksum": checksum}
            rng = np.random.default_rng(settings["seed"])
            arrays["params"] = new_params(settings, info["vocab"], rng)
        if info["checksum"] != checksum:
            raise BadInput("the checkpoint was made with another text; give its --data and --valid")
        ids, valid = encode(tokens, info["vocab"]), encode_held_out(held_out, info["vocab"])
        if len(ids) < 3:
            raise BadInput(f"the text has only {len(ids)} tokens; give a longer one with --data")
        print(f"{LESSON}: {len(ids):,} tokens to learn from, {len(valid):,} held out, "
              f"vocabulary of {len(info['vocab']):,}, "
              f"{sum(param.size for param in arrays['params'].values()):,} parameters")
        if len(valid) < 3:
            print("too little is held out for a score, so the training text itself is scored")
            info["scored"], valid = "training", ids
        print_baseline(ids, valid, len(info["vocab"]))
    check_prompt(options["prompt"], info["vocab"])
    finished = not training or train(info, arrays, ids, valid, path, options)
    if info["history"]:
        lowest = score(min(row[2] for row in info["history"]))
        print(f"best {info['scored']} score: {lowest:.3f} {UNIT} (a little optimistic: it also "
              "chose the parameters that are kept)")
    best, rng = arrays.get("best", arrays["params"]), np.random.default_rng(settings["seed"])
    print(sample(best, info["vocab"], options["prompt"], options["length"], options["temperature"],
                 rng))
    if training and finished and info["history"]:
        draw(path.with_suffix(".png"), best, info["vocab"], valid, info)
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
#     python word_rnn.py --load out/word_rnn.npz --prompt "The fox and the"
#         which words can follow?
#     python word_rnn.py --dropout 0 --steps 300
#         perplexity 52 in training, 72 held out; with it 78 and 76: which wins in the end?
#     python word_rnn.py --min-count 5 --steps 300
#         perplexity 52: easier, for more words are <unk>; compare with the baseline it prints
