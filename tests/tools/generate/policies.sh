#!/bin/bash
# The trace's policy_input: from its figures and the settings alone, python derives the T of every step, for every policy,
# with penalties, bans and XTC in the chain.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh
command -v python3 >/dev/null || skip_all 'python3 is missing'

trace=$work/trace.jsonl
derives() { # exit status 0: every T follows from its policy_input
    python3 - "$trace" <<'PYTHON'
import json, math, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
settings, steps = lines[0]["settings"], lines[1:-1]
g = lambda name: float(settings[name])
pair = lambda name: [float(x) for x in settings[name].split(":")]
clamp = lambda x: min(max(x, 0), 1)
T0 = g("temp")

def edt(u): return T0 if g("edt-theta") == 0 else 0 if u <= 0 else T0 * g("edt-n") ** (g("edt-theta") / u)

def linear(i):
    low, high = pair("temp-range")
    cap = g("entropy-cap")
    a, b, h = (min(x, cap) for x in (i["H_low"], i["H_high"], i["H"]))
    weight = clamp((h - a) / (b - a)) if a < b else 0 if h < a else 1 if h > a else 0.5
    return low + (high - low) * weight

def sigmoid(i):
    low, high = pair("temp-range")
    return low + (high - low) / (1 + math.exp(-g("sigmoid-k") * (i["H"] - g("sigmoid-mid"))))

def table(i):
    knots = [[float(x) for x in knot.split(":")] for knot in settings["temp-table"].split(",")]
    for (h0, t0), (h1, t1) in zip(knots, knots[1:]):
        if h0 <= i["H"] < h1: return t0 + (t1 - t0) * (i["H"] - h0) / (h1 - h0)
    return knots[0][1] if i["H"] < knots[0][0] else knots[-1][1]

def kld(i): return 0 if i["kl"] is None else T0 * 2 ** (-i["kl"] / g("kld-sigma"))

def dynatemp(i):
    low, high = max(0, T0 - g("dynatemp-range")), T0 + g("dynatemp-range")
    share = clamp(i["H_survivors"] / math.log(i["survivors"])) if i["survivors"] > 1 else 0
    return low + (high - low) * share ** g("dynatemp-exp")

# Without a formula: bisection over the survivors, which are all among the candidates listed (--top-k 10).
def target(i, ps):
    assert len(ps) == i["survivors"]
    def entropy(t):
        ws = [p ** (1 / t) for p in ps]
        return -sum(w / sum(ws) * math.log(w / sum(ws)) for w in ws)
    nats, _, fraction = settings["entropy-target"].partition("@")
    goal = min(float(nats or "inf"), float(fraction or "inf") * math.log(len(ps)) if fraction else math.inf)
    low, high = pair("temp-range")
    assert abs(i["H_survivors"] - entropy(1)) < 1e-6
    if entropy(low) >= goal: return low
    if entropy(high) <= goal: return high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(middle) < goal else (low, middle)
    return low

derive = {"linear": linear, "sigmoid": sigmoid, "table": table, "edt": lambda i: edt(i["H"]),
          "edt-instance": lambda i: edt(i["H_prompt"]), "udt": lambda i: edt(i["u"]), "kld": kld, "dynatemp": dynatemp}
for s in steps:
    if s["policy"] == "fixed":
        assert "policy_input" not in s and s["T"] == T0
        continue
    i = s["policy_input"]
    is_target = s["policy"] == "target"
    t = target(i, [c["p"] for c in s["candidates"]]) if is_target else derive[s["policy"]](i)
    assert abs(t - s["T"]) < (1e-5 if is_target else 1e-9), (s["step"], t, s["T"])
    assert "H" not in i or i["H"] == s["H"], "natural, as the step's"
    assert "survivors" not in i or i["survivors"] == s["survivors"]
assert len(steps) == 30 and (steps[0]["policy"] == "fixed" or len({s["T"] for s in steps}) > 5)
PYTHON
}
write() {
    foretell run -m "$model" -p 'Once upon a time' -n 30 -s 5 --ignore-eos --repeat-penalty 1.3 --frequency-penalty 0.3 \
        --no-repeat-ngram 2 --logit-bias 261-inf --xtc-probability 0.6 --xtc-threshold 0.05 --trace "$trace" "$@"
}
for policy in fixed linear 'linear --entropy-range 1:4 --entropy-cap 3' 'sigmoid --sigmoid-k 2' \
    'table --temp-table 0:0.2,1.5:1.1,3:0.6' 'edt --edt-theta 1' 'udt --edt-theta 0.3' \
    'udt --udt-measure margin --edt-theta 0.3' 'udt --udt-measure entropy' 'target --entropy-target 1.2 --top-k 10' \
    'target --entropy-target 1.2@.7 --top-k 10 --min-p 0' 'target --entropy-target @.6 --top-k 10' dynatemp 'dynatemp --dynatemp-exp 2'; do
    # shellcheck disable=SC2086 # several words are meant
    write --temp-policy $policy
    check "T of $policy follows from the trace" '[ $status -eq 0 ] && derives'
done
foretell replay -m "$model" "$trace"
check 'the trace replays' '[ $status -eq 0 ] && out_is "30 steps agree"'
python3 - "$trace" "$work/older.jsonl" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
for line in lines: line.pop("policy_input", None)
open(sys.argv[2], "w").write("".join(json.dumps(line) + "\n" for line in lines))
PYTHON
foretell replay -m "$model" "$work/older.jsonl"
check 'a trace without policy_input replays, too' '[ $status -eq 0 ] && out_is "30 steps agree"'
done_testing
