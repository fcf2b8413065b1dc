#!/usr/bin/env python3
"""Train a small LLaMA-architecture story model; one file, PyTorch >= 1.13, CPU or CUDA.

    python3 train.py --corpus corpus --out out --deadline 14:50

The parameter names are those of Hugging Face's LlamaForCausalLM, so exporting is a plain dump of
the state dict (export.py).  The data is text: stories.txt (= general.txt + focus.txt), focus.txt (the simple-prose part of it),
valid.txt and valid_focus.txt, whose stories end with a line holding only <|story|>.

Schedule.  Everything (learning rate, sequence length, data mix) follows one number, progress in
0..1 = tokens seen / tokens that fit before the deadline.  The second term is recomputed every step
from the median recent speed and the clock, so a slow or stopped process still anneals in time.
"""
import argparse, calendar, json, math, os, signal, statistics, time
from dataclasses import dataclass, asdict
import numpy as np, torch, torch.nn.functional as F
from torch import nn

BOS, EOS = 1, 2
SEP = "<|story|>"
# Matrix products run in bfloat16 where the machine has instructions for it; weights and sums stay f32.
BF16 = torch.cuda.is_available() or os.path.exists("/proc/cpuinfo") and "avx512_bf16" in open("/proc/cpuinfo").read()

FUSED = None                   # module fused: kernels for training on a CPU with bfloat16 (set by main; optional)


def fused(): return FUSED if FUSED and torch.is_autocast_cpu_enabled() else None


# ------------------------------------------------------------------ model: LLaMA-2 as in HF transformers
@dataclass
class Config:
    dim: int = 256
    layers: int = 7
    heads: int = 8
    kv_heads: int = 4
    hidden: int = 704
    vocab: int = 4096
    ctx: int = 1024            # longest sequence trained on
    theta: float = 10000.0
    eps: float = 1e-5


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        if fused(): return fused().rms(x, self.weight, self.eps)
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight
        return y.bfloat16() if torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled() else y     # cast once, not once a matrix


def rope(x, cos, sin):
    """Rotate pairs (i, i + d/2): Hugging Face's half-split layout.  x: (batch, heads, time, d)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).type_as(x)


def attend(q, k, v, block=128):
    """Causal grouped-query attention.  q: (B, H, T, d), already scaled; k and v: (B, KV, T, d)."""
    (B, H, T, d), KV = q.shape, k.shape[1]
    if q.is_cuda:
        k, v = k.repeat_interleave(H // KV, 1), v.repeat_interleave(H // KV, 1)
        return F.scaled_dot_product_attention(q * d ** 0.5, k, v, is_causal=True)
    # CPU: a block of query rows only meets the keys up to its end (saves up to half of the work), and
    # the query heads that share a key head are stacked as rows of one matrix.
    q, out = q.view(B, KV, H // KV, T, d), []
    for i, x in enumerate(q.split(block, 3)):
        n, end = x.shape[3], i * block + x.shape[3]
        s = (x.reshape(B, KV, -1, d) @ k[:, :, :end].transpose(-1, -2)).view(B, KV, -1, n, end)
        if fused(): s = fused().causal_softmax(s)
        else: s = (s + torch.full((n, end), float("-inf"), dtype=q.dtype).triu_(end - n + 1)).softmax(-1)
        out.append((s.view(B, KV, -1, end) @ v[:, :, :end]).view(B, KV, -1, n, d))
    return torch.cat(out, 3).view(B, H, T, d)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv, self.d = c.heads, c.kv_heads, c.dim // c.heads
        self.q_proj = nn.Linear(c.dim, c.heads * self.d, bias=False)
        self.k_proj = nn.Linear(c.dim, c.kv_heads * self.d, bias=False)
        self.v_proj = nn.Linear(c.dim, c.kv_heads * self.d, bias=False)
        self.o_proj = nn.Linear(c.heads * self.d, c.dim, bias=False)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if fused():
            q, k, v = (fused().rope(y, cos, sin, y.shape[2] // self.d, s, r) for y, s, r in ((q, self.d ** -0.5, True), (k, 1.0, True), (v, 1.0, False)))
        else:
            q, k, v = (y.view(B, T, -1, self.d).transpose(1, 2) for y in (q, k, v))
            q, k = rope(q * self.d ** -0.5, cos, sin), rope(k, cos, sin)
        return self.o_proj(attend(q, k, v).transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.dim, c.hidden, bias=False)
        self.up_proj = nn.Linear(c.dim, c.hidden, bias=False)
        self.down_proj = nn.Linear(c.hidden, c.dim, bias=False)

    def forward(self, x):
        g, u = self.gate_proj(x), self.up_proj(x)
        return self.down_proj(fused().swiglu(g, u) if fused() else F.silu(g) * u)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c.dim, c.eps), RMSNorm(c.dim, c.eps)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, self.model = c, nn.Module()
        self.model.embed_tokens = nn.Embedding(c.vocab, c.dim)            # also the output matrix (tied)
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.model.norm = RMSNorm(c.dim, c.eps)
        d = c.dim // c.heads
        angle = torch.outer(torch.arange(c.ctx).float(), c.theta ** (-torch.arange(0, d, 2).float() / d))
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2: nn.init.normal_(p, std=0.02)
            if name.endswith(("o_proj.weight", "down_proj.weight")): nn.init.zeros_(p)

    def forward(self, ids):
        x, T = self.model.embed_tokens(ids), ids.shape[1]
        for layer in self.model.layers: x = layer(x, self.cos[:T], self.sin[:T])
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)


# ------------------------------------------------------------------ optimiser
class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by a Newton-Schulz iteration; for the matrices between the layers."""
    def __init__(self, params, lr=0.02, momentum=0.95, wd=0.05):
        super().__init__(params, dict(lr=lr, momentum=momentum, wd=wd))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            shapes = {}
            for p in g["params"]: shapes.setdefault(p.shape, []).append(p)
            for (r, c), ps in shapes.items():                          # all matrices of one shape at once
                us = []
                for p in ps:
                    m = self.state[p].setdefault("m", torch.zeros_like(p))
                    m.lerp_(p.grad, 1 - g["momentum"])
                    us.append(p.grad.lerp(m, g["momentum"]))           # Nesterov
                x = torch.stack(us)
                if BF16: x = x.bfloat16()
                if r > c: x = x.transpose(1, 2)
                x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
                for _ in range(5):
                    a = x @ x.transpose(1, 2)
                    x = 3.4445 * x + torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315) @ x
                if r > c: x = x.transpose(1, 2)
                for p, u in zip(ps, x):
                    p.mul_(1 - g["lr"] * g["wd"]).add_(u.to(p.dtype), alpha=-g["lr"] * max(1, r / c) ** 0.5)


