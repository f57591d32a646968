"""A character-level recurrent neural network in plain NumPy, every gradient derived by hand.

It reads a text one character at a time and learns to say which character comes next. What it has
read so far it keeps in a vector of numbers, the hidden state h. Then it writes: it draws a
character from its own prediction, reads that, and goes on.

    a[t] = Wx[:, x[t]] + Wh @ h[t-1] + b        what comes in, and what is remembered
    h[t] = tanh(a[t])                           the new hidden state
    p[t] = softmax(Wy @ h[t] + by)              how likely every character is to come next
    loss = mean over t of -log p[t][x[t+1]]     0 for a reader who is always sure and right

    python char_rnn.py                                   read 252 fables, invent one: 28 s
    python char_rnn.py --data my.txt --prompt "The "     your own text, and how samples begin
    python char_rnn.py --load out/char_rnn.npz --seed 1  another sample from the saved network

The first command ends with lines like these:
    under the river. It know, the partain, and found her new crumped with his points to be ...
    hardly the oxbits touched the farmer, in the art, and the second think and sat down on ...

Letters
    x[t]  the characters read at time t, as ids (B,)    h[t]  the hidden state after them (H, B)
    a  the input of tanh (H, B)    p  the probabilities (V, B)    L[t]  the loss of step t, -log p
    B  streams of text read side by side, one column for each       T  characters in a window
    H  hidden units, the numbers in a state                         V  characters in the vocabulary
    Wx (H, V)   Wh (H, H)   b (H, 1)   Wy (V, H)   by (V, 1)        the parameters: what is learned
    d<name>  the gradient of the loss with respect to <name>, an array of the same shape
    @  is the matrix product, * is elementwise; nats are natural logarithms, bits = nats / log 2

This is the first lesson, and explains everything. `diff char_rnn.py char_lstm.py` is the next one.
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
import zlib
from pathlib import Path

if __name__ == "__main__" and "OMP_NUM_THREADS" not in os.environ:
    # Products this small gain little from more than two threads: all wait for the slowest one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
import numpy as np

LESSON, UNIT = "char_rnn", "bits per character"
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


# To read one text at a time would be slow: a product with one column takes almost as long as one
# with many. So we cut the text into B streams, and read them side by side, a column for each. And
# in order not to wait a whole stream for one update, we read windows of T characters. Here are 25
# characters, B = 2 streams and windows of T = 4 (a dot is a blank):
#                        window 0   window 1   window 2
#     inputs  stream 0   t h e .    c r o w    . f l e        the first half of the text
#             stream 1   w . t o    . t h e    . w o o        the second half
#     targets stream 0   h e . c    r o w .    f l e w        always the next character
#             stream 1   . t o .    t h e .    w o o d
#
# A stream goes on exactly where it stopped in the window before, so the hidden state can be carried
# over: it may still hold what was read many windows ago. This is called stateful training. With
# windows picked at random, the state would belong to some other place in the text.
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
# The network is one small step, done again for every character with the same weights. It mixes the
# new character into the old state, and tanh keeps all numbers of the state between -1 and 1:
# without such a bend the network could only ever add things up. (ReLU, max(0, a), bends too, but it
# has no upper end: with the same Wh at every step, the state could grow and grow.)
def init_params(V, H, rng, dtype=np.float32):
    """Return random weights and zero biases for V characters and H hidden units, as a dict.

    Wh and Wy add up H products. With weights of variance 1 / H the sum is about as large as one h,
    whatever H is; only tanh makes it smaller. Wx adds only one, so its variance is 1.
    """
    params = {"Wx": rng.normal(0, 1, (H, V)), "Wh": rng.normal(0, H**-0.5, (H, H)),
              "Wy": rng.normal(0, H**-0.5, (V, H)), "b": np.zeros((H, 1)), "by": np.zeros((V, 1))}
    return {name: param.astype(dtype) for name, param in params.items()}


def init_state(H, B, dtype=np.float32):
    """Return the hidden state before the first character, h (H, B): nothing is remembered yet."""
    return np.zeros((H, B), dtype)


def step(params, x, h_prev):
    """Read one character per stream, ids x (B,), in the state h_prev (H, B); return the new h.

    A character enters as a one-hot column: all zeros, with a single 1 at its id. Wx times such a
    column is just one column of Wx, so we look that up instead of multiplying.
    """
    return np.tanh(np.take(params["Wx"], x, axis=1) + params["Wh"] @ h_prev + params["b"])


def predict(params, x, state):
    """Read one character per stream; return the logits of the next one (V, B), and the state."""
    h = step(params, x, state)
    return params["Wy"] @ h + params["by"], h


# Wy gives the logits y, any numbers. Softmax makes probabilities of them: exp(y) / sum(exp(y)).
# Why is the loss -log p? The network gives a probability p to every character that really came.
# Multiply them all, and you have the probability that it gave to the whole text: the larger, the
# better it has understood. But that product is far too small to compute with. Its logarithm is a
# sum, the minus makes it something to make small, and the mean over all characters lets us compare
# texts of any length. (A sum would grow with B and T, and with it the gradient that we clip below.)
# In bits it is -log2 p: nats / log 2. To guess evenly among 62 characters costs log2 62 = 5.95
# bits. The first loss must be a little above, here 6.2, for random weights guess unevenly; if not,
# something is wrong. At the end 2.14 bits are as unsure as a choice among 2^2.14 = 4.4 characters.
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
    """Read a window: ids inputs and targets (T, B), and the h carried in, state (H, B).
    Return the mean loss in nats per character, the h to carry on, and a cache: what backward needs.
    """
    h = [state]                                 # h[0] is carried in; inputs[t] makes h[t + 1]
    for x in inputs:
        h.append(step(params, x, h[-1]))
    # Only the state must wait for the step before. The predictions need not: with the columns of
    # all T steps side by side, one product makes the logits of all T * B characters.
    hidden = np.concatenate(h[1:], axis=1)      # (H, T * B), in the order of targets.ravel()
    nats, p = cross_entropy(params["Wy"] @ hidden + params["by"], targets.ravel())
    return nats.mean(), h[-1], (inputs, targets, h, hidden, p)


# %% 3. Backward
# Unroll the loop, and the network is an ordinary deep one: T layers that share their weights.
#
#        x[1]       x[2]       x[3]
#         |          |          |
#   h[0] ---> h[1] ----> h[2] ----> h[3]       each arrow is step, with the same Wx, Wh and b
#              |          |          |
#             L[1]       L[2]       L[3]       each loss sees its own h, through the same Wy and by
#
# A gradient answers one question: if this number grew a little, how much would the loss grow? We go
# through the network from its end to its beginning and ask it of every number on the way. This is
# back-propagation, through time because the layers are the times. Four rules do all of it:
#
#   Y = W @ X         dW = dY @ X.T, and dX = W.T @ dY. For Y[i,n] is the sum over j of
#                     W[i,j] * X[j,n]: so W[i,j] has the factor X[j,n] in every column n, and
#                     X[j,n] has the factor W[i,j] in every row i. Sum these factors, times dY.
#   Y = A + b         dA = dY, and db is dY summed over the columns that b was added to
#   Y = tanh(A)       dA = dY * (1 - Y^2), since the derivative of tanh is 1 - tanh^2
#   X is used twice   dX is the sum of what comes back from both uses
#
# The softmax and its loss are easiest together: nats = log(sum over j of exp(y[j])) - y[target].
# The derivative of the first part with respect to y[i] is exp(y[i]) / sum = p[i]; that of the
# second is 1 at the target, else 0. So the gradient, dlogits, is how far the prediction was from
# the truth. The hidden state h[t] is used twice, by its own loss and by step t + 1, so its gradient
# has two parts (the second, from the step after, is dh_next here and in many programs). And the
# weights are used at all T steps, so each of their gradients is a sum of T parts.
#
#   dlogits[t] = (p[t] - onehot(target)) / (T * B)      the loss is a mean over T * B characters
#   dh[t]      = Wy.T @ dlogits[t]  +  Wh.T @ da[t+1]
#   da[t]      = dh[t] * (1 - h[t]^2)
#   dWh        = sum over t of da[t] @ h[t-1].T         db  = sum of da[t] over t and columns
#   dWx        = sum over t of da[t] @ onehot(x[t]).T   dby = sum of dlogits[t], likewise
#   dWy        = sum over t of dlogits[t] @ h[t].T
#
# What follows the window is left out: da[T+1] is 0. And at its beginning stands h[0], which was
# carried in. The window before made it, but to send the gradient there we would have to unroll the
# whole text for every update. So we stop: the state is carried on, the gradient is cut. This is
# truncated back-propagation through time; in libraries the cut is called detach. The network may
# remember for longer than T characters, but it only learns from what happens within T.
#
# Why gradients vanish or explode: what reaches h[t-k] from the loss at t has been multiplied by k
# matrices, one for each step back (Pascanu et al. 2013, equation 5):
#   M[t-k+1] @ ... @ M[t-1] @ M[t] @ (dL[t] / dh[t])        M[t] = Wh.T @ diag(1 - h[t]^2)
# If each shrinks it to 0.8, 1 % is left after 20 steps: it vanishes. If each makes it 1.2 times as
# large, it is 38 times as large: it explodes. Below, gradient_by_lag measures it.
def step_backward(params, h, dh):
    """Go back through step: from the gradient of h (H, B), those of a and h_prev, both (H, B)."""
    # forward: h = tanh(a)
    da = dh * (1 - h * h)
    # forward: a = Wx[:, x] + Wh @ h_prev + b
    dh_prev = params["Wh"].T @ da
    return da, dh_prev


def backward(params, cache):
    """Return the gradients of the mean loss: of the params, a dict, and of the state carried in."""
    inputs, targets, h, hidden, p = cache
    T, B = inputs.shape
    # forward: loss = the mean of -log p[target]
    dlogits = p.copy()
    dlogits[targets.ravel(), np.arange(T * B)] -= 1
    dlogits /= T * B
    # forward: logits = Wy @ hidden + by
    grads = {"Wy": dlogits @ hidden.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dhidden = np.split(params["Wy"].T @ dlogits, T, axis=1)     # T arrays: [t] is of h[t + 1]
    da, dh_next = [None] * T, 0
    for t in reversed(range(T)):
        # forward: h[t + 1] was used by its own loss, and by the step after it
        dh = dhidden[t] + dh_next
        da[t], dh_next = step_backward(params, h[t + 1], dh)
    # forward: a = Wx @ onehot(x) + Wh @ h_prev + b. With the columns of all T steps side by side,
    # one product adds up all T parts of a gradient. So x becomes one-hot, a row for each character:
    # dWx[:, x] += da would count a character that comes twice only once.
    da, h_prev = np.concatenate(da, axis=1), np.concatenate(h[:-1], axis=1)
    onehot = np.eye(len(params["by"]), dtype=da.dtype)[inputs.ravel()]      # (T * B, V)
    grads |= {"Wx": da @ onehot, "Wh": da @ h_prev.T, "b": da.sum(axis=1, keepdims=True)}
    return grads, dh_next


# The same by hand: one hidden unit, two characters, two steps. Take Wx = [1 -1], Wh = 2,
# Wy = [1; 0], no biases, and h[0] = 0. Read "ab"; the targets are "b" and then "a".
#   h[1] = tanh(1) = 0.762                  logits 0.762, 0    p 0.682, 0.318    -log p of b = 1.145
#   h[2] = tanh(-1 + 2 * 0.762) = 0.480     logits 0.480, 0    p 0.618, 0.382    -log p of a = 0.482
#   loss = (1.1448 + 0.4816) / 2 = 0.813
#
#   dlogits[2] = (0.618 - 1, 0.382) / 2 = -0.191, 0.191        dlogits[1] = 0.341, -0.341
#   dh[2] = Wy.T @ dlogits[2] = -0.191                         from its own loss only
#   da[2] = -0.191 * (1 - 0.480^2) = -0.147
#   dh[1] = 0.341 + 2 * -0.147 = 0.047                         from its own loss, and from step 2
#   da[1] = 0.047 * (1 - 0.762^2) = 0.020                      also dWx of a: only step 1 reads it
#   dWh = da[1] * h[0] + da[2] * h[1] = 0 + -0.147 * 0.762 = -0.112
def worked_example():
    """Compute the example above; the assert, which the tests run, holds its figures."""
    params = {"Wx": np.array([[1.0, -1]]), "Wh": np.array([[2.0]]), "b": np.zeros((1, 1)),
              "Wy": np.array([[1.0], [0]]), "by": np.zeros((2, 1))}
    loss, h, cache = forward(params, np.array([[0], [1]]), np.array([[1], [0]]), np.zeros((1, 1)))
    da, dh_prev = step_backward(params, h, -0.191)
    grads, _ = backward(params, cache)
    got = [loss, h[0, 0], da[0, 0], 0.341 + dh_prev[0, 0], grads["Wx"][0, 0], grads["Wh"][0, 0]]
    assert np.allclose(got, [0.813, 0.480, -0.147, 0.047, 0.020, -0.112], atol=5e-4)


# How far back does the gradient reach? Take the loss L[t] of one prediction, and walk back: the
# norm of dL[t] / dh[t-k] says how much a small change of the state k characters ago would change
# that loss. Where it is near 0, nothing that lies k back can be learned. How much does M stretch? A
# vector in a random direction by sqrt((sum of the squares of all entries of M) / H), in root mean
# square. To the next M the direction of the gradient is as good as random, so the product of these
# stretches follows what we measure. The most that M can stretch is its largest singular value. The
# product of those is a bound, true and useless: it rises while the gradient falls, for no vector
# stays in the direction that is stretched most.
def gradient_by_lag(params, ids, lags=200):
    """Return two arrays (lags, places), k from 0: the norms, and the products of mean stretches.

    The places t lie in streams of ids (N,), 16 or fewer; reading begins 50 characters before the
    largest lag, so that the state there is a usual one.
    """
    inputs, targets = windows(ids, 16, lags + 50)[0]
    B = inputs.shape[1]
    state = init_state(params["Wy"].shape[1], B, params["Wy"].dtype)
    _, _, (_, _, states, _, p) = forward(params, inputs, targets, state)
    dlogits = p[:, -B:]                         # of the loss at the last step alone
    dlogits[targets[-1], np.arange(B)] -= 1
    dh, stretch, norms, products = params["Wy"].T @ dlogits, 1, [], []
    for h in reversed(states[1:][-lags:]):
        norms.append(np.linalg.norm(dh, axis=0))
        products.append(norms[0] * stretch)
        _, dh = step_backward(params, h, dh)
        stretch = stretch * np.sqrt((params["Wh"]**2).sum(axis=1) @ (1 - h * h)**2 / len(h))
    return np.array(norms), np.array(products)


# %% 4. Gradient check
# Is all of this right? We can find out without any derivation. Make one number a little larger, and
# run forward; make it a little smaller, and run forward again. The difference of the two losses,
# divided by 2 * distance, must be its gradient. Two runs for each number are far too slow to learn
# with, but they find nearly every mistake in backward. (If a check fails although backward is
# right, the usual cause is float32, or too small a move: then rounding hides the difference.)
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
# The gradient points to where the loss grows, so we move all parameters a little the other way. How
# far? One rate for all would be wrong: the column of Wx for a rare character gets small gradients,
# and seldom; the biases get large ones all the time. So Adam takes m, a mean of the last gradients,
# and divides each entry by its usual size, sqrt(v). The scale is gone: in an update an entry moves
# by about lr where its gradient keeps its sign, and by a fifth of that where the sign is random.
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


# A product of many factors explodes now and then, and one such gradient does harm for long. The
# move itself is no worse than about 3 lr, for v sees the explosion too. But m then points the wrong
# way for tens of updates, and v makes hundreds of them too small. So we clip: all gradients
# together are one long vector, and its length is the global norm. If it is above a limit, we scale
# them all by the same factor, and the direction stays (Pascanu et al. 2013, Algorithm 1). To clip
# every entry, or every array, by itself would change their proportions, and so the direction.
def clip_gradients(grads, max_norm):
    """Scale the gradients, in place, to a global norm of max_norm at most; return the old norm."""
    norm = math.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads.values()))
    if norm > max_norm:
        for grad in grads.values():
            grad *= max_norm / norm
    return norm


# %% 6. Sampling
# To write, the network reads the prompt, draws the next character from its own prediction, reads
# it, and so on. The temperature divides the logits before the softmax. Below 1 the likely becomes
# likelier still: safe text that repeats itself. Above 1 all becomes more equal: wild text, with
# more mistakes. At 0 only the likeliest is left; as nothing can be divided by 0, we take almost 0.
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
def draw(path, run, valid):
    """Write the lesson's picture, and print how far back the gradient reaches."""
    from matplotlib.figure import Figure        # here, so that all else runs without it
    figure = Figure(figsize=(13, 5), layout="constrained")
    figure.suptitle(f"{LESSON}.py: {score(run['best_nats']):.3f} {UNIT} on held-out text")
    left, right = figure.subplots(1, 2)
    steps, *curves = np.transpose(run["scores"])
    left.plot(steps, score(np.transpose(curves)), label=["training", "held out"])
    left.set(xlabel="training step", ylabel=UNIT, title="Learning")
    left.legend()
    norms, products = np.median(gradient_by_lag(run["best"], valid), axis=2) + 1e-30
    right.semilogy(norms, label="measured (median of several places)")
    right.semilogy(products, "--", label="product of the steps' mean stretch")
    right.axvline(run["settings"]["seq_len"], color="gray", linestyle=":", label="window T")
    right.set(xlabel="lag k, characters back", ylabel="norm of the gradient dL[t] / dh[t-k]",
              title="How far back the gradient reaches", ylim=(1e-9, 10 * norms.max()))
    right.legend()
    figure.savefig(path, dpi=110)
    reach = [str(np.argmax(norms <= norms[0] / n) or "none") for n in (10, 100, 1000)]
    print(f"gradient below 1/10, 1/100, 1/1000 of that at lag 0: first at lags {', '.join(reach)}")


