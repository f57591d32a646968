"""How fast the lessons are, and how fast PyTorch is at the same work.

    python tests/benchmark.py [LESSON ...]   training steps, at the default sizes and at H=256 B=64
    python tests/benchmark.py --vocab        training steps with the vocabularies of real text
    python tests/benchmark.py --sampling     tokens per second of generation
    python tests/benchmark.py --memory       peak memory of 30 training steps
    python tests/benchmark.py --startup      seconds from process start to the first step's end
    python tests/benchmark.py --growth       how a step's time grows with T, B, H and V, NumPy alone
    python tests/benchmark.py --check        do both sides compute the same loss and gradients?
    python tests/benchmark.py --threads 2 1  every table twice: with two threads, and with one
    python tests/benchmark.py --busy         while another process takes one of the cores

Every measurement is a fresh process that begins with warm-up steps. The processes of NumPy and of
PyTorch alternate, so that a busy minute of the machine hits both; the tables show the median of all
rounds, and the quartiles in brackets. Both sides use float32, the same first weights, the same data
in the same order, and as many threads as --threads says. The ratio is NumPy's number divided by
PyTorch's; without PyTorch only NumPy's side is measured. The machine must be idle: where another
program holds a core, the threads of a matrix product wait for each other, and a step can take ten
times as long: --busy shows it, and that --threads 1 suffers less.

A training step is forward, backward, clipping and Adam. The tokens counted are those that the loss
counts: all of a language model's, and those of a translation that are not padding. For --vocab the
ids are random: word_lstm with 10,000 words, bahdanau and luong with 9,000, 6,000 of them in
translations, in sentences as long as those of the lessons' data. They are drawn evenly, so more
different words occur than in real text, which is to NumPy's disadvantage. For --startup NumPy's
side is the lesson itself, with all that it reads, checks and prints before its first step;
PyTorch's reads the same data by the same functions and begins to train.

The lessons make glibc keep the memory that is freed, and so does NumPy's side here. PyTorch's does
as it does by default; with --keep-memory it keeps it too, and can be much faster.

OpenBLAS chooses its kernels by the processor, and the first line tells which. Where the variable
OPENBLAS_CORETYPE forces Haswell's on a processor with AVX-512, matrix products can take 1.75 times
as long. `env -u OPENBLAS_CORETYPE python tests/benchmark.py` lets it choose.
"""
import argparse
import contextlib
import importlib
import importlib.util
import json
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import geometric_mean, median
from subprocess import Popen, run

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LANGUAGE = ["char_rnn", "char_lstm", "char_gru", "word_rnn", "word_lstm", "word_gru"]
LESSONS = dict.fromkeys([*LANGUAGE, "seq2seq", "bahdanau", "luong"], {})
WORDS = {"V": 9000, "V_out": 6000, "embed": 256, "hidden": 256, "batch": 64}
VOCAB = {"word_lstm": {"V": 10_000, "embed": 200, "hidden": 200, "batch": 20, "seq_len": 35},
         "bahdanau": WORDS, "luong": WORDS}
TABLES = {  # name: (title, unit, format of a number, {lesson: what is changed of its settings})
    "default": ("default sizes", "tokens/s", ",.0f", LESSONS),
    "large": ("H=256, B=64", "tokens/s", ",.0f", dict.fromkeys(LESSONS, {"hidden": 256, "batch": 64})),
    "vocab": ("large vocabularies", "tokens/s", ",.0f", VOCAB),
    "sampling": ("generation", "tokens/s", ",.0f", dict.fromkeys(LANGUAGE, {"batch": 1})),
    "memory": ("peak memory", "MB", ",.0f", LESSONS),
    "startup": ("to the first step's end", "seconds", ".2f", LESSONS),
    "growth": ("growing sizes", "milliseconds", ",.2f", {}),
    "check": ("do both sides compute the same?", "", "", dict.fromkeys(LESSONS, {"dropout": 0})),
}
PAD = 0


