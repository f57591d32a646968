"""How fast the lessons are, and how fast PyTorch is at the same work.

    python tests/benchmark.py [LESSON ...]     training steps of all lessons, or of these
    python tests/benchmark.py --markdown       the same as a Markdown table
    python tests/benchmark.py --sampling       tokens per second of generation
    python tests/benchmark.py --growth         how a step's time grows with T, B, H and V
    python tests/benchmark.py --memory         peak memory of 30 training steps
    python tests/benchmark.py --startup        seconds from process start to the first step's end

Every measurement is a fresh process that begins with warm-up steps. The processes of NumPy and of
PyTorch alternate, so that a busy minute of the machine hits both; the tables show the median of all
rounds, and the quartiles in brackets. Both sides use float32, the same shapes, the same data in the
same order, and as many threads as they choose by themselves. Without PyTorch only NumPy's side is
measured. The machine must be idle: where another program holds a core, the threads of a matrix
product wait for each other, and a step can take ten times as long. --threads 1 suffers less.

OpenBLAS chooses its kernels by the processor, and the first line tells which. Some servers set
OPENBLAS_CORETYPE for the sake of older programs; where that forces Haswell's kernels on a processor
with AVX-512, matrix products can take 1.75 times as long. `env -u OPENBLAS_CORETYPE python
tests/benchmark.py` lets it choose.

A training step is forward, backward, clipping and Adam. The tokens counted are those that the loss
counts: all of a language model's, and those of a translation that are not padding. The ratio is
NumPy's speed divided by PyTorch's. "Products" is the share of NumPy's step that its matrix products
take when they are timed alone: those that no implementation can avoid, as `products` lists them.
For --startup NumPy's side is the lesson itself, with all that it reads, counts and prints before
its first step; PyTorch's reads the same data by the same functions and begins to train.
"""
import argparse
import contextlib
import importlib
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

LANGUAGE = ["char_rnn", "char_lstm", "char_gru", "word_rnn", "word_lstm", "word_gru"]
TRANSLATION = ["seq2seq", "bahdanau", "luong"]
LARGE = {"hidden": 256, "batch": 64, "seq_len": 64}
PAD = 0
threads = 0                 # --threads
torch = nn = F = None       # Only PyTorch's processes import it: NumPy's shall not pay for it.


def import_torch():
    """Import PyTorch into this module."""
    global torch, nn, F
    import torch
    import torch.nn.functional as F
    from torch import nn
    torch.manual_seed(0)


# %% Data
def load(name, changes, count=100):
    """A lesson and changes to its settings -> the lesson, settings, sizes, batches, vocabulary.

    sizes are init_params' first arguments. A batch is (inputs, targets), ids (T, B), or (source,
    target), ids (S, B) and (T + 1, B); of a translation lesson's only the first `count` are made.
    """
    lesson = importlib.import_module(name)
    settings = {flag: row[0] for flag, row in lesson.SETTINGS.items()}
    settings |= {flag: value for flag, value in changes.items() if flag in settings}
    if "V" in changes:                          # random ids, for a vocabulary that no text has
        vocab = list(map(chr, range(changes["V"])))
        ids = np.random.default_rng(0).integers(0, changes["V"], 100_000)
    elif name in LANGUAGE:
        tokens = lesson.tokenize(lesson.read_data("", "")[0])
        vocab = lesson.build_vocab(tokens, settings)
        ids = lesson.encode(tokens, vocab)
    if name in LANGUAGE:
        batches = lesson.windows(ids, settings["batch"], settings["seq_len"])
        settings["seq_len"], settings["batch"] = batches[0][0].shape
        batches = [part for part in batches if len(part[0]) == settings["seq_len"]]
        sizes = [len(vocab)]
    else:
        pairs, _ = lesson.read_data(settings)
        vocab, V_out = lesson.build_vocab(pairs, settings)
        ids = lesson.encode_pairs(pairs, vocab, V_out)
        parts = lesson.batches(ids, settings["batch"], np.random.default_rng(0))
        batches = [tuple(lesson.pad([ids[i][side] for i in part]) for side in (0, 1))
                   for part in parts[:count] if len(part) == settings["batch"]]
        sizes = [len(vocab), V_out]
    sizes += [settings[flag] for flag in ("embed", "hidden") if flag in settings]
    return lesson, settings, sizes, batches, vocab


