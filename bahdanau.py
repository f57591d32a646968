"""Translation with additive attention in plain NumPy, every gradient derived by hand.

An encoder-decoder has one vector for a whole sentence, and cannot keep a long one in it. Here the
encoder keeps an annotation of every word, and for each word that it writes the decoder looks at
those that matter now: attention. Where it looks is learned; it turns out to be the word that it
translates, though nobody told the network which word belongs to which.

    python bahdanau.py                                        learn 21,000 sentences: 67 s
    python bahdanau.py --load out/bahdanau.npz --prompt "i love you ."         translate a sentence
    python bahdanau.py --load out/bahdanau.npz --prompt - < sentences.txt      or one in each line
    python bahdanau.py --data pairs.tsv --min-count 2         your own: sentence, tab, translation

The first command ends with lines like these (BLEU, 0 to 100: likeness to the given translation):
    held-out, beam 2: BLEU 99.44, exact match 97.9 %
    alignment error rate 0.109 (of a diagonal 0.347)
    sources of about  5.8 tokens: BLEU 100.00, exact match 100.0 %
    sources of about 18.8 tokens: BLEU  99.17, exact match  94.0 %

Same as seq2seq.py: the GRU, the readout, masks, teacher forcing, beam search, BLEU.
New here: an encoder in both directions; attention, and the gradient through it; the alignment.
The network and its equations begin section 2.
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

LESSON = "bahdanau"
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
#   encoder    -> f[1] -> f[2] -> ... -> f[S]           forward, f, and backward, b: an annotation
#              <- b[1] <- b[2] <- ... <- b[S] <-        h[j] = [f[j]; b[j]] knows the whole
#                  |       |              |             sentence, and word j best
#               weight  weight   ...   weight           of every word, anew at each step i
#                   \______|______________/
#                      context[i]                       the annotations, weighted and added up
#
#   decoder    ... -> s[i] -------------------> s[i+1] -> ...      s[i] has read y[i-1]
#                      |  \                       |
#                      |   asks for context[i] ---+                s[i+1] reads it, and y[i]
#                      |             |
#   readout            +---> p[i] <--+                             of y[i], from both, and y[i-1]
#
#   f[j] = gru(Wh_fwd, Wx_fwd @ E[x[j]] + b_fwd, f[j-1])      j = 1 .. S, from f[0] = 0
#   b[j] = gru(Wh_bwd, Wx_bwd @ E[x[j]] + b_bwd, b[j+1])      j = S .. 1, from b[S+1] = 0
#   h[j] = [f[j]; b[j]],   key[j] = Ua @ h[j]                 annotations and keys, made once
#   s[0] = tanh(Ws @ b[1]),   context[0] = 0                  b[1] has read the whole source
#   s[i] = gru(Wh_dec, Wx_dec @ E[y[i-1]] + Wc_dec @ context[i-1] + b_dec, s[i-1])      i = 1 .. T
#   weights = softmax over j of va @ tanh(query + key[j]),   query = Wa @ s[i]      additive: a sum
#   context[i] = sum over j of weights[j] * h[j]
#   wide = Oh @ s[i] + Oy @ E[y[i-1]] + Oc @ context[i] + bo
#   p[i] = softmax(Wy @ max(wide[0::2], wide[1::2]) + by)     maxout
#   loss = mean of -log p[i][y[i]] over all words of the translations and <eos>; y[0] is <bos>
#
#   The paper is Bahdanau, Cho & Bengio 2015. With a context that is always the same, it says, this
#   is an encoder-decoder as in seq2seq.py.
#   Which state asks, and which is read out? Exact match, alignment error (best: 0), three runs:
#       appendix A.2.2 prints s[i-1] for both; it has not read y[i-1]                 97.1 %, 0.172
#       section 3.1 reads out s[i] (equation 4), and asks with s[i-1] (6)             96.6 %, 0.167
#       the authors' program takes s[i] for both, as this file does                   97.9 %, 0.110
#
#   gru(Wh, a, h):   r, z = sigmoid(a[rz] + Wh[rz] @ h)        reset, update gate; [rz]: rows to 2H
#                    n    = tanh(a[n] + Wh[n] @ (r * h))       new content; [n]: the last H rows
#                    (1 - z) * h + z * n                       z lets it in
#   Each gate is a number between 0 and 1 for every unit. Where z is near 0, a unit remembers; where
#   it is near 1, it takes over the new content. r tells which units the new content may look at.
#   (Cho et al. print z the other way round: it keeps. That is the same function, with z renamed;
#   their program and Bahdanau's have it as here. char_gru.py and word_gru.py tell more of GRUs.)
#
#   B sentences in a batch, one column for each    S, T  longest source x, target y, with <eos>
#   V words, V_out of them in translations    D numbers in a vector    H units    M = (H + 1) // 2
#   N = T * B or S * B: the columns of all steps side by side, those of step 1 first
#   E (V, D)    Wx_* (3H, D)   Wh_* (3H, H)   b_* (3H, 1)   Wc_dec (3H, 2H)   Ws, Wa (H, H)
#   Ua (H, 2H)   va (1, H)   Oh (2M, H)   Oy (2M, D)   Oc (2M, 2H)   bo (2M, 1)   Wy (V_out, M)
#   by (V_out, 1)
#   d<name>  the gradient of the loss with respect to <name>, an array of the same shape
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), elementwise. Written with tanh it cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def weight(rows, columns, rng):
    """Return a random matrix of variance 1 / columns: a sum of products keeps its size."""
    return rng.normal(0, columns**-0.5, (rows, columns))


def gru_weight(H, rng):
    """Return Wh (3H, H): for r, z and n the orthogonal matrix nearest to a random one. It turns a
    vector and keeps its length, so that the matrices alone make nothing fade or grow.
    """
    u, _, v = np.linalg.svd(rng.normal(size=(3, H, H)))
    return (u @ v).reshape(3 * H, H)


def init_params(V, V_out, D, H, rng, dtype=np.float32):
    """Return random weights and zero biases as a dict. Word vectors begin small, and va at zero:
    the attention begins with equal weights. The encoders' z begin open, with a bias of 2, so that
    an annotation is mostly its own word at first, and learns what to add of the others.
    """
    M = (H + 1) // 2
    params = {
        "E": rng.normal(0, 0.1, (V, D)),
        "Wx_fwd": weight(3 * H, D, rng), "Wh_fwd": gru_weight(H, rng),
        "Wx_bwd": weight(3 * H, D, rng), "Wh_bwd": gru_weight(H, rng), "Ws": weight(H, H, rng),
        "Wa": weight(H, H, rng), "Ua": weight(H, 2 * H, rng), "va": np.zeros((1, H)),
        "Wx_dec": weight(3 * H, D, rng), "Wh_dec": gru_weight(H, rng),
        "Wc_dec": weight(3 * H, 2 * H, rng), "b_dec": np.zeros((3 * H, 1)),
        "b_fwd": np.zeros((3 * H, 1)), "b_bwd": np.zeros((3 * H, 1)),
        "Oh": weight(2 * M, H, rng), "Oy": weight(2 * M, D, rng), "Oc": weight(2 * M, 2 * H, rng),
        "bo": np.zeros((2 * M, 1)),
        "Wy": weight(V_out, M, rng), "by": np.zeros((V_out, 1)),
    }
    params["b_fwd"][H:2 * H] = params["b_bwd"][H:2 * H] = 2
    return {name: param.astype(dtype) for name, param in params.items()}


def step(Wh, a, h_prev):
    """Make one step of a GRU: Wh (3H, H), what comes in, a (3H, B), and the state before (H, B).
    Return the state after, and a cache for step_backward. Encoder and decoder use it, each with its
    own Wh.
    """
    H = len(h_prev)
    r, z = sigmoid(a[:2 * H] + Wh[:2 * H] @ h_prev).reshape(2, *h_prev.shape)
    rh = r * h_prev
    n = np.tanh(a[2 * H:] + Wh[2 * H:] @ rh)
    h = (1 - z) * h_prev + z * n
    return h, (r, z, n, h_prev, rh)


def encode_direction(params, side, source, vectors):
    """Read the source (S, B), whose word vectors are (D, S * B), with the GRU that `side` names.
    Return the states after each word, S arrays (H, B), and the caches of the steps.
    """
    S, B = source.shape
    H = params["Wh_" + side].shape[1]
    a = params["Wx_" + side] @ vectors + params["b_" + side]            # of all steps at once
    # The mask. At padding the state must not move, or what is made of a sentence would depend on
    # the others in its batch. With -inf before the sigmoid z is exactly 0, so h = h_prev. Backward,
    # the gradient passes such a step as it is, and leaves nothing in the parameters.
    a[H:2 * H] += np.where(source.ravel() == PAD, -np.inf, 0)
    h, states, caches = np.zeros((H, B), a.dtype), [], []
    for a_t in np.split(a, S, axis=1):
        h, cache = step(params["Wh_" + side], a_t, h)
        states.append(h)
        caches.append(cache)
    return states, caches


def readout(params, s, vectors, from_context):
    """Take the states s (H, N), vectors of the previous words (D, N), and what Oc adds (2M, N).
    Return the logits (V_out, N), and a cache. Maxout: of every two rows the larger one goes on, so
    a unit is the larger of two linear functions, and bends where they cross.
    """
    wide = params["Oh"] @ s + params["Oy"] @ vectors + from_context + params["bo"]
    twos = wide.reshape(len(wide) // 2, 2, -1)
    larger = twos.max(axis=1)                                           # (M, N)
    logits = params["Wy"] @ larger
    logits += params["by"]
    return logits, (twos[:, 0] >= twos[:, 1], larger)


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
    """Read the source ids (S, B) from both sides; return the annotations (S, 2H, B), their keys
    (S, H, B), the mask (S, B), s[0] (H, B), and a cache.
    """
    vectors = [params["E"][ids.ravel()].T for ids in (source, source[::-1])]
    fwd, fwd_caches = encode_direction(params, "fwd", source, vectors[0])
    bwd, bwd_caches = encode_direction(params, "bwd", source[::-1], vectors[1])
    annotations = np.concatenate([fwd, bwd[::-1]], axis=1)
    keys = params["Ua"] @ annotations           # once: they are the same for every target word
    s = np.tanh(params["Ws"] @ bwd[-1])
    mask = np.where(source == PAD, -np.inf, 0).astype(s.dtype)
    return annotations, keys, mask, s, (source, vectors, bwd[-1], fwd_caches, bwd_caches)


def attend(params, annotations, keys, mask, s):
    """Look at the source from the state s (H, B).
    Return the context (2H, B), and a cache that begins with the weights (S, B).
    """
    u = np.tanh(keys + params["Wa"] @ s)                                # (S, H, B)
    # Why -inf before the softmax, and not zero after it? With -inf padding gets the weight 0, and
    # the words' weights add up to 1. With zeros put in afterwards they would add up to less.
    e = (params["va"] @ u)[:, 0] + mask                                 # (S, B)
    exps = np.exp(e - e.max(axis=0))
    weights = exps / exps.sum(axis=0)
    return (weights[:, None] * annotations).sum(axis=0), (weights, u, s)


def forward(params, source, target):
    """Read the source ids (S, B), each ending in <eos>, and the target ids (T + 1, B), framed by
    <bos> and <eos>. Return the mean loss in nats per target word, and a cache for backward.
    """
    T = len(target) - 1
    annotations, keys, mask, s, encoded = encode(params, source)
    # Teacher forcing: the decoder reads the true word before, not the one it would have said. So
    # all its inputs but the contexts are known, and their products are made at once.
    vectors = params["E"][target[:-1].ravel()].T                        # (D, T * B)
    a = params["Wx_dec"] @ vectors + params["b_dec"]
    states, caches, looks = [s], [], []
    contexts = [np.zeros_like(annotations[0])]
    for a_t in np.split(a, T, axis=1):
        s, cache = step(params["Wh_dec"], a_t + params["Wc_dec"] @ contexts[-1], s)
        context, look = attend(params, annotations, keys, mask, s)
        states.append(s)
        caches.append(cache)
        contexts.append(context)
        looks.append(look)
    s, context = np.concatenate(states[1:], axis=1), np.concatenate(contexts[1:], axis=1)
    logits, read = readout(params, s, vectors, params["Oc"] @ context)
    # No mask in the decoder: padding comes after all words, and there the loss has the weight 0.
    real = target[1:].ravel() != PAD
    shares = real / real.sum(dtype=s.dtype)         # of each word in the mean
    nats, p = cross_entropy(logits, target[1:].ravel())
    return nats @ shares, (target, annotations, states[0], encoded, vectors, caches, looks,
                            contexts, s, read, p, shares)


def prepare(params, source):
    """Read the source; return what predict needs of it all the time, and the first state."""
    annotations, keys, mask, s, _ = encode(params, source)
    return (annotations, keys, mask), (s, np.zeros_like(annotations[0]))


def predict(params, memory, state, words):
    """Read the previous words (B,); return the logits of the next (V_out, B), the state, and the
    weights of the attention (S, B).
    """
    (s, context), vectors = state, params["E"][words].T
    a = params["Wx_dec"] @ vectors + params["b_dec"] + params["Wc_dec"] @ context
    s, _ = step(params["Wh_dec"], a, s)
    context, (weights, *_) = attend(params, *memory, s)
    return readout(params, s, vectors, params["Oc"] @ context)[0], (s, context), weights


# %% 3. Backward
# The loss is at one end, the first word of the source at the other. The gradient goes from
# the words of the translation back through the decoder, and from every step of it, through the
# attention, to all annotations at once. So the way back to a source word is short, however long
# the sentence is. These are used in many places, and their gradients are sums of many parts:
#
#   s[i]           in the readout, in the attention, and in step i + 1
#   context[i]     in the readout, and in step i + 1
#   h[j], key[j]   at every step i; h[j] in key[j], too, its halves in f[j+1], b[j-1]; b[1] in s[0]
#   E              in both encoders, in the decoder, and in the readout (Oy)
#
#   dcontext[i] = Oc.T @ dwide[i] + Wc_dec.T @ da[i+1]         a: what gru gets; da[T+1] = 0
#   ds[i]       = Oh.T @ dwide[i] + Wa.T @ dq[i] + what step i + 1 gives back
#
# So step i + 1 is undone first, then the attention of step i, then step i. The attention, from its
# last line to its first; weights, e, u and dq are of step i:
#
#   forward                             backward
#   context = sum_j weights[j] h[j]     dweights[j] = h[j] . dcontext
#                                       dh[j] += weights[j] dcontext
#   weights = softmax(e)                de[j] = weights[j] (dweights[j] - mean)
#                                       mean = sum_k weights[k] dweights[k]
#   e[j]    = va . u[j]                 du[j] = va de[j]                  dva += sum_j de[j] u[j]
#   u[j]    = tanh(q + key[j])          dpre[j] = du[j] (1 - u[j]^2)      dkey[j] += dpre[j]
#   q       = Wa @ s[i]                 dq = sum_j dpre[j]                dWa += dq @ s[i].T
#                                       Wa.T @ dq goes to ds[i]
#   key[j]  = Ua @ h[j]                 dUa = sum_j dkey[j] @ h[j].T      dh[j] += Ua.T @ dkey[j]
#
# Sums with += run over the steps i, for va, Wa, h and key are the same at all of them, but the last
# row is done once, after the loop; sum_j runs over the source. In the code dh[j] is dannotations,
# and dpre of one step is its dkeys. At padding weights[j] = 0, so de[j] is 0 there. The softmax: as
# e[j] grows, weights[j] changes by weights[j] (1 - weights[j]), any other weights[k] by -weights[k]
# weights[j]; each times its dweights, and added up, that is de[j]: 0 where dweights[j] is the mean.
#
# For one step of the GRU. The table begins with what forward does last: read the forward column
# from the bottom up, the backward column from the top down.
#
#   forward                                     backward
#   h    = (1 - z) * h_prev + z * n             dz = dh * (n - h_prev)       dn = dh * z
#                                               dh_prev = dh * (1 - z)       <- the direct path
#   n    = tanh(a[n] + Wh[n] @ rh)              da_n = dn * (1 - n^2)        drh = Wh[n].T @ da_n
#   rh   = r * h_prev                           dr = drh * h_prev            dh_prev += drh * r
#   r, z = sigmoid(a[rz] + Wh[rz] @ h_prev)     da_r = dr * r * (1 - r)      da_z = dz * z * (1 - z)
#                                               dh_prev += Wh[rz].T @ [da_r; da_z]
#
# At padding z = 0: then dh_prev = dh, and all of da is exactly 0.
#
# At the output, nats = log(sum of exp(logits)) - logits[target], so dlogits = p - onehot(target),
# times the share of that word in the mean: 1 / the number of words, and 0 at padding. Maxout: only
# the larger one of a pair moved the loss; it gets the gradient.
# And the gradient of E is sparse, a pair of ids and their rows: see word_rnn.py.
def step_backward(Wh, cache, dh):
    """Undo step: from the gradient of h (H, B) return that of a (3H, B) and that of h_prev."""
    r, z, n, h_prev, _ = cache
    H = len(h_prev)
    # forward: h = (1 - z) * h_prev + z * n
    dz = dh * (n - h_prev)
    dn = dh * z
    dh_prev = dh * (1 - z)
    # forward: n = tanh(a[2H:] + Wh[2H:] @ rh)
    da_n = dn * (1 - n * n)
    drh = Wh[2 * H:].T @ da_n
    # forward: rh = r * h_prev
    dr = drh * h_prev
    dh_prev += drh * r
    # forward: r, z = sigmoid(a[:2H] + Wh[:2H] @ h_prev)
    da_rz = np.concatenate([dr * r * (1 - r), dz * z * (1 - z)])
    dh_prev += Wh[:2 * H].T @ da_rz
    return np.concatenate([da_rz, da_n]), dh_prev


def gru_gradients(side, vectors, caches, da):
    """Return the gradients of Wx, Wh and b of this side, from da of all its steps, (3H, N)."""
    h_prev, rh = (np.concatenate(part, axis=1) for part in list(zip(*caches))[3:])
    H = len(h_prev)
    # forward: a = Wx @ vectors + b, and in step + Wh @ h_prev, where the rows of n read rh
    return {"Wx_" + side: da @ vectors.T, "b_" + side: da.sum(axis=1, keepdims=True),
            "Wh_" + side: np.concatenate([da[:2 * H] @ h_prev.T, da[2 * H:] @ rh.T])}


def encode_direction_backward(params, side, vectors, caches, dstates):
    """Undo encode_direction: from the gradients of its S states return a dict of its parameters'
    gradients, and that of the vectors (D, S * B).
    """
    da, dh = [None] * len(caches), 0
    for t in reversed(range(len(caches))):
        # forward: h was used outside, and by the step to t + 1
        da[t], dh = step_backward(params["Wh_" + side], caches[t], dstates[t] + dh)
    da = np.concatenate(da, axis=1)
    return gru_gradients(side, vectors, caches, da), params["Wx_" + side].T @ da


def attend_backward(params, annotations, look, dcontext):
    """Go back through attend: from the gradient of the context (2H, B) return those of va and Wa,
    a tuple, of s (H, B), of the keys (S, H, B) and of the annotations (S, 2H, B).
    """
    weights, u, s = look
    # forward: context = sum over j of weights[j] * h[j]
    dannotations = weights[:, None] * dcontext
    dweights = (annotations * dcontext).sum(axis=1)
    # forward: weights = softmax(e)
    de = weights * (dweights - (weights * dweights).sum(axis=0))
    # forward: e = va @ u
    dva = (u @ de[:, :, None]).sum(axis=0).T
    # forward: u = tanh(q + keys), the same query q for every source word
    dkeys = params["va"].T * de[:, None] * (1 - u * u)
    dq = dkeys.sum(axis=0)
    # forward: q = Wa @ s
    return (dva, dq @ s.T), params["Wa"].T @ dq, dkeys, dannotations


def readout_backward(params, dlogits, s, vectors, read):
    """Undo readout: return its parameters' gradients, and those of wide, of s and of vectors."""
    first, larger = read
    # forward: logits = Wy @ larger + by
    grads = {"Wy": dlogits @ larger.T, "by": dlogits.sum(axis=1, keepdims=True)}
    dlarger = params["Wy"].T @ dlogits
    # forward: larger = the larger of every two rows of wide
    dwide = np.stack([dlarger * first, dlarger * ~first], axis=1).reshape(len(params["bo"]), -1)
    # forward: wide = Oh @ s + Oy @ vectors + from_context + bo
    grads |= {"Oh": dwide @ s.T, "Oy": dwide @ vectors.T, "bo": dwide.sum(axis=1, keepdims=True)}
    return grads, dwide, params["Oh"].T @ dwide, params["Oy"].T @ dwide


