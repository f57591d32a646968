"""A word-level LSTM in plain NumPy, every gradient derived by hand.

It reads a text word by word and learns to say which word comes next. Every word has a vector, a row
of E, that is learned. What was read is kept in a cell state c, which gates scale and add to.

    v[t]    = E[x[t]]                              the vector of the word, looked up
    a[t]    = Wx @ v[t] + Wh @ h[t-1] + b          four parts below each other, of H rows each
    i, f, o = sigmoid(the first three parts)       input, forget, output gate: write? keep? show?
    g       = tanh(the fourth part)                the candidate: what could be written
    c[t]    = f * c[t-1] + i * g                   the cell state: keep some, add some
    h[t]    = o * tanh(c[t])                       the hidden state: what the cell shows
    loss    = mean of -log p[t][x[t+1]], p[t] = softmax(Wy @ h[t] + by), perplexity = exp(loss)

    python word_lstm.py                                   read 252 fables, invent one: 41 s
    python word_lstm.py --data my.txt --prompt "The fox"  your own text, and how samples begin
    python word_lstm.py --load out/word_lstm.npz --seed 1 another sample from the saved network

The first command ends with lines like these:
    That he was the letter on the stream, but her the stag of the tail began to a window.

Same as word_rnn.py: the words. Same as char_lstm.py: the cell. New here: that both are together.

Letters
    x[t]  the words read at time t, as ids (B,)    v[t]  their vectors (D, B)    h[t], c[t]  (H, B)
    B  streams of text read side by side    T  words in a window    V  vocabulary    H  cells
    E (V, D), a row for each word    Wx (4H, D)   Wh (4H, H)   b (4H, 1)   Wy (V, H)   by (V, 1)
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
import re
import sys
import time
import unicodedata
import warnings
import zlib
from collections import Counter
from pathlib import Path

if __name__ == "__main__" and "OMP_NUM_THREADS" not in os.environ:
    # Products this small gain little from more than two threads: all wait for the slowest one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
import numpy as np

LESSON, UNIT = "word_lstm", "perplexity"
FILE = Path(globals().get("__file__", f"{LESSON}.py")).resolve()    # a notebook has no __file__
# Chinese and Japanese, as ranges of characters: they are written without blanks between words.
HAN = "\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"

# %% 1. Data
# Tokens are words in lower case and signs, and <eos> where a line or, in prose, a paragraph ends.
# Words that training shows only once share the token <unk>, unknown. So the network learns what to
# expect around a word that it does not know; held-out text has such words, too. The last tenth is
# held out: it tells whether the network has learned the language or a text by heart (overfitting).
#
# Where a language has no blanks between words, as Thai, somebody must put them in first; Chinese
# and Japanese are read character by character. Other pieces than words (the Penn Treebank, byte
# pairs, names of notes) can be read too, separated by blanks, with --split spaces.
class BadInput(ValueError):
    """Something that the user gave cannot be used. The message says what, and what to do."""


def read_text(path):
    """Return the text of a UTF-8 file. Raise BadInput if it holds anything else."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")   # -sig drops the mark of some editors
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8; save it as plain text in UTF-8") from None


def tokenize(text, split="words"):
    """Return the tokens of a text, and <eos> where a line or, with split="words", a paragraph ends.
    With split="spaces" the text has been tokenised already: its tokens stand between white space.
    """
    if split != "spaces":                       # compose accents; drop the dot that lower() leaves
        text = unicodedata.normalize("NFC", text).lower().replace("i\u0307", "i")
        text = re.sub("[\u00ad\u200e\u200f\u202a-\u202e\ufeff]", "", text.replace("\u200b", " "))
    # Accents and vowel signs that are characters of their own belong to the letter before, and so
    # do the invisible joiners of Persian and Hindi.
    marks = "".join(c for c in set(text) if unicodedata.category(c)[0] == "M") + "\u200c\u200d"
    letter, character = rf"[^\W\d_{HAN}]", rf"[^\W_{HAN}]"
    inner = rf"(?<=\d)[.,:\u066b](?=\d)|(?<={letter}|[{marks}])['\u2019\u00b7-](?={letter})"
    token = re.compile("|".join([
        f"[{HAN}][{marks}]*",                   # one character of Chinese or Japanese;
        # single letters with dots, as in U.S.;
        rf"{letter}(?:\.{letter})+(?![^\W_]|[{marks}])\.?",
        # a word or a number, with . , : between digits, and apostrophe, hyphen, middle dot
        # between letters: 3.14, 10:30, don't, well-known (a dash or a slash always separates);
        rf"{character}(?:{character}|[{marks}]|{inner})*",
        rf"--+|\S[{marks}]*"]))                 # a dash, or any other sign.
    # In prose lines are wrapped: a paragraph ends where the next line is blank. Else every line
    # is a sentence. Where a prompt breaks off, nothing ends.
    tokens, lines = [], text.split("\n")
    for n, line in enumerate(lines, 1):
        words = line.split() if split == "spaces" else token.findall(line)
        tokens += words
        if words and n < len(lines) and (split != "words" or not lines[n].strip()):
            tokens += ["<eos>"] * (words[-1] != "<eos>")        # where the text has none itself
    return tokens