def count_tokens(name, batch):
    """The number of tokens of a batch that the loss counts."""
    return batch[0].size if name in LANGUAGE else int((batch[1][1:] != PAD).sum())


# %% NumPy's side
def numpy_trainer(lesson, settings, sizes):
    """-> a function that makes one training step with a batch, and the parameters."""
    params = lesson.init_params(*sizes, np.random.default_rng(0))
    adam, rng = lesson.Adam(params), np.random.default_rng(0)
    language = hasattr(lesson, "init_state")
    state = lesson.init_state(settings["hidden"], settings["batch"]) if language else None
    noise = {"dropout": settings["dropout"], "rng": rng} if "dropout" in settings else {}

    def train(batch):
        nonlocal state
        if language:
            loss, state, cache = lesson.forward(params, *batch, state, **noise)
            grads, _ = lesson.backward(params, cache)
        else:
            loss, cache = lesson.forward(params, *batch)
            grads = lesson.backward(params, cache)
        lesson.clip_gradients(grads, settings["clip"])
        adam.update(params, grads, settings["lr"])
        return float(loss)
    return train, params


# %% PyTorch's side
# What a competent user writes: a whole sequence is one call of nn.RNN, nn.LSTM or nn.GRU wherever
# the model allows it. The GRU of the paper resets the state before the product, which nn.GRU cannot
# do, and Bahdanau's decoder needs a new context at every step, so those are loops over cells. All
# that does not depend on the state before is computed for all steps at once.

def gru_loop(a, h, Wh, real=None):
    """The paper's GRU: inputs a (T, B, 3H), first state h (B, H), Wh (3H, H) -> the list of states.

    Where `real` (T, B) is False the state stays as it is. K networks of one shape can run side by
    side, which takes fewer calls: a (T, K, B, 3H), h (K, B, H), Wh (K, 3H, H), real (T, K, B).
    """
    H, product = h.shape[-1], torch.addmm if h.dim() == 2 else torch.baddbmm
    gates, new = Wh.transpose(-1, -2).split((2 * H, H), dim=-1)
    # unbind, for the gradient of a[t] would be a zero array of the size of a, at every step.
    a_gates, a_new = (part.unbind(0) for part in a.split((2 * H, H), dim=-1))
    padded = [False] * len(a) if real is None else (~real.flatten(1).all(dim=1)).tolist()
    states = []
    for t in range(len(a)):
        r, z = product(a_gates[t], h, gates).sigmoid().chunk(2, dim=-1)
        after = torch.lerp(product(a_new[t], r * h, new).tanh(), h, z)
        h = torch.where(real[t, ..., None], after, h) if padded[t] else after
        states.append(h)
    return states


