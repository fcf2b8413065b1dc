#!/usr/bin/env python3
"""Future-entropy decoding straight from the definition, as a check on the program: it shares no code and no idea with it.

Every distribution is one full pass over the whole text so far, in double precision, without a cache: one pass for what may
come next and one for each of the k candidates (and one more for each further step of depth). Greedy: argmax of s.

usage: future.py MODEL PROMPT STEPS ALPHA K N MIN_P CURVE DEPTH DISCOUNT
  MODEL   a llama2.c v0 file        PROMPT   token ids, 1,2,3        CURVE   article or crossfade
Prints for each step the number of candidates and the token taken, then a line for each: token p Hhat s.
"""
import sys

import numpy as np


def read_model(path):
    """The seven sizes, then f32 tensors in a fixed order; a negative vocabulary says that the output matrix is its own."""
    sizes = np.fromfile(path, "<i4", 7)
    dim, hidden, n_layers, n_heads, n_kv_heads, vocab, context = map(int, sizes)
    tied, vocab, head_dim = vocab > 0, abs(vocab), dim // n_heads
    values, at = np.fromfile(path, "<f4", offset=28).astype(np.float64), 0

    def take(*shape):
        nonlocal at
        start, at = at, at + int(np.prod(shape))
        return values[start:at].reshape(shape)

    model = {"n_heads": n_heads, "n_kv_heads": n_kv_heads, "head_dim": head_dim, "n_layers": n_layers}
    model["embedding"] = take(vocab, dim)
    model["attention_norm"] = take(n_layers, dim)
    model["query"] = take(n_layers, dim, dim)
    model["key"] = take(n_layers, n_kv_heads * head_dim, dim)
    model["value"] = take(n_layers, n_kv_heads * head_dim, dim)
    model["attention_output"] = take(n_layers, dim, dim)
    model["ffn_norm"] = take(n_layers, dim)
    model["gate"] = take(n_layers, hidden, dim)
    model["down"] = take(n_layers, dim, hidden)
    model["up"] = take(n_layers, hidden, dim)
    model["norm"] = take(dim)
    take(2, context, head_dim // 2)  # rotations, computed below
    model["output"] = model["embedding"] if tied else take(vocab, dim)
    assert at == values.size, f"{path}: {values.size} values, expected {at}"
    return model


def rmsnorm(x, weight):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-5) * weight


def rotate(x):
    """Rotary positions on adjacent pairs, as complex numbers. x (n, heads, head_dim)"""
    n, heads, head_dim = x.shape
    angles = np.outer(np.arange(n), 10000.0 ** (-2 * np.arange(head_dim // 2) / head_dim))
    turned = x.reshape(n, heads, head_dim // 2, 2)
    turned = (turned[..., 0] + 1j * turned[..., 1]) * np.exp(1j * angles)[:, None, :]
    return np.stack([turned.real, turned.imag], axis=-1).reshape(n, heads, head_dim)


def attend(model, layer, x):
    n, head_dim, groups = len(x), model["head_dim"], model["n_heads"] // model["n_kv_heads"]
    q = rotate((x @ model["query"][layer].T).reshape(n, -1, head_dim))
    k = rotate((x @ model["key"][layer].T).reshape(n, -1, head_dim))
    v = (x @ model["value"][layer].T).reshape(n, -1, head_dim)
    out, mask = np.empty_like(q), np.triu(np.full((n, n), -np.inf), 1)
    for head in range(model["n_heads"]):
        scores = q[:, head] @ k[:, head // groups].T / np.sqrt(head_dim) + mask
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, head] = weights @ v[:, head // groups] / weights.sum(axis=1, keepdims=True)
    return out.reshape(n, -1) @ model["attention_output"][layer].T


def next_logits(model, tokens):
    x = model["embedding"][tokens]
    for layer in range(model["n_layers"]):
        x = x + attend(model, layer, rmsnorm(x, model["attention_norm"][layer]))
        normed = rmsnorm(x, model["ffn_norm"][layer])
        gate = normed @ model["gate"][layer].T
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ model["up"][layer].T)) @ model["down"][layer].T
    return model["output"] @ rmsnorm(x[-1], model["norm"])


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def normalised_entropy(logits, n):
    r = softmax(np.sort(logits)[::-1][:n])
    return -np.sum(r * np.log(np.maximum(r, 1e-6))) / np.log(len(r))


def future(model, tokens, n, depth, discount):
    tokens, total, weights = list(tokens), 0.0, 0.0
    for j in range(depth):
        logits = next_logits(model, tokens)
        total += discount**j * normalised_entropy(logits, n)
        weights += discount**j
        tokens.append(int(np.argmax(logits)))
    return total / weights


def exponents(alpha, curve):
    if curve == "crossfade":
        return 1 - (alpha + 1) / 2, (alpha + 1) / 2
    return 1 - max(0, alpha), 1 - max(0, -alpha)


def main(path, prompt, steps, alpha, k, n, min_p, curve, depth, discount):
    model, text = read_model(path), [int(token) for token in prompt.split(",")]
    a, b = exponents(float(alpha), curve)
    for _ in range(int(steps)):
        p = softmax(next_logits(model, text))
        survivors = np.flatnonzero(p >= float(min_p) * p.max())
        p = p / p[survivors].sum()
        candidates = survivors[np.argsort(-p[survivors], kind="stable")][: int(k)]
        looks = len(candidates) > 1
        hhat = [future(model, text + [int(w)], int(n), int(depth), float(discount)) if looks else 1 for w in candidates]
        s = p[candidates] ** a * np.array(hhat) ** b
        text.append(int(candidates[np.argmax(s)]))
        print(len(candidates), text[-1])
        for w, h, score in zip(candidates, hhat, s):
            print(int(w), repr(float(p[w])), repr(float(h)), repr(float(score)), flush=False)


if __name__ == "__main__":
    if len(sys.argv) != 11:
        sys.exit(__doc__)
    main(*sys.argv[1:])