def detokenize(tokens, split="words"):
    """Return tokens as text: lines, signs close to words, capitals for sentences and quotations."""
    text = re.sub(" ?<eos> ?", "\n", " ".join(tokens))
    if split == "spaces":
        return text
    # A quotation mark without its partner in the same line stays as it is. English has I, and U.S.
    text = re.sub(r'(^|\n| [.!?] | [.] " |\u201c )(\w)', lambda m: m[1] + m[2].title(), text)
    text = re.sub(r'" ([^"\n]*?) ?"', lambda m: f'"{m[1][:1].title()}{m[1][1:]}"', text)
    text = re.sub(r"\b\w(\.\w)+\b|\bi\b", lambda m: m[0].upper(), text) if "the" in tokens else text
    text = re.sub(r"(?<=[\u2018\u201c\u00ab\u00a1\u00bf([]) | (?=[].,;:!?)%"
                  r"\u2019\u201d\u00bb\u0964\u060c\u061b\u061f](?:\W|$))", "", text)
    return re.sub(f"(?<=[{HAN}]) (?=[{HAN}\u201c])|(?<=[\u201c\u201d]) (?=[{HAN}])", "", text)


def build_vocab(tokens, min_count):
    """Return the vocabulary in id order: <eos>, then the commonest first, and <unk> among them."""
    counts = Counter(token for token in tokens if token != "<eos>")
    counts = Counter(word if counts[word] >= min_count else "<unk>" for word in counts.elements())
    return ["<eos>"] + sorted(counts, key=lambda word: (-counts[word], word))


def encode(tokens, vocab):
    """Return the ids (N,) of tokens, unknown ones as <unk>. BadInput if vocab has no <unk>."""
    index = {token: i for i, token in enumerate(vocab)}
    unknown = sorted(set(tokens) - set(vocab))
    if unknown and "<unk>" not in index:
        raise BadInput(f"the training text has no {' '.join(map(repr, unknown[:9]))}; do without")
    return np.array([index.get(token, index.get("<unk>")) for token in tokens], dtype=np.intp)


def read_data(flags, vocab=None):
    """Return the vocabulary, the training ids (N,), the held-out ids, and how to split.
    Without a file `valid` the last tenth of the data is held out. Of a long held-out text the
    first 100,000 tokens are scored. The vocabulary is of the training text, or the one given.
    """
    text, split = read_text(flags["data"] or FILE.parent / "data" / "fables.txt"), flags["split"]
    # Prose has blank lines between paragraphs. Without them every line is a sentence. The file of
    # --data decides, for held-out text and prompts too.
    lines = text.strip().split("\n")
    if split == "words" and sum(not line.strip() for line in lines) < len(lines) / 50:
        split = "lines"
    tokens, valid = tokenize(text, split), flags["valid"]
    cut = len(tokens) if valid else len(tokens) * 9 // 10
    parts = tokens[:cut], (tokenize(read_text(valid), split) if valid else tokens[cut:])
    vocab = vocab or build_vocab(parts[0], flags["min_count"])
    known = set(vocab)
    lost = sum(token not in known or token == "<unk>" for part in parts for token in part)
    print(f"{'paragraphs end at blank lines' if split == 'words' else 'every line is a sentence'}; "
          f"{lost:,} of {sum(map(len, parts)):,} tokens are rare or unknown")
    once = sum(count == 1 for count in Counter(parts[0]).values())
    if split != "spaces" and (once > cut / 2 or "<unk>" in text.split()):
        print("no blanks between words? put some in; then, as for ready tokens, --split spaces")
    parts = [[token for token in part if token in known or "<unk>" in known] for part in parts]
    if min(map(len, parts)) < 2:
        raise BadInput("training and held-out text need two known words; give longer ones")
    return vocab, encode(parts[0], vocab), encode(parts[1][:100_001], vocab), split


