"""A character-level LSTM in plain NumPy, every gradient derived by hand.

A plain recurrent network makes its state anew at every step, and a gradient that goes back through
it is multiplied by a matrix each time. The long short-term memory (LSTM) has a second state beside
h, the cell state c, that is only scaled and added to. Each of its H numbers is a cell with three
gates between 0 and 1: how much to keep, to write and to show. The network learns to set them.

    a[t]    = Wx[:, x[t]] + Wh @ h[t-1] + b      four parts below each other, of H rows each
    i, f, o = sigmoid(the first three parts)     input, forget, output gate: write? keep? show?
    g       = tanh(the fourth part)              the candidate: what could be written
    c[t]    = f * c[t-1] + i * g                 the cell state: keep some, add some
    h[t]    = o * tanh(c[t])                     the hidden state: what the cell shows
    p[t]    = softmax(Wy @ h[t] + by)            how likely every character is to come next
    loss    = mean over t of -log p[t][x[t+1]]

    python char_lstm.py                                    read 252 fables, invent one: 35 s
    python char_lstm.py --data my.txt --prompt "The "      your own text, and how samples begin
    python char_lstm.py --load out/char_lstm.npz --seed 1  another sample from the saved network

The first command ends with lines like these:
    he birds what the grasshopster. "There is left of the farmer came as a whole worm. She ...
    hard, and now, and it had tried to look for the red for a sheep like the top of the ...

Same as char_rnn.py: data, loss, gradient check, optimizer, sampling and learning (it reads the
text 10 times to reach its score; char_rnn.py reads it 22 times).
New here: sigmoid, the parameters, step and step_backward; the state is a pair, (h, c); section 8
finds cells that have learned what quotation marks are, though nobody told them.

Letters
    x[t]  the characters read at time t, as ids (B,)    h[t], c[t]  hidden and cell state (H, B)
    B  streams of text read side by side    T  characters in a window    V  vocabulary    H  cells
    Wx (4H, V)   Wh (4H, H)   b (4H, 1)   Wy (V, H)   by (V, 1)         the parameters
    d<name>  the gradient of the loss with respect to <name>, an array of the same shape
    @  is the matrix product, * is elementwise; nats are natural logarithms, bits = nats / log 2
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.22", "matplotlib>=3.6"]
# ///
import argparse
import json
import math
import os
import sys
import time
import warnings
import zlib
from pathlib import Path

if __name__ == "__main__" and "OMP_NUM_THREADS" not in os.environ:
    # Products this small gain little from more than two threads: all wait for the slowest one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
import numpy as np

LESSON, UNIT = "char_lstm", "bits per character"
FILE = Path(globals().get("__file__", f"{LESSON}.py")).resolve()    # a notebook has no __file__

# %% 1. Data
# A network computes with numbers, so every character gets an id: its place in the vocabulary, the
# sorted list of the characters of the training text. The last tenth of the text is held out: the
# network never learns from it, so its score there tells whether it has learned the language, or has
# only learned the text by heart (overfitting).
class BadInput(ValueError):
    """Something that the user gave cannot be used. The message says what, and what to do."""


def read_text(path):
    """Return the text of a UTF-8 file. Raise BadInput if it holds anything else."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")   # -sig drops the mark of some editors
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8; save it as plain text in UTF-8") from None


def encode(text, vocab):
    """Return the ids (N,) of the characters of a text. Raise BadInput if vocab lacks one."""
    index = {char: i for i, char in enumerate(vocab)}
    unknown = sorted(set(text) - set(vocab))
    if unknown:
        raise BadInput(f"the training text has no {' '.join(map(repr, unknown[:9]))}; do without")
    return np.array([index[char] for char in text], dtype=np.intp)


def read_data(data, valid, vocab=None):
    """Return the vocabulary, the training ids (N,) and the held-out ids, from files of these names.
    Without `valid` the last tenth of the data is held out. Of a long held-out text the first
    100,000 characters are scored. Characters that the vocabulary lacks are left out.
    """
    text = read_text(data or FILE.parent / "data" / "fables.txt")
    cut = len(text) if valid else len(text) * 9 // 10
    parts = text[:cut], (read_text(valid) if valid else text[cut:])
    vocab = vocab or sorted(set(parts[0]))                  # sorted, for a set has no order
    known = set(vocab)
    kept = [[char for char in part if char in known] for part in parts]
    lost = sum(map(len, parts)) - sum(map(len, kept))
    if lost:
        print(f"left out: {lost:,} characters that the vocabulary lacks")
    if min(map(len, kept)) < 2:
        raise BadInput("training and held-out text need two known characters; give longer ones")
    if len(kept[1]) > 100_001:
        print(f"of {len(kept[1]):,} held-out characters the first 100,000 are scored")
    return vocab, encode(kept[0], vocab), encode(kept[1][:100_001], vocab)


