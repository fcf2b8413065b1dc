#!/bin/bash
# Files that become shorter while foretell reads them: one line that names the file, exit status 1, and no unfinished output.
# shellcheck disable=SC2016,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

"$program" quantize "$model" "$work/packed.gguf" --packed # its weights are read where they lie, also after loading
shrinking=$work/$'shrinking\nto \e[31m4 KB.gguf'
shown="$work/shrinking\\012to ?[31m4 KB.gguf" # the kernel spells the newline
line="foretell: $shown: became shorter while it was read"
command -v python3 >/dev/null || skip_all 'python3 is not installed'

# Stops where its output is full, a pipe of 4 KB: then the model is open, and the prompt, which it prints first, not read.
shrink() { # threads
    cp "$work/packed.gguf" "$shrinking"
    python3 - "$program" "$shrinking" "$1" 2>"$work/err" <<'EOF'
import fcntl, os, subprocess, sys
program, path, threads = sys.argv[1:]
F_SETPIPE_SZ = 1031
end, begin = os.pipe()
fcntl.fcntl(begin, F_SETPIPE_SZ, 4096)
child = subprocess.Popen([program, "run", "-m", path, "-t", threads, "-c", "4000", "-p", "Once upon a time " * 600,
                          "-n", "1", "--temp", "0"], stdout=begin)
os.close(begin)
os.read(end, 1)
os.truncate(path, 4096)
while os.read(end, 4096):
    pass
sys.exit(child.wait())
EOF
    status=$?
    said=$(cat "$work/err")
}
for threads in 1 2 8; do
    shrink $threads
    check "run, $threads threads: one line" '[ $status -eq 1 ] && [ "${said##*$'"'\n'"'}" = "$line" ] && [ "$(grep -c shorter "$work/err")" -eq 1 ]'
done

# Stopped while its output is unfinished. Where it was faster, once more.
quantized=
for _ in {1..50}; do
    rm -rf "$work/out"
    mkdir "$work/out"
    cp "$model" "$shrinking"
    "$program" quantize "$shrinking" "$work/out/out.gguf" --type f32 2>"$work/err" &
    child=$!
    while [ -z "$(ls -A "$work/out")" ] && kill -0 $child 2>/dev/null; do :; done
    kill -STOP $child
    truncate -s 4096 "$shrinking"
    kill -CONT $child
    wait $child
    status=$?
    said=$(cat "$work/err")
    [ $status -eq 0 ] || quantized=stopped
    [ -z "$quantized" ] || break
done
check 'quantize: one line, and no unfinished file' '[ $status -eq 1 ] && [ "$said" = "$line" ] && [ -z "$(ls -A "$work/out")" ]'
rm -rf "$work/out"

# Another SIGBUS is what it was.
"$program" - >"$work/out" 2>"$work/err" < <(exec sleep 60) &
child=$!
sleep 0.3
kill -BUS $child
wait $child 2>/dev/null
status=$?
said=$(cat "$work/err")
check 'a SIGBUS from outside keeps its action' '[ $status -eq $((128 + $(kill -l BUS))) ] && ! contains shorter'

missing=$(terminal_missing tmux)
if [ -z "$missing" ]; then
    . tests/support/tmux.sh
    cp "$work/packed.gguf" "$work/m.gguf"
    printf -v explore '%q ' env LC_ALL=C.UTF-8 TERM=screen-256color "$program" explore -m "$work/m.gguf" -p 'Once upon a time' -s 7
    tm new-session -d -x 100 -y 30 "sh -c 'echo before; stty -a >$work/before; $explore; echo \"exit \$?\"; stty -a >$work/after; exec sleep 600'"
    wait_for 'position 5'
    truncate -s 4096 "$work/m.gguf"
    tm send-keys Enter
    check 'explore leaves the screen and prints the line' 'wait_for "exit 1" && contains before && contains "m.gguf: became shorter while it was read" && ! contains "position 5"'
    check 'the terminal is restored' 'cmp "$work/before" "$work/after" && [ "$(tm display-message -p "#{cursor_flag} #{alternate_on} #{keypad_flag}")" = "1 0 0" ]'
else
    skip 'explore' "$missing"
fi
done_testing
