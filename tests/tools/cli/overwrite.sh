#!/bin/bash
# What an output may replace: never a file that is being read, under any name; a link is written through.
# shellcheck disable=SC2016,SC2094,SC2317 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/foretell.sh

mkdir "$work/in" "$work/elsewhere"
copy=$work/in/model.gguf
cp "$model" "$copy"
whole() { cmp -s "$model" "$copy" && [ "$(ls "$work/in")" = model.gguf ]; }
run=(run -m "$copy" -t 1 -n 2 -s 1)
refused() { # name, file, how it is used: after the command was run
    local expected="foretell: $2: is $3, will not be replaced"
    check "$1" '[ $status -eq 1 ] && [ "$(tail -n 1 "$work/err")" = "$expected" ]'
}

# The fixed name of a temporary file was once opened for writing, whatever was there.
"$program" quantize "$model" "$work/expected" --type f16
cp "$model" "$work/in/out.gguf.part"
foretell quantize "$work/in/out.gguf.part" "$work/in/out.gguf" --type f16
check 'quantize x.gguf.part x.gguf' '[ $status -eq 0 ] && cmp "$model" "$work/in/out.gguf.part" && cmp "$work/expected" "$work/in/out.gguf"'
printf "someone else's" >"$work/elsewhere/precious"
ln -sf ../elsewhere/precious "$work/in/out.gguf.part"
foretell quantize "$model" "$work/in/out.gguf" --type f16
check 'a link OUT.part of another user stays, and so does the file that it points to' '[ $status -eq 0 ] && [ -L "$work/in/out.gguf.part" ] && [ "$(cat "$work/elsewhere/precious")" = "someone else'"'"'s" ]'
foretell run -m "$model" -t 1 -n 2 -s 1 --trace "$work/in/out.gguf"
check 'the same holds for a trace' '[ $status -eq 0 ] && [ "$(cat "$work/elsewhere/precious")" = "someone else'"'"'s" ]'
rm "$work/in"/out*

# Inputs, under any name.
foretell "${run[@]}" --trace "$copy"
refused 'the model as the trace' "$copy" 'being read'
ln -s ../in/model.gguf "$work/elsewhere/link"
ln "$copy" "$work/elsewhere/hard"
for name in in/../in/model.gguf elsewhere/link elsewhere/hard; do
    foretell "${run[@]}" --trace "$work/$name"
    refused "the model as the trace: $name" "$work/$name" 'being read'
    foretell quantize "$copy" "$work/$name"
    refused "quantize IN IN: $name" "$work/$name" 'being read'
done
check 'the model is unchanged' whole
printf 'Once upon a time' >"$work/prompt"
cp "$work/prompt" "$work/prompt.kept"
foretell "${run[@]}" -f "$work/prompt" --trace "$work/prompt"
refused 'the prompt as the trace' "$work/prompt" 'being read'
foretell "${run[@]}" - --trace "$work/prompt" <"$work/prompt"
refused 'the prompt on standard input' "$work/prompt" 'being read'
check 'the prompt is unchanged' 'cmp "$work/prompt" "$work/prompt.kept"'
"$program" "${run[@]}" --trace "$work/text" >"$work/text" 2>"$work/err"
status=$?
refused 'standard output' "$work/text" 'standard output'
"$program" "${run[@]}" --trace "$work/err" 2>"$work/err" >"$work/out"
status=$?
refused 'standard error' "$work/err" 'standard error'
if [ -d $shared/models/stories260K ]; then
    stories=$shared/models/stories260K
    cp $stories/stories260K.bin $stories/tok512.bin "$work"
    foretell run -m "$work/stories260K.bin" -t 1 -n 2 -s 1 --trace "$work/tok512.bin"
    refused 'the vocabulary as the trace' "$work/tok512.bin" 'being read'
    foretell quantize "$work/stories260K.bin" "$work/tok512.bin" --type f32
    refused 'the vocabulary as OUT' "$work/tok512.bin" 'being read'
    check 'the vocabulary is unchanged' 'cmp "$work/tok512.bin" $stories/tok512.bin'
else
    skip 'a vocabulary of its own' "$shared/models is missing"
fi

# Links are written through; anything but a regular file is refused.
ln -s ../elsewhere/target "$work/in/link"
for kind in 'does not exist' exists; do
    foretell run -m "$model" -t 1 -n 2 -s 1 --trace "$work/in/link"
    check "a link to a file that $kind" '[ $status -eq 0 ] && [ -L "$work/in/link" ] && [ -f "$work/elsewhere/target" ] && [ ! -L "$work/elsewhere/target" ]'
done
ln -s loop "$work/in/loop"
foretell quantize "$model" "$work/in/loop"
check 'a loop of links is refused' '[ $status -eq 1 ] && [ "$said" = "foretell: $work/in/loop: cannot write: Too many levels of symbolic links" ]'
mkfifo "$work/in/pipe"
ln -s pipe "$work/in/to-pipe"
for name in in in/pipe in/to-pipe; do
    failure "$work/$name: expected a regular file or none" quantize "$model" "$work/$name"
    failure "$work/$name: expected a regular file or none" export --random stories260k --dtype f16 -o "$work/$name"
done
ln -s /dev/full "$work/in/device"
failure "$work/in/device: expected a regular file or none" quantize "$model" "$work/in/device"
rm "$work/in/device"
ln -s /proc/self/fd/1 "$work/in/stdout" # as /dev/stdout is one, which a test had better not risk
failure "$work/in/stdout: is standard output, will not be replaced" quantize "$model" "$work/in/stdout"
rm "$work/in/stdout"
check 'no unfinished file is left in either folder' '[ "$(echo "$work"/in/* "$work"/elsewhere/*)" = "$(cd "$work" && printf "$work/%s " in/{link,loop,model.gguf,pipe,to-pipe} elsewhere/{hard,link,precious,target} | sed "s/ $//")" ]'

# Permissions.
(umask 027; "$program" quantize "$model" "$work/new")
chmod 600 "$work/prompt.kept"
cp -p "$work/prompt.kept" "$work/old"
"$program" quantize "$model" "$work/old"
check 'a new file has the permissions of the umask, a replaced one keeps its own' '[ "$(stat -c %a "$work/new" "$work/old" | paste -sd " ")" = "640 600" ]'
chmod 755 "$work"
chmod 777 "$work/elsewhere"
chmod 444 "$work/elsewhere/precious"
as_nobody() { setpriv --reuid=65534 --clear-groups "$@"; }
if [ "$(id -u)" -ne 0 ] || as_nobody test -x "$program" -a -r "$model" 2>/dev/null; then
    as=()
    [ "$(id -u)" -ne 0 ] || as=(as_nobody)
    said=$("${as[@]}" "$program" quantize "$model" "$work/elsewhere/precious" 2>&1)
    status=$?
    check 'a file without write permission is not replaced' '[ $status -eq 1 ] && [ "$said" = "foretell: $work/elsewhere/precious: cannot write: Permission denied" ]'
else
    skip 'a file that may not be written' 'root may write every file, and no other user can run the program'
fi
done_testing