# The text is cut into B long streams, which are read side by side, a column for each, in windows of
# T characters. A column goes on exactly where it stopped in the window before, so the state can be
# carried over (stateful training). There is a drawing of it in char_rnn.py.
def windows(ids, batch, seq_len):
    """Cut ids (N,) into a list of windows: pairs of inputs and targets, each (T, B).
    The last window is the rest of the streams; at most B - 1 characters at the very end are never
    seen. A short text is cut into fewer streams.
    """
    batch = max(1, min(batch, (len(ids) - 1) // seq_len))
    length = (len(ids) - 1) // batch
    inputs = ids[:batch * length].reshape(batch, length).T
    targets = ids[1:batch * length + 1].reshape(batch, length).T
    return [(inputs[t:t + seq_len], targets[t:t + seq_len]) for t in range(0, length, seq_len)]


# %% 2. Forward
# Why sigmoid here and tanh there? A gate is a switch, so it needs a number between 0, shut, and 1,
# open: sigmoid. What is written must be able to push a cell up or down: tanh, between -1 and 1. And
# ReLU, max(0, a)? It has no upper end: a forget gate of 3 would triple the cell at every step. And
# a candidate that is never negative could only ever push a cell up. And tanh(c)? c can grow, h not.
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), elementwise. Written with tanh it cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def init_params(V, H, rng, dtype=np.float32):
    """Return random weights for V characters and H cells, and biases, as a dict.

    Wx, Wh and b hold the rows of i, f, o and g below each other, so one product serves all four.
    Biases are zero, but 1 for the forget gate, sigmoid(1) = 0.73. A bias of 0 would halve cells at
    every step: after ten 0.1 % is left of a cell and of its gradient, instead of 4 %, and the
    network finds out late that keeping pays. The input gate, half open, already writes and learns.
    """
    params = {"Wx": rng.normal(0, 1, (4 * H, V)), "Wh": rng.normal(0, H**-0.5, (4 * H, H)),
              "Wy": rng.normal(0, H**-0.5, (V, H)), "b": np.zeros((4 * H, 1)),
              "by": np.zeros((V, 1))}
    params["b"][H:2 * H] = 1
    return {name: param.astype(dtype) for name, param in params.items()}


def init_state(H, B, dtype=np.float32):
    """Return the state before the first character, (h, c), both (H, B): nothing is remembered."""
    return np.zeros((H, B), dtype), np.zeros((H, B), dtype)


# Cell state or hidden state? The cell state c is the memory itself. The hidden state h is what it
# shows at this moment, to the prediction and to gates and candidate of the next step. With its
# output gate shut, a cell can keep something for long without anybody seeing it, until needed.
def step(params, x, state):
    """Read one character per stream, ids x (B,), in the state (h, c) before, both (H, B).

    Return the state after, and a cache for step_backward. Each gate is an array (H, B).
    """
    h_prev, c_prev = state
    H, B = h_prev.shape
    a = np.take(params["Wx"], x, axis=1) + params["Wh"] @ h_prev + params["b"]
    i, f, o = sigmoid(a[:3 * H]).reshape(3, H, B)
    g = np.tanh(a[3 * H:])
    c = f * c_prev + i * g
    tc = np.tanh(c)
    h = o * tc
    return (h, c), (i, f, o, g, c_prev, tc)


def predict(params, x, state):
    """Read one character per stream; return the logits of the next one (V, B), and the state."""
    state, _ = step(params, x, state)
    return params["Wy"] @ state[0] + params["by"], state


# The loss is -log p of the character that really came, in nats; divided by log 2 it is in bits. To
# guess evenly among 62 characters costs 5.95 bits, and the first loss must be a little above that
# (here 6.02: random weights guess unevenly); if not, something is wrong before the learning begins.
# A score of 2.01 bits is as unsure as a choice among 2^2.01 = 4 characters.
def cross_entropy(logits, targets):
    """Score logits (V, N) against ids (N,): return -log p of each target, in nats (N,), and all p.

    A constant added to all logits of a column changes no p. We take the largest away: then exp
    cannot overflow, and the sum is at least 1, so its logarithm is right even where p rounds to 0.
    """
    logits = logits - logits.max(axis=0)
    exps = np.exp(logits)
    sums = exps.sum(axis=0)
    return np.log(sums) - logits[targets, np.arange(len(targets))], exps / sums


def forward(params, inputs, targets, state):
    """Read a window: ids inputs and targets (T, B), and the state carried in, (h, c).
    Return the mean loss in nats per character, the state to carry on, and a cache for backward.
    """
    h, caches = [state[0]], []                  # h[0] is carried in; inputs[t] makes h[t + 1]
    for x in inputs:
        state, cache = step(params, x, state)
        h.append(state[0])
        caches.append(cache)
    # Only the state must wait for the step before. The predictions need not: with the columns of
    # all T steps side by side, one product makes the logits of all T * B characters.
    hidden = np.concatenate(h[1:], axis=1)      # (H, T * B), in the order of targets.ravel()
    nats, p = cross_entropy(params["Wy"] @ hidden + params["by"], targets.ravel())
    return nats.mean(), state, (inputs, targets, h, caches, hidden, p)


# %% 3. Backward
# Unroll the loop, and there are two ways through time:
#
#   c[0] ====> c[1] ====> c[2] ====> c[3]      times f, plus i * g: no matrix, no tanh
#         /   \      /   \      /   \          up: Wh, then f, i and g;  down: h = o * tanh(c)
#   h[0] ----> h[1] ----> h[2] ----> h[3]      through Wh and o
#               |          |          |
#              L[1]       L[2]       L[3]      each loss sees h, through the same Wy and by
#
# The rules are those of char_rnn.py: Y = W @ X has dW = dY @ X.T and dX = W.T @ dY; tanh has the
# slope 1 - tanh^2; what is used twice gets the sum of both gradients. Two are new: Y = A * B,
# elementwise, has dA = dY * B and dB = dY * A; and sigmoid has the slope s * (1 - s), at most 1/4.
# Read step from its last line to its first; beside each is what it gives. dc_next is from step t+1:
#
#   forward                        backward
#   h  = o * tc,  tc = tanh(c)     do = dh * tc          dc = dc_next + dh * o * (1 - tc^2)
#   c  = f * c_prev + i * g        df = dc * c_prev      di = dc * g     dg = dc * i
#                                  dc_prev = dc * f      <- the LSTM is this line
#   i, f, o = sigmoid(a[:3H])      three parts of da: di * i * (1-i), df * f * (1-f), do * o * (1-o)
#   g       = tanh(a[3H:])         the fourth part:   dg * (1 - g^2)
#   a  = Wx[:, x] + Wh @ h_prev + b                   dh_prev = Wh.T @ da
#
# Over the window, dlogits[t] = (p[t] - onehot(target)) / (T * B), and:
#   dh[t] = Wy.T @ dlogits[t] + dh_next          dWy = sum over t of dlogits[t] @ h[t].T
#   dWh = sum over t of da[t] @ h[t-1].T         dWx = sum over t of da[t] @ onehot(x[t]).T
#   db, dby = sums of da[t] and dlogits[t] over t and columns
#
# c[t] is used twice, by h[t] and by the cell at t + 1, so dc is a sum. dc_next and dh_next are the
# dc_prev and dh_prev of step t + 1, and 0 at the end of the window.
# The direct path, from dc to dc_prev, is a factor f that the network sets itself. Where f is 0.99,
# 37 % of the gradient is left after 100 steps. The other paths lead through da and Wh.T, and
# there a gradient vanishes or explodes as in char_rnn.py. The gradient is the sum over all paths.
#
# At the beginning of the window the gradient stops (truncated back-propagation, detach), while the
# state was carried in: the network may remember for longer, but learns from T steps at a time.
def step_backward(params, cache, dh, dc_next):
    """Go back through step: from the gradients of h and c (H, B) to those of a, h_prev and c_prev.

    dh is the whole gradient of h; dc_next is the part of c's that comes from the step after.
    """
    i, f, o, g, c_prev, tc = cache
    # forward: h = o * tc, tc = tanh(c)
    do = dh * tc
    dc = dc_next + dh * o * (1 - tc * tc)
    # forward: c = f * c_prev + i * g
    df = dc * c_prev
    di = dc * g
    dg = dc * i
    dc_prev = dc * f
    # forward: i, f, o = sigmoid(a[:3H]), g = tanh(a[3H:])
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)])
    # forward: a = Wx[:, x] + Wh @ h_prev + b
    dh_prev = params["Wh"].T @ da
    return da, dh_prev, dc_prev