# %% 9. Running
SETTINGS = {  # flag: (default, least value, what it is and which way to turn it)
    "data": (None, None, "text to learn from, UTF-8, instead of the fables"),
    "valid": (None, None, "held-out text to score, instead of the last tenth of the data"),
    "hidden": (256, 1, "hidden units H; more remember more, time grows with the square"),
    "batch": (32, 1, "streams B read side by side; fewer make more updates of the same text"),
    "seq_len": (64, 1, "characters T in a window: as far back as the gradient goes"),
    "steps": (2600, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (6e-3, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e8 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (100, 1, "steps between progress lines, each with a score and a checkpoint"),
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

# Papers: Elman 1990, "Finding structure in time"; Rumelhart et al. 1986 and Werbos 1990, through
# time; Mikolov et al. 2010, as a language model; Pascanu et al. 2013, clipping; Kingma & Ba 2015.
#   paper                                                      here
#   Elman: logistic units; the gradient is cut after one step  tanh; after T steps
#   Mikolov: words; w(t), s(t), y(t); U, V                     characters; x, h, p; [Wx, Wh], Wy
#   Mikolov: plain gradient descent, its rate halved           Adam, clipping, lr falls to zero
# Three experiments:
#     python char_rnn.py --load out/char_rnn.npz --temperature 0      soon it goes round in circles
#     python char_rnn.py --seq-len 4 --batch 512      The gradient goes back 4 characters at most,
#         but the state is carried on: 2.16 bits, not 2.14, so little is lost.
#     In step_backward write 1 - h instead of 1 - h * h, and run: the gradient check stops you.
