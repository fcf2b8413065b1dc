#!/bin/bash
# run --trace and replay: what the lines say, that they are JSON, and that replay sees every difference.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh
command -v python3 >/dev/null || skip_all 'python3 is missing'

trace=$work/trace.jsonl
write() { foretell run -m "$model" -p 'Once upon a time' -n 20 -s 5 --trace "$trace" "$@"; }
replay() { foretell replay -m "$model" "${@:-$trace}"; }
agrees() { [ $status -eq 0 ] && out_is "$1 steps agree"; }
# A condition in python over h (header), s (steps) and e (end); a file with a line that is not JSON is not a trace.
holds() {
    python3 - "$trace" "$work/out" <<PYTHON
import base64, json, math, sys
def refuse(word): raise ValueError(word)
lines = [json.loads(l, parse_constant=refuse) for l in open(sys.argv[1], encoding="utf-8")]
h, s, r, e = lines[0], [l for l in lines[1:-1] if l["type"] == "step"], [l for l in lines[1:-1] if l["type"] != "step"], lines[-1]
out = open(sys.argv[2], "rb").read()
text = b"".join(base64.b64decode(x["base64"]) for x in s)
def hash(data):
    n = 14695981039346656037
    for byte in data: n = (n ^ byte) * 1099511628211 % 2**64
    return "%016x" % n
ok = $1
sys.exit(0 if ok else 1)
PYTHON
}

foretell run -m "$model" -p 'Once upon a time' -n 20 -s 5
cp "$work/out" "$work/untraced"
write
check 'a traced run writes the same text' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/untraced" && [ "$(ls "$trace"*)" = "$trace" ]'
check 'a trace has a header, a line per step and an end' 'holds "h[\"type\"] == \"header\" and h[\"schema\"] == 1 and len(s) == 20 and all(x[\"type\"] == \"step\" for x in s) and e[\"type\"] == \"end\" and e[\"steps\"] == 20"'
check 'positions and steps increase by one' 'holds "[x[\"step\"] for x in s] == list(range(20)) and [x[\"position\"] for x in s] == list(range(len(h[\"prompt\"]), len(h[\"prompt\"]) + 20))"'
check 'the bytes of the steps are those of the text' 'holds "out.endswith(text) and hash(text) == e[\"text_fnv1a64\"] and len(out) == len(text) + len(\"Once upon a time\")"'
check 'the hash of the model is that of its file' "holds 'h[\"model\"][\"fnv1a64\"] == hash(open(\"$model\", \"rb\").read())'"
check 'log-probabilities are natural, and their mean is that of the end' 'holds "all(x[\"logprob\"] <= 0 and x[\"rank\"] >= 1 for x in s) and abs(e[\"mean_surprisal\"] + sum(x[\"logprob\"] for x in s) / 20) < 1e-12 and abs(math.log(e[\"perplexity\"]) - e[\"mean_surprisal\"]) < 1e-12"'
check 'survivors and dropped tokens add up to the vocabulary' 'holds "all(x[\"survivors\"] + sum(x[\"dropped\"].values()) == h[\"tokenizer\"][\"size\"] for x in s)"'
check 'one candidate is chosen, and it is the token' 'holds "all([c[\"id\"] for c in x[\"candidates\"] if c[\"chosen\"]] in ([x[\"id\"]], []) for x in s) and any(c[\"chosen\"] for c in s[0][\"candidates\"])"'
check 'without --fe no step looks ahead' 'holds "all(x[\"future\"] == \"none\" and x[\"alpha\"] is None for x in s) and e[\"mean_Hhat\"] is None"'
replay
check 'the trace replays' 'agrees 20'
replay -t 1 "$trace"
check 'the trace replays with one thread' 'agrees 20'