def backward(params, cache):
    """Return the gradients of the mean loss: of the params, a dict, and of the state carried in."""
    inputs, targets, h, caches, hidden, p = cache
    T, B = inputs.shape
    # forward: loss = the mean of -log p[target]
    dlogits = p.copy()
    dlogits[targets.ravel(), np.arange(T * B)] -= 1
    dlogits /= T * B
    # forward: logits = Wy @ hidden + by
    grads = {"Wy": dlogits @ hidden.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dhidden = np.split(params["Wy"].T @ dlogits, T, axis=1)     # T arrays: [t] is of h[t + 1]
    da, dh_next, dc_next = [None] * T, 0, 0
    for t in reversed(range(T)):
        # forward: h[t + 1] was used by its own loss, and by the step after it
        dh = dhidden[t] + dh_next
        da[t], dh_next, dc_next = step_backward(params, caches[t], dh, dc_next)
    # forward: a = Wx @ onehot(x) + Wh @ h_prev + b. With the columns of all T steps side by side,
    # one product adds up all T parts of a gradient. So x becomes one-hot, a row for each character:
    # dWx[:, x] += da would count a character that comes twice only once.
    da, h_prev = np.concatenate(da, axis=1), np.concatenate(h[:-1], axis=1)
    onehot = np.eye(len(params["by"]), dtype=da.dtype)[inputs.ravel()]      # (T * B, V)
    grads |= {"Wx": da @ onehot, "Wh": da @ h_prev.T, "b": da.sum(axis=1, keepdims=True)}
    return grads, (dh_next, dc_next)


# How far back does the gradient reach? Take the loss L[t] of one prediction, and walk back: the
# norm of its gradient with respect to h[t-k] and c[t-k] says how much a small change of the state k
# characters ago would change that loss. Where it is near 0, nothing so far back can be learned.
def gradient_by_lag(params, ids, lags=200):
    """Return the norms of dL[t] / d(h, c)[t-k], an array (lags, places), k from 0.

    The places t lie in streams of ids (N,), 16 or fewer; reading begins 50 characters before the
    largest lag, so that the state there is a usual one.
    """
    inputs, targets = windows(ids, 16, lags + 50)[0]
    B = inputs.shape[1]
    state = init_state(params["Wy"].shape[1], B, params["Wy"].dtype)
    _, _, (*_, caches, _, p) = forward(params, inputs, targets, state)
    dlogits = p[:, -B:]                         # of the loss at the last step alone
    dlogits[targets[-1], np.arange(B)] -= 1
    dh, norms = params["Wy"].T @ dlogits, []
    dc_next = np.zeros_like(dh)         # the loss sees c[t] through h[t] alone: that is in dh
    for cache in reversed(caches[-lags:]):
        norms.append(np.linalg.norm(np.concatenate([dh, dc_next]), axis=0))
        _, dh, dc_next = step_backward(params, cache, dh, dc_next)
    return np.array(norms)


# %% 4. Gradient check
# Is all of this right? Move one number a little, up and down, and run forward both times: the
# difference of the two losses, divided by 2 * distance, must be its gradient. If a check fails
# although backward is right, the usual cause is float32, or too small a move.
def check_gradients(entries=40, distance=1e-5):
    """Compare backward with such differences on a toy network; print and return the largest error,
    relative to the largest gradient of the same array. It must be below 1e-6.
    """
    rng = np.random.default_rng(0)
    params = {name: param + 0.3 * rng.normal(size=param.shape)
              for name, param in init_params(5, 4, rng, np.float64).items()}
    ids, state = rng.integers(0, 5, (7, 3)), rng.normal(size=np.shape(init_state(4, 3)))
    grads, dstate = backward(params, forward(params, ids[:-1], ids[1:], state)[2])
    grads, errors = grads | {"state": np.array(dstate)}, []
    for name, array in (params | {"state": state}).items():
        for i in rng.permutation(array.size)[:entries]:
            place, losses = np.unravel_index(i, array.shape), []
            value = array[place]
            for moved in (value - distance, value + distance):
                array[place] = moved
                losses.append(forward(params, ids[:-1], ids[1:], state)[0])
            array[place] = value
            error = (losses[1] - losses[0]) / (2 * distance) - grads[name][place]
            errors.append(abs(error) / np.abs(grads[name]).max())
    print(f"gradient check: {len(errors)} entries of {len(grads)} arrays, "
          f"largest relative error {np.max(errors):.0e}")
    return np.max(errors)


# %% 5. Optimizer
# Adam divides m, a mean of the last gradients, by their usual size, sqrt(v): entries move by about
# lr where the sign is steady, else by less. Clipping scales all gradients by one factor where their
# global norm is too large: m and v would long remember an explosion. char_rnn.py tells more.
class Adam:
    """Adam, Algorithm 1 of Kingma & Ba 2015.
    m is a running mean of the gradient, v of its square. Both begin at zero, so after t updates the
    factors of all gradients in them add up to 1 - beta^t, not to 1. Dividing by that puts it right.
    """

    def __init__(self, params, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t = beta1, beta2, eps, 0
        self.m = {name: np.zeros_like(param) for name, param in params.items()}
        self.v = {name: np.zeros_like(param) for name, param in params.items()}

    def update(self, params, grads, lr):
        """Move the params, in place, once, with the learning rate lr."""
        self.t += 1
        for name, grad in grads.items():
            m, v = self.m[name], self.v[name]
            m += (1 - self.beta1) * (grad - m)              # = beta1 * m + (1 - beta1) * grad
            v += (1 - self.beta2) * (grad * grad - v)
            m_hat = m / (1 - self.beta1**self.t)
            v_hat = v / (1 - self.beta2**self.t)
            params[name] -= lr * m_hat / (np.sqrt(v_hat) + self.eps)


def clip_gradients(grads, max_norm):
    """Scale the gradients, in place, to a global norm of max_norm at most; return the old norm."""
    norm = math.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads.values()))
    if norm > max_norm:
        for grad in grads.values():
            grad *= max_norm / norm
    return norm


