#!/bin/bash
# --at PLACE:SETTINGS from end to end: which rule held where, what T, alpha and policy followed, replay, many texts, explore.
# shellcheck disable=SC2016,SC2034,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh
command -v python3 >/dev/null || skip_all 'python3 is missing'

trace=$work/trace.jsonl
prompt='Chapter 12

"I have $'
rules=(--at number:temp=0.25 --at 'speech:alpha=0.5,temp=0.75' --at 'sentence-start:{temp-policy=edt,edt-theta=0.5}'
    --at '/ (the|a)$/:preset=precise,temp=0.5')
write() { foretell run -m "$model" -p "$prompt" -n 120 -s 7 --trace "$trace" "$@"; }
agrees() { foretell replay -m "$model" "$trace" && [ $status -eq 0 ] && out_is "$1 steps agree"; }
# A condition over h (header), s (steps) and before, the text before each step.
holds() {
    python3 - "$trace" <<PYTHON
import base64, json, re, sys
lines = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
h, s = lines[0], lines[1:-1]
before, text = [], b"Chapter 12\n\n\"I have \$"
for x in s:
    before.append(text.decode("utf-8", "replace"))
    text += base64.b64decode(x["base64"])
def in_speech(t): return t.split("\n\n")[-1].count('"') % 2 == 1
def in_number(t): return re.search(r"(^|[^A-Za-z0-9_])([0-9]+[.,]?|[$])\$", t) is not None
sys.exit(0 if ($1) else 1)
PYTHON
}

write "${rules[@]}"
check 'a run with rules succeeds' '[ $status -eq 0 ]'
check 'the printed chain names the rules' '[[ $(head -1 "$work/err") = *"draw, seed 7; at number: temp 0.25; at speech: alpha 0.5,temp 0.75; at sentence-start: temp-policy edt,edt-theta 0.5; at / (the|a)$/: preset precise,temp 0.5" ]]'
check 'the header of the trace has them as they can be set again' 'holds "h[\"settings\"][\"at\"] == [\"number:temp=0.25\", \"speech:alpha=0.5,temp=0.75\", \"sentence-start:temp-policy=edt,edt-theta=0.5\", \"/ (the|a)\$/:preset=precise,temp=0.5\"]"'
check 'the prompt counts: it ends with a number in speech' 'holds "s[0][\"at\"] == [0, 1] and s[0][\"T\"] == 0.75"'
check 'each rule holds where the text says so' 'holds "all((1 in x[\"at\"]) == in_speech(t) and (0 in x[\"at\"]) == in_number(t) and (3 in x[\"at\"]) == (re.search(\" (the|a)\\\\Z\", t) is not None) for x, t in zip(s, before))"'
check 'T follows the rules' 'holds "all(x[\"T\"] == (0.5 if 3 in x[\"at\"] else 0.8 if not x[\"at\"] else 0.75 if x[\"at\"][-1] == 1 else 0.25 if x[\"at\"] == [0] else x[\"T\"]) for x in s)"'
check 'the policy follows the rules' 'holds "all(x[\"policy\"] == (\"edt\" if 2 in x[\"at\"] and 3 not in x[\"at\"] else \"fixed\") for x in s) and all(x[\"T\"] < 0.8 for x in s if x[\"policy\"] == \"edt\")"'
check 'replay agrees' 'agrees 120'
cp "$work/out" "$work/untraced"
foretell run -m "$model" -p "$prompt" -n 120 -s 7 "${rules[@]}"
traced=$(cat "$work/out")
foretell run -m "$model" -p "$prompt" -n 120 -s 7 "${rules[@]}" -t 1
check 'one thread gives the same text' '[ "$traced" = "$(cat "$work/out")" ]'
foretell run -m "$model" -p "$prompt" -n 120 -s 7
check 'without rules the text is different' '[ "$traced" != "$(cat "$work/out")" ]'
write
check 'without rules the steps name no rules' 'holds "all(\"at\" not in x for x in s) and \"at\" not in h[\"settings\"]"'
# Where a prompt ends decides the rules of the first step, whatever the model writes.
begins() { # prompt, rules, T
    foretell run -m "$model" -p "$1" -n 1 -s 7 "${rules[@]}" --trace "$trace"
    check "after '$1': rules [$2]" "holds 's[0][\"at\"] == [$2] and (s[0][\"T\"] == $3 or s[0][\"policy\"] == \"edt\")'"
}
begins 'He has 3' 0 0.25
begins 'She said, "Go' 1 0.75
begins 'She went.' 2 0.8
begins 'She saw the' 3 0.5
begins 'In a' 3 0.5
begins 'In a house' '' 0.8
begins '"In the' 1,3 0.5
begins '"The year 1914' 0,1 0.75