# %% Data
def load(name, changes):
    """Return a lesson, its settings with these changes, first params, batches and the vocabulary.

    A batch is (inputs, targets), ids (T, B), or (source, target), ids (S, B) and (T + 1, B); of a
    translation lesson there are up to 100. With "V" among the changes the words are random.
    """
    lesson, rng = importlib.import_module(name), np.random.default_rng(0)
    settings = {flag: row[0] for flag, row in lesson.SETTINGS.items()} | changes
    if name in LANGUAGE:
        if "V" in settings:
            vocab = list(map(chr, range(settings["V"])))
            ids = rng.integers(0, settings["V"], 100_000)
        else:
            vocab, ids, *_ = lesson.read_data(*([settings] if "split" in settings else ["", ""]))
        shape, sizes = (settings["seq_len"], settings["batch"]), [len(vocab)]
        batches = [part for part in lesson.windows(ids, *shape[::-1]) if part[0].shape == shape]
    else:
        pairs, _ = lesson.read_data(settings)
        vocab, V_out = lesson.build_vocab(pairs, settings["min_count"])
        ids, sizes = lesson.encode_pairs(pairs, vocab, V_out), [len(vocab), V_out]
        if "V" in settings:                             # the first four ids are special tokens
            sizes = [settings["V"], settings["V_out"]]
            ids = [((*rng.integers(4, sizes[0], len(source) - 1), lesson.EOS),
                    (lesson.BOS, *rng.integers(4, sizes[1], len(target) - 2), lesson.EOS))
                   for source, target in ids]
        batches = [tuple(lesson.pad([ids[i][side] for i in part]) for side in (0, 1))
                   for part in lesson.batches(ids, settings["batch"], rng)[:100]
                   if len(part) == settings["batch"]]
    sizes += [settings[flag] for flag in ("embed", "hidden") if flag in settings]
    return lesson, settings, lesson.init_params(*sizes, np.random.default_rng(0)), batches, vocab


# %% NumPy's side
def numpy_model(lesson, settings, params):
    """Return two functions of a batch: one to loss and gradients, one that makes a step with it."""
    language, adam, rng = lesson.__name__ in LANGUAGE, lesson.Adam(params), np.random.default_rng(0)
    state = lesson.init_state(settings["hidden"], settings["batch"]) if language else None

    def gradients(batch):
        nonlocal state
        if not language:
            loss, cache = lesson.forward(params, *batch)
            return loss, lesson.backward(params, cache)
        masks = [[lesson.dropout_mask(settings["dropout"], (settings[size], batch[0].size), rng)
                  for size in ("embed", "hidden")]] if "embed" in settings else []
        loss, state, cache = lesson.forward(params, *batch, state, *masks)
        return loss, lesson.backward(params, cache)[0]

    def train(batch):
        loss, grads = gradients(batch)
        lesson.clip_gradients(grads, settings["clip"])
        adam.update(params, grads, settings["lr"])
        return float(loss)
    return gradients, train


# %% PyTorch's side
# What a competent user writes, without torch.compile: a whole sequence is one call of nn.RNN,
# nn.LSTM or nn.GRU wherever the model allows it. The GRU of the papers resets the state before the
# product, which nn.GRU cannot do, and Bahdanau's decoder needs a new context at every step, so
# those are loops over cells. All that does not depend on the state before is computed for all steps
# at once. The gradient of E is dense: the fused Adam of all rows takes a third of the time of
# SparseAdam at the default sizes, and about the same (3 ms) with 10,000 words.
#
# p is a dict of the lesson's parameters, where those of a layer of PyTorch are replaced by it.

def torch_params(name, params):
    """Return p for the params of a lesson."""
    p, kind = dict(params), name.split("_")[-1]
    layers = {"luong": ["_enc", "_dec"]}.get(name, [""] if name in LANGUAGE else [])
    if name == "char_gru":              # its own loop may look the product with Wx up
        layers, p["Wx"] = [], p["Wx"].T
    for side in layers:
        weights = [p.pop(key + side) for key in ("Wx", "Wh", "b")]
        p["layer" + side] = layer("lstm" if name == "luong" else kind, *weights, p.pop("bn", None))
    for key in {"Oh", "Oy", "Oc", "bo"} & {*p}:
        # The two linear functions of a maxout unit are half the rows apart: that spares a copy.
        p[key] = np.concatenate([p[key][0::2], p[key][1::2]])
    # A bias (N, 1) becomes (N,).
    return {key: torch.tensor(value[:, 0] if value.shape[1] == 1 else value, requires_grad=True)
            if isinstance(value, np.ndarray) else value for key, value in p.items()}


