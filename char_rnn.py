"""A character-level recurrent neural network in plain NumPy, every gradient derived by hand.

It reads a text one character at a time and learns to say which character comes next. Then it
writes: it draws a character from its own prediction, reads that, and goes on.

    python char_rnn.py                                   train on the fables: 21 to 38 s
    python char_rnn.py --data my.txt --prompt "The "     your own text, and how the samples begin
    python char_rnn.py --load out/char_rnn.npz --seed 1  another text from the checkpoint

This is the first lesson, so it explains everything. The next ones repeat most of it word for word,
on purpose: `diff char_rnn.py char_lstm.py` shows what the LSTM changes, settings included.

Contents
    1. Data            text -> characters -> ids -> parallel streams -> windows
    2. Numerics        softmax and cross-entropy without overflow
    3. Forward         one step of the network, then the whole window
    4. Backward        the same lines undone in reverse order: back-propagation through time
    5. Optimizer       clipping by the global norm, Adam
    6. Sampling        temperature
    7. Looking inside  how far back the gradient reaches: the figure
    8. Training        evaluation, checkpoint, command line

Notation
    V  vocabulary size    T  characters in a window    x[t]  ids read at time t (B,)
    H  hidden units       B  parallel streams          h[t]  hidden state (H, B), a column a stream
    Wx (H, V)   Wh (H, H)   b (H, 1)   Wy (V, H)   by (V, 1)    parameters; a weight is (out, in)
    N  any number of columns or ids; with all times side by side, T * B
    @  the matrix product    *  elementwise    nats  natural logarithms: bits = nats / log 2
    d<name>  the gradient of the loss with respect to <name>, of the same shape

The model
    a[t]      = Wx[:, x[t]] + b + Wh @ h[t-1]      what comes in, and what is remembered
    h[t]      = tanh(a[t])                         the new memory
    logits[t] = Wy @ h[t] + by                     a score for every possible next character
    p[t]      = softmax(logits[t])                 exp(y) / sum(exp(y)): the scores as probabilities
    loss      = mean over t and streams of -log p[t][x[t+1]]: 0 when always sure and right

What a default run prints at the end (seed 0, two cores of an EPYC Zen 5, 21 seconds)
    best held-out score: 2.140 bits per character
    Ander's Most. The New and a green leaver than a very lived in a holecause, the coat. The Mill to
    the news there was a little first to spanos in it. "It is there. "Thank you, and no sottle ...
    gradient below 1/10 of that at lag 0: first at lag 14
    gradient below 1/100 of that at lag 0: first at lag 29
    gradient below 1/1000 of that at lag 0: first at lag 44

Papers, and where this file departs from them
    Elman 1990, "Finding structure in time": this network, a hidden layer that also reads its own
        last state. His units were logistic and his gradient was cut after one step; here the units
        are tanh, and the gradient goes back through the whole window, which is back-propagation
        through time (Rumelhart, Hinton & Williams 1986; Werbos 1990).
    Mikolov et al. 2010: the recurrent network as a language model.
    Pascanu, Mikolov & Bengio 2013: equation 5, why gradients vanish; Algorithm 1, clipping.
    Kingma & Ba 2015, "Adam": Algorithm 1; that the learning rate falls to zero is ours.
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.22", "matplotlib>=3.6"]
# ///
import argparse
import json
import math
import os
import signal
import sys
import time
import zlib
from pathlib import Path
from textwrap import indent

import numpy as np

# The C library of Linux gives the memory of a freed large array back to the system, and to get it
# again costs page faults: a tenth to a quarter of char_rnn.py's training, less elsewhere. After an
# array of 31 MB has come and gone, it keeps the memory of smaller ones, up to 62 MB that lie free.
freed = np.empty(31 * 2**20, np.uint8)
del freed                               # a notebook would show and keep a value without a name

# %% Settings
LESSON = "char_rnn"
UNIT = "bits per character"
HERE = Path(__file__).parent if "__file__" in globals() else Path()   # a notebook has no __file__

SETTINGS = {  # flag: (default, smallest, what it is and which way to turn it)
    "data": ("", None, "text to learn from, UTF-8 (default data/fables.txt beside this file)"),
    "valid": ("", None, "held-out text to score (default: the last tenth of the data)"),
    "hidden": (256, 1, "hidden units H; more remember more, time grows with the square"),
    "batch": (32, 1, "parallel streams B; fewer make more updates of the same text"),
    "seq_len": (64, 1, "characters T in a window: as far back as the gradient goes"),
    "steps": (3000, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (6e-3, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e9 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (100, 1, "steps between progress lines, each with an evaluation and a checkpoint"),
    # The checkpoint keeps the settings above; --load takes new --steps and --seed, but no new text.
    # Those below are free to differ from run to run.
    "load": ("", None, "checkpoint to go on from; with no steps left it only writes a sample"),
    "out": ("out", None, "folder for the checkpoint and picture (with --load: where that is)"),
    "prompt": ("", None, "how each sample begins"),
    "length": (500, 0, "length of the last sample, in characters"),
    "temperature": (0.7, 0, "of sampling: 0 takes the likeliest, 1 draws as predicted, 2 is wild"),
}
NOT_KEPT = ("load", "out", "prompt", "length", "temperature")


class BadInput(ValueError):
    """Something the user gave cannot be used. The message says what, and what to do."""


# %% 1. Data
# Networks compute with numbers, so each distinct character gets an id, its place in the sorted
# alphabet of the training text. The held-out tenth is never trained on; it shows whether the
# network has learned the language or the text by heart.

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
    """A text -> the list of its tokens, in this lesson its characters; vocab is for words only."""
    return list(text)


def detokenize(tokens):
    """Tokens -> text."""
    return "".join(tokens)


def build_vocab(tokens, settings):
    """Training tokens -> the vocabulary in id order. Sorted, for a set has no order to rely on."""
    return sorted(set(tokens))


def encode(tokens, vocab):
    """Tokens -> ids (N,). BadInput names what is not in the vocabulary."""
    index = {token: i for i, token in enumerate(vocab)}
    unknown = sorted(set(tokens) - set(vocab))
    if unknown:
        raise BadInput(f"the training text has no {' '.join(map(repr, unknown[:9]))}; do without")
    return np.array([index[token] for token in tokens], dtype=np.intp)


def encode_held_out(text, vocab):
    """Held-out text -> ids (N,), without the characters that training never shows."""
    tokens, known = tokenize(text), set(vocab)
    kept = [token for token in tokens if token in known]
    if len(kept) < len(tokens):
        print(f"left out of the held-out score: {len(tokens) - len(kept):,} characters "
              "that do not occur in the training text")
    return encode(kept, vocab)


def check_prompt(prompt, vocab):
    """BadInput if the prompt has a character that the network does not know."""
    encode(tokenize(prompt), vocab)


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
def init_params(V, H, rng, dtype=np.float32):
    """Random weights, zero biases -> dict of arrays; their dtype is that of all the rest.

    A unit sums as many products as its weight has columns. Variance 1 / columns gives the sum about
    the mean square of what comes in (LeCun's rule). In Wx a single column is picked: variance 1.
    """
    params = {
        "Wx": rng.normal(0, 1, (H, V)),
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
    """Ids x (B,) -> what they add to a, (H, B): their columns of Wx, and b.

    A character enters as a one-hot column: all zeros, and a 1 at its id. Wx times that column is
    the column of Wx at the id, so we look it up instead of multiplying by zeros.
    """
    return np.take(params["Wx"], x, axis=1) + params["b"]


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


def forward(params, inputs, targets, state):
    """inputs, targets: ids (T, B); state -> mean nats per token, state after, cache for backward.

    It is the same step T times with the same weights: unrolled, a network T layers deep.
    """
    # All characters are looked up once and kept as rows: a row is one piece of memory, a column is
    # not. That the steps fetch rows takes 6 % off the time of char_gru.py on an Intel Xeon, nothing
    # on an AMD EPYC. Each row is 16 numbers longer than needed: else those of char_lstm.py would be
    # 4 KB long, a power of two, and all numbers of a column belong in the same few places of the
    # cache, where they push each other out. On EPYCs that took a sixth to a fifth longer.
    table = np.pad(look_up(params, range(len(params["by"]))), ((0, 16), (0, 0))).T.copy()
    hidden, saved = [state[0]], []
    for x in inputs:
        state, kept = step(params, table[x].T[:-16], state)
        hidden.append(state[0])
        saved.append(kept)
    # Only the recurrence must go step by step. For the rest the order of time does not matter: with
    # the columns of all steps side by side, one product does the work of T, and does it faster.
    B = inputs.shape[1]
    hidden = np.concatenate(hidden, axis=1)     # (H, (T + 1) * B): the state before, then T steps
    logits = readout(params, hidden[:, B:])
    nats, dlogits = cross_entropy(logits, targets.ravel(), 1 / targets.size)
    return nats.mean(), state, (inputs, saved, hidden, dlogits)


# %% 4. Backward
# Six rules do all of it. Each turns the gradient of a line's result into those of its operands.
#
#   product        Y = W @ X        dW = dY @ X.T,  dX = W.T @ dY. For Y_ij = sum_k W_ik * X_kj, and
#                                   W_ik meets X_kj in every column j: dW_ik = sum_j dY_ij * X_kj
#   sum            Y = A + b        dA = dY,  db = dY summed over the columns that b was added to
#   elementwise    Y = tanh(A)      dA = dY * (1 - Y * Y): the derivative of tanh is 1 - tanh^2
#   used twice     Y = f(X), Z = g(X)    dX = what comes through Y + what comes through Z
#   look-up        Y = W[:, ids]    is W @ onehot, a column an id, so dW = dY @ onehot.T: each
#                                   column of dY is added to the column of W that was looked up
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
    # forward: a = Wx[:, x] + b + Wh @ h_prev
    dh_prev = params["Wh"].T @ da
    # Over k steps the gradient is multiplied k times by 1 - h^2, at most 1, and k times by Wh.T.
    # This product is why it vanishes, or explodes (Pascanu et al., equation 5, whose state is a).
    return (dh_prev,)


def backward(params, cache):
    """The cache of forward -> gradients of the mean loss: of params, a dict, and of the state."""
    inputs, saved, hidden, dlogits = cache
    T, B = inputs.shape
    V, N = dlogits.shape
    h, h_prev = hidden[:, B:], hidden[:, :-B]
    # forward: loss = mean of the cross-entropies; cross_entropy has made dlogits already
    # forward: logits = Wy @ h + by
    grads = {"Wy": dlogits @ h.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dhidden = params["Wy"].T @ dlogits
    dstate = init_state(len(h), B, h.dtype)                 # zero: no loss lies beyond the window
    # Every step fills in a piece of memory of its own, and one copy afterwards makes columns of it.
    # To write into the columns of a matrix step by step takes 4 % longer (char_gru.py).
    da = np.empty((T, len(params["b"]), B), dhidden.dtype)
    for t in reversed(range(T)):
        # h[t] was used twice: by the logits at t, and by the step to t + 1.
        dh = dstate[0] + dhidden[:, t * B:(t + 1) * B]
        dstate = step_backward(params, (dh, *dstate[1:]), saved[t], da[t])
    da = da.transpose(1, 0, 2).reshape(-1, N)               # a column a step and stream
    # forward: a = Wx[:, x] + b + Wh @ h_prev, with the same parameters at every step: the gradients
    # of all T steps add up, and one product over all T * B columns adds them.
    # In forward a look-up saved the product with zeros. With an alphabet of 62 the product is the
    # faster way here: its alternative, np.add.at, adds column by column. With thousands it is not.
    onehot = np.zeros((V, N), da.dtype)
    onehot[inputs.ravel(), np.arange(N)] = 1
    grads |= {"Wx": da @ onehot.T, "Wh": da @ h_prev.T}
    grads["b"] = grads["Wx"].sum(axis=1, keepdims=True)     # each column of da went to one of Wx
    return grads, dstate


# %% 5. Optimizer
# The gradient says in which direction the loss grows. A training step moves all parameters a little
# the other way. Clipping and Adam decide how far.

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
    """

    def __init__(self, params, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t = beta1, beta2, eps, 0
        self.m = {name: np.zeros_like(param) for name, param in params.items()}
        self.v = {name: np.zeros_like(param) for name, param in params.items()}

    def update(self, params, grads, lr):
        """One step with learning rate lr; changes params in place."""
        self.t += 1
        seen1, seen2 = 1 - self.beta1**self.t, 1 - self.beta2**self.t
        for name, grad in grads.items():
            # A few rows at a time, so that what is computed on the way stays in the cache: at 1.2
            # million parameters 2.4 ms, not 3.6, on an Intel Xeon; a newer EPYC gains nothing.
            rows = max(1, 2**15 // grad[0].size)
            for start in range(0, len(grad), rows):
                part = slice(start, start + rows)
                g, m, v = grad[part], self.m[name][part], self.v[name][part]
                m += (1 - self.beta1) * (g - m)             # = beta1 * m + (1 - beta1) * g
                v += (1 - self.beta2) * (g * g - v)
                change = np.sqrt(v / seen2)
                change += self.eps
                np.divide(m, change, out=change)
                change *= lr / seen1                        # = lr * m_hat / (sqrt(v_hat) + eps)
                params[name][part] -= change


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
# How far back does the network remember? Take the loss L[t] of one prediction on held-out text and
# walk back: the norm of dL[t] / d state[t-k] says how much a small change of the memory, k
# characters ago, would have changed it. A link over k characters is learned only through this.

def gradient_by_lag(params, ids, lags, places):
    """Norms of dL[t] / d state[t-k], k = 0..lags, at `places` times t -> (lags + 1, places), saved.

    The times are spread over ids (N,), a column each. Reading begins some 50 characters before the
    largest lag, so that the state there is a usual one; a short text gives less of this, then fewer
    lags. In float64; the norm is that of all arrays of the state together. `saved` is what step
    kept of these lags; lags is 1 or more.
    """
    params = {name: param.astype(np.float64) for name, param in params.items()}
    span = min(lags + 50, len(ids) - 2)
    starts = np.linspace(0, len(ids) - span - 2, places).astype(int)
    text = ids[starts + np.arange(span + 2)[:, None]]
    state, saved = init_state(params["Wy"].shape[1], places, np.float64), []
    for x in text[:-1]:
        state, kept = step(params, look_up(params, x), state)
        saved = [*saved, kept][-lags:]
    _, dlogits = cross_entropy(readout(params, state[0]), text[-1], 1)
    dstate = (params["Wy"].T @ dlogits, *(np.zeros_like(array) for array in state[1:]))
    norms = [np.linalg.norm(np.concatenate(dstate), axis=0)]
    da = np.empty((len(params["b"]), places))
    for kept in reversed(saved):
        dstate = step_backward(params, dstate, kept, da)
        norms.append(np.linalg.norm(np.concatenate(dstate), axis=0))
    return np.array(norms), saved


def norm_products(params, norms, saved):
    """norms[0] times the product of the norms of the k last steps: a bound on norms, same shape.

    The norm of a step is the largest singular value of Wh.T @ diag(1 - h^2), the matrix that
    step_backward multiplies by (Pascanu et al., equation 5, with the h that really occurred).
    """
    bound = [norms[0]]
    for (h,) in reversed(saved):
        matrices = params["Wh"].T * (1 - h * h).T[:, None, :]          # (places, H, H)
        bound.append(bound[-1] * np.linalg.norm(matrices, 2, axis=(1, 2)))
    return np.array(bound)


def plot_losses(axes, info):
    """Draw the learning curves; info["history"]: rows of (step, training nats, held-out nats)."""
    steps, train, valid = np.array(info["history"]).T
    axes.plot(steps, score(train), label="while training")
    axes.plot(steps, score(valid), label=f"{info['scored']} score")
    axes.set(xlabel="training step", ylabel=UNIT, title="Learning",
             yscale="log" if UNIT == "perplexity" else "linear")
    axes.legend()


def plot_lags(axes, norms):
    """Draw norms by lag, the median and the middle 80 % of places, and print how far they reach."""
    norms = np.maximum(norms, 1e-30)            # a logarithmic axis has no place for zero
    low, median, high = np.quantile(norms, (0.1, 0.5, 0.9), axis=1)
    axes.fill_between(range(len(norms)), low, high, alpha=0.25, label="middle 80 % of places")
    axes.semilogy(median, label="median")
    axes.set(xlabel="lag k, characters back", ylabel="norm of dL[t] / d state[t-k]",
             title="How far back the gradient reaches", ylim=(1e-10, max(10 * high.max(), 1)))
    for part in (10, 100, 1000):
        below = np.flatnonzero(median <= median[0] / part)
        print(f"gradient below 1/{part} of that at lag 0: "
              + (f"first at lag {below[0]}" if len(below) else f"not up to lag {len(norms) - 1}"))


def draw(path, params, vocab, valid, info):
    """Write the lesson's picture to path."""
    from matplotlib.figure import Figure        # here, so that all else runs without it
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_losses(left, info)
    plot_lags(right, gradient_by_lag(params, valid, 200, 100)[0])
    bound = norm_products(params, *gradient_by_lag(params, valid, 40, 4))
    right.semilogy(np.median(bound, axis=1), "--", label="product of the norms of the steps")
    right.set_ylim(top=1e20)                    # the product grows on without end
    right.legend()
    figure.savefig(path, dpi=110)


# %% 8. Training
# The learning is four lines of train: forward, backward, clip_gradients, adam.update. All else here
# keeps house: the score, the checkpoint, the flags, and what to say when something goes wrong.

def score(nats):
    """Mean nats per token -> the unit of the field."""
    return nats / math.log(2)


def print_baseline(train, valid, V):
    """Print what models score that know nothing, or only how common each character is."""
    counts = np.bincount(train, minlength=V) + 1
    unigram = -np.log(counts / counts.sum())[valid].mean()
    print(f"to beat: {score(math.log(V)):.3f} {UNIT} when all characters are equally likely, "
          f"{score(unigram):.3f} by how common each is")


def new_params(settings, vocab, rng):
    """Parameters of the size the settings ask for."""
    return init_params(len(vocab), settings["hidden"], rng)


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
#     python char_rnn.py --load out/char_rnn.npz --temperature 0
#         always the likeliest: it soon says the same words again and again
#     python char_rnn.py --lr 0.03 --steps 300, then the same with --clip 1e9
#         five times the rate is too much: 3.41 bits with clipping, 3.85 without
#     python char_rnn.py --seq-len 4 --batch 512
#         as much text a step, and 2.16 bits, not 2.14: the gradient goes back 4 characters, but the
#         state comes from all before, and little is lost