class TorchLanguage:
    """The six language models."""

    def __init__(self, name, settings, V, *sizes):
        H, self.dropout = settings["hidden"], settings.get("dropout", 0)
        D = sizes[0] if name.startswith("word") else V
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[name.split("_")[1]]
        self.parts = nn.ModuleDict({"out": nn.Linear(H, V)})
        self.state = torch.zeros(1, settings["batch"], H)
        if name == "char_gru":              # its own loop may look the product with Wx up
            self.parts.update({"Wx": nn.Embedding(V, 3 * H), "Wh": nn.Linear(H, 3 * H)})
        else:
            self.parts["rnn"] = kind(D, H)
        if kind is nn.LSTM:
            self.state = self.state, self.state
        if name.startswith("word"):
            # Dense: the fused Adam of all rows takes a third of the time of SparseAdam (0.8 against
            # 3.0 ms for look-up, gradient and update at V = 2,449, D = 96), which would also need
            # a norm written by hand.
            self.parts["E"] = nn.Embedding(V, D)
        # One-hot input as rows of a unit matrix takes a quarter of the time of F.one_hot.
        self.eye = torch.eye(V)

    def read(self, ids, state):
        """ids (T, B), state -> hidden states (T, B, H), state after."""
        if "Wx" in self.parts:
            states = gru_loop(self.parts["Wx"](ids) + self.parts["Wh"].bias, state[0],
                              self.parts["Wh"].weight)
            return torch.stack(states), states[-1][None]
        x = self.parts["E"](ids) if "E" in self.parts else F.embedding(ids, self.eye)
        return self.parts["rnn"](F.dropout(x, self.dropout) if self.dropout else x, state)

    def cell(self):
        """-> the function (ids, state) -> state of one step of one text, for generation.

        A cell with the layer's weights, since it takes a third of the time that nn.LSTM does.
        """
        if "Wx" in self.parts:
            return lambda ids, state: self.read(ids[None], state)[1]
        layer = self.parts["rnn"]
        cell = getattr(nn, type(layer).__name__ + "Cell")(layer.input_size, layer.hidden_size)
        for name, param in cell.named_parameters():
            param.data = getattr(layer, name + "_l0").data
        vectors = self.parts["E"].weight if "E" in self.parts else self.eye
        return lambda ids, state: cell(F.embedding(ids, vectors), state)

    def loss(self, inputs, targets):
        """ids (T, B) both -> the mean loss; the state is kept for the next window."""
        hidden, state = self.read(inputs, self.state)
        self.state = state.detach() if torch.is_tensor(state) else tuple(s.detach() for s in state)
        if self.dropout:
            hidden = F.dropout(hidden, self.dropout)
        return F.cross_entropy(self.parts["out"](hidden.flatten(0, 1)), targets.flatten())


class TorchTranslation:
    """seq2seq; what the other two share with it."""

    def __init__(self, name, settings, V, V_out, D, H):
        M = (H + 1) // 2

        def linear(columns, rows, bias=False):
            return nn.Linear(columns, rows, bias=bias)
        self.H = H
        self.parts = nn.ModuleDict({"E": nn.Embedding(V, D)})
        if name == "luong":
            self.parts.update({"enc": nn.LSTM(D, H), "dec": nn.LSTM(D, H), "Wa": linear(H, H),
                               "Wc": linear(2 * H, H), "Wy": linear(H, V_out)})
            return
        for side in ("enc", "dec") if name == "seq2seq" else ("fwd", "bwd", "dec"):
            self.parts["Wx_" + side] = linear(D, 3 * H, True)
            self.parts["Wh_" + side] = linear(H, 3 * H)
        C = H if name == "seq2seq" else 2 * H
        self.parts.update({"Wc_dec": linear(C, 3 * H), "Oh": linear(H, 2 * M, True),
                           "Oy": linear(D, 2 * M), "Oc": linear(C, 2 * M),
                           "Wy": linear(M, V_out, True)})
        self.parts.update({"Wc": linear(H, H), "Wb": linear(H, H)} if name == "seq2seq" else
                          {"Ws": linear(H, H), "Wa": linear(H, H), "Ua": linear(2 * H, H),
                           "va": linear(H, 1)})

    def readout(self, hidden, vectors, context, target):
        """States (T, B, H), previous words' vectors, contexts -> the loss, through maxout units.

        The two linear functions of a unit are half the rows apart, so that no copy is needed.
        """
        p = self.parts
        s = p["Oh"](hidden) + p["Oy"](vectors) + p["Oc"](context)
        return self.score(p["Wy"](torch.maximum(*s.chunk(2, dim=2))), target)

    def score(self, logits, target):
        """Logits (T, B, V_out) -> the mean loss of the tokens that are not padding."""
        return F.cross_entropy(logits.flatten(0, 1), target[1:].flatten(), ignore_index=PAD)

    def loss(self, source, target):
        """Source ids (S, B), target ids (T + 1, B) -> the mean loss of seq2seq."""
        p = self.parts
        zero = torch.zeros(source.shape[1], self.H)
        last = gru_loop(p["Wx_enc"](p["E"](source)), zero, p["Wh_enc"].weight, source != PAD)[-1]
        c = torch.tanh(p["Wc"](last))
        vectors = p["E"](target[:-1])
        a = p["Wx_dec"](vectors) + p["Wc_dec"](c)
        hidden = torch.stack(gru_loop(a, torch.tanh(p["Wb"](c)), p["Wh_dec"].weight))
        return self.readout(hidden, vectors, c, target)


