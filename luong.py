"""Translation with global attention in plain NumPy, every gradient derived by hand.

The decoder looks back at the source for each word that it writes. In bahdanau.py the recurrence has
to wait for what it sees. Here the decoder runs first, as an LSTM by itself, and attention comes
after it: in training all words of the translation look at the source at once, in one product.

    python luong.py                                        learn 21,000 sentences: 79 s
    python luong.py --load out/luong.npz --prompt "i love you ."         translate a sentence
    python luong.py --load out/luong.npz --prompt - < sentences.txt      or one in each line
    python luong.py --score concat                         another score: dot, general or concat

The first command ends with lines like these (BLEU, 0 to 100: likeness to the given translation):
    held-out, beam 2: BLEU 99.00, exact match 96.7 %
    alignment error rate 0.130 (of a diagonal 0.347)
    sources of about 18.8 tokens: BLEU  98.27, exact match  90.5 %

Same as bahdanau.py: sentences, the softmax over the source, beam search, BLEU, the alignment.
New here: the LSTM of char_lstm.py on both sides, no bridge between them; the source is read from
its end; three scores, and attention after the loop. The network and its equations begin section 2.
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

LESSON = "luong"
FILE = Path(globals().get("__file__", f"{LESSON}.py")).resolve()    # a notebook has no __file__

# %% 1. Data
# A pair is a sentence and its translation, as tuples of tokens. One vocabulary serves both
# languages, and one matrix E holds the vectors of all its words: special tokens first, then the
# words of the translations, then those that only occur in sources. So the softmax, which only has
# to choose a word of the translation, covers the first V_out ids and no more. <bos> begins a
# translation, <eos> ends every sentence, <pad> fills up the shorter sentences of a batch, and <unk>
# stands for words that training shows less often than --min-count, and for unknown ones.
PAD, BOS, EOS, UNK = range(4)
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
# Characters of Chinese and Japanese, as ranges: they are written without blanks between words.
HAN = "\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"


class BadInput(ValueError):
    """Something that the user gave cannot be used. The message says what, and what to do."""


def read_text(path):
    """Return the text of a UTF-8 file. Raise BadInput if it holds anything else."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")   # -sig drops the mark of some editors
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8; save it as plain text in UTF-8") from None


def tokenize(text, split="words"):
    """Return the tokens of a sentence; with split="spaces" they stand between white space."""
    if split == "spaces":
        return text.split()
    # Compose accents; drop the dot that lower() leaves, soft hyphens, marks of direction. Accents
    # and vowel signs that are characters of their own belong to the letter before, as do joiners.
    text = unicodedata.normalize("NFC", text).lower().replace("i\u0307", "i")
    text = re.sub("[\u00ad\u200e\u200f\u202a-\u202e\ufeff]", "", text.replace("\u200b", " "))
    marks = "".join(c for c in set(text) if unicodedata.category(c)[0] == "M") + "\u200c\u200d"
    letter, character = rf"[^\W\d_{HAN}]", rf"[^\W_{HAN}]"
    inner = rf"(?<=\d)[.,:\u066b](?=\d)|(?<={letter}|[{marks}])['\u2019\u00b7-](?={letter})"
    token = re.compile("|".join([
        # the elided words of French: l'eau is l' and eau;
        rf"(?<!['\u2019\w])(?:[cdjlmnst]|qu)['\u2019](?=\s|{letter})",
        # one character of Chinese or Japanese;
        f"[{HAN}][{marks}]*",
        # single letters with dots, as in U.S.;
        rf"{letter}(?:\.{letter})+(?![^\W_]|[{marks}])\.?",
        # a word or a number, with . , : between digits, and apostrophe, hyphen, middle dot
        # between letters: 3.14, 10:30, don't, well-known (a dash or a slash always separates);
        rf"{character}(?:{character}|[{marks}]|{inner})*",
        # a dash, or any other sign.
        rf"--+|\S[{marks}]*"]))
    return token.findall(text)


def detokenize(tokens, split="words"):
    """Return tokens as people write them: capital first, signs and elided words close to words."""
    text = " ".join(tokens)
    if split == "spaces":
        return text
    text = text[:1].title() + text[1:]
    if {"the", "you", "he", "she", "and", "is", "when", "because"} & {*tokens}:    # English, likely
        text = re.sub(r"\b\w(\.\w)+\b|\bi\b", lambda m: m[0].upper(), text)
    text = re.sub(r'" ([^"]*?) ?"', r'"\1"', text)
    text = re.sub(r"(?<=[\u201c\u00ab\u00a1\u00bf([]) |(?<=\b\w['\u2019]) |(?<=\b[Qq]u['\u2019]) "
                  r"| (?=[].,;:!?)%\u201d\u00bb\u0964\u060c\u061b\u061f](?:\W|$))", "", text)
    return re.sub(f"(?<=[{HAN}]) (?=[{HAN}])", "", text)


def read_pairs(path, max_length, split):
    """Return the pairs of a file: (source tokens, target tokens, third column: links of words).
    In a text without tabs every line is answered by the next one. What is left out is printed.
    """
    lines = [(n, line.split("\t")) for n, line in enumerate(read_text(path).split("\n"), 1)
             if line.strip()]
    if sum("|||" in row[0] for _, row in lines) > len(lines) / 2:
        raise BadInput(f"{path} has ||| between the sides; put a tab there")
    if len(lines) > 1 and all(len(row) == 1 for _, row in lines):
        print(f"{path} has no tabs, so each line is to be answered by the next one")
        lines = [(n, row + answer) for (n, row), (_, answer) in zip(lines, lines[1:])]
    if lines and sum(len(row) > 3 and row[0].isdigit() for _, row in lines) > 0.9 * len(lines):
        print(f"{path} begins with numbers, so columns 2 and 4 are taken, as Tatoeba has them")
        lines = [(n, row[1::2] or row) for n, row in lines]
    pairs, bad, long = [], [], 0
    for n, row in lines:
        if max(map(len, row[:2])) > 100 * max_length:       # too long, and it would take long
            long += 1
            continue
        source, target = (tuple(tokenize(side, split)) for side in (row + [""])[:2])
        if not source or not target:
            bad.append(n)
        elif max(len(source), len(target)) > max_length:
            long += 1
        else:
            # A link 2-1 says: source word 2 became target word 1, counted from 0 in what stands
            # between blanks. Unless that is just our tokens, no link can be used: "?" tells it.
            same = " ".join(row[:2]).lower().split() == " ".join(source + target).lower().split()
            third = row[2].strip() if re.fullmatch(r"[-\d ]+", "".join(row[2:3])) else ""
            pairs.append((source, target, third if same else third and "?"))
    if bad or long:
        where = f" (the first is line {bad[0]})" if bad else ""
        print(f"left out: {len(bad):,} lines without two sides{where}, {long:,} pairs of more than "
              f"{max_length} tokens")
    if not pairs or len(bad) > len(lines) / 10:
        raise BadInput(f"{path}: {len(pairs):,} usable pairs in {len(lines):,} lines; each needs a "
                       "sentence, a tab and its translation, of --max-length or less")
    return pairs