def layer(kind, Wx, Wh, b, bn=None):
    """Return nn.RNN, nn.LSTM or nn.GRU, as kind says, with the weights of a lesson.

    The gates of an LSTM are i, f, o, g in the lessons and i, f, g, o in PyTorch.
    """
    module, H = getattr(torch.nn, kind.upper())(Wx.shape[1], Wh.shape[1]), Wh.shape[1]
    order = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}[kind]
    for name, array in (("weight_ih_l0", Wx), ("weight_hh_l0", Wh), ("bias_ih_l0", b[:, 0])):
        parts = np.split(array, len(order))
        getattr(module, name).data = torch.tensor(np.concatenate([parts[i] for i in order]))
    module.bias_hh_l0.data.zero_()
    if bn is not None:
        module.bias_hh_l0.data[2 * H:] = torch.tensor(bn[:, 0])
    return module


def gru_loop(a, h, Wh, keeps=False):
    """The papers' GRU: inputs a (T, B, 3H), first state h (B, H), Wh (3H, H); return the T states.

    z lets the new content in, or keeps the old state if `keeps` is true. K networks of one shape
    can run side by side, which takes fewer calls: a (T, K, B, 3H), h (K, B, H), Wh (K, 3H, H).
    """
    H, product = h.shape[-1], torch.addmm if h.dim() == 2 else torch.baddbmm
    gates, new = Wh.transpose(-1, -2).split((2 * H, H), dim=-1)
    # unbind, for the gradient of a[t] would be a zero array of the size of a, at every step.
    a_gates, a_new = (part.unbind(0) for part in a.split((2 * H, H), dim=-1))
    states = []
    for t in range(len(a)):
        r, z = product(a_gates[t], h, gates).sigmoid().chunk(2, dim=-1)
        n = product(a_new[t], r * h, new).tanh()
        h = torch.lerp(n, h, z) if keeps else torch.lerp(h, n, z)
        states.append(h)
    return states


def hold(a, ids):
    """Let z, the second third of a (..., 3H), be 0 at padding: there the state stays as it is."""
    H = a.shape[-1] // 3
    a[..., H:2 * H].masked_fill_((ids == PAD)[..., None], -math.inf)
    return a


def look_up(p):
    """Return what a character or a word is looked up in, one row for each."""
    # One-hot input as rows of a unit matrix takes a quarter of the time of F.one_hot.
    return p.get("E", p.get("Wx", torch.eye(len(p["by"]))))             # Wx: of char_gru


def language_loss(p, dropout):
    """Return a function of inputs and targets, ids (T, B), that keeps the state between windows."""
    rows, state = look_up(p), None

    def loss(inputs, targets):
        nonlocal state
        x = F.embedding(inputs, rows)
        x = F.dropout(x, dropout) if dropout else x
        if "layer" in p:
            hidden, state = p["layer"](x, state)
            state = tuple(s.detach() for s in state) if type(state) is tuple else state.detach()
        else:
            first = torch.zeros(len(x[0]), p["Wh"].shape[1]) if state is None else state
            states = gru_loop(x + p["b"], first, p["Wh"], keeps=True)
            hidden, state = torch.stack(states), states[-1].detach()
        hidden = F.dropout(hidden, dropout) if dropout else hidden
        logits = F.linear(hidden.flatten(0, 1), p["Wy"], p["by"])
        return F.cross_entropy(logits, targets.flatten())
    return loss


def generate(p, vocab, length):
    """Write a text with PyTorch, `length` tokens at temperature 0.7."""
    rows, ids, state = look_up(p), [0], None
    if "layer" in p:    # a cell with its weights takes a third of the time that nn.LSTM does
        kind, H = type(p["layer"]).__name__ + "Cell", p["layer"].hidden_size
        cell = getattr(torch.nn, kind)(p["layer"].input_size, H)
        for name, param in cell.named_parameters():
            param.data = getattr(p["layer"], name + "_l0").data
    else:
        state = torch.zeros(1, p["Wh"].shape[1])

        def cell(x, state):
            return gru_loop((x + p["b"])[None], state, p["Wh"], keeps=True)[0]
    with torch.inference_mode():
        for _ in range(length):
            state = cell(F.embedding(torch.tensor(ids[-1:]), rows), state)
            h = state[0] if type(state) is tuple else state
            logits = F.linear(h.flatten(), p["Wy"], p["by"])
            ids.append(torch.multinomial(torch.softmax(logits / 0.7, dim=0), 1).item())
    return "".join(vocab[i] for i in ids)


