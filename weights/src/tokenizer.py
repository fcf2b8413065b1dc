#!/usr/bin/env python3
"""Train the llama2-style SentencePiece tokenizer (BPE, 4096 pieces) and write llama2.c's tokenizer.bin."""
import struct, sys
import sentencepiece as spm

corpus, out = sys.argv[1:3] if len(sys.argv) > 2 else ("corpus/stories.txt", "out")
lines = [l for i, l in enumerate(p for p in open(corpus, encoding="utf-8").read().split("\n") if p and p != "<|story|>") if i % 2 == 0]
# A paragraph's first word follows a newline or an opening quote, hence has no leading space: let the trainer see it so, mostly.
lines = [l if l[0] == '"' or i % 3 == 0 else '"' + l for i, l in enumerate(lines)]
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(lines), model_prefix=f"{out}/tokenizer", model_type="bpe", vocab_size=4096,
    unk_id=0, bos_id=1, eos_id=2, pad_id=-1, unk_surface=" \u2047 ", byte_fallback=True, character_coverage=0.99995,
    normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False, split_digits=True,
    allow_whitespace_only_pieces=True, max_sentence_length=65536, input_sentence_size=0, num_threads=1, minloglevel=1)

sp = spm.SentencePieceProcessor(model_file=f"{out}/tokenizer.model")
pieces = [{1: "\n<s>\n", 2: "\n</s>\n"}.get(i, sp.id_to_piece(i)).replace("\u2581", " ").encode() for i in range(len(sp))]
with open(f"{out}/tokenizer.bin", "wb") as f:                    # llama2.c: longest piece, then score, length, bytes each
    f.write(struct.pack("<I", max(map(len, pieces))))
    for i, b in enumerate(pieces): f.write(struct.pack("<fI", sp.get_score(i), len(b)) + b)