# %% 6. Sampling
# The network reads the prompt, draws the next character from its own prediction, reads it, and so
# on. The temperature divides the logits: below 1 the text becomes safer, above 1 wilder.
def sample(params, vocab, prompt, length, temperature, rng):
    """Read the prompt, then write `length` characters more; return both as a text."""
    ids = encode(prompt, vocab).tolist() or [0]     # without a prompt it goes on from id 0
    state = init_state(params["Wy"].shape[1], 1, params["Wy"].dtype)
    for i in ids[:-1]:
        _, state = predict(params, [i], state)
    for _ in range(length):
        logits, state = predict(params, ids[-1:], state)
        logits = logits[:, 0].astype(float)
        p = np.exp((logits - logits.max()) / max(temperature, 1e-9))
        ids.append(rng.choice(len(vocab), p=p / p.sum()))
    return "".join(vocab[i] for i in ids[0 if prompt else 1:])


# %% 7. Learning
# One update, or training step (above, a step reads one character): read a window, go back, clip,
# move. Windows come in the order of the text. The learning rate falls to zero in a straight line:
# large moves go far, small ones settle. The parameters that score best on the held-out text are
# kept, for later ones may know the training text by heart. `yield` lets the caller print and save.
def score(nats):
    """Turn nats per character into bits per character."""
    return nats / math.log(2)