foretell run -m "$model" -p 'Once upon a time' -n 20 -s 5 --preset wave --fe-k 6
cp "$work/out" "$work/untraced"
write --preset wave --fe-k 6
check 'a traced run with lookahead writes the same text' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/untraced"'
check 'every candidate has its Hhat, noise and five futures' 'holds "all(c[\"evaluated\"] and not c[\"passed\"] and 0 <= c[\"Hhat\"] <= 1 and len(c[\"futures\"]) == 5 for x in s if x[\"future\"] == \"done\" for c in x[\"candidates\"]) and any(x[\"future\"] == \"done\" for x in s)"'
check 's is what the formula says' 'holds "all(abs(c[\"ln_s\"] - x[\"a\"] * math.log(c[\"p\"]) - (x[\"b\"] * math.log(c[\"Hhat\"]) if x[\"b\"] else 0)) < 1e-9 for x in s if x[\"future\"] == \"done\" for c in x[\"candidates\"])"'
check 'the highest score with its noise is chosen' 'holds "all(max(x[\"candidates\"], key=lambda c: c[\"ln_s\"] / x[\"T\"] + c[\"noise\"])[\"chosen\"] for x in s if x[\"future\"] == \"done\")"'
check 'the wave begins at alpha 0' 'holds "s[0][\"alpha\"] == 0 and 0 < s[15][\"alpha\"] <= 1"'
check 'passes and rows add up' 'holds "abs(sum(x[\"rows\"] for x in s) / 20 - e[\"rows_per_token\"]) < 1e-12 and e[\"passes_per_token\"] <= 2"'
replay
check 'a trace with lookahead replays' 'agrees 20'

write --temp-policy linear --logit-bias 261-inf --logit-bias 5+1.25 --repeat-penalty 1.1 --xtc-probability 0.5 --dry-multiplier 0.8
replay
check 'policies, biases and penalties replay' 'agrees 20'
write --fe --fe-depth 2 --fe-k 4 --temp-policy edt --fe-curve crossfade --alpha 0.123456789 --kv f32
replay
check 'depth, curve, number format of the cache and every digit replay' 'agrees 20'
write --logit-bias 5+1e30 --logit-bias 6-1e30 --logit-bias 5+1e30 --min-p 1e-40 --typical 1e-45 --repeat-penalty 0.01
replay
check 'the largest biases and the smallest numbers replay' 'agrees 20'
write --logit-bias 261-inf --no-repeat-ngram 1 --top-k 0 --top-p 1 --min-p 0
check 'banned tokens are no survivors' 'holds "all(x[\"survivors\"] + sum(x[\"dropped\"].values()) == h[\"tokenizer\"][\"size\"] and x[\"dropped\"][\"no-repeat-ngram\"] >= 5 for x in s)"'
write -s 18446744073709551615 --mirostat-tau 4 --temp-first
replay
check 'the largest seed replays' 'agrees 20 && holds "h[\"seed\"] == \"18446744073709551615\""'
write -n 0
replay
check 'a trace without steps replays' 'agrees 0 && holds "e[\"perplexity\"] is None and e[\"stop\"] == \"predict\""'
write -c 8 --ignore-eos
check 'a full context is the reason to stop' 'holds "e[\"stop\"] == \"context full\""'
replay
check 'a trace of a full context replays' 'agrees 4'

# The end in bits; the steps stay in nats.
write
cp "$trace" "$work/in_nats"
write --units bits
check '--units bits renames and converts two means, and changes nothing else' 'cmp -s <(head -n -1 "$trace") <(head -n -1 "$work/in_nats") &&
    holds "\"mean_H\" not in e and \"mean_surprisal\" not in e and abs(e[\"mean_H_bits\"] * math.log(2) - sum(x[\"H\"] for x in s) / 20) < 1e-12 and abs(e[\"mean_surprisal_bits\"] * math.log(2) + sum(x[\"logprob\"] for x in s) / 20) < 1e-12 and abs(e[\"perplexity\"] - 2 ** e[\"mean_surprisal_bits\"]) < 1e-9"'
