#!/usr/bin/env python3
"""The forward pass in numpy, in double precision, straight from the papers, against the tensors that
`foretell look --save` wrote. It shares no code with the program.

usage: look.py MODEL FOLDER TOLERANCE TOKEN ...
  MODEL      a GGUF file whose matrices are F32        FOLDER   where look --save --kv f32 wrote its files
  TOLERANCE  of a tensor's largest difference, relative to its largest value
Prints a line for each tensor and ends with the number compared; exit status 1 if one differs or a file is missing or left over.
"""
import os
import struct
import sys

import numpy as np

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY, F32 = 8, 9, 0


def read_gguf(path):
    """Metadata and tensors of a GGUF file: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""
    with open(path, "rb") as file:
        data = file.read()
    at = 0

    def scalar(form):
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    def string():
        nonlocal at
        length = scalar("<Q")
        at += length
        return data[at - length : at]

    def value(kind):
        if kind == STRING:
            return string()
        if kind == ARRAY:
            kind, n = scalar("<I"), scalar("<Q")
            return [value(kind) for _ in range(n)]
        return scalar(SCALARS[kind])

    assert scalar("<I") == 0x46554747 and scalar("<I") == 3, f"{path}: expected GGUF v3"
    n_tensors, n_pairs = scalar("<Q"), scalar("<Q")
    metadata = {}
    for _ in range(n_pairs):
        name = string().decode()
        metadata[name] = value(scalar("<I"))
    listed = []
    for _ in range(n_tensors):
        name = string().decode()
        shape = [scalar("<Q") for _ in range(scalar("<I"))][::-1]
        kind, offset = scalar("<I"), scalar("<Q")
        assert kind == F32, f"{path}: {name}: expected F32"
        listed.append((name, shape, offset))
    alignment = metadata.get("general.alignment", 32)
    start = -(-at // alignment) * alignment
    return metadata, {
        name: np.frombuffer(data, "<f4", int(np.prod(shape)), start + offset).reshape(shape).astype(np.float64)
        for name, shape, offset in listed
    }


def rmsnorm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def rope(x, theta, rope_dim):
    """Pairs (2i, 2i + 1) of the first rope_dim values of each head are rotated by position * theta^(-2i / rope_dim)."""
    angles = np.outer(np.arange(len(x)), theta ** (-2.0 * np.arange(rope_dim // 2) / rope_dim))[:, None, :]
    turned, even, odd = x.copy(), x[..., 0:rope_dim:2], x[..., 1:rope_dim:2]
    turned[..., 0:rope_dim:2] = even * np.cos(angles) - odd * np.sin(angles)
    turned[..., 1:rope_dim:2] = even * np.sin(angles) + odd * np.cos(angles)
    return turned


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(metadata, tensors, tokens):
    """Every tensor by the name of its file."""
    n_layers, n_heads = metadata["llama.block_count"], metadata["llama.attention.head_count"]
    n_kv_heads = metadata.get("llama.attention.head_count_kv", n_heads)
    epsilon, theta = metadata["llama.attention.layer_norm_rms_epsilon"], metadata.get("llama.rope.freq_base", 10000.0)
    n, saved = len(tokens), {}
    x = saved["embedding"] = tensors["token_embd.weight"][tokens]
    for layer in range(n_layers):
        def weight(name):
            return tensors[f"blk.{layer}.{name}.weight"]

        def keep(name, values):
            saved[f"layer{layer}.{name}"] = values
            return values

        normed = keep("attn_norm", rmsnorm(x, weight("attn_norm"), epsilon))
        query = keep("query", (normed @ weight("attn_q").T).reshape(n, n_heads, -1))
        key = keep("key", (normed @ weight("attn_k").T).reshape(n, n_kv_heads, -1))
        value = keep("value", (normed @ weight("attn_v").T).reshape(n, n_kv_heads, -1))
        rope_dim = metadata.get("llama.rope.dimension_count", query.shape[-1])
        query = keep("query_rope", rope(query, theta, rope_dim))
        key = keep("key_rope", rope(key, theta, rope_dim))
        shared = np.arange(n_heads) // (n_heads // n_kv_heads)
        scores = np.einsum("qhd,khd->hqk", query, key[:, shared]) / np.sqrt(query.shape[-1])
        scores = keep("scores", np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf))
        weights = keep("weights", softmax(scores))
        attended = keep("attended", np.einsum("hqk,khd->qhd", weights, value[:, shared]))
        output = keep("attn_output", attended.reshape(n, -1) @ weight("attn_output").T)
        x = keep("attn_residual", x + output)
        normed = keep("ffn_norm", rmsnorm(x, weight("ffn_norm"), epsilon))
        gate = keep("gate", normed @ weight("ffn_gate").T)
        up = keep("up", normed @ weight("ffn_up").T)
        swiglu = keep("swiglu", gate / (1 + np.exp(-gate)) * up)
        down = keep("down", swiglu @ weight("ffn_down").T)
        x = keep("ffn_residual", x + down)
    saved["output_norm"] = rmsnorm(x[-1:], tensors["output_norm.weight"], epsilon)
    saved["logits"] = saved["output_norm"] @ tensors.get("output.weight", tensors["token_embd.weight"]).T
    return saved


def difference(got, expected):
    """The largest, relative to the largest expected value; infinite where shapes or masks differ."""
    if got.shape != expected.shape or got.dtype != np.float32 or not got.flags.c_contiguous:
        return np.inf
    finite = np.isfinite(expected)
    if not np.array_equal(np.isneginf(got), ~finite):
        return np.inf
    return np.max(np.abs(got[finite] - expected[finite])) / np.max(np.abs(expected[finite]))


def main(model, folder, tolerance, *tokens):
    expected = forward(*read_gguf(model), np.array([int(token) for token in tokens]))
    files, bad = {name[:-4] for name in os.listdir(folder) if name.endswith(".npy")}, 0
    for name in sorted(files ^ set(expected)):
        print(f"{name}: expected a file for each tensor and no other")
        bad += 1
    for name in sorted(files & set(expected)):
        largest = difference(np.load(os.path.join(folder, name + ".npy")), expected[name])
        good = largest <= float(tolerance)
        print(f"{name}: {largest:.2g}{'' if good else ', too much'}")
        bad += not good
    print(f"{len(files & set(expected))} tensors compared, {bad} wrong")
    return bad > 0


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