# Links tell which words belong to each other. Nothing is learned from them: they only score.
def read_links(pair):
    """Return the links of a pair's third column, such as 0-0 2-1, as a set, or None if it has none,
    or if they lead beyond the sentences: then these were split in another way.
    """
    links = [tuple(map(int, link.split("-"))) for link in pair[2].split()
             if re.fullmatch(r"\d{1,4}-\d{1,4}", link)]
    return set(links) if links and len(links) == len(pair[2].split()) and all(
        s < len(pair[0]) and t < len(pair[1]) for s, t in links) else None


def read_data(flags):
    """Return training pairs and held-out pairs. The flags tell the files.
    A tenth of the sources, a thousand at most, is held out with all their translations: a source
    seen in training would only test memory. Of fewer than a hundred pairs none is held out.
    """
    pairs = read_pairs(flags["data"] or FILE.parent / "data" / "en_fr.tsv", flags["max_length"],
                       flags["split"])
    print("the first pair:", " ".join(pairs[0][0]), "->", " ".join(pairs[0][1]))
    if flags["valid"]:
        seen = {source for source, _, _ in pairs}
        valid = read_pairs(flags["valid"], flags["max_length"], flags["split"])
        held_out = [pair for pair in valid if pair[0] not in seen]
        print(f"held out: {len(held_out):,} pairs, without those whose source training has")
    else:
        sources = sorted({source for source, _, _ in pairs})
        np.random.default_rng(flags["seed"]).shuffle(sources)
        chosen = set(sources[:min(1000, len(sources) // 10) if len(pairs) >= 100 else 0])
        held_out = [pair for pair in pairs if pair[0] in chosen]
        pairs = [pair for pair in pairs if pair[0] not in chosen]
    order = np.random.default_rng(flags["seed"]).permutation(len(held_out))
    return pairs, [held_out[i] for i in order]  # shuffled: the first of them are of all lengths


def build_vocab(pairs, min_count):
    """Return the vocabulary in id order, and V_out, the number of ids that the output covers."""
    counts = [Counter(word for pair in pairs for word in pair[side]) for side in (0, 1)]
    source, target = ({word for word in count if count[word] >= min_count} - set(SPECIAL)
                      for count in counts)
    vocab = SPECIAL + sorted(target, key=lambda word: (-counts[1][word], word))
    return vocab + sorted(source - target, key=lambda word: (-counts[0][word], word)), len(vocab)


# A pair as ids, and what is done with its two sides:
#   source   the cat sleeps <eos>         the encoder reads it
#   target   <bos> le chat dort <eos>     the decoder reads   <bos> le   chat dort
#                                         and is to say       le    chat dort <eos>
# What it reads and what it is to say are the same words, shifted by one. <bos> is there to begin
# with. <eos> has to be learned like a word, or a translation would never end.
def encode_pairs(pairs, vocab, V_out):
    """Return the pairs as pairs of id tuples: source + <eos>, <bos> + target + <eos>."""
    index = {word: i for i, word in enumerate(vocab)}
    outputs = {word: i for i, word in enumerate(vocab[:V_out])}
    return [((*[index.get(word, UNK) for word in source], EOS),
             (BOS, *[outputs.get(word, UNK) for word in target], EOS))
            for source, target, _ in pairs]


# The sentences of a batch have different lengths, but an array has only one. So the shorter ones
# are filled up with <pad>. Section 2 keeps padding out of all that counts, so that a sentence is
# translated alone just as in a batch.
def pad(sentences):
    """Return sentences of ids as one array (longest, B), a column for each, <pad> at their ends."""
    ids = np.full((max(map(len, sentences)), len(sentences)), PAD, dtype=np.intp)
    for b, sentence in enumerate(sentences):
        ids[:len(sentence), b] = sentence
    return ids


def batches(ids, size, rng=None):
    """Return lists of places in ids, a list of pairs, at most `size` in each, of like length.
    Padding is wasted work, so the pairs are shuffled, cut into blocks of 20 batches, and sorted by
    length within each block (as Bahdanau et al. did). Without rng all are sorted.
    """
    order = list(range(len(ids))) if rng is None else rng.permutation(len(ids)).tolist()
    block, cut = (max(1, len(ids)) if rng is None else 20 * size), []
    for k in range(0, len(ids), block):
        part = sorted(order[k:k + block], key=lambda i: (len(ids[i][0]), len(ids[i][1])))
        cut += [part[i:i + size] for i in range(0, len(part), size)]
    if rng is not None:
        rng.shuffle(cut)
    return cut


# %% 2. Forward
#   encoder   h[S] -> ... -> h[2] -> h[1]        the source is read from its end: its first words,
#              |              |       |          which are mostly translated first, are the
#             x[S]   ...     x[2]    x[1]         freshest when the decoder begins with h[1], c[1]
#
#   decoder   h[1], c[1] -> s[1] -> s[2] -> ... -> s[T]     an LSTM by itself. In bahdanau.py s[t+1]
#                            |       |              |       reads context[t], so its attention has
#                           y[0]    y[1]          y[T-1]    to wait in the loop; here none does.
#
#   attention  every s[t] is scored against every h[j]: a table (T, S), all of it at once
#              context[t] = sum over j of weights[t, j] * h[j]
#   readout    mixed[t] = tanh(Wc @ [context[t]; s[t]]),   p[t] = softmax(Wy @ mixed[t])
#
#   h[j], c[j]  = lstm(Wh_enc, Wx_enc @ E[x[j]] + b_enc, h[j+1], c[j+1])      j = S .. 1, from 0
#   s[t], c'[t] = lstm(Wh_dec, Wx_dec @ E[y[t-1]] + b_dec, s[t-1], c'[t-1])   from h[1], c[1] on
#   weights[t]  = softmax over j of score(s[t], h[j])
#   score:  dot  s.h    general  s.(Wa @ h) = (Wa.T @ s).h    concat  va.tanh(Wa_s @ s + Wa_h @ h)
#   loss = mean of -log p[t][y[t]] over all words of the translations and <eos>; y[0] is <bos>
#
#   lstm(Wh, a, h, c):   a = a + Wh @ h,   input, forget, output gate i, f, o = sigmoid(a[:3H]),
#                        new content g = tanh(a[3H:]); new c = f * c + i * g, new h = o * tanh(c)
#
#   B sentences in a batch, one column for each    S, T  longest source x, target y, with <eos>
#   V words, V_out of them in translations    D numbers in a vector    H units
#   N = T * B or S * B: the columns of all steps side by side, those of step 1 first
#   E (V, D)    Wx_* (4H, D)   Wh_* (4H, H)   b_* (4H, 1)   Wc (H, 2H)   Wy (V_out, H)
#   Wa (H, H), with concat [Wa_s, Wa_h] (H, 2H)   va (1, H), for concat only
#   d<name>  the gradient of the loss with respect to <name>, an array of the same shape
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), elementwise. Written with tanh it cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def weight(rows, columns, rng):
    """Return a random matrix of variance 1 / columns: a sum of products keeps its size."""
    return rng.normal(0, columns**-0.5, (rows, columns))


def init_params(V, V_out, D, H, rng, dtype=np.float32, score="general"):
    """Return random weights as a dict, and biases: zero, but 1 for the forget gates. Wx_*, Wh_* and
    b_* hold the rows of i, f, o, g below each other. general begins as dot does, with the identity
    as Wa, and word vectors are not too small: then the attention finds its places early.
    """
    params = {"E": rng.normal(0, 0.3, (V, D)), "Wc": weight(H, 2 * H, rng),
              "Wy": weight(V_out, H, rng)}
    for side in ("enc", "dec"):
        params |= {"Wx_" + side: weight(4 * H, D, rng), "Wh_" + side: weight(4 * H, H, rng),
                   "b_" + side: np.repeat([[0.0], [1], [0], [0]], H, axis=0)}
    params |= {"dot": {}, "general": {"Wa": np.eye(H)},
               "concat": {"Wa": weight(H, 2 * H, rng), "va": weight(1, H, rng)}}[score]
    return {name: param.astype(dtype) for name, param in params.items()}


def step(Wh, a, state):
    """Make one step of an LSTM: Wh (4H, H), what comes in, a (4H, B), and the state (h, c) before.
    Return the state after, and a cache for step_backward. Encoder and decoder use it, each with its
    own Wh.
    """
    h_prev, c_prev = state
    a = a + Wh @ h_prev
    i, f, o = sigmoid(a[:3 * len(h_prev)]).reshape(3, *h_prev.shape)
    g = np.tanh(a[3 * len(h_prev):])
    c = f * c_prev + i * g
    tc = np.tanh(c)
    return (o * tc, c), (i, f, o, g, c_prev, tc, h_prev)


def encode_direction(params, side, ids, state):
    """Read the ids (T, B) with the LSTM of this side, from a state on.
    Return the hidden states side by side (H, T * B), the state after, and a cache.
    """
    vectors, H = params["E"][ids.ravel()].T, len(state[0])              # (D, T * B)
    a = params["Wx_" + side] @ vectors + params["b_" + side]            # of all steps at once
    # The mask. The encoder reads padding first, and the state must not move there: with -inf before
    # the sigmoid of the input gate nothing is written, so both states stay zero until the first
    # word. In the decoder padding comes last, where no loss is counted: there it does no harm.
    a[:H] += np.where(ids.ravel() == PAD, -np.inf, 0)
    states, caches = [], []
    for a_t in np.split(a, len(ids), axis=1):
        state, cache = step(params["Wh_" + side], a_t, state)
        states.append(state[0])
        caches.append(cache)
    return np.concatenate(states, axis=1), state, (vectors, caches)


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


def encode(params, source):
    """Read the source ids (S, B) from its end; return the annotations (H, S * B), those of x[1]
    first, the mask (B, 1, S), the state after x[1], and a cache.
    """
    (S, B), H = source.shape, params["Wh_enc"].shape[1]
    zero = np.zeros((H, B), params["E"].dtype)
    states, state, cache = encode_direction(params, "enc", source[::-1], (zero, zero))
    annotations = np.concatenate(np.split(states, S, axis=1)[::-1], axis=1)
    mask = np.where(source.T == PAD, -np.inf, 0).astype(zero.dtype)[:, None]
    return annotations, mask, state, cache


def by_sentence(columns, B):
    """Turn the columns of all steps (K, T * B) into rows, sentence by sentence: (B, T, K)."""
    return np.ascontiguousarray(columns.reshape(len(columns), -1, B).transpose(2, 1, 0))


def by_step(rows):
    """Turn rows (B, T, K) into the columns of all steps (K, T * B): the inverse of by_sentence."""
    return rows.transpose(2, 1, 0).reshape(rows.shape[2], -1)


def attend(params, annotations, mask, s):
    """Look at the annotations (H, S * B) from all states s (H, T * B) at once; mask (B, 1, S).
    Return the contexts (H, T * B), and a cache that begins with the weights (B, T, S). A score
    belongs to two words of the same sentence, so the products are made sentence by sentence.
    """
    B, h = len(mask), by_sentence(annotations, len(mask))               # (B, S, H)
    if "va" in params:                                                  # concat, as bahdanau.py
        Wa_s, Wa_h = np.hsplit(params["Wa"], 2)
        q, k = by_sentence(Wa_s @ s, B), by_sentence(Wa_h @ annotations, B)
        u = np.tanh(q[:, :, None] + k[:, None])                         # (B, T, S, H)
        e = u @ params["va"][0]
    else:                                                               # general, or dot
        q, u = by_sentence(params["Wa"].T @ s if "Wa" in params else s, B), None    # (B, T, H)
        e = q @ h.transpose(0, 2, 1)
    # Why -inf before the softmax, and not zero after it? With -inf padding gets the weight 0, and
    # the words' weights add up to 1. With zeros put in afterwards they would add up to less.
    e = e + mask                                                        # (B, T, S)
    exps = np.exp(e - e.max(axis=2, keepdims=True))
    weights = exps / exps.sum(axis=2, keepdims=True)
    return by_step(weights @ h), (weights, q, u, h, s)


def readout(params, both):
    """Take [context; s] (2H, N); return logits (V_out, N) and attentional vectors (H, N)."""
    mixed = np.tanh(params["Wc"] @ both)
    return params["Wy"] @ mixed, mixed


def forward(params, source, target):
    """Read the source ids (S, B), each ending in <eos>, and the target ids (T + 1, B), framed by
    <bos> and <eos>. Return the mean loss in nats per target word, and a cache for backward.
    """
    annotations, mask, state, encoded = encode(params, source)
    # Teacher forcing: the decoder reads the true word before, not the one it would have said.
    s, _, decoded = encode_direction(params, "dec", target[:-1], state)
    # The loop over time is done. Attention, readout and loss follow for all steps at once.
    context, look = attend(params, annotations, mask, s)
    both = np.concatenate([context, s])
    logits, mixed = readout(params, both)
    real = target[1:].ravel() != PAD
    shares = real / real.sum(dtype=s.dtype)         # of each word in the mean
    nats, p = cross_entropy(logits, target[1:].ravel())
    return nats @ shares, (source, target, annotations, encoded, decoded, look, both, mixed, p,
                            shares)


def prepare(params, source):
    """Read the source; return what predict needs of it all the time, and the first state."""
    annotations, mask, state, _ = encode(params, source)
    return (annotations, mask), state


def predict(params, memory, state, words):
    """Read the previous words (B,); return the logits of the next (V_out, B), the state, and the
    weights of the attention (S, B).
    """
    s, state, _ = encode_direction(params, "dec", words[None], state)
    context, (weights, *_) = attend(params, *memory, s)
    return readout(params, np.concatenate([context, s]))[0], state, weights[:, 0].T


# %% 3. Backward
# The gradient goes from all words of the translation at once back through the attention, then
# through the decoder, and from there and from the attention through the encoder. These are used in
# several places, so their gradients are sums:
#
#   s[t]       in the readout, in the attention, and in step t + 1
#   h[j]       in all contexts, in all scores, and in the step to h[j-1]; h[1], c[1] in the decoder
#   E          in the encoder, and in the decoder
#
#   mixed[t] = tanh(mix[t])                       dmix[t] = Wy.T @ dlogits[t] * (1 - mixed[t]^2)
#   mix[t]   = Wc @ [context[t]; s[t]]            [dcontext[t]; ds[t]] = Wc.T @ dmix[t]
#
# The attention, from its last line to its first, for word t of a translation, j of its source:
#
#   forward                                       backward
#   context[t] = sum_j weights[t,j] h[j]          dweights[t,j] = dcontext[t] . h[j]
#                                                 dh[j] += sum_t weights[t,j] dcontext[t]
#   weights[t] = softmax over j of e[t]           de[t,j] = weights[t,j] (dweights[t,j] - mean)
#                                                 mean = sum_k weights[t,k] dweights[t,k]
#   general, dot:   e[t,j] = q[t] . h[j]          dq[t] = sum_j de[t,j] h[j]
#                                                 dh[j] += sum_t de[t,j] q[t]
#                   q[t] = Wa.T @ s[t]            ds[t] += Wa @ dq[t]     dWa = sum_t s[t] @ dq[t].T
#                   q[t] = s[t], with dot         ds[t] += dq[t]
#   concat:         e[t,j] = va . u[t,j]          dva = sum_tj de[t,j] u[t,j]
#                   u[t,j] = tanh(q[t] + k[j])    dpre[t,j] = de[t,j] va (1 - u[t,j]^2)
#                   q[t] = Wa_s @ s[t]            dq[t] = sum_j dpre[t,j]    ds[t] += Wa_s.T @ dq[t]
#                   k[j] = Wa_h @ h[j]            dk[j] = sum_t dpre[t,j]    dh[j] += Wa_h.T @ dk[j]
#                   Wa = [Wa_s, Wa_h]             dWa = [sum_t dq[t] @ s[t].T, sum_j dk[j] @ h[j].T]
#
# sum_t runs over the words of the translation, sum_j and sum_k over those of the source.
# At padding weights[t,j] = 0, so de[t,j] = 0. For one step of the LSTM:
#
#   forward                        backward
#   h  = o * tc,  tc = tanh(c)     do = dh * tc          dc = dc_next + dh * o * (1 - tc^2)
#   c  = f * c_prev + i * g        df = dc * c_prev      di = dc * g     dg = dc * i
#                                  dc_prev = dc * f
#   i, f, o = sigmoid(a[:3H])      three parts of da: di * i * (1-i), df * f * (1-f), do * o * (1-o)
#   g       = tanh(a[3H:])         the fourth part:   dg * (1 - g^2)
#   a  = Wx @ v + Wh @ h_prev + b  (v: a word)        dh_prev = Wh.T @ da      dv = Wx.T @ da
#
# At the output, nats = log(sum of exp(logits)) - logits[target], so dlogits = p - onehot(target),
# times the share of that word in the mean: 1 / the number of words, and 0 at padding.
# And the gradient of E is sparse, a pair of ids and their rows: see word_rnn.py.
def step_backward(Wh, cache, dh, dc_next):
    """Go back through step: from the gradients of h and c (H, B) to those of a, h_prev, c_prev."""
    i, f, o, g, c_prev, tc, _ = cache
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
    # forward: a = a + Wh @ h_prev
    return da, Wh.T @ da, dc_prev


def encode_direction_backward(params, side, cache, dstates, dstate):
    """Undo encode_direction: from the gradients of its states (H, T * B), and of the state after, a
    pair, return its parameters' gradients, those of the vectors (D, T * B), and of the first state.
    """
    vectors, caches = cache
    da, (dh, dc), T = [None] * len(caches), dstate, len(caches)
    dstates = np.split(dstates, T, axis=1)
    for t in reversed(range(T)):
        # forward: h was used outside, and by the step to t + 1
        da[t], dh, dc = step_backward(params["Wh_" + side], caches[t], dstates[t] + dh, dc)
    da, h_prev = np.concatenate(da, axis=1), np.concatenate([cache[-1] for cache in caches], axis=1)
    # forward: a = Wx @ vectors + Wh @ h_prev + b
    grads = {"Wx_" + side: da @ vectors.T, "Wh_" + side: da @ h_prev.T,
             "b_" + side: da.sum(axis=1, keepdims=True)}
    return grads, params["Wx_" + side].T @ da, (dh, dc)


def attend_backward(params, annotations, look, dcontext):
    """Go back through attend: from the gradients of the contexts (H, T * B) return a dict of those
    of Wa and va, and those of s (H, T * B) and of the annotations (H, S * B).
    """
    weights, q, u, h, s = look
    dcontext = by_sentence(dcontext, len(h))                            # (B, T, H)
    # forward: contexts = weights @ h
    dweights = dcontext @ h.transpose(0, 2, 1)
    dh = weights.transpose(0, 2, 1) @ dcontext
    # forward: weights = softmax(e)
    de = weights * (dweights - (weights * dweights).sum(axis=2, keepdims=True))     # (B, T, S)
    if "va" in params:
        # forward: e = u @ va
        dva = np.tensordot(de, u, 3)[None]          # summed over B, T and S
        # forward: u = tanh(q + k), q the same for all j, k for all t
        dpre = de[..., None] * params["va"][0] * (1 - u * u)            # (B, T, S, H)
        dq, dk = by_step(dpre.sum(axis=2)), by_step(dpre.sum(axis=1))
        # forward: q, k = Wa_s @ s, Wa_h @ annotations
        Wa_s, Wa_h = np.hsplit(params["Wa"], 2)
        return ({"va": dva, "Wa": np.hstack([dq @ s.T, dk @ annotations.T])}, Wa_s.T @ dq,
                by_step(dh) + Wa_h.T @ dk)
    # forward: e = q @ h.T
    dq, dh = by_step(de @ h), by_step(dh + de.transpose(0, 2, 1) @ q)
    # forward: q = Wa.T @ s, or s itself
    return ({"Wa": s @ dq.T}, params["Wa"] @ dq, dh) if "Wa" in params else ({}, dq, dh)


def sum_rows(ids, rows):
    """Return the distinct ids of ids (N,), sorted, and for each the sum of its rows (N, D)."""
    order = np.argsort(ids, kind="stable")      # now equal ids stand side by side
    distinct, first = np.unique(ids[order], return_index=True)      # where each id begins
    return distinct, np.add.reduceat(rows[order], first, axis=0)    # the sum of each such group


def backward(params, cache):
    """Return the gradients of the loss, a dict; that of E as (ids, rows). It uses up the cache."""
    source, target, annotations, encoded, decoded, look, both, mixed, p, shares = cache
    # forward: loss = the sum of shares * -log p[target]
    dlogits = p                                     # made in the place of p
    dlogits[target[1:].ravel(), np.arange(p.shape[1])] -= 1
    dlogits *= shares
    # forward: logits = Wy @ mixed, mixed = tanh(mix), mix = Wc @ both, both = [context; s]
    dmix = (params["Wy"].T @ dlogits) * (1 - mixed * mixed)
    grads = {"Wy": dlogits @ mixed.T, "Wc": dmix @ both.T}
    dcontext, ds = np.split(params["Wc"].T @ dmix, 2)
    more, ds_look, dannotations = attend_backward(params, annotations, look, dcontext)
    # forward: the decoder began with the encoder's last state. Nothing follows its own last one.
    more_dec, dvectors, dstate = encode_direction_backward(params, "dec", decoded, ds + ds_look,
                                                           (0, 0))
    dstates = np.concatenate(np.split(dannotations, len(source), axis=1)[::-1], axis=1)
    more_enc, dsource, _ = encode_direction_backward(params, "enc", encoded, dstates, dstate)
    # forward: vectors = E[ids].T, of the source from its end, and of what the decoder read
    ids = np.concatenate([source[::-1].ravel(), target[:-1].ravel()])
    rows = np.concatenate([dsource, dvectors], axis=1).T
    return grads | more | more_dec | more_enc | {"E": sum_rows(ids, rows)}


# %% 4. Gradient check
# Move one number a little, up and down, and run forward both times: the difference of the two
# losses, divided by 2 * distance, must be its gradient. If a check fails although backward is
# right, the usual cause is float32, or too small a move. The three sentences have different
# lengths, and words that repeat.
def check_gradients(entries=6, distance=1e-5, score="general"):
    """Compare backward with such differences on a toy network; print and return the largest error,
    relative to the largest gradient of the same array. It must be below 1e-6.
    """
    rng = np.random.default_rng(0)
    params = {name: param + rng.normal(size=param.shape)
              for name, param in init_params(9, 7, 3, 4, rng, np.float64, score).items()}
    batch = pad([[4, 8, 4, 2], [5, 7, 2], [6, 2]]), pad([[1, 4, 2], [1, 5, 5, 6, 2], [1, 2]])
    grads, errors = backward(params, forward(params, *batch)[1]), []
    dE = np.zeros_like(params["E"])
    dE[grads["E"][0]] = grads["E"][1]
    grads |= {"E": dE}
    for name, array in params.items():
        for i in rng.permutation(array.size)[:entries]:
            place, losses = np.unravel_index(i, array.shape), []
            value = array[place]
            for array[place] in (value - distance, value + distance, value):     # put back at last
                losses.append(forward(params, *batch)[0])
            error = (losses[1] - losses[0]) / (2 * distance) - grads[name][place]
            errors.append(abs(error) / np.abs(grads[name]).max())
    print(f"gradient check: {len(errors)} entries of {len(grads)} arrays, "
          f"largest relative error {np.max(errors):.0e}")
    return np.max(errors)


# %% 5. Optimizer
# Adam divides m, a mean of the last gradients, by their usual size, sqrt(v), so all entries move by
# about lr or less, seldom more. m / sqrt(v) is near 1 or -1 where a gradient keeps its sign from
# batch to batch, and small where it changes it: so the steady entries make whole steps, and the
# noisy ones wait until it is clear where to go. The sparse gradient of E moves the rows that
# occurred, and nothing else; each row counts its own updates, so that a word that first occurs late
# begins like all others. Clipping scales all gradients by one factor where their norm is too large
# (word_rnn.py has more).
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


# %% 6. Translating
# In training the decoder reads the true word before (teacher forcing); here it reads its own. After
# a first mistake it is in a situation that training never showed: exposure bias, one reason why
# long sentences are harder. Greedy search takes the likeliest word each time, and cannot take it
# back. Beam search follows several beginnings at once, the hypotheses, and keeps those that are
# likeliest as a whole (seq2seq.py shows a sentence that only a beam of two finds).
def beam_search(params, source, beam, limit):
    """Search translations of source ids (S, B), at most `limit` words long.
    Return for each sentence its ids, its mean log p per word, and its attention (T, S) or None.
    Every sentence has `beam` hypotheses. In each step all their continuations compete, and the best
    stay. One that ends in <eos> is finished and gives up its place. The best of all is the one with
    the highest log p per word, since log p alone would favour short ones. All are columns of one
    batch, hypothesis k of sentence b is column b * beam + k. Several new ones may continue the same
    old one, so the states are picked by their parents. At <bos> all are alike, so one is enough.
    """
    B = source.shape[1]
    memory, state = prepare(params, np.repeat(source, beam, axis=1))      # column b * beam + k
    total = np.where(np.arange(beam) == 0, 0.0, -np.inf) + np.zeros((B, 1))     # log p (B, beam)
    words, looked = np.full((B * beam, 1), BOS), [[]] * (B * beam)
    best, finished = [(-np.inf, [], None)] * B, np.zeros(B, int)
    for length in range(1, limit + 1):
        logits, state, attention = predict(params, memory, state, words[:, -1])
        logits = logits.astype(float)
        logits -= logits.max(axis=0)
        log_p = (logits - np.log(np.exp(logits).sum(axis=0))).T         # (B * beam, V_out)
        log_p[:, [PAD, BOS]] = -np.inf
        V_out = log_p.shape[1]
        scores = (total.reshape(-1, 1) + log_p).reshape(B, beam * V_out)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :beam]
        total = np.take_along_axis(scores, top, axis=1)
        total[np.arange(beam) >= (beam - finished)[:, None]] = -np.inf  # the last, given up
        parents = (top // V_out + beam * np.arange(B)[:, None]).ravel()
        words = np.concatenate([words[parents], top.reshape(-1, 1) % V_out], axis=1)
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
    return [(ids, score, np.array(look) if look else None) for score, ids, look in best]


def translate_ids(params, sources, beam, size):
    """Return what beam_search finds for many sources, id tuples, `size` columns at a time."""
    found = [None] * len(sources)
    for part in batches([(ids, ids) for ids in sources], max(1, size // beam)):
        ids = pad([sources[i] for i in part])
        for i, result in zip(part, beam_search(params, ids, beam, 2 * len(ids) + 10)):
            found[i] = result
    return found


def spell(ids, vocab, sentence, attention):
    """Return the words of a translation, without <eos>. Where it says <unk>, take the source word
    with the largest weight at that step, a name perhaps (Luong et al. 2015).
    """
    words, looked = [*sentence, "<unk>"], attention[:, :max(1, len(sentence))].argmax(axis=1)
    return [words[j] if i == UNK else vocab[i] for i, j in zip(ids, looked) if i != EOS]


def translate(params, vocab, sentence, beam):
    """Return the words of the translation of a list of tokens, and the attention (T, S).
    Its columns are the tokens and <eos>. A word that vocab lacks is read as <unk>.
    """
    (source, _), = encode_pairs([(sentence, [], "")], vocab, len(params["Wy"]))
    (ids, _, attention), = beam_search(params, pad([source]), beam, 2 * len(source) + 10)
    return spell(ids, vocab, sentence, attention), attention


# BLEU counts which n-grams of the translations, from single words to four in a row, stand in a
# reference too, each at most as often as there. The counts are summed over all sentences, for a
# single one often has no four in a row right. The four precisions, right / total, are averaged
# geometrically; translations shorter than the nearest reference pay (Papineni et al. 2002).
def bleu(candidates, references):
    """Return the BLEU of tuples of tokens, 0 to 100; for each there is a list of references."""
    right, total, length, wanted = np.zeros(4), np.zeros(4), 0, 0
    for candidate, several in zip(candidates, references):
        for n in range(1, 5):
            have, *want = (Counter(zip(*(words[i:] for i in range(n)))) for words in
                           (candidate, *several))
            right[n - 1] += sum(min(count, max(counts[gram] for counts in want))
                                for gram, count in have.items())
            total[n - 1] += sum(have.values())
        length += len(candidate)
        wanted += min((abs(len(words) - len(candidate)), len(words)) for words in several)[1]
    right, total = right[total > 0], total[total > 0]
    if not (right.size and right.all()):
        return 0.0
    penalty = 1 if length > wanted else math.exp(1 - wanted / length)
    return 100 * penalty * math.exp(np.log(right / total).mean())


# Where does the decoder look? We let it read the true translation and keep the weights. Each target
# word is linked to the source word with the largest weight, and this compared with the true links.
# The alignment error rate (Och & Ney 2003) is 1 - 2 |A and S| / (|A| + |S|), A the links found, S
# the true ones: 0 is perfect.
def forced_attention(params, source, target):
    """Return the weights (T, S, B) while the target (T + 1, B) is read."""
    memory, state = prepare(params, source)
    rows = []
    for words in target[:-1]:
        _, state, weights = predict(params, memory, state, words)
        rows.append(weights)
    return np.array(rows)


def alignment_error(guessed, true):
    """Return the alignment error rate of lists of sets of links (source, target), nan of none."""
    both, count = sum(map(len, map(set.__and__, guessed, true))), sum(map(len, guessed + true))
    return 1 - 2 * both / count if count else math.nan


# %% 7. Learning
# One pass over all pairs is an epoch; each has another order. The learning rate falls to zero over
# the run: long steps at first, to get there, and short ones at the end, or the last few batches
# would shake what all have taught. Now and then held-out pairs are scored, from which nothing is
# learned. While the loss of the training pairs goes on falling, theirs may rise again, for the
# network begins to know its sentences by heart: overfitting. So the parameters with the lowest
# held-out loss are kept, and it is they that translate in the end, as after early stopping.
def evaluate(params, ids, size):
    """Return the mean nats per target word over pairs of ids, `size` pairs at a time."""
    total, count = 0.0, 0
    for part in batches(ids, size):
        source, target = pad([ids[i][0] for i in part]), pad([ids[i][1] for i in part])
        tokens = int((target[1:] != PAD).sum())
        # a batch counts by its number of words, or short sentences would count for more
        total, count = total + float(forward(params, source, target)[0]) * tokens, count + tokens
    return total / count


def measure(params, vocab, pairs, beam, size, limit=1000):
    """Translate the sources of the pairs, `limit` at most, each once; return BLEU, exact matches in
    %, and rows (source, translation, references); these are all its translations in the pairs.
    """
    references = {}
    for source, target, _ in pairs:
        references.setdefault(source, []).append(target)
    references = dict(list(references.items())[:limit])
    ids = encode_pairs([(source, [], "") for source in references], vocab, len(params["Wy"]))
    found = translate_ids(params, [source for source, _ in ids], beam, size)
    words = [tuple(spell(ids, vocab, source, attention))
             for (ids, _, attention), source in zip(found, references)]
    if limit > 100 and "<unk>" in {vocab[i] for ids, _, _ in found for i in ids}:   # at the end
        plain = [tuple(vocab[i] for i in ids if i != EOS) for ids, _, _ in found]
        print(f"with <unk> as it is: BLEU {bleu(plain, list(references.values())):.2f}")
    rows = list(zip(references, words, references.values()))
    exact = np.mean([got in want for _, got, want in rows])
    return bleu(words, list(references.values())), 100 * exact, rows


def by_length(rows):
    """Group rows of measure into fifths by source length, for long sentences are the hard ones.
    Return an array with a row for each fifth: its mean length, BLEU, and exact match in %.
    """
    rows = sorted(rows, key=lambda row: len(row[0]))
    fifths = np.array_split(range(len(rows)), min(5, len(rows)))
    parts = [[rows[i] for i in part] for part in fifths]
    return np.array([(np.mean([len(source) for source, _, _ in part]),
                      bleu([got for _, got, _ in part], [want for _, _, want in part]),
                      100 * np.mean([got in want for _, got, want in part])) for part in parts])


def learn(run, pairs, held_out):
    """Train run["params"] on the pairs, up to the planned steps; yield after every step.
    `run` is a dict of all that training changes: parameters, the best of them so far, Adam's m and
    v, the losses and scores. Yield the gradient's norm, the number of target words, and whether
    the held-out pairs were scored; raise BadInput if the score is not finite.
    """
    settings, params = run["settings"], run["params"]
    size = min(settings["batch"], len(pairs))
    adam = Adam(params)
    adam.m, adam.v, adam.rows_t, adam.t = run["m"], run["v"], run["rows_t"], len(run["losses"])
    ids, valid = (encode_pairs(part, run["vocab"], len(params["Wy"])) for part in (pairs, held_out))
    epoch, per_epoch = None, -(-len(ids) // size)           # divided, and rounded up
    for done in range(len(run["losses"]), settings["steps"]):
        if epoch != done // per_epoch:          # a new pass over the pairs, in a new order
            epoch = done // per_epoch
            parts = batches(ids, size, np.random.default_rng([settings["seed"], epoch]))
        part = parts[done % per_epoch]
        source, target = pad([ids[i][0] for i in part]), pad([ids[i][1] for i in part])

        loss, cache = forward(params, source, target)
        grads = backward(params, cache)
        norm = clip_gradients(grads, settings["clip"])
        adam.update(params, grads, settings["lr"] * (1 - done / settings["steps"]))

        run["losses"].append(float(loss))
        scored = (done + 1) % settings["every"] == 0 or done + 1 in (1, settings["steps"])
        if scored:
            nats = evaluate(params, valid[:500], size)
            if not math.isfinite(nats):
                raise BadInput(f"no finite loss at {done + 1}; try --lr {settings['lr'] / 3:.2g}")
            mean = float(np.mean(run["losses"][-settings["every"]:]))
            points = measure(params, run["vocab"], held_out, 1, size, 100)[0]    # greedy, of 100
            run["scores"].append([done + 1, mean, nats, points])
            if nats <= run["best_nats"]:
                run["best_nats"] = nats
                run["best"] = {name: param.copy() for name, param in params.items()}
        yield norm, int((target[1:] != PAD).sum()), scored


# ---- The lesson ends here. What follows looks inside the trained network and keeps house. ----

# %% 8. Looking inside
def print_alignment(params, pairs, ids, size):
    """Print the alignment error rate, and that of a diagonal: words at the same fraction linked."""
    true, guessed, diagonal = [], [], []
    for part in batches(ids, size):
        weights = forced_attention(params, *(pad([ids[i][k] for i in part]) for k in (0, 1)))
        for b, i in enumerate(part):
            (S, T), links = map(len, pairs[i][:2]), read_links(pairs[i])
            if links:
                true.append(links)
                guessed.append({(int(weights[t, :S, b].argmax()), t) for t in range(T)})
                diagonal.append({(min(S - 1, int((t + 0.5) * S / T)), t) for t in range(T)})
    if true:
        print(f"alignment error rate {alignment_error(guessed, true):.3f} (of a diagonal "
              f"{alignment_error(diagonal, true):.3f})")
    wrong = sum(bool(pair[2].strip()) for pair in pairs) - len(true)
    if wrong:
        print(f"the third column of {wrong:,} pairs has no links between their tokens")


def plot_alignment(axes, params, pair, ids):
    """Draw the weights of a pair, its translation forced, and the true links as circles."""
    weights = forced_attention(params, *map(pad, ([ids[0]], [ids[1]])))[:, :, 0]
    image = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    axes.figure.colorbar(image, ax=axes, label="weight (darker: looks more)", shrink=0.7)
    links = read_links(pair) or ()
    for link in links:
        axes.plot(*link, "o", color="none", markeredgecolor="C3", markersize=9)
    across, down = ([*(word[:20] for word in side), "<eos>"] for side in pair[:2])
    axes.set_xticks(range(len(across)), across, rotation=60, ha="right", parse_math=False)
    axes.set_yticks(range(len(down)), down, parse_math=False)
    axes.set(title="Where it looks" + " (circles: true links)" * bool(links))


def plot_learning(left, right, run, fifths):
    """Draw the learning curves, and BLEU and exact match by source length."""
    steps, train, valid, _ = np.transpose(run["scores"])
    left.semilogy(steps, train, label="training")
    left.semilogy(steps, valid, label="held out")
    left.set(xlabel="training step", ylabel="nats per word", title="Learning")
    right.plot(fifths[:, 0], fifths[:, 1], "o-", label="BLEU")
    right.plot(fifths[:, 0], fifths[:, 2], "s-", label="exact match, %")
    right.set(xlabel="source length in tokens (mean of each fifth)", ylim=(0, 101),
              title="Quality by length")
    left.legend()
    right.legend()


def draw(path, run, pairs, rows):
    """Print the alignment error rate, and quality by source length; write the lesson's picture."""
    ids = encode_pairs(pairs, run["vocab"], len(run["best"]["Wy"]))
    print_alignment(run["best"], pairs, ids, run["settings"]["batch"])
    for length, points, exact in by_length(rows):
        print(f"sources of about {length:4.1f} tokens: BLEU {points:6.2f}, exact match "
              f"{exact:5.1f} %")
    from matplotlib.figure import Figure        # here, so that all else runs without it
    figure = Figure(figsize=(14, 16), layout="constrained")
    figure.suptitle(f"{LESSON}.py: {run['best_nats']:.3f} nats per word on held-out pairs")
    axes = figure.subplot_mosaic("LM;AB;CD", height_ratios=(1, 1.4, 1.4))
    plot_learning(axes["L"], axes["M"], run, by_length(rows))
    some = [i for i in range(len(pairs)) if 7 <= len(pairs[i][0]) <= 13] or range(len(pairs))
    for name, i in zip("ABCD", some):
        plot_alignment(axes[name], run["best"], pairs[i], ids[i])
    warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks become boxes
    figure.savefig(path, dpi=110)


# %% 9. Running
SETTINGS = {  # flag: (default, least value, what it is and which way to turn it)
    "data": (None, None, "sentence pairs, tab-separated, or a text, instead of data/en_fr.tsv"),
    "valid": (None, None, "held-out pairs instead of a tenth of the sources; 1,000 are translated"),
    "split": ("words", None, "words, or spaces (tokenised already)"),
    "min_count": (1, 1, "words seen less often in training become <unk>"),
    "max_length": (50, 1, "longest sentence in tokens; pairs with a longer one are left out"),
    "embed": (64, 1, "size D of a word's vector"),
    "hidden": (128, 1, "hidden units H; more remember more, time grows with the square"),
    "score": ("general", None, "how attention scores: dot, general or concat"),
    "batch": (64, 1, "pairs in a batch B; fewer make more updates of the same pairs"),
    "steps": (4400, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (0.008, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e8 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (200, 1, "steps between progress lines, each with a score and a checkpoint"),
    "prompt": ("", None, "a sentence to translate; - reads them from standard input, one a line"),
    "beam": (2, 1, "hypotheses that the search follows; 1 is greedy, more cost more time"),
    "load": (None, None, "checkpoint to go on from, in that file; with no steps left: translate"),
    "init": (None, None, "checkpoint to begin a new run from: fine-tuning on other pairs"),
    "out": ("out", None, "folder for the checkpoint and the picture of a new run"),
}
CHOICES = {"split": ["words", "spaces"], "score": ["dot", "general", "concat"]}
# What a checkpoint fixes for --load, and the first three of them for --init as well.
FIXED = ["embed", "hidden", "score", "batch", "split", "min_count", "max_length"]
GROUPS = ["params", "best", "m", "v"]           # the parts of a run that are dicts of arrays


def save(path, run):
    """Write the run as a checkpoint: a whole one is always there. An earlier run's is kept."""
    arrays = {f"{group}/{name}": a for group in GROUPS for name, a in run[group].items()}
    plain = {key: run[key] for key in run if key not in (*GROUPS, "rows_t")} | {"saved": True}
    with open(f"{path}.part", "wb") as file:
        np.savez(file, **{LESSON: json.dumps(plain)}, **arrays, rows_t=run["rows_t"])
    if "saved" not in run and path.exists():
        print("an earlier one is now", path.replace(path.with_suffix(".old.npz")))
    Path(f"{path}.part").replace(path)          # all at once, or not at all
    run["saved"] = True


def restore(path):
    """Return the run that save wrote. Raise BadInput if the file is anything else."""
    try:
        with np.load(path) as file:             # pickle is off: a stranger's file can run no code
            run = json.loads(str(file[LESSON])) | {"rows_t": file["rows_t"]}
            sizes = map(run["settings"].get, FIXED[:2])
            want = init_params(len(run["vocab"]), run["V_out"], *sizes, np.random.default_rng(0),
                               score=run["settings"]["score"])
            for group in GROUPS:
                run[group] = {name: file[f"{group}/{name}"] for name in want}
                assert all(a.shape == want[name].shape and np.isfinite(a).all()
                           for name, a in run[group].items())
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
                            choices=CHOICES.get(name))
    flags, start = vars(parser.parse_args(argv)), None
    for name, (default, least, _) in SETTINGS.items():
        # Only the prompt, whose default is empty, may be empty.
        if flags[name] == "" != default or least is not None and not least <= flags[name] <= 1e8:
            raise BadInput(f"--{name.replace('_', '-')} {flags[name]!r} is empty or out of range")
    if flags["load"] or flags["init"]:
        start = restore(flags["load"] or flags["init"])
        saved, fixed = start["settings"], FIXED if flags["load"] else FIXED[:3]
        parser.set_defaults(**{name: saved[name] for name in (saved if flags["load"] else
                                                            [*FIXED[:3], "split"])})
        flags = vars(parser.parse_args(argv))   # once more: what is not given stays as it was
        for name in fixed:
            if flags[name] != saved[name]:
                raise BadInput(f"the checkpoint has {name} {saved[name]}, which cannot change")
    return flags, start


def show(run, params, sentence, references=()):
    """Print a translation of a list of tokens, and the references."""
    flags, vocab = run["settings"], run["vocab"]
    words, _ = translate(params, vocab, sentence, flags["beam"])
    unknown = sorted(set(sentence) - set(vocab))[:10]
    print(f"Input:     {detokenize(sentence, flags['split'])}"
          + f"    (unknown: {', '.join(unknown)})" * bool(unknown))
    print(f"Output:    {detokenize(words, flags['split'])}")
    for target in references:
        print(f"Reference: {detokenize(target, flags['split'])}")


def train(run, pairs, held_out, path):
    """Learn; for every score save a checkpoint and print a line."""
    settings, started, first, tokens = run["settings"], time.time(), len(run["losses"]), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    for norm, size, scored in learn(run, pairs, held_out):
        tokens += size
        if scored:
            save(path, run)
            (done, mean, nats, points), seconds = run["scores"][-1], time.time() - started
            print(f"step {done:>5} of {settings['steps']}  training {mean:.3f}  held out "
                  f"{nats:.3f}  BLEU {points:5.1f}  gradient norm {norm:.2f}  "
                  f"{tokens / seconds:,.0f} tokens/s  "
                  f"{seconds / (done - first) * (settings['steps'] - done) / 60:.1f} min left")


def work(argv):
    """Do what the flags ask; return the exit status."""
    flags, start = read_flags(argv)
    going_on, init, out = (flags.pop(name) for name in ("load", "init", "out"))
    path, run, status = Path(going_on or f"{out}/{LESSON}.npz"), start, 0
    if init and (going_on or Path(init).resolve().parent == path.resolve().parent):
        raise BadInput(f"--init {init} begins a new run: no --load, and another folder for --out")
    learning = not going_on or len(start["losses"]) < flags["steps"]
    if learning:
        pairs, held_out = read_data(flags)
        held_out, scored = (held_out, "held-out") if held_out else (pairs, "training")
        flags["checksum"] = zlib.crc32(json.dumps([pairs, held_out]).encode())
        if not going_on:
            vocab, V_out = (start["vocab"], start["V_out"]) if start else build_vocab(
                pairs, flags["min_count"])
            params = start["best"] if start else init_params(
                len(vocab), V_out, flags["embed"], flags["hidden"],
                np.random.default_rng(flags["seed"]), score=flags["score"])
            run = {"params": params, "best": params, "m": Adam(params).m, "v": Adam(params).v,
                   "rows_t": Adam(params).rows_t, "vocab": vocab, "V_out": V_out, "losses": [],
                   "scores": [], "best_nats": math.inf, "examples": held_out[:5]}
        elif start["settings"]["checksum"] != flags["checksum"]:
            raise BadInput("the checkpoint was made with other pairs; give its --data, --valid and "
                           "--seed, or train it on these with --init instead of --load")
        print(f"{LESSON}: {len(pairs):,} pairs to learn from, {len(held_out):,} {scored} ones to "
              f"score, vocabulary of {len(run['vocab']):,}, {run['V_out']:,} of it for output, "
              f"{sum(param.size for param in run['params'].values()):,} parameters")
        if run["V_out"] >= 30_000:
            print(f"so many output words are slow; --min-count {flags['min_count'] + 1} leaves "
                  f"{build_vocab(pairs, flags['min_count'] + 1)[1]:,}")
        if not check_gradients(score=flags["score"]) < 1e-6:
            raise BadInput("backward does not give the gradients of forward; mend it first")
        ids, valid = (encode_pairs(part, run["vocab"], run["V_out"]) for part in (pairs, held_out))
        seen, heard = (np.concatenate([target[1:] for _, target in part]) for part in (ids, valid))
        counts = np.bincount(seen, minlength=run["V_out"])
        unigram = -np.log(counts.clip(1) / len(seen))[heard].mean()
        rare = np.mean([i == UNK for pair in ids for side in pair for i in side])
        print(f"to beat: {math.log(run['V_out']):.3f} nats per word by guessing, {unigram:.3f} by "
              f"how common each one is; {rare:.1%} of the words are rare or unknown")
    else:
        print(f"{len(start['losses']):,} steps are done: translating only; higher --steps go on")
    run["settings"] = flags
    try:
        if learning:
            train(run, pairs, held_out, path)
    except KeyboardInterrupt:
        if "saved" not in run or not path.exists():
            print("stopped before the first checkpoint: nothing is saved")
            raise
        run, status = restore(path), 130
        print(f"stopped; back to step {len(run['losses'])}; --load {path} goes on from there")
    if run["scores"]:
        print(f"best held-out score: {run['best_nats']:.4f} nats per word, in {path} (a little "
              "optimistic, since it also chose what is kept)")
    if flags["prompt"] == "-" and hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for line in sys.stdin if flags["prompt"] == "-" else [flags["prompt"]] * bool(flags["prompt"]):
        if line.strip():
            show(run, run["best"], tokenize(line, flags["split"]))
    for source, target, _ in run["examples"] if not flags["prompt"] else []:
        show(run, run["best"], source, [target])
    if learning and run["scores"] and not status:
        points, exact, rows = measure(run["best"], run["vocab"], held_out, flags["beam"],
                                      flags["batch"])
        print(f"{scored}, beam {flags['beam']}: BLEU {points:.2f}, exact match {exact:.1f} %")
        draw(path.with_suffix(".png"), run, held_out[:1000], rows)
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

# Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine translation",
# sections 3 and 3.1, equations 5 to 7 and the three scores
#   paper                                                    here
#   hbar_s, h_t, a_t(s), c_t, h~_t                           h, s, weights, context, mixed
#   W_c, W_s, W_a, v_a                                       Wc, Wy, Wa, va
#   LSTM of Zaremba et al. 2014, four layers, in code no b   one layer, with biases
#   input feeding (3.3), local attention (3.2), the score    left out; for want of input feeding, it
#     location, dropout 0.2                                  seems, 3 BLEU behind on Multi30k
#   concat: the half of W_a for hbar is I (footnote 15)      both halves are learned
#   the encoder does not read <eos>                          it does
#   a matrix of word vectors for each language               one E for both, N(0, 0.3^2)
#   U(-0.1, 0.1)                                             variance 1 / columns; general: Wa = I
#   gradient norm 5, of a loss summed over a sentence        1, of a mean per word: clips less
#   SGD, its rate halved                                     Adam
# Och & Ney 2003: alignment error rate. Papineni et al. 2002: BLEU.
# Three experiments:
#     python luong.py --score dot             no matrix in the score at all, and no worse here
#     python luong.py --data data/crow.txt --steps 400    a story by heart, line after line
#     In attend_backward leave out "dh + ", and run: the gradient check stops you.