def sum_rows(ids, rows):
    """Return the distinct ids of ids (N,), sorted, and for each the sum of its rows (N, D)."""
    order = np.argsort(ids, kind="stable")      # now equal ids stand side by side
    distinct, first = np.unique(ids[order], return_index=True)      # where each id begins
    return distinct, np.add.reduceat(rows[order], first, axis=0)    # the sum of each such group


def backward(params, cache):
    """Return the gradients of the loss, a dict; that of E as (ids, rows). It uses up the cache."""
    (target, annotations, s0, encoded, vectors, caches, looks, contexts, s, read, p,
     shares) = cache
    source, source_vectors, b1, fwd_caches, bwd_caches = encoded
    T, H = len(target) - 1, len(s)
    # forward: loss = the sum of shares * -log p[target]
    dlogits = p                                     # made in the place of p
    dlogits[target[1:].ravel(), np.arange(p.shape[1])] -= 1
    dlogits *= shares
    # forward: logits = readout(s, vectors, Oc @ context)
    grads, dwide, ds, dvectors = readout_backward(params, dlogits, s, vectors, read)
    grads["Oc"] = dwide @ np.concatenate(contexts[1:], axis=1).T
    dcontexts = np.split(params["Oc"].T @ dwide, T, axis=1)
    ds, da, ds_next, dcontext_next = np.split(ds, T, axis=1), [None] * T, 0, 0
    dva = dWa = dkeys = dannotations = 0
    for t in reversed(range(T)):
        # forward: contexts[t + 1] was used by its own readout, and by the step after it
        dcontext = dcontexts[t] + dcontext_next
        (dva_t, dWa_t), ds_look, dkeys_t, dannotations_t = attend_backward(
            params, annotations, looks[t], dcontext)
        dva, dWa = dva + dva_t, dWa + dWa_t
        dkeys, dannotations = dkeys + dkeys_t, dannotations + dannotations_t
        # forward: s[t + 1] was used by its readout, by its attention, and by the step after it
        da[t], ds_next = step_backward(params["Wh_dec"], caches[t], ds[t] + ds_look + ds_next)
        dcontext_next = params["Wc_dec"].T @ da[t]
    # forward: a = Wx_dec @ vectors + Wc_dec @ context before + b_dec
    da = np.concatenate(da, axis=1)
    grads |= gru_gradients("dec", vectors, caches, da)
    grads |= {"va": dva, "Wa": dWa, "Wc_dec": da @ np.concatenate(contexts[:-1], axis=1).T}
    dvectors += params["Wx_dec"].T @ da
    # forward: keys = Ua @ annotations
    grads["Ua"] = np.tensordot(dkeys, annotations, ([0, 2], [0, 2]))
    dannotations += params["Ua"].T @ dkeys
    # forward: s0 = tanh(Ws @ b[1])
    dpre_s0 = ds_next * (1 - s0 * s0)
    grads["Ws"] = dpre_s0 @ b1.T
    # forward: annotations = [fwd; bwd]. The backward GRU has read the source from its end.
    dfwd, dbwd = dannotations[:, :H], dannotations[::-1, H:]
    dbwd[-1] += params["Ws"].T @ dpre_s0
    v_fwd, v_bwd = source_vectors
    more_fwd, dsource = encode_direction_backward(params, "fwd", v_fwd, fwd_caches, dfwd)
    more_bwd, dback = encode_direction_backward(params, "bwd", v_bwd, bwd_caches, dbwd)
    # forward: vectors = E[ids].T, of the source, twice, and of the words that the decoder read
    ids = np.concatenate([source.ravel(), source[::-1].ravel(), target[:-1].ravel()])
    rows = np.concatenate([dsource, dback, dvectors], axis=1).T
    return grads | more_fwd | more_bwd | {"E": sum_rows(ids, rows)}