# ------------------------------------------------------------------ data
class Windows:
    """Training windows from one text file: BOS, then text from some paragraph start on.

    A window starts like a prompt does (BOS and SentencePiece's leading space), wherever in a story it
    is cut, so every paragraph is encoded twice: as a start, and as a continuation.  A story ends with EOS
    and the next begins with BOS.  An epoch covers the whole stream once, from a random phase, shuffled."""
    def __init__(self, path, tokenizer, sp, seed=1):
        self.rng, self.queue, self.length = np.random.default_rng(seed), [], 0
        stream, first, start_at, first_at = [], [], [], []
        cache = path + ".tokens.npz"
        if os.path.exists(cache) and os.path.getmtime(cache) > max(os.path.getmtime(path), os.path.getmtime(tokenizer)):
            self.__dict__.update({k: v for k, v in np.load(cache).items()})
            return
        text = open(path, encoding="utf-8").read()
        self.bytes = len(text.encode()) - text.count(SEP) * (len(SEP) + 3)
        for story in text.split(SEP):
            pars = story.strip().split("\n\n")
            if pars == [""]: continue
            start, cont = sp.encode(pars), sp.encode(["\n" + p for p in pars])
            for i, (a, b) in enumerate(zip(start, cont)):
                start_at.append(len(stream)); first_at.append(len(first))
                first += a
                stream += (a if i == 0 else b[2:]) + ([EOS, BOS] if i == len(pars) - 1 else [13, 13])   # 13: <0x0A>
        self.stream, self.first = np.array(stream, np.uint16), np.array(first, np.uint16)
        self.start_at, self.first_at = np.array(start_at), np.array(first_at + [len(first)])
        np.savez(cache, **{k: getattr(self, k) for k in ("bytes", "stream", "first", "start_at", "first_at")})

    def window(self, p, n):
        """n + 1 tokens from paragraph p on."""
        a = self.first[self.first_at[p]:self.first_at[p + 1]]
        e = self.start_at[p + 1] - 2 if p + 1 < len(self.start_at) else len(self.stream)
        w = np.concatenate(([BOS], a, self.stream[e:e + n]))[:n + 1]
        return np.pad(w, (0, n + 1 - len(w)), constant_values=BOS)

    def epoch(self, n, phase):
        """Paragraph numbers whose windows of n tokens together cover the stream."""
        out, p = [], int(np.searchsorted(self.start_at, phase))
        while p < len(self.start_at):
            out.append(p)
            p = max(p + 1, int(np.searchsorted(self.start_at, self.start_at[p] + n, "right")) - 1)
        return out

    def next(self, n):
        if n != self.length or not self.queue:
            self.length, self.queue = n, self.epoch(n, self.rng.integers(0, n))
            self.rng.shuffle(self.queue)
        return self.window(self.queue.pop(), n)