replay
check 'a trace with bits replays' 'agrees 20'
replay --units bits "$trace"
check 'replay --units bits prints the means' '[ $status -eq 0 ] && holds "out.decode() == \"20 steps agree\\nmean surprisal %.4f bits, mean H %.4f bits, perplexity %.4f\\n\" % (e[\"mean_surprisal_bits\"], e[\"mean_H_bits\"], e[\"perplexity\"])"'
replay --units nats "$trace"
check 'replay --units nats prints the means' 'holds "out.decode().splitlines()[1] == \"mean surprisal %.4f nats, mean H %.4f nats, perplexity %.4f\" % (e[\"mean_surprisal_bits\"] * math.log(2), e[\"mean_H_bits\"] * math.log(2), e[\"perplexity\"])"'
# The drawn token is among the candidates, with its noise where it is not one of the ten likeliest.
write --top-k 0 --top-p 1 --min-p 0 --temp 1.5 -n 40
check 'the drawn token is a candidate, the last one if it is not one of the ten likeliest' 'holds "all(sum(c[\"chosen\"] for c in x[\"candidates\"]) == 1 for x in s) and all(len(x[\"candidates\"]) == 10 or (len(x[\"candidates\"]) == 11 and x[\"candidates\"][10][\"chosen\"] and x[\"candidates\"][10][\"noise\"] > 0) for x in s) and any(len(x[\"candidates\"]) == 11 for x in s)"'
check 'only that candidate has its noise' 'holds "all(\"noise\" not in c for x in s for c in x[\"candidates\"][:10])"'
replay
check 'the trace replays with it' 'agrees 40'
python3 - "$trace" <<'PYTHON'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
for l in lines[1:-1]: del l["candidates"][10:]
open(sys.argv[1], "w").write("".join(json.dumps(l) + "\n" for l in lines))
PYTHON
replay
check 'a trace of an early version replays without it' 'agrees 40'

# Phrases, second prompts, other numbers.
foretell run -m "$model" -p 'Once upon a time' -n 20 -s 5 --ban the --ban ' a'
cp "$work/out" "$work/untraced"
write --ban the --ban ' a' --stop 'this is nowhere'
check 'a traced run with phrases writes the same text' '[ $status -eq 0 ] && cmp -s "$work/out" "$work/untraced"'
check 'rewinds are recorded' 'holds "len(r) >= 2 and all(x[\"type\"] == \"rewind\" and x[\"phrase\"] in h[\"bans\"] for x in r) and e[\"rewinds\"] == len(r) and h[\"stops\"] == [\"this is nowhere\"] and h[\"at_start\"] is False"'
# Without the steps that were taken back, the trace gives the text.
check 'the end counts only the steps that were not taken back' 'holds "(lambda kept: b\"\".join(base64.b64decode(x[\"base64\"]) for x in kept) == out[len(\"Once upon a time\"):] and hash(b\"\".join(base64.b64decode(x[\"base64\"]) for x in kept)) == e[\"text_fnv1a64\"] and len(kept) == e[\"steps\"] == 20 and abs(sum(-x[\"logprob\"] for x in kept) / 20 - e[\"mean_surprisal\"]) < 1e-12)(list({x[\"position\"]: x for x in s}.values()))"'
check 'the step after a rewind is at its position and has another token' 'holds "all(n[\"type\"] == \"step\" and n[\"position\"] == l[\"to\"] and n[\"id\"] != l[\"token\"] for l, n in zip(lines, lines[1:]) if l[\"type\"] == \"rewind\")"'
n=$(grep -c -e '"type":"step"' "$trace")
replay
check 'a trace with rewinds replays' 'agrees $n'
cp "$trace" "$work/rewinds"
write --stop ' a' -n 60
check 'a stop string is the reason to stop' 'holds "e[\"stop\"] == \"stop string\" and b\" a\" in text and b\" a\" not in out[len(\"Once upon\"):].replace(b\" a time\", b\"\", 1)"'
n=$(grep -c -e '"type":"step"' "$trace")
replay
check 'a trace with a stop string replays' 'agrees $n'
write --ban $'\xc3' --ban $'\xff\xfe'
check 'phrases that are not UTF-8 are arrays of bytes' 'holds "h[\"bans\"] == [[195], [255, 254]]"'
replay
check 'they replay' 'agrees 20'
echo 'The King said that' >"$work/other"
write --temp-policy kld --kld-without "$work/other" --ban the --fe --fe-k 4
check 'the second prompt is in the header' 'holds "len(h[\"without\"]) == 5 and h[\"without\"] != h[\"prompt\"]"'
n=$(grep -c -e '"type":"step"' "$trace")
replay
check 'kld replays' 'agrees $n'
write --temp-policy edt-instance --edt-theta 2 --sequence 7
replay
check 'edt-instance and another sequence replay' 'agrees 20 && holds "h[\"sequence\"] == 7"'
foretell run -m "$model" -n 20 -s 5 --ban A --trace "$trace"
n=$(grep -c -e '"type":"step"' "$trace")
replay
check 'phrases with an empty prompt replay' 'agrees $n && holds "h[\"at_start\"] is True"'