# %% 4. Gradient check
# Move one number a little, up and down, and run forward both times: the difference of the two
# losses, divided by 2 * distance, must be its gradient. If a check fails although backward is
# right, the usual cause is float32, too small a move, or a tie: where the two of a maxout pair are
# equal there is no derivative. The three sentences have different lengths, and words that repeat.
def check_gradients(entries=6, distance=1e-5):
    """Compare backward with such differences on a toy network; print and return the largest error,
    relative to the largest gradient of the same array. It must be below 1e-6.
    """
    rng = np.random.default_rng(0)
    params = {name: param + 0.3 * rng.normal(size=param.shape)
              for name, param in init_params(9, 7, 3, 4, rng, np.float64).items()}
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
    "hidden": (80, 1, "hidden units H; more remember more, time grows with the square"),
    "batch": (64, 1, "pairs in a batch B; fewer make more updates of the same pairs"),
    "steps": (3600, 0, "training steps in all; the learning rate falls to zero over them"),
    "lr": (0.006, 0, "Adam's learning rate at the start; a third of it if the loss jumps about"),
    "clip": (1.0, 0, "largest norm of the gradient: 1e8 is no clipping, 0 is no learning"),
    "seed": (0, 0, "seed of all random numbers; the same seed gives the same run"),
    "every": (200, 1, "steps between progress lines, each with a score and a checkpoint"),
    "prompt": ("", None, "a sentence to translate; - reads them from standard input, one a line"),
    "beam": (2, 1, "hypotheses that the search follows; 1 is greedy, more cost more time"),
    "load": (None, None, "checkpoint to go on from, in that file; with no steps left: translate"),
    "init": (None, None, "checkpoint to begin a new run from: fine-tuning on other pairs"),
    "out": ("out", None, "folder for the checkpoint and the picture of a new run"),
}
CHOICES = {"split": ["words", "spaces"]}
# What a checkpoint fixes for --load, and the first two of them for --init as well.
FIXED = ["embed", "hidden", "batch", "split", "min_count", "max_length"]
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
            want = init_params(len(run["vocab"]), run["V_out"], *sizes, np.random.default_rng(0))
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
        saved, fixed = start["settings"], FIXED if flags["load"] else FIXED[:2]
        parser.set_defaults(**{name: saved[name] for name in (saved if flags["load"] else
                                                            [*FIXED[:2], "split"])})
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
                np.random.default_rng(flags["seed"]))
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
        if not check_gradients() < 1e-6:
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

# Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and
# translate", sections 3.1 and 3.2, appendix A
#   paper                                                    here
#   h_j, e_ij, alpha_ij, c_i, t_i                           annotations, e, weights, context, larger
#   W_a, U_a, v_a, W_s, U_o, V_o, C_o, W_o                   Wa, Ua, va, Ws, Oh, Oy, Oc, Wy
#   s[i-1] asks and is read out (A.2.2)                      s[i], as in the authors' program
#   biases left out of the formulas for readability          written out
#   a matrix of word vectors for each language               one E for both
#   for the first word the program reads zeros               <bos>, a word that is learned
#   the program factors the output matrix                    one full matrix
#   W, U, C of the gates and of the new state                rows of Wx_*, Wh_*, Wc_dec
#   N(0, 0.01^2), W_a and U_a N(0, 0.001^2)                  variance 1 / columns, E 0.1^2; the bias
#                                                              of the encoders' z is 2
#   gradient norm 1, of a loss summed over a sentence        1, of a mean per word: clips less
#   Adadelta                                                 Adam
# Och & Ney 2003: alignment error rate. Papineni et al. 2002: BLEU. Luong et al. 2015: <unk>.
# Three experiments:
#     python bahdanau.py --load out/bahdanau.npz --beam 10 --prompt "we sing ."      no better
#     python bahdanau.py --data data/crow.txt --steps 400    a story by heart, line after line
#     In attend_backward leave out the sum in de, and run: the gradient check stops you.