# The text is cut into B long streams, which are read side by side, a column for each, in windows of
# T tokens. A column goes on exactly where it stopped in the window before, so the state can be
# carried over (stateful training). There is a drawing of it in char_rnn.py.
def windows(ids, batch, seq_len):
    """Cut ids (N,) into a list of windows: pairs of inputs and targets, each (T, B).
    The last window is the rest of the streams; at most B - 1 tokens at the very end are never
    seen. A short text is cut into fewer streams.
    """
    batch = max(1, min(batch, (len(ids) - 1) // seq_len))
    length = (len(ids) - 1) // batch
    inputs = ids[:batch * length].reshape(batch, length).T
    targets = ids[1:batch * length + 1].reshape(batch, length).T
    return [(inputs[t:t + seq_len], targets[t:t + seq_len]) for t in range(0, length, seq_len)]


# %% 2. Forward
# Why vectors? In char_rnn.py every character had a column of Wx to itself. With thousands of words
# what is learned about "crow" would be of no use for "raven". Now the column of a word is Wx @ v:
# a mixture of the D columns of Wx, which all words share, and only the D numbers are its own.
# Words that are used alike move near each other, for the same change helps both; then what is
# learned about one holds for the other. Libraries call E an embedding layer, and v an embedding.
#
# Gates are switches between 0, shut, and 1, open: sigmoid. What is written must be able to push a
# cell up or down: tanh, between -1 and 1. The cell state c is the memory itself; the hidden state h
# is what it shows at this moment, to gates and candidate of the next step and to the prediction.
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), elementwise. Written with tanh it cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def init_params(V, D, H, rng, dtype=np.float32):
    """Return random weights for V words, D numbers in a vector, and H cells, and biases, as a dict.
    Wx, Wh and b hold the rows of i, f, o and g below each other. Biases are zero, but the forget
    gate's are 1: it begins by keeping sigmoid(1) = 0.73 of a cell. A bias of 0 would keep half, and
    after ten steps 0.1 % of a cell and of its gradient, not 4 %. The word vectors begin small,
    so that what is learned about a word soon outweighs its beginning.
    """
    params = {"E": rng.normal(0, 0.1, (V, D)), "Wx": rng.normal(0, D**-0.5, (4 * H, D)),
              "Wh": rng.normal(0, H**-0.5, (4 * H, H)), "b": np.zeros((4 * H, 1)),
              "Wy": rng.normal(0, H**-0.5, (V, H)), "by": np.zeros((V, 1))}
    params["b"][H:2 * H] = 1
    return {name: param.astype(dtype) for name, param in params.items()}


def init_state(H, B, dtype=np.float32):
    """Return the state before the first word, (h, c), both (H, B): nothing is remembered yet."""
    return np.zeros((H, B), dtype), np.zeros((H, B), dtype)


def step(params, ax, state):
    """Take ax = Wx @ v + b (4H, B), what comes in, and the state (h, c) before, both (H, B).
    Return the state after, and a cache for step_backward.
    """
    (h_prev, c_prev), H = state, len(state[0])
    a = ax + params["Wh"] @ h_prev
    i, f, o = sigmoid(a[:3 * H]).reshape(3, H, -1)
    g = np.tanh(a[3 * H:])
    c = f * c_prev + i * g
    tc = np.tanh(c)
    return (o * tc, c), (i, f, o, g, c_prev, tc)


def predict(params, x, state):
    """Read one word per stream, ids x (B,); return the logits of the next one (V, B), the state."""
    state, _ = step(params, params["Wx"] @ params["E"][x].T + params["b"], state)
    return params["Wy"] @ state[0] + params["by"], state


# Dropout sets a fraction of the numbers in v and h to zero, other ones at every step, so that no
# unit can rely on another one: it is harder then to learn the text by heart. What is left is
# multiplied by 1 / (1 - rate), so that a sum is as large as before, on average: therefore held-out
# text can be read without dropout. It acts on what comes in and goes out, not on the way from step
# to step, where it would wipe out the memory (Zaremba et al. 2014).
def dropout_mask(rate, shape, rng):
    """Return an array of zeros, a fraction `rate` on average, and else 1 / (1 - rate); float32."""
    return (rng.random(shape, np.float32) >= rate) / np.float32(1 - rate)


# The loss is -log p of the word that really came, in nats. An even guess among V words costs log V
# nats, so the first loss must be near log 2449 = 7.8, perplexity 2,449; if it is not, something is
# wrong before the learning begins.
def cross_entropy(logits, targets):
    """Overwrite logits (V, N) with p. Return -log p of each target, in nats (N,), and p.
    With thousands of words this is the largest array of all, so nothing here makes a second one. A
    constant added to a column changes no p. We take the largest logit away: then exp cannot
    overflow, and the sum is at least 1, so its logarithm is right even where p rounds to 0.
    """
    logits -= logits.max(axis=0)
    of_targets = logits[targets, np.arange(len(targets))]
    p = np.exp(logits, out=logits)
    sums = p.sum(axis=0)
    p /= sums
    return np.log(sums) - of_targets, p


def forward(params, inputs, targets, state, masks=None):
    """Read a window: ids inputs and targets (T, B), and the state carried in, (h, c).
    In training, masks are two arrays of dropout_mask, for the vectors (D, T * B) and for the hidden
    states (H, T * B). Return the mean loss in nats per word, the state to carry on, and a cache.
    """
    mask_in, mask_out = masks or (1, 1)
    # Only the state must wait for the step before. All else is done at once, with the columns of
    # all T steps side by side: one product for what comes in, and one for the logits.
    v = params["E"][inputs.ravel()].T * mask_in                         # (D, T * B)
    ax = np.split(params["Wx"] @ v + params["b"], len(inputs), axis=1)  # T arrays (4H, B)
    h, caches = [state[0]], []                  # h[0] is carried in; inputs[t] makes h[t + 1]
    for t in range(len(inputs)):
        state, cache = step(params, ax[t], state)
        h.append(state[0])
        caches.append(cache)
    hidden = np.concatenate(h[1:], axis=1) * mask_out                   # (H, T * B)
    logits = params["Wy"] @ hidden
    logits += params["by"]
    nats, p = cross_entropy(logits, targets.ravel())
    return nats.mean(), state, (inputs, targets, v, h, caches, hidden, p, mask_in, mask_out)


# %% 3. Backward
# Unroll the loop, and there are two ways through time:
#   c[0] ====> c[1] ====> c[2] ====> c[3]      times f, plus i * g: no matrix, no tanh
#         /   \      /   \      /   \          up: Wh, then f, i and g;  down: h = o * tanh(c)
#   h[0] ----> h[1] ----> h[2] ----> h[3]      through Wh and o
#               |          |          |
#              L[1]       L[2]       L[3]      each loss sees h, through the same Wy and by
#
#   forward                        backward
#   h  = o * tc,  tc = tanh(c)     do = dh * tc          dc = dc_next + dh * o * (1 - tc^2)
#   c  = f * c_prev + i * g        df = dc * c_prev      di = dc * g     dg = dc * i
#                                  dc_prev = dc * f      <- the LSTM is this line
#   i, f, o = sigmoid(a[:3H])      three parts of da: di * i * (1-i), df * f * (1-f), do * o * (1-o)
#   g       = tanh(a[3H:])         the fourth part:   dg * (1 - g^2)
#   a  = Wx @ (mask_in * v) + Wh @ h_prev + b         dh_prev = Wh.T @ da
#
# Over the window, dlogits[t] = (p[t] - onehot(target)) / (T * B), and:
#   dh[t] = mask_out[t] * (Wy.T @ dlogits[t]) + dh_next         dv[t] = mask_in[t] * (Wx.T @ da[t])
#   dWh = sum over t of da[t] @ h[t-1].T          dWx = sum over t of da[t] @ (mask_in[t] * v[t]).T
#   dWy = sum over t of dlogits[t] @ (mask_out[t] * h[t]).T           db, dby: sums over t, columns
#
# h[t] is used by its own loss and by step t + 1, c[t] by h[t] and by c[t+1], so each gradient has
# two parts. dh_next and dc_next come from step t + 1: 0 at the window's end, cut at its beginning.
# Dropout: y = x * mask, with a mask that is a constant, so dx = dy * mask. What was zeroed had no
# part in the loss, and gets no gradient; what was scaled up gets a gradient scaled up alike.
#
# Word vectors: dE = sum over t of onehot(x[t]) @ dv[t].T is zero for all words that did not occur.
# We keep a pair, the ids that occurred and their rows; a word that occurs twice gets the sum of two
# rows. (dE[ids] += dv.T would add only the last of them.)
def sum_rows(ids, rows):
    """Return the distinct ids of ids (N,), sorted, and for each the sum of its rows (N, D)."""
    order = np.argsort(ids, kind="stable")      # now equal ids stand side by side
    distinct, first = np.unique(ids[order], return_index=True)      # where each id begins
    return distinct, np.add.reduceat(rows[order], first, axis=0)    # the sum of each such group


def step_backward(params, cache, dh, dc_next):
    """Go back through step: from the gradients of h and c (H, B) to those of a, h_prev, c_prev."""
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
    # forward: a = ax + Wh @ h_prev
    dh_prev = params["Wh"].T @ da
    return da, dh_prev, dc_prev


def backward(params, cache):
    """Return the gradients of the mean loss, of params and of the state; it uses up the cache.
    The gradient of E is sparse: a pair of ids (K,), each one once, and their rows (K, D).
    """
    inputs, targets, v, h, caches, hidden, p, mask_in, mask_out = cache
    T, B = inputs.shape
    # forward: loss = the mean of -log p[target]; p is overwritten, for it is too large to copy
    dlogits = p
    dlogits[targets.ravel(), np.arange(T * B)] -= 1
    dlogits /= T * B
    # forward: logits = Wy @ hidden + by, where hidden = h * mask_out
    grads = {"Wy": dlogits @ hidden.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dhidden = np.split(params["Wy"].T @ dlogits * mask_out, T, axis=1)  # T arrays (H, B)
    da, dh_next, dc_next = [None] * T, 0, 0
    for t in reversed(range(T)):
        # forward: h[t + 1] was used by its own loss, and by the step after it
        dh = dhidden[t] + dh_next
        da[t], dh_next, dc_next = step_backward(params, caches[t], dh, dc_next)
    # forward: a = Wx @ v + Wh @ h_prev + b. With the columns of all T steps side by side, one
    # product adds up all T parts of a gradient.
    da, h_prev = np.concatenate(da, axis=1), np.concatenate(h[:-1], axis=1)
    grads |= {"Wx": da @ v.T, "Wh": da @ h_prev.T, "b": da.sum(axis=1, keepdims=True)}
    # forward: v = E[x].T * mask_in
    grads["E"] = sum_rows(inputs.ravel(), (params["Wx"].T @ da * mask_in).T)
    return grads, (dh_next, dc_next)


# %% 4. Gradient check
# Is all of this right? Move one number a little, up and down, and run forward both times: the
# difference of the two losses, divided by 2 * distance, must be its gradient. If a check fails
# although backward is right, the usual cause is float32, or too small a move. The dropout masks are
# held fixed, for with others the loss would be another function; and the sparse gradient of E is
# written out in full.
def check_gradients(entries=40, distance=1e-5):
    """Compare backward with such differences on a toy network; print and return the largest error,
    relative to the largest gradient of the same array. It must be below 1e-6.
    """
    rng = np.random.default_rng(0)
    params = {name: param + 0.3 * rng.normal(size=param.shape)
              for name, param in init_params(5, 3, 4, rng, np.float64).items()}
    ids, state = rng.integers(0, 5, (7, 3)), rng.normal(size=np.shape(init_state(4, 3)))
    problem = ids[:-1], ids[1:], state, [dropout_mask(0.3, (size, 18), rng) for size in (3, 4)]
    grads, dstate = backward(params, forward(params, *problem)[2])
    dE = np.zeros_like(params["E"])
    dE[grads["E"][0]] = grads["E"][1]
    grads, errors = grads | {"E": dE, "state": np.array(dstate)}, []
    for name, array in (params | {"state": state}).items():
        for i in rng.permutation(array.size)[:entries]:
            place, losses = np.unravel_index(i, array.shape), []
            value = array[place]
            for array[place] in (value - distance, value + distance, value):    # put back at last
                losses.append(forward(params, *problem)[0])
            error = (losses[1] - losses[0]) / (2 * distance) - grads[name][place]
            errors.append(abs(error) / np.abs(grads[name]).max())
    print(f"gradient check: {len(errors)} entries of {len(grads)} arrays, "
          f"largest relative error {np.max(errors):.0e}")
    return np.max(errors)


# %% 5. Optimizer
# Adam divides m, a mean of the last gradients, by their usual size, sqrt(v), where v is a mean of
# squares, no word vector: entries move by about lr where the sign is steady, else by less. Sparse
# Adam touches the rows of E that occurred, and no others. Each counts its own updates: with one
# count for all, the first move of a very late word would be 3.2 times too long. Clipping scales all
# gradients by one factor where their norm is too large: m and v would long remember an explosion.
class Adam:
    """Adam, Algorithm 1 of Kingma & Ba 2015.
    m is a running mean of the gradient, v of its square. Both begin at zero, so after t updates the
    factors of all gradients in them add up to 1 - beta^t, not to 1. Dividing by that puts it right.
    """

    def __init__(self, params, beta1=0.9, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps, self.t = beta1, beta2, eps, 0
        self.m = {name: np.zeros_like(param) for name, param in params.items()}
        self.v = {name: np.zeros_like(param) for name, param in params.items()}
        self.rows_t = np.zeros_like(params["E"][:, :1])     # (V, 1): updates of each row of E

    def update(self, params, grads, lr):
        """Move the params, in place, once, with the learning rate lr."""
        self.t += 1
        for name in grads.keys() - {"E"}:
            grad, m, v = grads[name], self.m[name], self.v[name]
            m += (1 - self.beta1) * (grad - m)              # = beta1 * m + (1 - beta1) * grad
            v += (1 - self.beta2) * (grad * grad - v)
            m_hat = m / (1 - self.beta1**self.t)
            v_hat = v / (1 - self.beta2**self.t)
            params[name] -= lr * m_hat / (np.sqrt(v_hat) + self.eps)
        self.update_rows(params["E"], *grads["E"], lr)

    def update_rows(self, E, ids, grad, lr):
        """Move, in place, the rows of E with these ids, each one once; leave all others alone."""
        self.rows_t[ids] += 1
        t, m, v = self.rows_t[ids], self.m["E"][ids], self.v["E"][ids]  # copies of these rows
        m += (1 - self.beta1) * (grad - m)
        v += (1 - self.beta2) * (grad * grad - v)
        self.m["E"][ids], self.v["E"][ids] = m, v
        E[ids] -= lr * m / (1 - self.beta1**t) / (np.sqrt(v / (1 - self.beta2**t)) + self.eps)


def clip_gradients(grads, max_norm):
    """Scale the gradients, in place, to a global norm of max_norm at most; return the old norm."""
    arrays = [grad[1] if isinstance(grad, tuple) else grad for grad in grads.values()]
    norm = math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
    if norm > max_norm:
        for array in arrays:
            array *= max_norm / norm
    return norm


# %% 6. Sampling
# The network reads the prompt, draws the next word from its own prediction, reads it, and so on.
# The temperature divides the logits: below 1 the text becomes safer, above 1 wilder. <unk> is read,
# but never written.
def sample(params, vocab, prompt, length, temperature, rng, split="words"):
    """Read the prompt, a list of tokens, then write `length` tokens more; return all as a text."""
    ids = encode(prompt, vocab).tolist() or [0]             # without a prompt, as after <eos>
    state = init_state(params["Wy"].shape[1], 1, params["Wy"].dtype)
    for n in range(len(ids) - 1 + length):
        logits, state = predict(params, ids[n:n + 1], state)
        if n == len(ids) - 1:                               # all is read: draw the next one
            logits = logits[:, 0].astype(float)
            logits[[i for i, token in enumerate(vocab) if token == "<unk>"]] = -np.inf
            p = np.exp((logits - logits.max()) / max(temperature, 1e-9))
            ids.append(rng.choice(len(vocab), p=p / p.sum()))
    return detokenize([vocab[i] for i in ids[0 if prompt else 1:]], split)


# %% 7. Learning
# One update, or training step (above, a step reads one word): read a window, go back, clip, move.
# Windows come in the order of the text. The learning rate falls to zero in a straight line: large
# moves go far, small ones settle. The parameters that score best on the held-out text are kept, for
# later ones may know the training text by heart. `yield` lets the caller print and save.
#
# Perplexity is exp(nats): 64 means as unsure as a choice among 64 words, all equally likely. Words
# and characters compare only by the cost of the same text, bits per token = bits per character *
# characters / tokens; and a model that may say <unk> is spared the spelling of rare words.
# The training score is measured with dropout, and while the network still changes; the held-out
# score without it. So at first the training perplexity is the higher one.
def score(nats):
    """Turn nats per token into perplexity."""
    return np.exp(nats)


def evaluate(params, ids, size):
    """Return the mean nats per token over ids (N,), about `size` tokens at a time.
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
    v, the state, the losses and scores. Yield the gradient's norm, the number of tokens read,
    and whether the held-out ids `valid` were scored; raise BadInput if the score is not finite.
    """
    settings, params = run["settings"], run["params"]
    adam = Adam(params)
    adam.m, adam.v, adam.rows_t, adam.t = run["m"], run["v"], run["rows_t"], len(run["losses"])
    parts = windows(ids, settings["batch"], settings["seq_len"])
    for done in range(len(run["losses"]), settings["steps"]):
        inputs, targets = parts[done % len(parts)]
        if done % len(parts) == 0:              # the text begins again: nothing is remembered yet
            run["state"] = init_state(settings["hidden"], inputs.shape[1])
        rng = np.random.default_rng([settings["seed"], done])   # new masks, the same after --load
        masks = [dropout_mask(settings["dropout"], (settings[size], inputs.size), rng)
                 for size in ("embed", "hidden")]
        loss, run["state"], cache = forward(params, inputs, targets, run["state"], masks)
        grads, _ = backward(params, cache)      # _ is the gradient of the state carried in: cut
        norm = clip_gradients(grads, settings["clip"])
        adam.update(params, grads, settings["lr"] * (1 - done / settings["steps"]))
        run["losses"].append(float(loss))
        scored = (done + 1) % settings["every"] == 0 or done + 1 in (1, settings["steps"])
        if scored:
            nats = evaluate(params, valid, settings["batch"] * settings["seq_len"])
            recent = run["losses"][-settings["every"]:]
            run["scores"].append([done + 1, float(np.mean(recent)), nats])
            if not math.isfinite(score(nats)):
                raise BadInput(f"no finite loss at {done + 1}; try --lr {settings['lr'] / 3:.2g}")
            if nats <= run["best_nats"]:
                run["best_nats"] = nats
                run["best"] = {name: param.copy() for name, param in params.items()}
        yield norm, inputs.size, scored


# ---- The lesson ends here. What follows looks inside the trained network and keeps house. ----

# %% 8. Looking inside
# After training, a word's row of E says how the network uses that word. Nobody told it what a verb
# is; are words that are used alike near each other? We print the nearest neighbours of some words,
# by the angle between vectors, and draw a map of the two directions in which vectors differ most.
def some_words(vocab, count):
    """Return words from rank 50 on, of three letters or more: fewer of them are mere grammar."""
    return [word for word in vocab[50:] if word[0].isalpha() and len(word) > 2][:count]


def neighbours(E, vocab, word, count):
    """Return the words whose vectors have the smallest angles with that of `word`."""
    cosines = E @ E[vocab.index(word)] / (np.linalg.norm(E, axis=1) + 1e-12)
    return [vocab[i] for i in np.argsort(-cosines) if vocab[i] != word][:count]


def plot_words(axes, E, vocab):
    """Write up to 80 words on the map; one that would cover another word is left out."""
    words, shown = some_words(vocab, 300) or vocab[:300], []
    vectors = E[list(map(vocab.index, words))]
    places = vectors @ np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:2].T
    axes.scatter(*places.T, s=0)                # invisible: it sets the limits of the axes
    width, height = np.ptp(places, axis=0) / (100, 42)      # of a letter
    for word, (x, y) in zip(words, places):
        if len(shown) < 80 and all(abs(x - x2) > width * (len(word) + len(other)) / 2
                                   or abs(y - y2) > height for other, x2, y2 in shown):
            shown.append((word, x, y))
            axes.annotate(word, (x, y), ha="center", va="center", parse_math=False)
    axes.set(xlabel="principal component 1", ylabel="principal component 2", title="Word vectors")


def draw(path, run, valid):
    """Write the lesson's picture, and print the neighbours of some words."""
    from matplotlib.figure import Figure        # here, so that all else runs without it
    for word in some_words(run["vocab"], 5):
        print(f"nearest to {word}:", *neighbours(run["best"]["E"], run["vocab"], word, 6))
    figure = Figure(figsize=(16, 9), layout="constrained")
    figure.suptitle(f"{LESSON}.py: {UNIT} {score(run['best_nats']):.1f} on held-out text")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    steps, *curves = np.transpose(run["scores"])
    left.semilogy(steps, score(np.transpose(curves)), subs=[2, 5])
    left.set(xlabel="training step", ylabel=UNIT, title="Learning (orange: held out)")
    left.yaxis.set(major_formatter="{x:.6g}", minor_formatter="{x:.6g}")
    plot_words(right, run["best"]["E"], run["vocab"])
    warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks become boxes
    figure.savefig(path, dpi=110)


# %% 9. Running
SETTINGS = {  # flag: (default, least value, what it is and which way to turn it)
    "data": (None, None, "text to learn from, UTF-8, instead of the fables"),
    "valid": (None, None, "held-out text to score, instead of the last tenth of the data"),
    "split": ("words", None, "words, lines (each one a sentence), or spaces (tokenised already)"),
    "min_count": (2, 1, "words seen less often in training become <unk>; higher is an easier task"),
    "embed": (96, 2, "size D of a word's vector; larger tells more words apart, and is slower"),
    "hidden": (256, 1, "cells H; more remember more, time grows with the square"),
    "batch": (32, 1, "streams B read side by side; fewer make more updates of the same text"),
    "seq_len": (64, 1, "tokens T in a window: as far back as the gradient goes"),
    "steps": (500, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (8e-3, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "dropout": (0.5, 0, "fraction of word vectors and of h set to zero in training; below 1"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e8 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (100, 1, "steps between progress lines, each with a score and a checkpoint"),
    "prompt": ("", None, "how each sample begins"),
    "length": (500, 0, "tokens of the last sample"),
    "temperature": (0.7, 0, "of sampling: 0 takes the likeliest, 1 draws as predicted, 2 is wild"),
    "load": (None, None, "checkpoint to go on from, in that file; with no steps left it samples"),
    "init": (None, None, "checkpoint to begin a new run from: fine-tuning on another text"),
    "out": ("out", None, "folder for the checkpoint and the picture of a new run"),
}
# What a checkpoint fixes for --load, and the first two of them for --init as well.
FIXED = ["embed", "hidden", "batch", "seq_len", "split", "min_count"]
GROUPS = ["params", "best", "m", "v"]           # the parts of a run that are dicts of arrays


def save(path, run):
    """Write the run as a checkpoint: a whole one is always there. An earlier run's is kept."""
    arrays = {f"{group}/{name}": a for group in GROUPS for name, a in run[group].items()}
    arrays |= {"state": run["state"], "rows_t": run["rows_t"]}
    plain = {key: run[key] for key in run if key not in (*GROUPS, *arrays)} | {"saved": True}
    with open(f"{path}.part", "wb") as file:
        np.savez(file, **{LESSON: json.dumps(plain)}, **arrays)
    if "saved" not in run and path.exists():
        print("an earlier one is now", path.replace(path.with_suffix(".old.npz")))
    Path(f"{path}.part").replace(path)          # all at once, or not at all
    run["saved"] = True


def restore(path):
    """Return the run that save wrote. Raise BadInput if the file is anything else."""
    try:
        with np.load(path) as file:             # pickle is off: a stranger's file can run no code
            run = json.loads(str(file[LESSON])) | {key: file[key] for key in ("state", "rows_t")}
            sizes = map(run["settings"].get, FIXED[:2])
            want = init_params(len(run["vocab"]), *sizes, np.random.default_rng(0))
            for group in GROUPS:
                run[group] = {name: file[f"{group}/{name}"] for name in want}
                assert all(a.shape == want[name].shape and np.isfinite(a).all()
                           for name, a in run[group].items())
        assert np.isfinite(run["state"]).all()
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
                            default=default, type=str if default is None else type(default),
                            choices=["words", "lines", "spaces"] if name == "split" else None)
    flags, start = vars(parser.parse_args(argv)), None
    for name, (default, least, _) in SETTINGS.items():
        # Only the prompt, whose default is empty, may be empty.
        most = 0.999 if name == "dropout" else 1e8
        if flags[name] == "" != default or least is not None and not least <= flags[name] <= most:
            raise BadInput(f"--{name.replace('_', '-')} {flags[name]!r} is empty or out of range")
    if flags["load"] or flags["init"]:
        start = restore(flags["load"] or flags["init"])
        saved, fixed = start["settings"], FIXED if flags["load"] else FIXED[:2]
        parser.set_defaults(**{name: saved[name] for name in (
            saved if flags["load"] else fixed + ["split"] * (saved["split"] == "spaces"))})
        flags = vars(parser.parse_args(argv))   # once more: what is not given stays as it was
        for name in fixed:
            # "words" may have become "lines" in read_data
            if flags[name] != saved[name] and (flags[name], saved[name]) != ("words", "lines"):
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
            print(f"step {done:>5} of {settings['steps']}  training {score(mean):.1f}  held out "
                  f"{score(nats):.1f}  gradient norm {norm:.2f}  {tokens / seconds:,.0f} tokens/s  "
                  f"{seconds / (done - first) * (settings['steps'] - done) / 60:.1f} min left")
            if len(run["scores"]) % 5 == 0 and done < settings["steps"]:
                prompt, seed = tokenize(settings["prompt"], settings["split"]), settings["seed"]
                print(sample(run["params"], run["vocab"], prompt, 40, settings["temperature"],
                             np.random.default_rng(seed), settings["split"]))


def work(argv):
    """Do what the flags ask; return the exit status."""
    flags, start = read_flags(argv)
    going_on, init, out = (flags.pop(name) for name in ("load", "init", "out"))
    path, run, status = Path(going_on or f"{out}/{LESSON}.npz"), start, 0
    if init and (going_on or Path(init).resolve().parent == path.resolve().parent):
        raise BadInput(f"--init {init} begins a new run: no --load, and another folder for --out")
    learning = not going_on or len(start["losses"]) < flags["steps"]
    if learning:
        vocab, ids, valid, flags["split"] = read_data(flags, start and start["vocab"])
        encode(tokenize(flags["prompt"], flags["split"]), vocab)        # can it be read?
        flags["checksum"] = zlib.crc32(ids.tobytes() + valid.tobytes())
        if not going_on:
            params = start["best"] if start else init_params(
                len(vocab), *map(flags.get, FIXED[:2]), np.random.default_rng(flags["seed"]))
            run = {"params": params, "best": params, "m": Adam(params).m, "v": Adam(params).v,
                   "rows_t": Adam(params).rows_t, "vocab": vocab, "best_nats": math.inf,
                   "losses": [], "scores": []}
        elif start["settings"]["checksum"] != flags["checksum"]:
            raise BadInput("the checkpoint was made with another text; give its --data and "
                           "--valid, or train it on this one with --init instead of --load")
        print(f"{LESSON}: {len(ids):,} tokens, {len(valid):,} held out, vocabulary of "
              f"{len(vocab):,}, {sum(param.size for param in run['params'].values()):,} parameters")
        if not check_gradients() < 1e-6:
            raise BadInput("backward does not give the gradients of forward; mend it first")
        unigram = -np.log(np.bincount(ids, minlength=len(vocab)).clip(1) / len(ids))[valid].mean()
        print(f"to beat: {UNIT} {len(vocab):,} by guessing, {score(unigram):.1f} by how common "
              "each one is")
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
        print(f"best held-out score: {UNIT} {score(run['best_nats']):.2f}, in {path} (a little "
              "optimistic, since it also chose what is kept)")
    prompt, rng = tokenize(flags["prompt"], flags["split"]), np.random.default_rng(flags["seed"])
    print(sample(run["best"], run["vocab"], prompt, flags["length"], flags["temperature"], rng,
                 flags["split"]))
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

# Papers: those of char_lstm.py and word_rnn.py. Zaremba et al. 2014: dropout (there, two layers).
# Three experiments:
#     python word_lstm.py --load out/word_lstm.npz --temperature 1.3       wilder, and less sense
#     python word_lstm.py --dropout 0      perplexity 22 in training, but 71 held out: overfitting
#     In step_backward write dc * i instead of dc * f, and run: the gradient check stops you.