def words_loss(logits, target):
    """Return the mean loss of logits (T, B, V_out) over the tokens that are not padding."""
    return F.cross_entropy(logits.flatten(0, 1), target[1:].flatten(), ignore_index=PAD)


def readout(p, s, vectors, context, target):
    """Return the loss of states (T, B, H), the vectors of the words before, and contexts."""
    wide = F.linear(s, p["Oh"], p["bo"]) + F.linear(vectors, p["Oy"]) + F.linear(context, p["Oc"])
    return words_loss(F.linear(torch.maximum(*wide.chunk(2, dim=2)), p["Wy"], p["by"]), target)


def seq2seq_loss(p, source, target):
    """Return the mean loss of source ids (S, B) and target ids (T + 1, B)."""
    a = hold(F.linear(F.embedding(source, p["E"]), p["Wx_enc"], p["b_enc"]), source)
    last = gru_loop(a, torch.zeros(len(a[0]), p["Wh_enc"].shape[1]), p["Wh_enc"])[-1]
    c = torch.tanh(F.linear(last, p["Wc"]))
    vectors = F.embedding(target[:-1], p["E"])
    a = F.linear(vectors, p["Wx_dec"], p["b_dec"]) + F.linear(c, p["Wc_dec"])
    s = torch.stack(gru_loop(a, torch.tanh(F.linear(c, p["Wb"])), p["Wh_dec"]))
    return readout(p, s, vectors, c, target)


def bahdanau_loss(p, source, target):
    """Return the mean loss of source ids (S, B) and target ids (T + 1, B)."""
    vectors, B, H = F.embedding(source, p["E"]), source.shape[1], len(p["Ws"])
    # Both encoders in one loop takes three quarters of the time of two loops at H = 128.
    a = torch.stack([F.linear(vectors, p["Wx_fwd"], p["b_fwd"]),
                     F.linear(vectors.flip(0), p["Wx_bwd"], p["b_bwd"])], dim=1)
    a = hold(a, torch.stack([source, source.flip(0)], dim=1))
    Wh = torch.stack([p["Wh_fwd"], p["Wh_bwd"]])
    states = torch.stack(gru_loop(a, torch.zeros(2, B, H), Wh))                 # (S, 2, B, H)
    fwd, bwd = states[:, 0], states[:, 1].flip(0)
    annotations = torch.cat([fwd, bwd], dim=2).transpose(0, 1).contiguous()     # (B, S, 2H)
    keys, s = F.linear(annotations, p["Ua"]), torch.tanh(F.linear(bwd[0], p["Ws"]))
    hide = torch.zeros(B, len(source)).masked_fill(source.t() == PAD, -math.inf)
    vectors = F.embedding(target[:-1], p["E"])
    Wh, Wc, va = p["Wh_dec"], p["Wc_dec"].t(), p["va"][0]
    # One product makes of a state the query, and what the gates of the next step need.
    both, new = torch.cat([p["Wa"], Wh[:2 * H]]).t(), Wh[2 * H:].t()
    gates, context, states, contexts = s @ Wh[:2 * H].t(), torch.zeros(B, 2 * H), [], []
    for a in F.linear(vectors, p["Wx_dec"], p["b_dec"]).unbind(0):
        a_gates, a_new = torch.addmm(a, context, Wc).split((2 * H, H), dim=1)
        r, z = (a_gates + gates).sigmoid().chunk(2, dim=1)
        s = torch.lerp(s, torch.addmm(a_new, r * s, new).tanh(), z)
        query, gates = (s @ both).split((H, 2 * H), dim=1)
        weights = torch.softmax(torch.tanh(keys + query[:, None]) @ va + hide, dim=1)
        context = torch.bmm(weights[:, None], annotations)[:, 0]
        states.append(s)
        contexts.append(context)
    return readout(p, torch.stack(states), vectors, torch.stack(contexts), target)