class TorchBahdanau(TorchTranslation):
    """Additive attention, a context at every step of the decoder."""

    def loss(self, source, target):
        """Source ids (S, B), target ids (T + 1, B) -> the mean loss."""
        p, H = self.parts, self.H
        vectors, real, zero = p["E"](source), source != PAD, torch.zeros(2, source.shape[1], H)
        # Both encoders in one loop takes three quarters of the time of two loops at H = 128.
        states = torch.stack(gru_loop(
            torch.stack([p["Wx_fwd"](vectors), p["Wx_bwd"](vectors.flip(0))], dim=1), zero,
            torch.stack([p["Wh_fwd"].weight, p["Wh_bwd"].weight]),
            torch.stack([real, real.flip(0)], dim=1)))                      # (S, 2, B, H)
        fwd, bwd = states[:, 0], states[:, 1].flip(0)
        notes = torch.cat([fwd, bwd], dim=2).transpose(0, 1).contiguous()   # (B, S, 2H)
        keys, s = p["Ua"](notes), torch.tanh(p["Ws"](bwd[0]))
        hide = torch.zeros(source.t().shape).masked_fill(source.t() == PAD, -math.inf)
        vectors = p["E"](target[:-1])
        Wh, Wc, va = p["Wh_dec"].weight, p["Wc_dec"].weight.t(), p["va"].weight[0]
        # Both things that are done with the state before come from one product.
        first, new = torch.cat([p["Wa"].weight, Wh[:2 * H]]).t(), Wh[2 * H:].t()
        states, contexts = [], []
        for a in p["Wx_dec"](vectors).unbind(0):
            states.append(s)
            query, gates = (s @ first).split((H, 2 * H), dim=1)
            alpha = torch.softmax(torch.tanh(keys + query[:, None]) @ va + hide, dim=1)
            contexts.append(torch.bmm(alpha[:, None], notes)[:, 0])
            a_gates, a_new = torch.addmm(a, contexts[-1], Wc).split((2 * H, H), dim=1)
            r, z = (a_gates + gates).sigmoid().chunk(2, dim=1)
            s = torch.lerp(s, torch.addmm(a_new, r * s, new).tanh(), z)
        return self.readout(torch.stack(states), vectors, torch.stack(contexts), target)


class TorchLuong(TorchTranslation):
    """Global attention with the general score, all steps at once.

    Padding is hidden from the attention only. The encoder reads it like a word, which spares
    PyTorch the packing; batches are of like length, so there is little of it.
    """

    def loss(self, source, target):
        """Source ids (S, B), target ids (T + 1, B) -> the mean loss."""
        p, source = self.parts, source.flip(0)
        states, last = p["enc"](p["E"](source))
        hidden = p["dec"](p["E"](target[:-1]), last)[0]                     # (T, B, H)
        hbar = states.transpose(0, 1)                                       # (B, S, H)
        hide = torch.zeros(source.t().shape).masked_fill(source.t() == PAD, -math.inf)[:, None]
        asking = p["Wa"](hidden).transpose(0, 1)
        alpha = torch.softmax(torch.baddbmm(hide, asking, hbar.transpose(1, 2)), dim=2)
        context = torch.bmm(alpha, hbar).transpose(0, 1)
        vector = torch.tanh(p["Wc"](torch.cat([context, hidden], dim=2)))
        return self.score(p["Wy"](vector), target)


def torch_trainer(name, settings, sizes):
    """-> a function that makes one training step with a batch, and the model."""
    kind = {"seq2seq": TorchTranslation, "bahdanau": TorchBahdanau, "luong": TorchLuong}
    model = kind.get(name, TorchLanguage)(name, settings, *sizes)
    params = list(model.parts.parameters())
    adam = torch.optim.Adam(params, lr=settings["lr"], fused=True)

    def train(batch):
        loss = model.loss(*batch)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, settings["clip"])
        adam.step()
        return loss.item()
    return train, model


