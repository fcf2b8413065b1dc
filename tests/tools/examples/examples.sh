#!/bin/bash
# tools/examples/ compiled and run against the installed files alone: shared and static, by gcc and clang.
# shellcheck disable=SC2016,SC2317,SC2154 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/tap.sh
. tests/support/installed.sh
check_bare
cp tools/examples/* "$root/work"
warnings='-Wall -Wextra -Wpedantic -Werror -O1'
sanitize=
[ "$config" = sanitize ] && sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
[ "$config" = tsan ] && sanitize=-fsanitize=thread

# The ways that a program finds the library, each a command for the shell: what comes after the source file.
shared='$(pkg-config --cflags --libs foretell)'
archive='$(pkg-config --cflags --libs --static foretell | sed s/-lforetell/-l:libforetell.a/)'
wholly_static='-static $(pkg-config --cflags --libs --static foretell)'
model=$(PKG_CONFIG_PATH=$root/opt/foretell/lib/pkgconfig pkg-config --variable=model foretell)
says() { [ "$status" -eq 0 ] && [ "$said" = "$1" ]; }

build() { # source, compiler, language flags, libraries; in $work
    run /bin/bash -c "cd $work && $2 $3 $warnings $sanitize $1 -o program $4 -lm"
    check "$1: $2, ${4%% *}" '[ $status -eq 0 ] && [ -z "$said" ]'
}
# Each example is built in each way, and says the same each time.
everywhere() { # source, C compiler, other compiler, language flags, arguments
    local source=$1 compiler=$2 other=$3 language=$4 first
    shift 4
    build "$source" "$compiler" "$language" "$shared"
    run "$work/program" "$model" "$@"
    first=$said
    check "$source runs" '[ $status -eq 0 ] && [ -n "$said" ]'
    build "$source" "$compiler" "$language" "$archive"
    run "$work/program" "$model" "$@"
    check "$source links with the archive" "says \"\$first\""
    run "$work/program" /nowhere/model.gguf
    check "$source: a missing model is a failure" \
        '[ $status -eq 1 ] && contains /nowhere/model.gguf && [ "$(wc -l <<<"$said")" = 1 ]'
    run "$work/program"
    check "$source: no argument prints the usage" '[ $status -eq 2 ] && contains "usage: ${source%.*} MODEL"'
    if [ "$sanitize" ]; then
        skip "$source with other compilers" 'their sanitizers do not fit the library'
    elif ! command -v "$other" >/dev/null; then
        skip "$source with $other" "$other is not installed"
    else
        build "$source" "$other" "$language" "$shared"
        run "$work/program" "$model" "$@"
        check "$source compiles with $other" "says \"\$first\""
    fi
    said=$first
}

everywhere story.c cc clang -std=c11 'The dragon' 60 7
story=$said
run "$prefix/bin/foretell" run --preset future-entropy -s 7 -n 60 -p 'The dragon' -t 1
check 'story.c writes what the program writes' '[ $status -eq 0 ] && contains "$story"'

everywhere futures.c cc clang -std=c11 'The dragon'
check 'futures.c prints eight candidates, one of them drawn' \
    '[ "$(grep -c "^[* ] p 0\.[0-9]* *Hhat 0\.[0-9]* *s 0\.[0-9]* *\".*\" -> \"" <<<"$said")" = 8 ] &&
        [ "$(grep -c "^\*" <<<"$said")" = 1 ]'

everywhere scorer.c cc clang -std=c11 'The dragon'
scored=$said
run "$prefix/bin/foretell" run --fe --alpha 0.5 -s 1 -n 60 -p 'The dragon' -t 1
check 'scorer.c writes another text than future entropy does' '[ $status -eq 0 ] && [ "$said" != "$scored" ]'

if command -v c++ >/dev/null; then
    everywhere branches.cpp c++ clang++ -std=c++17 'The dragon'
    branches=$said
    run "$prefix/bin/foretell" run -s 1 -n 40 -p 'The dragon' -t 1
    first=$(sed -n '1s/ \.\.\.$//p; 2s/^\.\.\.//p' <<<"$branches" | tr -d '\n')
    check 'branches.cpp: the first branch is the text without a fork' '[ $status -eq 0 ] && contains "$first"'
    check 'branches.cpp: the second branch is another text' '[ "$(sed -n 2p <<<"$branches")" != "$(sed -n 3p <<<"$branches")" ]'
else
    skip branches.cpp 'c++ is not installed'
fi

if [ "$sanitize" ]; then
    skip 'a wholly static program' 'the sanitizers have none'
else
    run /bin/bash -c "cd $work && cc story.c -o program $wholly_static 2>/dev/null &&
        ./program '$model' 'The dragon' 60 7"
    check 'a fully static program links' 'says "$story"'
    run /bin/bash -c "ldd $work/program"
    check 'the static program needs no shared library' 'contains "not a dynamic executable"'
fi
done_testing