# Every field of the steps and the end: another value is seen, and named.
write -n 3 --fe --fe-k 3
cp "$trace" "$work/good"
changed() { # a statement on h, s, e; what must be said of it
    local expected=$2
    python3 - "$work/good" "$trace" "$1" <<'PYTHON'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
h, s, e = lines[0], lines[1:-1], lines[-1]
exec(sys.argv[3])
open(sys.argv[2], "w").write("".join(json.dumps(l) + "\n" for l in lines))
PYTHON
    replay
    check "replay after $1" '[ $status -eq 1 ] && silent && [[ $said = "foretell: $trace:$expected"* ]]'
}
changed 's[1]["logprob"] *= 1 + 3e-16' '3: step 1 (position 6): logprob: recorded '
changed 's[2]["id"] += 1' '4: step 2 (position 7): id: recorded '
changed 's[0]["H"] = None' '2: step 0 (position 5): H: recorded null, now '
changed 's[0]["T"] = "0.8"' '2: step 0 (position 5): T: recorded "0.8", now 0.8'
changed 'del s[0]["alpha"]' '2: step 0 (position 5): alpha: not recorded'
changed 's[0]["more"] = 1' '2: step 0 (position 5): more: expected no such field in this line'
changed 's[0]["candidates"][0]["p"] = 2' '2: step 0 (position 5): candidates.0.p: recorded 2, now '
changed 's[0]["candidates"].pop()' '2: step 0 (position 5): candidates.length: recorded '
changed 's[0]["ghosts"] = []' '2: step 0 (position 5): ghosts.recorded an array, now an object'
changed 's[0] = {}; lines[1] = {}' '2: step 0 (position 5): type: not recorded'
changed 'e["mean_H"] = 1e300' '5: mean_H: recorded 1.0'
changed 'e["stop"] = "tired"' '5: stop: recorded "tired", now "predict"'
changed 'e["stop"] = "context full"' '5: stop: recorded "context full", now "predict"'
changed 'lines.pop(3)' '4: step 2 (position 7): type: recorded "end", now "step"'
changed 'lines.pop()' '5: the file ends before its "end" line'
changed 'lines.pop(2)' '3: step 1 (position 6): step: recorded 2, now 1'
changed 'lines.append(e)' '5: expected nothing after the "end" line'