def check_sizes(lesson, sizes, model):
    """Both sides must have as many parameters, but for the second bias of PyTorch's layers.

    word_gru has a part of that second bias, bn, so it is left out on both sides.
    """
    params = lesson.init_params(*sizes, np.random.default_rng(0))
    ours = sum(param.size for name, param in params.items() if name != "bn")
    theirs = sum(param.numel() for name, param in model.parts.named_parameters()
                 if "bias_hh" not in name)
    assert ours == theirs, f"{lesson.__name__}: {ours:,} parameters in NumPy, {theirs:,} in PyTorch"
    return ours


# %% The products that cannot be avoided
def products(name, B, T, S, V, D, H):
    """-> list of (times, left, right): the matrix products of a training step, shapes as lessons'.

    A layer of weights (rows, columns) has three: W @ X, W.T @ dY and dY @ X.T. Where the lesson
    goes step by step, so do the first two; the third sums over all columns at once. V is what the
    output covers. One-hot products are left out, for a look-up and a sum do the same.
    """
    rng = np.random.default_rng(0)

    def array(*shape):
        return rng.standard_normal(shape, np.float32)

    def layer(rows, columns, N, forward=1, backward=1):
        W, X, dY = array(rows, columns), array(columns, N), array(rows, N)
        return [(forward, W, array(columns, N // forward)),
                (backward, W.T, array(rows, N // backward)), (1, dY, X.T)]

    def recurrent(steps, kind):
        rows = {"rnn": [H], "lstm": [4 * H], "gru": [3 * H], "papers_gru": [2 * H, H]}[kind]
        return sum((layer(n, H, steps * B, steps, steps) for n in rows), [])

    def inputs(steps, kind):
        rows = {"rnn": H, "lstm": 4 * H}.get(kind, 3 * H)
        return layer(rows, D, steps * B, steps)
    N = T * B
    if name in LANGUAGE:
        kind = "papers_gru" if name == "char_gru" else name.split("_")[1]
        return (recurrent(T, kind) + layer(V, H, N)
                + (inputs(T, kind) if name.startswith("word") else []))
    kind, M = "lstm" if name == "luong" else "papers_gru", (H + 1) // 2
    both = inputs(S, kind) + recurrent(S, kind) + inputs(T, kind) + recurrent(T, kind)
    if name == "seq2seq":       # bridge Wc and Wb; c's way into decoder and readout; readout
        return (both + 2 * layer(H, H, B) + layer(3 * H, H, B) + layer(2 * M, H, B)
                + layer(2 * M, H, N) + layer(2 * M, D, N) + layer(V, M, N))
    if name == "luong":         # Wc and Wy; then Wa, scores and contexts, and each one's gradients
        asking, hbar, alpha = array(B, T, H), array(B, S, H), array(B, T, S)
        return both + layer(H, 2 * H, N) + layer(V, H, N) + layer(H, H, N) + [
            (2, asking, hbar.transpose(0, 2, 1)), (2, alpha, hbar),
            (2, alpha.transpose(0, 2, 1), asking)]
    # bahdanau: a second encoder, Ws, Wa, Ua, Wc_dec, readout; then the scores and their va, the
    # contexts and their alpha, and the gradient of the annotations, one product for each sentence.
    notes, u = array(B, S, 2 * H), array(H, S * B)
    return (both + inputs(S, kind) + recurrent(S, kind) + layer(H, H, B) + layer(H, H, N, T, T)
            + layer(H, 2 * H, S * B, S, S) + layer(3 * H, 2 * H, N, T, T)
            + layer(2 * M, H, N) + layer(2 * M, D, N) + layer(2 * M, 2 * H, N) + layer(V, M, N)
            + [(T, array(1, H), u), (T, array(1, S * B), u.T), (T, array(B, 1, S), notes),
               (T, notes, array(B, 2 * H, 1)), (1, array(B, S, T), array(B, T, 2 * H))])


def time_products(name, settings, sizes, batches, steps):
    """-> seconds that the products of one training step take, at the batches' mean lengths."""
    if name in LANGUAGE:
        S, T, V = 0, settings["seq_len"], sizes[0]
    else:
        S = round(statistics.mean(len(source) for source, _ in batches))
        T = round(statistics.mean(len(target) - 1 for _, target in batches))
        V = sizes[1]
    todo = products(name, settings["batch"], T, S, V, settings.get("embed"), settings["hidden"])
    for i in range(steps + 1):
        if i == 1:                                  # the first time is to warm up
            started = time.perf_counter()
        for times, left, right in todo:
            for _ in range(times):
                left @ right
    return (time.perf_counter() - started) / steps


# %% One measurement, in a process of its own
def measure(job):
    """A job, as `run` makes it -> its result."""
    name, side, steps = job["lesson"], job["side"], job["steps"]
    if side == "torch":
        import_torch()
    if job["what"] == "rows":
        return time_rows(name, job["V"], steps)
    if job["what"] == "startup" and side == "numpy":
        return time_startup(importlib.import_module(name), job["started"])
    lesson, settings, sizes, batches, vocab = load(
        name, job["changes"], 1 if job["what"] == "startup" else 100)
    if job["what"] == "sampling":
        return time_sampling(lesson, side, settings, sizes, vocab, steps)
    warm_up = 0 if job["what"] != "step" else job["warm_up"]
    batches = (batches * (1 + (warm_up + steps) // len(batches)))[:warm_up + steps]
    if side == "products":
        return time_products(name, settings, sizes, batches[warm_up:], steps)
    tokens = [count_tokens(name, batch) for batch in batches]
    if side == "torch":
        train, model = torch_trainer(name, settings, sizes)
        if job["what"] == "step":
            check_sizes(lesson, sizes, model)
        batches = [tuple(torch.from_numpy(ids).contiguous() for ids in batch) for batch in batches]
    else:
        train, _ = numpy_trainer(lesson, settings, sizes)
    # The longest come first: what memory they need is fetched before the clock starts.
    for batch in sorted(batches, key=lambda batch: -sum(map(len, batch)))[:warm_up]:
        train(batch)
    started = time.perf_counter()
    for batch in batches[warm_up:]:
        loss = train(batch)
    seconds = time.perf_counter() - started
    assert math.isfinite(loss), loss
    if job["what"] == "startup":
        return time.time() - job["started"]
    if job["what"] == "memory":
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)        # bytes there, KiB here
    return {"speed": sum(tokens[warm_up:]) / seconds, "seconds": seconds / steps}


def time_startup(lesson, started):
    """-> seconds from `started` to the end of the first step, of the lesson as it runs by default."""
    class FirstStep(Exception):
        pass

    class OneStep(lesson.Adam):
        def update(self, params, grads, lr):
            super().update(params, grads, lr)
            raise FirstStep
    lesson.Adam = OneStep
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(None):
        with contextlib.suppress(FirstStep):
            lesson.main(["--out", out])
        return time.time() - started


def time_sampling(lesson, side, settings, sizes, vocab, length):
    """-> tokens per second of generation, one at a time, temperature 0.7, weights as they begin."""
    settings = settings | {"batch": 1}
    if side == "torch":
        _, model = torch_trainer(lesson.__name__, settings, sizes)
        cell, out = model.cell(), model.parts["out"]
        # A layer's state has an axis for the layers, a cell's has not.
        first = (tuple(s[0] for s in model.state) if isinstance(model.state, tuple) else
                 model.state if "Wx" in model.parts else model.state[0])

        def generate(length):
            ids, state = [0], first
            with torch.no_grad():
                for _ in range(length):
                    state = cell(torch.tensor(ids[-1:]), state)
                    h = state[0] if isinstance(state, tuple) else state
                    p = torch.softmax(out(h.flatten()) / 0.7, dim=0)
                    ids.append(torch.multinomial(p, 1).item())
            return "".join(vocab[i] for i in ids)
    else:
        _, params = numpy_trainer(lesson, settings, sizes)

        def generate(length):
            return lesson.sample(params, vocab, "", length, 0.7, np.random.default_rng(0))
    generate(50)
    started = time.perf_counter()
    generate(length)
    return length / (time.perf_counter() - started)


def time_rows(name, V, steps):
    """-> seconds of sum_rows and the sparse Adam step of E alone, for 2,048 tokens of D = 96.

    The tokens are of the same 1,000 kinds whatever V is, so that only the size of E differs.
    """
    lesson, rng = importlib.import_module(name), np.random.default_rng(0)
    params = {"E": rng.standard_normal((V, 96), np.float32)}
    adam = lesson.Adam(params)
    ids = rng.integers(0, 1000, 2048) * (V // 1000)
    rows = rng.standard_normal((2048, 96), np.float32)
    for i in range(steps + 5):
        if i == 5:
            started = time.perf_counter()
        adam.update(params, {"E": lesson.sum_rows(ids, rows)}, 1e-3)
    return (time.perf_counter() - started) / steps


def run(what, lesson, side="numpy", steps=1, **job):
    """Make one measurement in a fresh process -> its result."""
    job = {"what": what, "lesson": lesson, "side": side, "steps": steps, "changes": {}} | job
    # Without --threads each side chooses by itself, whatever the calling shell asks for.
    env = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    if threads:
        env |= {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL")}
    job["started"] = time.time()
    done = subprocess.run([sys.executable, __file__, "--measure", json.dumps(job)], env=env,
                          capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{lesson}, {side}: the measurement failed\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


# %% Tables
def alternate(rounds, sides, measurement):
    """Call measurement(side) for all sides, `rounds` times over -> list of results by side."""
    found = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(measurement(side))
    return found


def spread(values, form=",.0f"):
    """Numbers -> their median, with the quartiles in brackets."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


class Table:
    """Rows that are printed as soon as they are known."""

    def __init__(self, markdown, *heads):
        self.markdown, self.widths = markdown, [12 if head in ("lesson", "size", "ratio") else 34
                                                for head in heads]
        self.row(*heads)
        if markdown:
            self.row("---", *["---:"] * (len(heads) - 1))

    def row(self, *cells):
        """Print one row."""
        if self.markdown:
            print("| " + " | ".join(cells) + " |", flush=True)
        else:
            print("".join(f"{cell:<{width}}" for cell, width in zip(cells, self.widths)).rstrip(),
                  flush=True)


def training(options, sides):
    """The main table."""
    table = Table(options.markdown, "lesson", "size", "NumPy tokens/s", "PyTorch tokens/s", "ratio",
                  "products")
    ratios = []
    for name in options.lessons:
        settings = {flag: row[0] for flag, row in importlib.import_module(name).SETTINGS.items()}
        large = {flag: value for flag, value in LARGE.items() if flag in settings}
        for size, changes in (("default", {}), ("large", large)):
            if changes and changes.items() <= settings.items():
                continue                            # the default size is the large one already
            found = alternate(options.rounds, [*sides, "products"], lambda side: run(
                "step", name, side, options.steps, changes=changes, warm_up=options.warm_up))
            ours = [result["speed"] for result in found["numpy"]]
            theirs = [result["speed"] for result in found.get("torch", [])]
            ratio = statistics.median(ours) / statistics.median(theirs) if theirs else None
            share = (statistics.median(found["products"])
                     / statistics.median(result["seconds"] for result in found["numpy"]))
            if ratio and not changes:
                ratios.append(ratio)
            shown = settings | changes
            table.row(name, "H={hidden} B={batch}".format(**shown), spread(ours),
                      spread(theirs) if theirs else "-", f"{ratio:.2f}" if ratio else "-",
                      f"{share:.0%}")
    if ratios:
        print(f"\nGeometric mean of the ratios at the default sizes: "
              f"{statistics.geometric_mean(ratios):.2f}")


def compare(options, sides, names, heading, what, form, **job):
    """A table of one number for each side, for --sampling, --memory and --startup."""
    table = Table(options.markdown, "lesson", f"NumPy {heading}", f"PyTorch {heading}", "ratio")
    for name in names:
        found = alternate(options.rounds, sides, lambda side: run(what, name, side, **job))
        theirs = found.get("torch")
        ratio = statistics.median(found["numpy"]) / statistics.median(theirs) if theirs else None
        table.row(name, spread(found["numpy"], form), spread(theirs, form) if theirs else "-",
                  f"{ratio:.2f}" if ratio else "-")


def growth(options):
    """How the time of a step grows: char_lstm on random ids, and the embedding of word_lstm."""
    base = {"seq_len": 64, "batch": 32, "hidden": 256, "V": 64}
    table = Table(options.markdown, "char_lstm", "milliseconds", "against the row above")
    for flag, letter, values in (("seq_len", "T", (32, 64, 128, 256)),
                                 ("batch", "B", (16, 32, 64, 128)),
                                 ("hidden", "H", (128, 256, 512)),
                                 ("V", "V", (64, 256, 1024, 4096))):
        found = alternate(options.rounds, values, lambda value: 1000 * run(
            "step", "char_lstm", steps=options.steps, changes=base | {flag: value},
            warm_up=options.warm_up)["seconds"])
        print_growth(table, letter, found)
    found = alternate(options.rounds, (1000, 100_000), lambda V: 1000 * run(
        "rows", "word_lstm", steps=10 * options.steps, V=V))
    print_growth(table, "word_lstm's E alone, V", found)


def print_growth(table, letter, found):
    """Rows for one letter; found is a dict from its values to lists of milliseconds."""
    before = None
    for value, times in found.items():
        middle = statistics.median(times)
        table.row(f"{letter} = {value:,}", spread(times, ",.2f"),
                  f"{middle / before:.2f}" if before else "")
        before = middle


def blas_kernels():
    """-> the kernels that NumPy's OpenBLAS uses here, by its own account, and who chose them."""
    told = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True, text=True,
                          env=os.environ | {"OPENBLAS_VERBOSE": "2"}).stderr
    kernels = told.strip().rpartition("Core: ")[2] or "unknown"
    return kernels + ", forced by OPENBLAS_CORETYPE" * ("OPENBLAS_CORETYPE" in os.environ)


def main():
    """Read the command line and print the tables it asks for."""
    global threads
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="which lessons (default: all)")
    for flag, text in (("markdown", "print Markdown tables"), ("sampling", "time the generation"),
                       ("growth", "time steps of growing sizes"), ("memory", "measure peak memory"),
                       ("startup", "time the way to the first step")):
        parser.add_argument("--" + flag, action="store_true", help=text)
    for flag, default, text in (("rounds", 7, "processes for each number"),
                                ("steps", 20, "training steps timed in each process"),
                                ("warm-up", 15, "training steps before them; the first ones fetch memory"),
                                ("length", 1000, "tokens that --sampling generates"),
                                ("threads", 0, "threads of each process; 0 lets it choose")):
        parser.add_argument("--" + flag, type=int, default=default, metavar="N",
                            help=f"{text} (default {default})")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    threads = options.threads
    if options.measure:
        with np.errstate(all="ignore"):
            print(json.dumps(measure(json.loads(options.measure))))
        return
    unknown = set(options.lessons) - {*LANGUAGE, *TRANSLATION}
    if unknown:
        parser.error(f"no lesson is called {', '.join(sorted(unknown))}")
    language = [name for name in LANGUAGE if name in options.lessons or not options.lessons]
    options.lessons = options.lessons or LANGUAGE + TRANSLATION
    from importlib.metadata import version          # here: it takes time that --startup would count
    sides = ["numpy", "torch"] if importlib.util.find_spec("torch") else ["numpy"]
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch "
          f"{version('torch') if len(sides) > 1 else 'not installed'}, "
          f"{os.cpu_count()} CPUs, {platform.platform()}, OpenBLAS kernels {blas_kernels()}")
    if hasattr(os, "getloadavg"):
        print(f"load average before the start: {os.getloadavg()[0]:.2f}\n")
    if options.sampling:
        compare(options, sides, language, "tokens/s", "sampling", ",.0f", steps=options.length)
    if options.memory:
        compare(options, sides, options.lessons, "MB", "memory", ",.0f", steps=30)
    if options.startup:
        compare(options, sides, options.lessons, "seconds", "startup", ".2f")
    if options.growth:
        growth(options)
    if not (options.sampling or options.memory or options.startup or options.growth):
        training(options, sides)


if __name__ == "__main__":
    main()