def luong_loss(p, source, target):
    """Return the mean loss of source ids (S, B) and target ids (T + 1, B).

    Padding is hidden from the attention only. The encoder reads it like a word, which spares
    PyTorch the packing; batches are of like length, so there is little of it.
    """
    source = source.flip(0)
    states, last = p["layer_enc"](F.embedding(source, p["E"]))
    s = p["layer_dec"](F.embedding(target[:-1], p["E"]), last)[0]               # (T, B, H)
    annotations = states.transpose(0, 1)                                        # (B, S, H)
    hide = torch.zeros(source.t().shape).masked_fill(source.t() == PAD, -math.inf)[:, None]
    query = (s @ p["Wa"]).transpose(0, 1)
    weights = torch.softmax(torch.baddbmm(hide, query, annotations.transpose(1, 2)), dim=2)
    context = torch.bmm(weights, annotations).transpose(0, 1)
    vector = torch.tanh(F.linear(torch.cat([context, s], dim=2), p["Wc"]))
    return words_loss(F.linear(vector, p["Wy"]), target)


def torch_model(name, settings, p):
    """Return the loss as a function, a list of what is learned, a function that makes a step."""
    loss_of = (language_loss(p, settings.get("dropout")) if name in LANGUAGE else
               lambda *batch: globals()[name + "_loss"](p, *batch))
    params = [param for value in p.values()
              for param in (value.parameters() if isinstance(value, torch.nn.Module) else [value])]
    adam = torch.optim.Adam(params, lr=settings["lr"], fused=True)

    def train(batch):
        loss = loss_of(*batch)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, settings["clip"])
        adam.step()
        return loss.item()
    return loss_of, params, train


