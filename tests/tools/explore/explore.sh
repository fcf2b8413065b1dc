#!/bin/bash
# foretell explore in a real terminal (tmux gives one): take, undo, fork, switch, save, quit, open again.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

failure 'explore: standard input and output must be a terminal' explore -p 'Once upon a time'
usage_error 'explore: expected a prompt or a tree, got both' explore -p text tree.json
usage_error "explore: expected one tree, got 'b' too" explore a b
missing=$(terminal_missing tmux)
if [ -n "$missing" ]; then
    skip 'in a terminal' "$missing"
    done_testing
fi

. tests/support/tmux.sh
no_color=
keys() { tm send-keys "$@"; }
underlined() { tm capture-pane -p -e | grep -qE $'\x1b\\[([0-9;]*;)*4[;m]'; }
chosen() { printf '%s\n' "$said" | grep -m 1 '^>'; } # the drawn candidate's row
text() { printf '%s\n' "$said" | sed '/^  candidate/,$d' | tr -d '\n'; }
json() { python3 -c "import json, sys; t = json.load(open(sys.argv[1])); b = t['branches']; sys.exit(not ($1))" "$work/tree.json"; }

begin 100 30 -m "$model" -p 'Once upon a time' -s 7 --save "$work/tree.json"
check 'the screen shows the text and the table' 'wait_for "branch 0 of 1 | position 5 | alpha 0.00 | T 0.80 | seed 7" &&
    [ "$(text)" = "Once upon a time" ] && contains "likeliest futures" && chosen >/dev/null'
# the noise, alpha and seed are fixed: so is all that follows
first=$(printf '%s\n' "$said" | sed -n '/^  candidate/{n;p}' | cut -c 3-14)
keys Enter
check 'Enter takes the candidate' 'wait_for "| position 6 |" && [ "$(text)" = "Once upon a time$(echo "$first" | sed "s/ *$//")" ]'
before=$(chosen)
keys Right Right
check 'right increases alpha' 'wait_for "alpha 0.20"'
check 'alpha changes the scores, but not p and Hhat' '[ "$(printf "%s\n" "$said" | grep -c "$(echo "$before" | cut -c 14-28)")" -ge 1 ] && ! contains "$before"'
keys Left Left
check 'left restores alpha and the row' 'wait_for "alpha 0.00" && contains "$before"'
keys Space Space
check 'space takes the drawn tokens' 'wait_for "| position 8 |"'
before=$said
keys u
check 'u undoes a token' 'wait_for "| position 7 |"'
keys Space
check 'after undo the same token is drawn, and the screen is the same' 'wait_for "| position 8 |" && [ "$said" = "$before" ]'
keys f
check 'f forks the text' 'wait_for "branch 1 of 2 from 0 at 8 | position 8" &&
    [ "$(printf "%s\n" "$said" | sed 29,30d)" = "$(printf "%s\n" "$before" | sed 29,30d)" ]'
