"""Small files of each format that foretell reads; a test may give each field a false value."""
import struct

# ---- GGUF ----

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
TENSOR_TYPE = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34), "BF16": (30, 1, 2)}


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, content):
    if kind == STRING:
        return struct.pack("<I", kind) + string(content)
    if kind == ARRAY:
        item, items = content
        packed = b"".join(string(x) if item == STRING else struct.pack("<" + PACK[item], x) for x in items)
        return struct.pack("<IIQ", ARRAY, item, len(items)) + packed
    return struct.pack("<I" + PACK[kind], kind, content)


class Info:
    """What a GGUF file says about one tensor; each field may be false."""

    def __init__(self, name, dims, kind="F32", offset=None, data=None):
        self.name, self.dims, self.offset, self.data = name, list(dims), offset, data
        self.number, block, block_bytes = TENSOR_TYPE[kind]
        count = 1
        for dim in dims:
            count *= dim
        if data is None:
            self.data = bytes(count // block * block_bytes)

    def pack(self, offset):
        given = offset if self.offset is None else self.offset
        return (string(self.name) + struct.pack("<I", len(self.dims)) +
                b"".join(struct.pack("<Q", dim) for dim in self.dims) + struct.pack("<IQ", self.number, given))


def pad(data, alignment=32):
    return data + bytes(-len(data) % alignment)


def gguf(values, infos, version=3, n_values=None, n_tensors=None, alignment=32):
    keys = [(key, raw) for key, raw in values if raw is not None]
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos) if n_tensors is None else n_tensors,
                                 len(keys) if n_values is None else n_values)
    for key, raw in keys:
        head += string(key) + raw
    data = b""
    for info in infos:
        head += info.pack(len(data))
        data = pad(data + info.data, alignment)
    return pad(head, alignment) + data


DIM, HIDDEN, HEADS, KV_HEADS, VOCAB, CONTEXT = 4, 6, 2, 1, 3, 8


def keys(**changes):
    """The keys of a small model; a change of None leaves one out. Dots are written as __."""
    table = {
        "general__architecture": value(STRING, "llama"),
        "llama__block_count": value(U32, 1),
        "llama__context_length": value(U32, CONTEXT),
        "llama__embedding_length": value(U32, DIM),
        "llama__feed_forward_length": value(U32, HIDDEN),
        "llama__attention__head_count": value(U32, HEADS),
        "llama__attention__head_count_kv": value(U32, KV_HEADS),
        "llama__attention__layer_norm_rms_epsilon": value(F32, 1e-5),
    }
    table.update(changes)
    return [(key.replace("__", "."), raw) for key, raw in table.items()]


def tensors(changes=None, more=()):
    """The tensors of a small model, by name; changes replaces some, or leaves out those set to None."""
    kv_dim = DIM // HEADS * KV_HEADS
    table = {"token_embd": Info("token_embd.weight", [DIM, VOCAB])}
    shapes = {"attn_norm": [DIM], "attn_q": [DIM, DIM], "attn_k": [DIM, kv_dim], "attn_v": [DIM, kv_dim],
              "attn_output": [DIM, DIM], "ffn_norm": [DIM], "ffn_gate": [DIM, HIDDEN], "ffn_up": [DIM, HIDDEN],
              "ffn_down": [HIDDEN, DIM]}
    for name, dims in shapes.items():
        table[name] = Info(f"blk.0.{name}.weight", dims)
    table["output_norm"] = Info("output_norm.weight", [DIM])
    table.update(changes or {})
    return [info for info in table.values() if info is not None] + list(more)


def model(more=(), change=None, **key_changes):
    return gguf(keys(**key_changes), tensors(change, more))


def embedding(**lies):
    """The small model with one false value in its first tensor."""
    info = Info("token_embd.weight", [DIM, VOCAB])
    for field, lie in lies.items():
        setattr(info, field, lie)
    return model(change={"token_embd": info})


def one_key(raw, key="key"):
    return gguf([(key, raw)], [])


def array_head(item, count, rest=b""):
    return struct.pack("<IIQ", ARRAY, item, count) + rest


def floats(*numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


NAN = float("nan")
INF = float("inf")

# ---- llama2.c ----


def sizes(dim=DIM, hidden=HIDDEN, layers=1, heads=HEADS, kv_heads=KV_HEADS, vocab=VOCAB, context=CONTEXT):
    return struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocab, context)