# %% One measurement, in a process of its own
def measure(what, name, side, changes, warm_up, steps, keep, started):
    """Return one number, or for "check" a text; the arguments are those that `fresh` passes on."""
    global torch, F
    if side == "torch":     # NumPy's processes shall not pay for its import
        import torch
        import torch.nn.functional as F
        torch.manual_seed(0)
    if side == "numpy" or keep:
        np.empty(31 * 2**20, np.uint8)                      # as in the lessons' main
    if what == "growth" and name == "word_lstm":
        return time_rows(importlib.import_module(name), changes["V"], steps)
    if what == "startup" and side == "numpy":
        return time_startup(importlib.import_module(name), started)
    lesson, settings, params, batches, vocab = load(name, changes)
    if what == "check":
        return check(lesson, settings, params, batches[0])
    p = torch_params(name, params) if side == "torch" else None
    if what == "sampling":
        for length in (50, steps):                          # the first text is to warm up
            begin = time.perf_counter()
            if p:
                generate(p, vocab, length)
            else:
                lesson.sample(params, vocab, [], length, 0.7, np.random.default_rng(0))
        return steps / (time.perf_counter() - begin)
    batches = (batches * (1 + (warm_up + steps) // len(batches)))[:warm_up + steps]
    tokens = sum(ids.size if name in LANGUAGE else (ids[1:] != PAD).sum()
                 for _, ids in batches[warm_up:])
    if p:
        batches = [tuple(map(torch.tensor, batch)) for batch in batches]
    *_, train = torch_model(name, settings, p) if p else numpy_model(lesson, settings, params)
    # The longest come first: what memory they need is fetched before the clock starts.
    for batch in sorted(batches, key=lambda batch: -sum(map(len, batch)))[:warm_up]:
        train(batch)
    begin = time.perf_counter()
    for batch in batches[warm_up:]:
        loss = train(batch)
    seconds = time.perf_counter() - begin
    assert math.isfinite(loss), loss
    if what == "startup":
        return time.time() - started
    if what == "memory":
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)        # bytes there, KiB here
    return 1000 * seconds / steps if what == "growth" else tokens / seconds


def check(lesson, settings, params, batch):
    """Compare the loss and the norm of the matrices' gradients of both sides; return a text.

    The params are moved, for some begin at zero. The biases are left out, for PyTorch's layers have
    two of each. Of luong's sentences those with padding are left out, as luong_loss explains.
    """
    rng = np.random.default_rng(0)
    for param in params.values():
        param += 0.05 * rng.standard_normal(param.shape, np.float32)
    if lesson.__name__ == "luong":
        batch = tuple(ids[:, batch[0][-1] != PAD] for ids in batch)
    p = torch_params(lesson.__name__, params)
    loss_of, theirs, _ = torch_model(lesson.__name__, settings, p)
    loss = loss_of(*map(torch.tensor, batch))
    loss.backward()
    ours, grads = numpy_model(lesson, settings, params)[0](batch)
    grads = [grad[1] if isinstance(grad, tuple) else grad for grad in grads.values()]
    norms = [math.sqrt(sum(float((grad**2).sum()) for grad in side)) for side in (
        [grad for grad in grads if grad.shape[1] > 1], [p.grad for p in theirs if p.dim() == 2])]
    same = math.isclose(ours, loss, rel_tol=1e-4) and math.isclose(*norms, rel_tol=1e-3)
    return (f"{'the same' if same else 'DIFFERENT'}: loss {ours:.5f} and {loss:.5f}, norm of the "
            f"gradient {norms[0]:.5f} and {norms[1]:.5f}")


def time_startup(lesson, started):
    """Return the seconds from `started` to the end of the first step of the lesson as it runs."""
    def update(*args, original=lesson.Adam.update):
        original(*args)
        raise EOFError                              # main does not catch it
    lesson.Adam.update = update
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(None):
        with contextlib.suppress(EOFError):
            lesson.main(["--out", out])
        return time.time() - started


def time_rows(lesson, V, steps):
    """Return the milliseconds of sum_rows and the sparse Adam step of E alone, D = 96.

    The 2,048 tokens are of the same 1,000 kinds whatever V is, so that only the size of E differs.
    """
    rng = np.random.default_rng(0)
    E, rows = (rng.standard_normal((n, 96), np.float32) for n in (V, 2048))
    adam, ids = lesson.Adam({"E": E}), rng.integers(0, 1000, 2048) * (V // 1000)
    for i in range(steps + 5):
        if i == 5:
            begin = time.perf_counter()
        adam.update_rows(E, *lesson.sum_rows(ids, rows), 1e-3)
    return 1000 * (time.perf_counter() - begin) / steps


def fresh(options, what, name, side="numpy", changes={}, warm_up=0, steps=1):
    """Make one measurement in a fresh process; return its result."""
    env = os.environ | {f"{library}_NUM_THREADS": str(options.threads)
                        for library in ("OPENBLAS", "OMP", "MKL")}
    job = json.dumps([what, name, side, changes, warm_up, steps, options.keep_memory, time.time()])
    done = run([sys.executable, __file__, "--measure", job], env=env, capture_output=True,
               text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{name}, {side}: the measurement failed\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


# %% Tables
def print_row(options, *cells, head=False):
    """Print one row of a table, as soon as it is known."""
    print("| " + " | ".join(cells) + " |" if options.markdown else
          "".join(f"{cell:<32}" for cell in cells).rstrip(), flush=True)
    if head and options.markdown:
        print("|---" + "|---:" * (len(cells) - 1) + "|")


def spread(values, form):
    """Return the median of some numbers as text, with the quartiles in brackets."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def compare(options, what, **job):
    """Print a table of one number for each side, and the geometric mean of the ratios."""
    title, unit, form, changes = TABLES[what]
    print_row(options, title, f"NumPy, {unit}", f"PyTorch, {unit}", "ratio", head=True)
    ratios = []
    for name in [name for name in changes if name in options.lessons or not options.lessons]:
        found = {side: [] for side in options.sides}
        for _ in range(options.rounds):
            for side in options.sides:
                found[side].append(fresh(options, what, name, side, changes[name], **job))
        settings = {flag: row[0] for flag, row in importlib.import_module(name).SETTINGS.items()}
        cells = [name + " H={hidden} B={batch}".format(**settings | changes[name]),
                 *(spread(numbers, form) for numbers in found.values())]
        if "torch" in found:
            ratios.append(median(found["numpy"]) / median(found["torch"]))
            cells.append(f"{ratios[-1]:.2f}")
        print_row(options, *cells, *["-"] * (4 - len(cells)))
    if len(ratios) > 1:
        print(f"\ngeometric mean of the {len(ratios)} ratios: {geometric_mean(ratios):.2f}")


def growth(options, **job):
    """Print how the time of a step grows: char_lstm on random ids, and the E of word_lstm alone."""
    base = {"seq_len": 64, "batch": 32, "hidden": 256, "V": 64}
    print_row(options, "growing sizes", "milliseconds", "times the row above", head=True)
    for label, flag, values in (("char_lstm T", "seq_len", (32, 64, 128, 256)),
                                ("char_lstm B", "batch", (16, 32, 64, 128)),
                                ("char_lstm H", "hidden", (128, 256, 512)),
                                ("char_lstm V", "V", (64, 256, 1024, 4096)),
                                ("word_lstm's E alone, V", "V", (1000, 100_000))):
        name, found, before = label[:9], {value: [] for value in values}, None
        for _ in range(options.rounds):
            for value in values:
                changes = base | {flag: value}
                found[value].append(fresh(options, "growth", name, "numpy", changes, **job))
        for value, times in found.items():
            print_row(options, f"{label}={value:,}", spread(times, ",.2f"),
                      f"{median(times) / before:.2f}" if before else "")
            before = median(times)


def print_machine(options):
    """Print what was measured on, and which kernels NumPy's OpenBLAS uses by its own account."""
    from importlib.metadata import version          # here: it takes time that --startup would count
    told = run([sys.executable, "-c", "import numpy"], capture_output=True, text=True,
               env=os.environ | {"OPENBLAS_VERBOSE": "2"}).stderr
    kernels = told.strip().rpartition("Core: ")[2] or "unknown"
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch "
          f"{version('torch') if 'torch' in options.sides else 'not installed'}, {os.cpu_count()} "
          f"CPUs, threads: {options.threads}, {platform.platform()}, OpenBLAS kernels {kernels}"
          + ", forced by OPENBLAS_CORETYPE" * ("OPENBLAS_CORETYPE" in os.environ)
          + ", one core taken by another process" * options.busy)
    if hasattr(os, "getloadavg"):
        print(f"load average before the start: {os.getloadavg()[0]:.2f}")


def read_options():
    """Return the options of the command line; end with one line of error if they make no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.error = lambda message: parser.exit(2, f"benchmark.py: error: {message} (see --help)\n")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="which lessons (default: all)")
    for flag, (title, *_) in TABLES.items():
        parser.add_argument("--" + flag, action="store_true", help=title)
    for flag, text in (("markdown", "print Markdown tables"),
                       ("busy", "let another process take one core all the time"),
                       ("keep-memory", "PyTorch's side keeps freed memory too")):
        parser.add_argument("--" + flag, action="store_true", help=text)
    for flag, default, text in (("rounds", 7, "processes for each number"),
                                ("steps", 20, "training steps timed in each process"),
                                ("warm-up", 15, "training steps before them, which fetch memory"),
                                ("length", 1000, "tokens that --sampling generates")):
        parser.add_argument("--" + flag, type=int, default=default, metavar="N",
                            help=f"{text} (default {default})")
    parser.add_argument("--threads", type=int, nargs="+", default=[2], metavar="N", help="threads "
                        "of each process, on both sides; several: one after the other (default 2)")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for flag, least in (("rounds", 1), ("steps", 1), ("warm_up", 0), ("length", 1), ("threads", 1)):
        if np.min(getattr(options, flag)) < least:
            parser.error(f"--{flag.replace('_', '-')} must be {least} or more")
    options.tables = [what for what in TABLES if vars(options).get(what)] or ["default", "large"]
    for what in ["default", *options.tables]:
        wrong = [name for name in options.lessons if name not in TABLES[what][3]]
        if wrong:
            parser.error(f"no lesson is called {wrong[0]}" if what == "default" else
                         f"--{what} is not for {wrong[0]}")
    options.sides = ["numpy", "torch"] if importlib.util.find_spec("torch") else ["numpy"]
    if options.check and "torch" not in options.sides:
        parser.error("--check needs PyTorch")
    return options


def print_tables(options):
    """Print the tables that the command line asks for, with one number of threads."""
    for what in options.tables:
        steps = {"sampling": options.length, "memory": 30, "startup": 1}.get(what, options.steps)
        warm_up = 0 if what in ("memory", "startup") else options.warm_up
        print()
        if what == "check":
            for name, changes in TABLES[what][3].items():
                if name in options.lessons or not options.lessons:
                    print(f"{name:<10}", fresh(options, what, name, "torch", changes), flush=True)
        elif what == "growth":
            growth(options, warm_up=warm_up, steps=steps)
        else:
            compare(options, what, warm_up=warm_up, steps=steps)
    print()


def main():
    """Read the command line, and measure what it asks for."""
    options = read_options()
    if options.measure:
        with np.errstate(all="ignore"):             # as in the lessons' main
            print(json.dumps(measure(*options.measure)))
        return
    counts, other = options.threads, None
    if options.busy:
        other = Popen([sys.executable, "-c", "while True: pass"])
    try:
        for options.threads in counts:
            print_machine(options)
            print_tables(options)
    finally:
        if other:
            other.kill()


if __name__ == "__main__":
    main()