def evaluate(params, ids, size):
    """Return the mean nats per character over ids (N,), about `size` characters at a time.
    It is read as in training, but in 32 streams, or fewer if it is short. A stream begins with
    nothing in its memory, so more of them would score worse.
    """
    streams = max(1, min(32, (len(ids) - 1) // 100))
    seq_len = min(-(-size // streams), (len(ids) - 1) // streams)       # -(-a // b) rounds up
    state, total, count = init_state(params["Wy"].shape[1], streams, params["Wy"].dtype), 0.0, 0
    for inputs, targets in windows(ids, streams, seq_len):
        loss, state, _ = forward(params, inputs, targets, state)
        total, count = total + float(loss) * targets.size, count + targets.size
    return total / count


def learn(run, ids, valid):
    """Train run["params"] on ids (N,), up to the planned steps; yield after every update.
    `run` is a dict of all that training changes: parameters, the best of them so far, Adam's m and
    v, the state, the losses and scores. Yield the gradient's norm, the number of characters read,
    and whether the held-out ids `valid` were scored; raise BadInput if the score is not finite.
    """
    settings, params = run["settings"], run["params"]
    adam = Adam(params)
    adam.m, adam.v, adam.t = run["m"], run["v"], len(run["losses"])
    parts = windows(ids, settings["batch"], settings["seq_len"])
    for done in range(len(run["losses"]), settings["steps"]):
        inputs, targets = parts[done % len(parts)]
        if done % len(parts) == 0:              # the text begins again: nothing is remembered yet
            run["state"] = init_state(settings["hidden"], inputs.shape[1])

        loss, run["state"], cache = forward(params, inputs, targets, run["state"])
        grads, _ = backward(params, cache)      # _ is the gradient of the state carried in: cut
        norm = clip_gradients(grads, settings["clip"])
        adam.update(params, grads, settings["lr"] * (1 - done / settings["steps"]))

        run["losses"].append(float(loss))
        scored = (done + 1) % settings["every"] == 0 or done + 1 in (1, settings["steps"])
        if scored:
            nats = evaluate(params, valid, settings["batch"] * settings["seq_len"])
            recent = run["losses"][-settings["every"]:]
            run["scores"].append([done + 1, float(np.mean(recent)), nats])
            if not math.isfinite(nats):
                raise BadInput(f"no finite loss at {done + 1}; try --lr {settings['lr'] / 3:.2g}")
            if nats <= run["best_nats"]:
                run["best_nats"] = nats
                run["best"] = {name: param.copy() for name, param in params.items()}
        yield norm, inputs.size, scored


# ---- The lesson ends here. What follows looks inside the trained network and keeps house. ----

# %% 8. Looking inside
# Do the cells hold anything that we have a name for? For three properties of the text we look for
# the cell that follows each best (after Karpathy, Johnson & Fei-Fei 2015). It is chosen by its
# correlation on the first half of the held-out text, and judged and drawn on the second. We look at
# c itself, for it can count, while tanh(c) is soon near 1 or -1.
NAMES = ["inside quotation marks", "position in the line", "position in the word"]


def properties(text):
    """Return the rows of NAMES for each character, (3, N). Quotes flip; blank lines reset."""
    rows, quoted, column, letter = [], 0, 0, 0
    for before, char in zip(" " + text, text):
        quoted = 0 if before + char == "\n\n" else quoted ^ (char in '"\u201c\u201d')
        column = 0 if char == "\n" else column + 1
        letter = letter + 1 if char.isalpha() else 0
        rows.append((quoted, column, letter))
    return np.transpose(rows)


def best_cells(params, ids, vocab):
    """Return rows (property, cell, correlation, its c on the second half), and that half's text."""
    N, H = min(30_000, len(ids) - 1) // 2, params["Wy"].shape[1]
    inputs = ids[:2 * N].reshape(2, N).T                    # both halves, a column for each
    state, kept, rows = init_state(H, 2, params["Wy"].dtype), np.empty((2, H, N), np.float16), []
    for t, x in enumerate(inputs):
        state, _ = step(params, x, state)
        kept[:, :, t] = state[1].T
    texts = ["".join(vocab[i] for i in half) for half in inputs.T]
    for name, values, check in zip(NAMES, *map(properties, texts)):
        best = np.nan_to_num([abs(np.corrcoef(values, cell)[0, 1]) for cell in kept[0]]).argmax()
        c = kept[1, best].astype(float)
        rows.append((name, best, np.corrcoef(check, c)[0, 1], c))
    return [row for row in rows if abs(row[2]) > 0.3], texts[1]     # a weaker one tells too little


def plot_cell(axes, text, c, cmap, title):
    """Draw the seven lines in a row with the most quotation marks, each character on its c."""
    lines = text.split("\n")
    top = max(range(len(lines)), key=lambda top: sum(map("".join(lines[top:top + 7]).count,
                                                         '"\u201c\u201d')))
    start, shown = len("\n".join([*lines[:top], ""])), [line[:80] for line in lines[top:top + 7]]
    grid = np.full((len(shown), max(map(len, shown))), np.nan)
    for row, line in enumerate(shown):
        grid[row, :len(line)] = c[start:start + len(line)]
        start += len(lines[top + row]) + 1
        for column, char in enumerate(line):
            axes.text(column, row, char, ha="center", va="center", family="monospace")
    axes.figure.colorbar(axes.imshow(grid, cmap=cmap, aspect="auto", alpha=0.4), ax=axes, label="c")
    axes.set(title=title, xticks=[], yticks=[], xlabel="the lines with the most quotation marks")


def draw(path, run, valid):
    """Write the lesson's picture; print how far the gradient reaches, and which cells say what."""
    from matplotlib.figure import Figure        # here, so that all else runs without it
    rows, text = best_cells(run["best"], valid, run["vocab"]) if len(valid) > 9 else ([], "")
    figure = Figure(figsize=(13, 3 + 3 * len(rows)), layout="constrained")
    figure.suptitle(f"{LESSON}.py: {score(run['best_nats']):.3f} {UNIT} on held-out text")
    left, right, *panels = figure.subplot_mosaic(
        [["left", "right"], *([row[0]] * 2 for row in rows)]).values()
    steps, *curves = np.transpose(run["scores"])
    left.plot(steps, score(np.transpose(curves)), label=["training", "held out"])
    left.set(xlabel="training step", ylabel=UNIT, title="Learning")
    left.legend()
    norms = np.median(gradient_by_lag(run["best"], valid), axis=1) + 1e-30
    right.semilogy(norms)
    right.axvline(run["settings"]["seq_len"], color="gray", linestyle=":")
    right.set(xlabel="lag k, characters back", ylabel="norm of dL[t] / d(h, c)[t-k], median",
              title="How far back the gradient reaches (dotted: the window T)")
    for axes, (name, cell, correlation, c) in zip(panels, rows):
        print(f"cell {cell} tells: {name} (correlation {correlation:.2f})")
        plot_cell(axes, text, c, "RdBu_r" if correlation > 0 else "RdBu",
                  f"Cell state c[{cell}]: {name} (correlation {correlation:.2f})")
    warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks become boxes
    figure.savefig(path, dpi=110)
    reach = [str(np.argmax(norms <= norms[0] / n) or "none") for n in (10, 100, 1000)]
    print(f"gradient below 1/10, 1/100, 1/1000 of that at lag 0: first at lags {', '.join(reach)}")


# %% 9. Running
SETTINGS = {  # flag: (default, least value, what it is and which way to turn it)
    "data": (None, None, "text to learn from, UTF-8, instead of the fables"),
    "valid": (None, None, "held-out text to score, instead of the last tenth of the data"),
    "hidden": (256, 1, "cells H; more remember more, time grows with the square"),
    "batch": (64, 1, "streams B read side by side; fewer make more updates of the same text"),
    "seq_len": (64, 1, "characters T in a window: as far back as the gradient goes"),
    "steps": (600, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (0.016, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e8 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (50, 1, "steps between progress lines, each with a score and a checkpoint"),
    "prompt": ("", None, "how each sample begins"),
    "length": (500, 0, "characters of the last sample"),
    "temperature": (0.7, 0, "of sampling: 0 takes the likeliest, 1 draws as predicted, 2 is wild"),
    "load": (None, None, "checkpoint to go on from, in that file; with no steps left it samples"),
    "init": (None, None, "checkpoint to begin a new run from: fine-tuning on another text"),
    "out": ("out", None, "folder for the checkpoint and the picture of a new run"),
}
FIXED = ["hidden", "batch", "seq_len"]          # with --load; with --init only the first
GROUPS = ["params", "best", "m", "v"]           # the parts of a run that are dicts of arrays
NEEDED = {*SETTINGS, "losses", "scores", "best_nats", "checksum"} - {"load", "init", "out"}


def save(path, run):
    """Write the run as a checkpoint: a whole one is always there. An earlier run's is kept."""
    arrays = {f"{group}/{name}": a for group in GROUPS for name, a in run[group].items()}
    plain = {key: run[key] for key in run if key not in (*GROUPS, "state")} | {"saved": True}
    with open(f"{path}.part", "wb") as file:
        np.savez(file, **{LESSON: json.dumps(plain)}, state=np.array(run["state"]), **arrays)
    if "saved" not in run and path.exists():
        print("an earlier one is now", path.replace(path.with_suffix(".old.npz")))
    Path(f"{path}.part").replace(path)          # all at once, or not at all
    run["saved"] = True


def restore(path):
    """Return the run that save wrote. Raise BadInput if the file is anything else."""
    try:
        with np.load(path) as file:             # pickle is off: a stranger's file can run no code
            run = json.loads(str(file[LESSON])) | {"state": file["state"]}
            H = run["settings"]["hidden"]
            want = init_params(len(run["vocab"]), H, np.random.default_rng(0))
            for group in GROUPS:
                run[group] = {name: file[f"{group}/{name}"] for name in want}
                assert all(a.shape == want[name].shape and np.isfinite(a).all()
                           for name, a in run[group].items())
        assert np.isfinite(run["state"]).all() and {*run, *run["settings"]} >= NEEDED
        return run
    except Exception:                           # a file can be damaged in many ways
        raise BadInput(f"{path} is missing, damaged, or not made by this {LESSON}.py") from None


def load(path):
    """Return the best params, the vocab and the settings of a checkpoint, to use in a program."""
    return tuple(map(restore(path).get, ("best", "vocab", "settings")))


def read_flags(argv):
    """Return the settings, a dict, and the checkpoint to begin from, or None."""
    def fail(message):
        raise BadInput(f"{message} (see --help; a dash at the beginning is written --flag=-value)")
    parser = argparse.ArgumentParser(f"{LESSON}.py", allow_abbrev=False, epilog="With a large H "
                                     "more threads may help: OPENBLAS_NUM_THREADS=8 python ...")
    parser.error = fail
    for name, (default, _, text) in SETTINGS.items():
        parser.add_argument("--" + name.replace("_", "-"), help=f"{text} (default: {default})",
                            default=default, type=str if default is None else type(default))
    flags, start = vars(parser.parse_args(argv)), None
    for name, (default, least, _) in SETTINGS.items():
        # Only the prompt, whose default is empty, may be empty.
        if flags[name] == "" != default or least is not None and not least <= flags[name] <= 1e8:
            raise BadInput(f"--{name.replace('_', '-')} {flags[name]!r} is empty or out of range")
    if flags["load"] or flags["init"]:
        start = restore(flags["load"] or flags["init"])
        saved, fixed = start["settings"], FIXED if flags["load"] else FIXED[:1]
        parser.set_defaults(**{name: saved[name] for name in (saved if flags["load"] else fixed)})
        flags = vars(parser.parse_args(argv))   # once more: what is not given stays as it was
        for name in fixed:
            if flags[name] != saved[name]:
                raise BadInput(f"the checkpoint has {name} {saved[name]}, which cannot change")
    return flags, start


def train(run, ids, valid, path):
    """Learn; for every score save a checkpoint and print a line."""
    settings, started, first, tokens = run["settings"], time.time(), len(run["losses"]), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    for norm, size, scored in learn(run, ids, valid):
        tokens += size
        if scored:
            save(path, run)
            (done, mean, nats), seconds = run["scores"][-1], time.time() - started
            print(f"step {done:>5} of {settings['steps']}  training {score(mean):.3f}  held out "
                  f"{score(nats):.3f}  gradient norm {norm:.2f}  {tokens / seconds:,.0f} tokens/s  "
                  f"{seconds / (done - first) * (settings['steps'] - done) / 60:.1f} min left")
            if len(run["scores"]) % 5 == 0 and done < settings["steps"]:
                print(sample(run["params"], run["vocab"], settings["prompt"], 150,
                             settings["temperature"], np.random.default_rng(settings["seed"])))


def work(argv):
    """Do what the flags ask; return the exit status."""
    flags, start = read_flags(argv)
    going_on, init, out = (flags.pop(name) for name in ("load", "init", "out"))
    path, run, status = Path(going_on or f"{out}/{LESSON}.npz"), start, 0
    if init and (going_on or Path(init).resolve().parent == path.resolve().parent):
        raise BadInput(f"--init {init} begins a new run: no --load, and another folder for --out")
    learning = not going_on or len(start["losses"]) < flags["steps"]
    if learning:
        vocab, ids, valid = read_data(flags["data"], flags["valid"], start and start["vocab"])
        encode(flags["prompt"], vocab)          # better to hear now that it cannot be read
        flags["checksum"] = zlib.crc32(ids.tobytes() + valid.tobytes())
        if not going_on:
            params = start["best"] if start else init_params(
                len(vocab), flags["hidden"], np.random.default_rng(flags["seed"]))
            run = {"params": params, "best": params, "m": Adam(params).m, "v": Adam(params).v,
                   "vocab": vocab, "best_nats": math.inf, "losses": [], "scores": []}
        elif start["settings"]["checksum"] != flags["checksum"]:
            raise BadInput("the checkpoint was made with another text; give its --data and "
                           "--valid, or train it on this one with --init instead of --load")
        T, B = windows(ids, flags["batch"], flags["seq_len"])[0][0].shape
        print(f"{LESSON}: {len(ids):,} characters in {B} streams and windows of {T}, "
              f"{len(valid):,} held out, vocabulary of {len(vocab):,}, "
              f"{sum(param.size for param in run['params'].values()):,} parameters")
        if not check_gradients() < 1e-6:
            raise BadInput("backward does not give the gradients of forward; mend it first")
        unigram = -np.log(np.bincount(ids, minlength=len(vocab)).clip(1) / len(ids))[valid].mean()
        print(f"to beat: {score(math.log(len(vocab))):.3f} {UNIT} by guessing, "
              f"{score(unigram):.3f} by how common each one is")
    else:
        print(f"{len(start['losses']):,} steps are done: sampling only; higher --steps go on")
    run["settings"] = flags
    try:
        if learning:
            train(run, ids, valid, path)
    except KeyboardInterrupt:
        if "saved" not in run or not path.exists():
            print("stopped before the first checkpoint: nothing is saved")
            raise
        run, status = restore(path), 130
        print(f"stopped; back to step {len(run['losses'])}; --load {path} goes on from there")
    if run["scores"]:
        print(f"best held-out score: {score(run['best_nats']):.3f} {UNIT}, in {path} (a little "
              "optimistic, since it also chose what is kept)")
    print(sample(run["best"], run["vocab"], flags["prompt"], flags["length"],
                 flags["temperature"], np.random.default_rng(flags["seed"])))
    if learning and run["scores"] and not status:
        draw(path.with_suffix(".png"), run, valid)
        print(f"picture: {path.with_suffix('.png')}")
    return status


@np.errstate(all="ignore")                      # a loss that is not finite is told in words
def main(argv=None):
    """Run the lesson with these flags, by default the command line's; return the exit status."""
    np.empty(31 * 2**20, np.uint8)              # after this Linux keeps the memory of freed arrays
    if hasattr(sys.stdout, "reconfigure"):      # the terminal may lack letters that the text has
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        return work(argv)
    except KeyboardInterrupt:
        return 130
    except (BadInput, OSError, MemoryError, ImportError) as error:
        print(f"{LESSON}.py: error: {str(error) or 'out of memory'}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    alone = Path(sys.argv[0]).resolve() == FILE         # a notebook's command line is not ours
    status = main(None if alone else [])
    if alone and status:
        sys.exit(status)
    elif not status and "get_ipython" in globals():     # a notebook shows the picture
        from IPython.display import Image, display
        display(Image(f"out/{LESSON}.png"))

# Papers: Hochreiter & Schmidhuber 1997, the cell, equation 9; Gers, Schmidhuber & Cummins 2000, the
# forget gate; Graves & Schmidhuber 2005, the full gradient; Jozefowicz et al. 2015, forget bias 1.
#   paper, or library                                          here
#   s_c, y^in, y^phi, y^out, and y^c for what a cell shows     c, i, f, o, h
#   1997: no forget gate, a cell keeps itself with a weight    f, from a bias of 1 on
#     of exactly 1 (constant error carousel)
#   1997, 2000: the gradient is truncated at the gates         in full, as far back as the window
#   later: peepholes, the gates see c                          none
#   PyTorch's nn.LSTM: gates i, f, g, o, two biases            i, f, o, g, one bias; the same cell
# Three experiments:
#     python char_lstm.py --load out/char_lstm.npz --temperature 1.5      words that look English
#     python char_lstm.py --hidden 64     2.35 bits, not 2.01, and several times as fast
#     In step_backward leave out "dc_next + ", and run: the gradient check stops you.