MATRICES = DIM * (2 * DIM + 2 * DIM // HEADS * KV_HEADS + 3 * HIDDEN)  # values in the matrices of one layer
NORMS = 3 * DIM


def v0(count=VOCAB * DIM + NORMS + MATRICES + CONTEXT * DIM // HEADS, **lies):
    return sizes(**lies) + bytes(4 * count)


def header(version=1, shared=1, group=0, magic=0x616B3432, **lies):
    return pad(struct.pack("<Ii", magic, version) + sizes(**lies) + struct.pack("<Bi", shared, group), 256)


def v1(count=VOCAB * DIM + NORMS + MATRICES, **lies):
    return header(**lies) + bytes(4 * count)


def v2(group=2, scale=b"", **lies):
    """Zeros; scale replaces the first scale of the embedding."""
    blocks = VOCAB * DIM + MATRICES
    body = bytearray(4 * NORMS + blocks + 4 * (blocks // group if group > 0 else 0))
    at = 4 * NORMS + VOCAB * DIM
    body[at:at + len(scale)] = scale
    return header(version=2, group=group, **lies) + bytes(body)


def with_value(data, at, raw):
    return data[:at] + raw + data[at + len(raw):]


# ---- Vocabularies ----


def piece(text, score=0.0, length=None):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<fI", score, len(data) if length is None else length) + data


def pieces(more=(), byte=lambda b: f"<0x{b:02X}>"):
    return [piece("<unk>"), piece("\n<s>\n"), piece("\n</s>\n")] + [piece(byte(b)) for b in range(256)] + list(more)


def tokenizer_bin(more=(), longest=27, **how):
    return struct.pack("<I", longest) + b"".join(pieces(more, **how))


WORDS = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["a", "b"]


def vocabulary(**changes):
    n = len(WORDS)
    table = {
        "general__architecture": value(STRING, "llama"),
        "tokenizer__ggml__model": value(STRING, "llama"),
        "tokenizer__ggml__tokens": value(ARRAY, (STRING, WORDS)),
        "tokenizer__ggml__scores": value(ARRAY, (F32, [0.0] * n)),
        "tokenizer__ggml__token_type": value(ARRAY, (I32, [2, 3, 3] + [6] * 256 + [1, 1])),
        "tokenizer__ggml__bos_token_id": value(U32, 1),
        "tokenizer__ggml__eos_token_id": value(U32, 2),
    }
    table.update(changes)
    return gguf([(key.replace("__", "."), raw) for key, raw in table.items()], [])


def quantised_model():
    """A model of 32 values per row with tensors of every number format, and factors for the RoPE frequencies."""
    return gguf(keys(llama__embedding_length=value(U32, 32), llama__attention__key_length=value(U32, 2)), [
        Info("token_embd.weight", [32, 2], "Q8_0"), Info("output.weight", [32, 2], "F16"),
        Info("blk.0.attn_norm.weight", [32]), Info("blk.0.attn_q.weight", [32, 4], "Q4_0"),
        Info("blk.0.attn_k.weight", [32, 2], "Q4_0"), Info("blk.0.attn_v.weight", [32, 2], "Q4_0"),
        Info("blk.0.attn_output.weight", [4, 32], "F16"), Info("blk.0.ffn_norm.weight", [32], "BF16"),
        Info("blk.0.ffn_gate.weight", [32, HIDDEN], "Q8_0"), Info("blk.0.ffn_up.weight", [32, HIDDEN], "Q8_0"),
        Info("blk.0.ffn_down.weight", [HIDDEN, 32], "BF16"), Info("output_norm.weight", [32], "F16"),
        Info("rope_freqs.weight", [1], data=floats(2))])


def every_value():
    """A GGUF file with values of every type, and no tensors."""
    numbers = [(f"n{kind}", value(kind, 1)) for kind in PACK]
    arrays = [(f"a{kind}", value(ARRAY, (kind, [1, 0]))) for kind in PACK]
    return gguf(numbers + arrays + [("s", value(STRING, "text")), ("as", value(ARRAY, (STRING, ["one", "", "three"])))],
                [], version=2)