@torch.no_grad()
def evaluate(model, w, n, limit=None):
    """Mean loss per token over (at most `limit`) windows of n tokens."""
    ps = w.epoch(n, 0)
    if limit: ps = ps[::max(1, len(ps) // limit)][:limit]
    total, step = 0.0, max(1, 4096 // n)
    for i in range(0, len(ps), step):
        x = torch.from_numpy(np.stack([w.window(p, n) for p in ps[i:i + step]]).astype(np.int64)).to(model.cos.device)
        total += F.cross_entropy(model(x[:, :-1]).float().flatten(0, 1), x[:, 1:].flatten()).item() * len(x)
    return total / len(ps)


@torch.no_grad()
def generate(model, ids, n, temperature=0.8, top_p=0.95, seed=0):
    """Plain sampling without a key/value cache; temperature 0 is greedy.  Stops at EOS or BOS."""
    g, ids = torch.Generator().manual_seed(seed), list(ids)
    for _ in range(n):
        logits = model(torch.tensor([ids[-model.c.ctx:]], device=model.cos.device))[0, -1].float().cpu()
        if temperature == 0: t = int(logits.argmax())
        else:
            p, order = torch.softmax(logits / temperature, -1).sort(descending=True)
            p[p.cumsum(0) - p > top_p] = 0
            t = int(order[torch.multinomial(p, 1, generator=g)])
        if t in (BOS, EOS): break
        ids.append(t)
    return ids


# ------------------------------------------------------------------ training
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--corpus", default="corpus"); ap.add_argument("--out", default="out")
    ap.add_argument("--tokenizer", default="out/tokenizer.model")
    ap.add_argument("--deadline", help="HH:MM (UTC, today) at which the rate reaches zero")
    ap.add_argument("--minutes", type=float, default=100, help="or: minutes from now")
    ap.add_argument("--tokens-per-step", type=int, default=8192); ap.add_argument("--micro", type=int, default=4096)
    ap.add_argument("--muon-lr", type=float, default=0.02); ap.add_argument("--adam-lr", type=float, default=0.004)
    ap.add_argument("--flat", type=float, default=0.3, help="share of the run before the linear decay to zero")
    ap.add_argument("--lengths", default="256:0.6,512:0.85,1024:1", help="sequence length:until this progress")
    ap.add_argument("--resume", action="store_true"); ap.add_argument("--eval-every", type=float, default=300)
    for k, v in asdict(Config()).items(): ap.add_argument("--" + k.replace("_", "-"), type=type(v), default=v)
    a = ap.parse_args()
    deadline = time.time() + 60 * a.minutes
    if a.deadline:
        h, m = map(int, a.deadline.split(":"))
        deadline = calendar.timegm(time.gmtime()[:3] + (h, m, 0))
    cuda = torch.cuda.is_available()
    dev = "cuda" if cuda else "cpu"
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    if cuda: a.micro = a.tokens_per_step                  # one batch at a time; on a CPU smaller ones stay in the cache
    torch.manual_seed(1)
    os.makedirs(a.out, exist_ok=True)
    open(f"{a.out}/pid", "w").write(str(os.getpid()))
    logf = open(f"{a.out}/train.log", "a", buffering=1)
    def log(s): print(s, flush=True); logf.write(s + "\n")

    import sentencepiece
    sp = sentencepiece.SentencePieceProcessor(model_file=a.tokenizer)
    if BF16 and not cuda:
        global FUSED
        try: import fused as FUSED
        except Exception as e: log(f"# no fused kernels: {e!r}")
    data = {k: Windows(f"{a.corpus}/{f}.txt", a.tokenizer, sp) for k, f in dict(all="stories", focus="focus", valid="valid", vfocus="valid_focus").items()}
    c = Config(**{k: getattr(a, k) for k in asdict(Config())})
    model = Llama(c).to(dev)
    hidden = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if not (p.dim() == 2 and "embed" not in n)]
    opts = [Muon(hidden, a.muon_lr), torch.optim.AdamW(rest, a.adam_lr, betas=(0.9, 0.95), eps=1e-10, weight_decay=0)]
    base = [a.muon_lr, a.adam_lr]
    step = tokens = 0
    progress = train_s = 0.0
    if a.resume:
        ck = torch.load(f"{a.out}/ckpt.pt", map_location=dev)
        model.load_state_dict(ck["model"]); [o.load_state_dict(s) for o, s in zip(opts, ck["opts"])]
        step, tokens, progress, train_s = ck["step"], ck["tokens"], ck["progress"], ck["train_s"]
        for w in data.values(): w.rng = np.random.default_rng(1 + step)               # not the same windows again
    log(f"# {time.strftime('%F %T', time.gmtime())} UTC {dev}{' fused' if FUSED else ''} params {sum(p.numel() for p in model.parameters())/1e6:.3f}M {asdict(c)}"
        f" corpus tokens {len(data['all'].stream)} focus {len(data['focus'].stream)} valid {len(data['valid'].stream)} args {vars(a)}")

    def save():
        torch.save(dict(config=asdict(c), model=model.state_dict(), opts=[o.state_dict() for o in opts], step=step,
                        tokens=tokens, progress=progress, train_s=train_s), f"{a.out}/ckpt.tmp")
        os.replace(f"{a.out}/ckpt.tmp", f"{a.out}/ckpt.pt")

    lengths = [(int(n), float(p)) for n, p in (x.split(":") for x in a.lengths.split(","))]
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    times, n_now, last_eval, losses, rng = [], 0, time.time(), [], np.random.default_rng(step)
    while not stop:
        now = time.time()
        left = max(0.0, deadline - now)
        if tokens:      # the median over many steps outlives a burst of other load; nearer the end it follows faster
            window = int(min(200, max(20, 0.3 * left * tokens / train_s / a.tokens_per_step)))
            speed = a.tokens_per_step / statistics.median(times[-window:]) if len(times) > 20 else tokens / train_s
            progress = tokens / (tokens + speed * left)
        if now >= deadline or progress >= 1: break
        n = next((n for n, p in lengths if progress < p), lengths[-1][0])
        if n != n_now: n_now = n; log(f"# sequence length {n} at progress {progress:.3f}, step {step}")
        scale = min(1, (step + 1) / 40, (1 - progress) / (1 - a.flat))
        for o, lr in zip(opts, base): o.param_groups[0]["lr"] = lr * scale
        p_focus = 0.4 + 0.5 * max(0, progress - 0.4) / 0.6          # of the windows, this share is simple prose
        t0, seqs = time.time(), max(1, a.tokens_per_step // n)
        batch = np.stack([data["focus" if rng.random() < p_focus else "all"].next(n) for _ in range(seqs)])
        batch, micro, loss_sum = torch.from_numpy(batch.astype(np.int64)).to(dev), max(1, a.micro // n), 0.0
        for o in opts: o.zero_grad(set_to_none=True)
        for i in range(0, seqs, micro):
            x = batch[i:i + micro]
            with torch.autocast(dev, dtype=torch.bfloat16, enabled=BF16):
                logits = model(x[:, :-1])
            target = x[:, 1:].flatten()
            if FUSED: loss = FUSED.xent(logits, target, 1 / (seqs * n))
            else: loss = F.cross_entropy(logits.float().flatten(0, 1), target) * (len(x) / seqs)
            loss.backward(); loss_sum += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts: o.step()
        step += 1; tokens += seqs * n; losses.append(loss_sum)
        times.append(time.time() - t0); train_s += times[-1]
        if step % 20 == 0:
            log(f"step {step} tokens {tokens} progress {progress:.4f} lr {scale:.3f} loss {np.mean(losses[-20:]):.4f} tok/s {a.tokens_per_step/statistics.median(times[-25:]):.0f}")
        if time.time() - last_eval > a.eval_every:
            log(f"eval step {step} tokens {tokens} valid {evaluate(model, data['valid'], 256, 96):.4f} focus {evaluate(model, data['vfocus'], 256, 96):.4f}"
                f" | " + sp.decode(generate(model, [BOS] + sp.encode("Once upon a time"), 60, seed=step)[1:]).replace("\n", "/"))
            save(); last_eval = time.time()
    save()
    if stop: return log(f"# stopped at step {step}; continue with --resume")
    log(f"# training done: step {step} tokens {tokens} seconds {train_s:.0f} train loss (last 100 steps) {np.mean(losses[-100:]):.4f}")
    for k in ("valid", "vfocus"):
        w = data[k]; per_byte = len(w.stream) / w.bytes
        for n in (256, 512, 1024):
            if n > c.ctx: continue
            l = evaluate(model, w, n, None if cuda else 40000 // n * 4)
            log(f"final {k} length {n}: loss {l:.4f} perplexity {math.exp(l):.2f} bits/byte {l / math.log(2) * per_byte:.4f} (bytes/token {1/per_byte:.3f})")


if __name__ == "__main__":
    main()