# The header.
changed 'h["schema"] = 2' '1: schema: expected a whole number from 1 to 1, got 2'
changed 'h["type"] = "step"' '1: type: expected "header", got "step"'
changed 'del h["settings"]' '1: settings: expected an object, got nothing'
changed 'h["settings"]["top-p"] = "7"' '1: settings: top-p: expected a number from 0 to 1'
changed 'h["settings"]["top-p"] = 0.9' '1: settings: top-p: expected a string'
changed 'h["settings"]["top-q"] = "1"' '1: settings: top-q: no such setting of the sampler'
changed 'h["settings"]["preset"] = "wave"' '1: settings: preset: expected no such setting in a header'
changed 'h["settings"]["fe"] = "off"' '1: settings: fe: expected "on", got "off"'
changed 'h["settings"]["repeat-penalty"] = "1e-40"' '1: settings: repeat-penalty: expected a number from 0.01 to 100, got '\''1e-40'\'
changed 'h["settings"]["typical"] = "1e-320"' '1: settings: typical: expected a number above 0 and at most 1, got '
changed 'h["settings"]["temp-policy"] = "kld"' '1: chain: recorded '
changed 'h["settings"]["temp"] = "0.9"' '1: chain: recorded '
changed 'h["biases"] = [[1]]' '1: biases: 0: expected an id and a number, or null'
changed 'h["biases"] = [[-1, 2.0]]' '1: biases: logit-bias: expected ID+X or ID-X'
changed 'h["biases"] = [[99999, 2.0]]' '1: chain: recorded '
changed 'h["seed"] = "18446744073709551616"' '1: seed: expected a whole number of 64 bits, got "18446744073709551616"'
changed 'h["seed"] = 5' '1: seed: expected a string, got something else'
changed 'h["context"] = 10**30' '1: byte '
changed 'h["context"] = 0' '1: context: expected a whole number from 1 to '
changed 'h["context"] = 4' '1: prompt: expected 1 to 4 ids (the context), got 5'
changed 'h["kv"] = "f8"' '1: kv: expected f16 or f32, got "f8"'
changed 'h["prompt"] = []' '1: prompt: expected 1 to '
changed 'h["prompt"][1] = -1' '1: prompt: 1: expected a token id'
changed 'h["prompt"][1] = 4096' '1: prompt: 1: expected an id below 4096, got 4096'
changed 'h["sequence"] = 0' '1: sequence: expected a whole number from 1 to 2147483647, got 0'
changed 'h["sequence"] = 2' '2: step 0 (position 5): candidates.0.noise: recorded '
changed 'h["sequence"] = 1' '1: sequence: expected no such field in this line'
changed 'h["prefix"] = 5' '1: prefix: expected a whole number from 1 to 4, got 5'
changed 'h["without"] = [1, 2]' '1: without: expected with temp-policy kld, and only with it'
changed 'h["without"] = []' '1: without: expected 1 to '
changed 'h["stops"] = []' '1: stops: expected 1 to 64 phrases, got 0'
changed 'h["bans"] = "the"' '1: bans: expected an array, got something else'
changed 'h["bans"] = [""]' '1: bans: 0: expected a text that is not empty, or its bytes'
changed 'h["bans"] = [[256]]' '1: bans: 0: expected a text that is not empty, or its bytes'
changed 'h["bans"] = ["x"]' '1: at_start: not recorded'
changed 'h["bans"] = ["x"]; h["at_start"] = 1' '1: at_start: expected true or false'
changed 'h["special"] = 0' '1: special: expected true or false'
changed 'h["model"]["fnv1a64"] = "0"' '1: model.fnv1a64: recorded "0", now '
changed 'h["tokenizer"]["fnv1a64"] = "0"' '1: tokenizer.fnv1a64: recorded "0", now '

head -c -20 "$work/good" >"$trace"
replay
check 'a last line that is cut off is named' '[ $status -eq 1 ] && silent && [ "$said" = "foretell: $trace:5: the line is cut off" ]'
printf '[1]\n' >"$trace"
replay
check 'a line that is not an object is named' '[ $status -eq 1 ] && [ "$said" = "foretell: $trace:1: expected an object" ]'
printf 'once upon a time\n' >"$trace"
replay
check 'a line that is not JSON is named' '[ $status -eq 1 ] && [[ $said = "foretell: $trace:1: byte "*": not JSON: "* ]]'
printf '{"type":"header","type":"header"}\n' >"$trace"
replay
check 'a duplicate key is named' '[ $status -eq 1 ] && [[ $said = "foretell: $trace:1: byte "*duplicate* ]]'
# The lines between steps.
cp "$work/rewinds" "$work/good"
i=$(grep -n -m 1 rewind "$work/good" | cut -d : -f 1)
changed "lines[$i - 1]['token'] += 1" "$i: token: recorded "
changed "lines[$i - 1]['phrase'] = 'x'" "$i: phrase: recorded \"x\", now "
changed "lines[$i - 1]['to'] = 0" "$i: to: recorded 0, now "
changed "lines.pop($i - 1)" "$i: type: recorded \"step\", now \"rewind\""
changed 'e["rewinds"] += 1' "$(wc -l <"$work/good"): rewinds: recorded "
failure "$work/none: cannot open: No such file or directory" replay -m "$model" "$work/none"
usage_error 'replay: expected a trace, FILE.jsonl' replay
usage_error "replay: expected one trace, got 'b' too" replay a b
failure_of_trace() {
    local expected=$2
    foretell run -m "$model" -n 1 -s 1 --trace "$1"
    check "--trace $1" '[ $status -eq 1 ] && [[ $said = *"$expected" ]]'
}
failure_of_trace /dev/null 'foretell: /dev/null: expected a regular file or none'
failure_of_trace "$work/no/folder" "foretell: $work/no/folder: cannot create: No such file or directory"
done_testing