check 'the status line says where the branch was forked' 'wait_for "branch 1, forked from branch 0 at position 8"'
check 'a new branch has no underlined token' '! underlined'
keys u u
# it stood at 7 on the way there
check 'undoing past the fork moves the fork' 'wait_for "branch 1 of 2 from 0 at 6 | position 6"'
keys Down Enter
check 'the branch continues independently' 'wait_for "branch 1 of 2 from 0 at 6 | position 7"'
check 'its first own token is underlined' 'underlined'
other=$(text)
keys Right Right Right
check 'alpha changes in a branch' 'wait_for "branch 1 of 2 from 0 at 6 | position 7 | alpha 0.30"'
keys Tab
check 'a branch'\''s alpha does not change its parent'\''s' 'wait_for "branch 0 of 2 | position 8 | alpha 0.00"'
keys Left Tab
check 'a parent'\''s alpha does not change its branch'\''s' 'wait_for "branch 1 of 2 from 0 at 6 | position 7 | alpha 0.30"'
keys Tab Right
wait_for 'branch 0 of 2 | position 8 | alpha 0.00'
keys Tab
wait_for 'branch 1 of 2'
keys Tab
check 'Tab switches to the first branch, which is unchanged' 'wait_for "branch 0 of 2 | position 8" && [ "$(text)" = "$(said=$before; text)" ]'
keys u u u u u
check 'undo stops at the prompt' 'wait_for "branch 0 of 2 | position 5" && [ "$(text)" = "Once upon a time" ]'
keys Space
wait_for '| position 6 |'
keys Tab
check 'undoing a parent past the fork moves the fork, too' 'wait_for "branch 1 of 2 from 0 at 5 | position 7 | alpha 0.30"'
keys s
check 's saves the tree' 'wait_for "saved $work/tree.json"'
check 'the file has the whole tree' 'json "t[\"type\"] == \"tree\" and t[\"schema\"] == 1 and t[\"current\"] == 1 and len(b) == 2 and
len(t[\"header\"][\"prompt\"]) == 5 and t[\"header\"][\"seed\"] == \"7\" and (b[1][\"parent\"], b[1][\"position\"]) == (0, 5) and
[x.get(\"alpha\") for x in b] == [0, 0.3] and [len(x[\"tokens\"]) for x in b] == [1, 2]" && [ "$(ls "$work"/tree*)" = "$work/tree.json" ]'
wait_for 'branch 1 of 2'
keys Up
wait_for 'enter take'
before=$said
keys q
check 'q quits' 'wait_for "exit 0" && ! contains likeliest'

begin 100 30 -m "$model" "$work/tree.json"
check 'a saved tree opens with the same screen' 'wait_for "branch 1 of 2 from 0 at 5 | position 7 | alpha 0.30" && [ "$(text)" = "$other" ] && [ "$said" = "$before" ]'
cp "$work/tree.json" "$work/saved.json"
keys s
check 'an opened tree is saved to its own file' 'wait_for "saved " && cmp -s "$work/tree.json" "$work/saved.json"'
keys f f f f f f f
check '8 branches are the maximum' 'wait_for "there are already 8 branches, the maximum" && contains "branch 7 of 8"'
tm resize-window -x 60 -y 20
check 'the screen follows the size of the window' 'for _ in {1..200}; do said=$(tm capture-pane -p); [ "$(printf "%s\n" "$said" | sed -n 19p | cut -c 1-6)" = branch ] && break; sleep 0.05; done; [ "$(printf "%s\n" "$said" | sed -n 19p | cut -c 1-6)" = branch ]'
keys C-c
check 'Ctrl-C quits' 'wait_for "exit 130"'

# An older file: one alpha, the header's, for all branches, and the position of the fork whatever was undone after it.
python3 - "$work/tree.json" "$work/old.json" <<'PYTHON'
import json, sys
tree = json.load(open(sys.argv[1]))
tree["header"]["settings"]["alpha"] = "0.4"
tree["header"]["chain"] = tree["header"]["chain"].replace("alpha 0 ", "alpha 0.4 ")
for branch in tree["branches"]:
    branch.pop("alpha", None)
tree["branches"][1]["position"] = 8
json.dump(tree, open(sys.argv[2], "w"))
PYTHON
begin 100 30 -m "$model" "$work/old.json"
check 'an older file opens, with its alpha and the corrected fork' 'wait_for "branch 1 of 2 from 0 at 5 | position 7 | alpha 0.40"'
keys Right Tab
check 'its branches keep that alpha until a key changes it' 'wait_for "branch 0 of 2 | position 6 | alpha 0.40"'
keys Tab
wait_for 'alpha 0.50'
keys f
check 'a fork has the alpha of its parent' 'wait_for "branch 2 of 3 from 1 at 7 | position 7 | alpha 0.50"'
keys Tab Tab u
check 'undo goes past two forks' 'wait_for "branch 1 of 3 from 0 at 5 | position 6"'
keys Tab
check 'this moves the forks of its children' 'wait_for "branch 2 of 3 from 1 at 6 | position 7"'

begin 100 30 -m "$model" -p 'Once upon a time' -s 7 --save "$work/rule.json" --at '/.*/:alpha=0.6'
wait_for '| position 5 | alpha 0.60'
keys Right
check 'if a rule sets alpha, keys still change the branch'\''s own alpha' 'wait_for "alpha is 0.10; a rule of --at gives it here" && contains "| position 5 | alpha 0.60"'
keys s
check 'the branch'\''s own alpha is saved' 'wait_for "saved $work/rule.json" && grep -q "\"position\":5,\"alpha\":0.1" "$work/rule.json"'
begin 100 30 -m "$model" -p 'Once upon a time' -s 7 --save "$work/wave.json" --wave sine:1:8
wait_for '| position 5 | alpha 0.00'
keys Space
wait_for '| position 6 | alpha 0.71'
keys f Left
check 'a key fixes alpha in a branch with a wave' 'wait_for "branch 1 of 2 from 0 at 6 | position 6 | alpha 0.60"'
keys Tab
check 'its parent keeps the wave' 'wait_for "branch 0 of 2 | position 6 | alpha 0.71"'
keys Space
check 'the parent keeps the wave at the next step' 'wait_for "branch 0 of 2 | position 7 | alpha 1.00"'
keys s
wait_for 'saved'
begin 100 30 -m "$model" "$work/wave.json"
check 'a saved wave continues' 'wait_for "branch 0 of 2 | position 7 | alpha 1.00"'
keys Tab
check 'the fixed alpha of the branch is saved, too' 'wait_for "branch 1 of 2 from 0 at 6 | position 6 | alpha 0.60"'

begin 100 30 -m "$model" -p 'Once upon a time' -s 7
check 'the status line shows H in nats' 'wait_for "| seed 7 | H 3.377 nats"'
begin 100 30 -m "$model" -p 'Once upon a time' -s 7 --units bits
check '--units bits shows H in bits' 'wait_for "| seed 7 | H 4.872 bits"'

# Tints are backgrounds of 256 colours.
tints() { tm capture-pane -p -e | grep -c '\[48;5;\|;48;5;'; }
for no in '' 1; do
    no_color=$no begin 100 30 -m "$model" "$work/tree.json"
    check "NO_COLOR=$no" 'wait_for "| seed 7" && if [ -n "$no" ]; then [ "$(tints)" -eq 0 ]; else [ "$(tints)" -gt 0 ]; fi'
done

begin 39 20 -m "$model" -p 'Once upon a time'
check 'a terminal that is too small is refused' 'wait_for "exit 1" && printf "%s" "$said" | tr -d "\n" | grep -q "at least 40 x 12, got 39 x 20"'

hostile() { # name, what is said, python that changes t
    python3 -c "import json, sys
t = json.load(open('$work/tree.json')); $3
json.dump(t, open('$work/bad.json', 'w'))"
    begin 200 20 -m "$model" "$work/bad.json"
    check "$1" 'wait_for "exit 1" && printf "%s" "$said" | tr -d "\n" | grep -qF -- "$work/bad.json: $message"'
}
message='branches: 1: tokens: 0: expected an id below 4096'
hostile 'a token that is none' "$message" 't["branches"][1]["tokens"][0] = 5000'
message='branches: 1: parent: expected a whole number from 0 to 0'
hostile 'a branch that left none' "$message" 't["branches"][1]["parent"] = 1'
message='branches: expected an array of 1 to 8'
hostile 'too many branches' "$message" 't["branches"] = [t["branches"][0]] * 9'
message='branches: 1: alpha: expected a number from -1 to 1'
hostile 'an alpha out of range' "$message" 't["branches"][1]["alpha"] = 1.01'
hostile 'an alpha that is no number' "$message" 't["branches"][1]["alpha"] = "1"'
message='current: expected a whole number from 0 to 1'
hostile 'a current branch that is none' "$message" 't["current"] = 2'
message='header.model.fnv1a64: recorded'
hostile 'another model' "$message" 't["header"]["model"]["fnv1a64"] = "0"'
message='type: expected "tree"'
hostile 'another kind of file' "$message" 't["type"] = "trace"'
usage_error 'explore: expected no settings, seed, -c or --kv with a FILE: a tree has its own' explore --alpha 0.5 some.tree
done_testing
