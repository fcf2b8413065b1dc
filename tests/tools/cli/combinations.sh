#!/bin/bash
# Options that meet each other: rules by place, phrases, several texts, beams, looking ahead, temperature policies, small
# contexts. For each line of options below:
#   three texts side by side are those of --sequence, with the same traces, and each trace replays with another number of threads;
#   the text does not depend on tracing, --fe-chunk, --fe-eager, --explain or threads, nor on settings said to have no effect;
#   survivors and dropped tokens add up to the vocabulary.
# shellcheck disable=SC2016,SC2034,SC2154,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

prompt='The King paid $3. He said, "We'
echo 'The King said that' >"$work/other"
kld=(--temp-policy kld --kld-without "$work/other")
tell() { foretell -m "$model" -p "$prompt" -n 24 -s 11 "$@"; }

adds_up() { # traces
    python3 - "$@" <<'EOF'
import json, sys
for path in sys.argv[1:]:
    lines = [json.loads(line) for line in open(path)]
    size = lines[0]["tokenizer"]["size"]
    for step in lines:
        if step["type"] == "step" and step["survivors"] + sum(step["dropped"].values()) != size:
            sys.exit(f"# {path}: step {step['step']}: {step['survivors']} + {step['dropped']} is not {size}")
EOF
}

same_text() { # options: the same text as in $work/alone
    tell "$@"
    [ "$status" -eq 0 ] && cmp -s "$work/out" "$work/alone" || echo "# another text: $*"
    [ "$status" -eq 0 ] && cmp -s "$work/out" "$work/alone"
}

without() { # a setting, options: the options without it, in $rest
    local name=$1
    rest=()
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" != "--$name" ]; then
            rest+=("$1")
        elif [[ $# -gt 1 && $2 != --* ]]; then
            shift
        fi
        shift
    done
}

idle_is_idle() { # options; what they say is in $work/idle
    local name
    for name in $(grep -o -e '--[a-z-]* (' "$work/idle" | tr -d ' ('); do
        without "${name#--}" "$@"
        same_text "${rest[@]}" || return
    done
}

alike() { # options
    local good=1 i
    rm -f "$work"/run*.jsonl
    tell -t 1 "$@"
    [ "$status" -eq 0 ] || good=0
    cp "$work/out" "$work/alone"
    grep 'without effect' "$work/err" >"$work/idle"
    idle_is_idle "$@" || good=0
    same_text "$@" --fe-chunk 3 --explain --units bits || good=0
    same_text "$@" --fe-eager -t 2 || good=0
    tell -N 3 -t 2 --trace "$work/run.jsonl" "$@"
    cp "$work/out" "$work/side"
    for i in 1 2 3; do
        tell --sequence $i -t 1 --trace "$work/run.jsonl" "$@"
        cmp "$work/run.jsonl" "$work/run-$i.jsonl" || good=0
        [ $i -eq 1 ] || printf '\n---\n' >>"$work/alone"
        [ $i -eq 1 ] || cat "$work/out" >>"$work/alone"
        foretell replay -m "$model" -t $((i % 2 + 1)) "$work/run-$i.jsonl"
        [ "$status" -eq 0 ] || good=0
    done
    cmp -s "$work/side" "$work/alone" || good=0
    adds_up "$work"/run-*.jsonl || good=0
    check "${*//$work\//}" '[ $good -eq 1 ]'
}

alike --at 'speech:preset=wave' --at 'number:{temp=0,fe-k=2}' --at 'sentence-start:temp=1.5' --ban e
alike "${kld[@]}" --at 'speech:temp-policy=udt' --at '/ [a-z]+/:preset=precise' --ban ' t' --fe-k 4
alike --preset code --at 'speech:{fe-depth=2,alpha=1}' --fe-eog exclude --ban said --ignore-eos
alike --fe --alpha -1 --fe-depth 3 -c 22
alike --at 'speech:fe' --at '/[a-z]/:fe-depth=2' --fe-discount .3 -c 26
alike --temp-first --temp 0 --typical .6 --xtc-probability 1 --at 'speech:xtc-threshold=.6' --no-repeat-ngram 2
alike --xtc-probability .5 --xtc-threshold .6 --mirostat-tau 3 --ban a --ban o --stop king
alike --temp-policy target --entropy-target 1.2@0.7 --temp-first --repeat-penalty 1.3 --at '/^.*,/:temp-policy=dynatemp'
alike --temp-policy linear --entropy-cap 2 --wave square:1:3 --wave-clock word --fe-at word --ban the --kv f32
alike --temp-policy edt-instance --edt-theta 1 --at 'line-start:top-k=0' --at 'speech:{dry-multiplier=2}' --logit-bias 13+4
alike --samplers '' --at 'speech:samplers=top-k,top-k=5' --fe --fe-at word --temp-policy dynatemp
alike --samplers xtc,min-p,top-k --min-p .02 --top-p .5 --temp 0 --fe --fe-curve crossfade --special

# A beam's continuations, too, are texts of their own.
rm -f "$work"/run*.jsonl
settings='fe-at word, temp-policy udt, at speech:{alpha=1,fe-k=3}, at /[a-z]/:temp=1.4'
tell --beam 2 -N 2 --beam-length 6 --ban h --sequence 5 --trace "$work/run.jsonl" --then "$settings"
cp "$work/out" "$work/alone"
good=1
for i in 5 6 7 8; do
    foretell replay -m "$model" -t 1 "$work/run-$i.jsonl"
    [ "$status" -eq 0 ] || good=0
done
check 'beams that rules continue have traces' '[ $good -eq 1 ] && adds_up "$work"/run-*.jsonl'
tell --beam 2 -N 2 --beam-length 6 --ban h --sequence 5 -t 1 --then "$settings, fe-chunk 1"
check 'their text does not depend on threads, chunks or traces' '[ "$status" -eq 0 ] && cmp -s "$work/out" "$work/alone"'
check 'no unfinished file is left' '! ls "$work" | grep part'
done_testing