future=(--fe --fe-k 6 --at 'speech:alpha=0.8,fe-k=9' --at number:preset=precise --at 'sentence-start:fe-depth=2')
write -s 6 "${future[@]}"
cp "$trace" "$work/eager.jsonl"
check 'each place looks ahead as its rules say' 'holds "all(x[\"alpha\"] == (None if 1 in x[\"at\"] else 0.8 if 0 in x[\"at\"] else 0) for x in s)"'
check 'a preset in a rule switches looking ahead off there' 'holds "s[0][\"at\"] == [0, 1] and s[0][\"future\"] == \"none\""'
check 'the trace has all candidates of steps that look ahead' 'holds "all(c[\"evaluated\"] for x in s if x[\"future\"] == \"done\" for c in x[\"candidates\"])"'
check 'the trace replays' 'agrees 120'
foretell run -m "$model" -p "$prompt" -n 120 -s 6 "${future[@]}"
lazy=$(cat "$work/out")
looks_at() { # prompt, candidates: nothing is dropped, so that there are enough of them
    foretell run -m "$model" -p "$1" -n 1 -s 6 --min-p 0 --top-p 1 "${future[@]}" --trace "$trace"
    check "after '$1' it looks at $2 candidates" 'holds "s[0][\"future\"] == \"done\" and len(s[0][\"candidates\"]) == '$2'"'
}
looks_at 'She saw' 6
looks_at 'She said, "Go' 9
for how in '--fe-eager' '--fe-chunk 1' '-t 1'; do
    # shellcheck disable=SC2086 # several words are meant
    foretell run -m "$model" -p "$prompt" -n 120 -s 6 "${future[@]}" $how
    check "lazy gives the same text as $how" '[ "$lazy" = "$(cat "$work/out")" ]'
done
foretell run -m "$model" -p "$prompt" -n 120 -s 7 --at speech:fe,alpha=0.8
check 'a rule may look ahead where the base settings do not' '[ $status -eq 0 ] && contains "rows and" && [ "$traced" != "$(cat "$work/out")" ]'

foretell run -m "$model" -p "$prompt" -n 60 -s 7 -N 3 "${rules[@]}" --no-display-prompt
cp "$work/out" "$work/three"
check 'each of several texts has its own places' '[ $status -eq 0 ] && [ "$(grep -c "^---$" "$work/three")" -eq 2 ]'
foretell run -m "$model" -p "$prompt" -n 60 -s 7 "${rules[@]}" --no-display-prompt
check 'the first text is that of a single run' '[ "$(sed "/^---$/,\$d" "$work/three")" = "$(cat "$work/out")" ]'
foretell run -m "$model" -p "$prompt" -n 60 -s 7 "${rules[@]}" --best-of 2
check '--best-of works with rules' '[ $status -eq 0 ]'
foretell run -m "$model" -p "$prompt" -n 60 -s 7 "${rules[@]}" --ban , --ban ' the' --ban ' a'
check 'a ban takes the text back into a place' '[ $status -eq 0 ] && contains "times back" && ! grep -q " the" "$work/out"'
foretell run -m "$model" -p "$prompt" -n 5 -s 7 --fe-k 9 --at speech:alpha=0.5
check 'a setting that has an effect only with a rule is not reported' '[ $status -eq 0 ] && ! contains "without effect"'
foretell run -m "$model" -p "$prompt" -n 5 -s 7 --fe-k 9 --at speech:temp=0.5
check 'without that rule it is reported' '[ $status -eq 0 ] && contains "without effect here: --fe-k"'
foretell run -m "$model" -p "$prompt" -n 5 -s 7 --at speech:temp=0.5 --preset precise
check 'a later preset keeps the rules' '[ $status -eq 0 ] && ! contains "without effect" && contains "; at speech: temp 0.5"'
foretell run -m "$model" -p "$prompt" -n 60 -s 7 --at number:temp=1 --beam 2
check 'a beam search refuses rules' '[ $status -eq 2 ] && contains "--beam"'
foretell run -m "$model" -p "$prompt" -n 20 -s 7 --at speech:fe --color-by future
check 'a rule that looks ahead gives colours by the future' '[ $status -eq 0 ]'
foretell run -m "$model" -p 'Say `max_k = 3' -n 40 -s 7 --preset code --trace "$trace"
check '--preset code does not look ahead in numbers and code, and T is low there' '[ $status -eq 0 ] && holds "len(h[\"settings\"][\"at\"]) == 3 and all((x[\"future\"] == \"none\" and x[\"T\"] == 0.2) == (x[\"at\"] != []) for x in s) and s[0][\"at\"] == [0, 2]"'
check 'its trace replays' 'agrees 40'

