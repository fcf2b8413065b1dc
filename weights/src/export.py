#!/usr/bin/env python3
"""Checkpoint -> model.safetensors + config.json (Hugging Face), model.bin (llama2.c, legacy f32), model.gguf (f32).

    PYTHONPATH=<llama.cpp>/gguf-py python3 export.py [ckpt.pt [outdir]]       # tokenizer.model is read from outdir
"""
import json, struct, sys
import numpy as np, torch, sentencepiece

ckpt, out = (sys.argv[1:] + ["out/ckpt.pt", "out"][len(sys.argv) - 1:])[:2]
ck = torch.load(ckpt, map_location="cpu")
c, w = ck["config"], {k: np.ascontiguousarray(v.float().numpy(), dtype="<f4") for k, v in ck["model"].items()}
L, H, KV, hd = c["layers"], c["heads"], c["kv_heads"], c["dim"] // c["heads"]

# --- safetensors: 8-byte little-endian header length, JSON header, raw tensors
header, at = {"__metadata__": {"format": "pt"}}, 0
for k in sorted(w):
    header[k] = {"dtype": "F32", "shape": list(w[k].shape), "data_offsets": [at, at + w[k].nbytes]}
    at += w[k].nbytes
h = json.dumps(header, separators=(",", ":")).encode()
h += b" " * (-len(h) % 8)
with open(f"{out}/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(h)) + h)
    for k in sorted(w): f.write(w[k].tobytes())

# --- Hugging Face configuration
def dump(name, d): open(f"{out}/{name}", "w").write(json.dumps(d, indent=2) + "\n")
dump("config.json", {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "head_dim": hd, "hidden_act": "silu", "hidden_size": c["dim"], "initializer_range": 0.02, "intermediate_size": c["hidden"],
    "max_position_embeddings": c["ctx"], "mlp_bias": False, "model_type": "llama", "num_attention_heads": H, "num_hidden_layers": L,
    "num_key_value_heads": KV, "pretraining_tp": 1, "rms_norm_eps": c["eps"], "rope_scaling": None, "rope_theta": c["theta"],
    "tie_word_embeddings": True, "torch_dtype": "float32", "use_cache": True, "vocab_size": c["vocab"]})
dump("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "do_sample": True, "temperature": 0.8, "top_p": 0.95})
dump("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
                               "eos_token": "</s>", "unk_token": "<unk>", "legacy": True, "model_max_length": c["ctx"],
                               "clean_up_tokenization_spaces": False, "sp_model_kwargs": {}})

def interleave(m, heads):
    """Rows of one head from HF's half-split order (i, i + d/2) to the interleaved one (2i, 2i + 1)."""
    return np.ascontiguousarray(m.reshape(heads, 2, hd // 2, -1).swapaxes(1, 2).reshape(m.shape))

def layer(i, name):
    m = w[f"model.layers.{i}.{name}.weight"]
    return interleave(m, H) if "q_proj" in name else interleave(m, KV) if "k_proj" in name else m

# --- llama2.c legacy format
ATTN = ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
MLP = ["post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"]
with open(f"{out}/model.bin", "wb") as f:
    f.write(struct.pack("<7i", c["dim"], c["hidden"], L, H, KV, c["vocab"], c["ctx"]))     # vocab > 0: shared classifier
    f.write(w["model.embed_tokens.weight"].tobytes())
    for name in ATTN + MLP:
        for i in range(L): f.write(layer(i, name).tobytes())
    f.write(w["model.norm.weight"].tobytes())
    angle = np.outer(np.arange(c["ctx"]), c["theta"] ** (-np.arange(0, hd, 2) / hd))
    f.write(np.cos(angle).astype("<f4").tobytes() + np.sin(angle).astype("<f4").tobytes())

# --- GGUF
import gguf
sp = sentencepiece.SentencePieceProcessor(model_file=f"{out}/tokenizer.model")
g = gguf.GGUFWriter(f"{out}/model.gguf", "llama")
g.add_name("tales"); g.add_file_type(0)
g.add_context_length(c["ctx"]); g.add_embedding_length(c["dim"]); g.add_block_count(L); g.add_feed_forward_length(c["hidden"])
g.add_head_count(H); g.add_head_count_kv(KV); g.add_layer_norm_rms_eps(c["eps"]); g.add_rope_dimension_count(hd)
g.add_rope_freq_base(c["theta"]); g.add_vocab_size(c["vocab"])
g.add_tokenizer_model("llama"); g.add_tokenizer_pre("default")
g.add_token_list([sp.id_to_piece(i).encode() for i in range(len(sp))])
g.add_token_scores([sp.get_score(i) for i in range(len(sp))])
T = gguf.TokenType
g.add_token_types([T.UNKNOWN if sp.is_unknown(i) else T.CONTROL if sp.is_control(i) else T.BYTE if sp.is_byte(i) else T.NORMAL for i in range(len(sp))])
g.add_bos_token_id(1); g.add_eos_token_id(2); g.add_unk_token_id(0)
g.add_add_bos_token(True); g.add_add_eos_token(False); g.add_add_space_prefix(True)
g.add_tensor("token_embd.weight", w["model.embed_tokens.weight"]); g.add_tensor("output_norm.weight", w["model.norm.weight"])
NAMES = dict(zip(ATTN + MLP, ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_down", "ffn_up"]))
for i in range(L):
    for name, short in NAMES.items(): g.add_tensor(f"blk.{i}.{short}.weight", layer(i, name))
g.write_header_to_file(); g.write_kv_data_to_file(); g.write_tensors_to_file(); g.close()
print("exported step", ck["step"], "tokens", ck["tokens"], "parameters", sum(v.size for v in w.values()))