# The example of SAMPLERS.md: the tokens that it prints, their rules and their T.
page_agrees() {
    python3 - "$trace" <<'PYTHON'
import json, re, sys
steps = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")][1:-1]
section = open("sampler/SAMPLERS.md", encoding="utf-8").read().split("\n## Settings by place\n")[1].split("\n## ")[0]
def row(name): return re.search(rf"^\| {name} \| (.*) \|$", section, re.M)[1].split(" | ")
tokens, rules, temperatures = row("token"), row("rule"), row("T")
sys.exit(0 if tokens == [f"`{s['text']}`" for s in steps]
         and rules == [" ".join(map(str, s["at"])) or "-" for s in steps]
         and [float(t) for t in temperatures] == [s["T"] for s in steps] else 1)
PYTHON
}
example=$(sed -n 's/^    foretell \(run -p .The bill was.*\)$/\1/p' sampler/SAMPLERS.md)
eval "foretell $example -m \"\$model\" --trace \"\$trace\""
check 'the example of SAMPLERS.md is what the program prints' '[ $status -eq 0 ] && page_agrees'
foretell run -m "$model" -p '"In 19' -s 3 -n 1 --at number:temp=0.2 --at speech:temp=0.6 --trace "$trace"
check 'its second prompt is one in which two rules hold' '[ $status -eq 0 ] && holds "s[0][\"at\"] == [0, 1] and s[0][\"T\"] == 0.6"'

foretell run -m "$model" -p "$(printf 'a%.0s' {1..200})" -n 30 -s 1 --ignore-eos --at '/(a+)+[bc]/:temp=0.1'
check 'a pattern that reaches its limit of steps is reported once' '[ $status -eq 0 ] && [ "$(grep -c "foretell: --at /(a+)+\[bc\]/: the pattern reached its limit of steps, which counts as no match" "$work/err")" -eq 1 ]'
foretell --list-samplers
check '--list-samplers prints the places' '[ $status -eq 0 ] && (for p in speech number code identifier sentence-start paragraph-start line-start; do out_has "--at $p:" || exit 1; done) && out_has "/REGEX/"'

usage_error "--at: no such place 'dialogue': expected speech, number, code, identifier, sentence-start, paragraph-start, line-start, or /REGEX/" --at dialogue:temp=1
usage_error "--at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got 'number'" --at number
usage_error "--at number: temp: expected a number from 0 to 100, got 'hot'" --at number:temp=hot
usage_error "--at /chapter [0-9/: byte 12: missing terminating ] for character class" --at '/chapter [0-9/:temp=1'
usage_error "--at number: expected no mirostat, whose state is the whole text's" --at number:mirostat-tau=3
usage_error "--at number: temp-policy table: expected temp-table with 1 to 16 knots" --at number:temp-policy=table
failure 'at number: logit-bias: expected a token id below 4096, got 4096' run -m "$model" --at number:logit-bias=4096+1

# Traces with wrong rules: replay says what is wrong.
changed() { # python that changes h, what is said
    python3 -c "import json, sys
lines = open('$work/eager.jsonl').read().split('\n'); h = json.loads(lines[0]); $1
open('$work/bad.jsonl', 'w').write('\n'.join([json.dumps(h)] + lines[1:]))"
    failure "$work/bad.jsonl:$2" replay -m "$model" "$work/bad.jsonl"
}
changed 'h["settings"]["at"] = "number:temp=1"' '1: settings: at: expected an array'
changed 'h["settings"]["at"][0] = 3' '1: settings: at: 0: expected a string'
changed 'h["settings"]["at"][0] = "number:temp=101"' '1: settings: at number: temp: expected a number from 0 to 100, got '"'101'"
changed 'h["settings"]["at"] = ["number:temp=1"] * 17' '1: settings: at: expected at most 16 of them'

missing=$(terminal_missing tmux)
if [ -n "$missing" ]; then
    skip 'in explore' "$missing"
    done_testing
fi
. tests/support/tmux.sh
begin 100 30 -m "$model" -p 'She said, "' -s 7 --at speech:temp=0.5,alpha=0.5 --at number:temp=0.2 --save "$work/tree.json"
check 'explore: the rule of the place holds' 'wait_for "alpha 0.50 | T 0.50 | seed 7"'
tm send-keys Space Space f Space s
check 'explore saves a tree with rules' 'wait_for "saved $work/tree.json"'
tm send-keys Up
wait_for 'enter take'
before=$said
begin 100 30 -m "$model" "$work/tree.json"
check 'explore opens this tree with the same screen' 'wait_for "branch 1 of 2" && [ "$said" = "$before" ] && contains "alpha 0.50 | T 0.50"'
done_testing
