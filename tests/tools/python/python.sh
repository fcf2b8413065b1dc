#!/bin/bash
# The Python package: installed by pip without a network, its structs against the header, its unit tests, the example.
# shellcheck disable=SC2016,SC2317,SC2154 # conditions are evaluated by check
cd "$(dirname "$0")/../../.." || exit 1
. tests/support/tap.sh
python=/usr/bin/python3 # the system's, which is in the bare root
[ -x $python ] || skip_all "$python is not there"
. tests/support/installed.sh
check_bare
cp -r tools/python tests/tools/python "$root/work/" # the tests beside the package
site=$work/site

if $python -m pip --version >/dev/null 2>&1; then
    run $python -m pip install --no-index --disable-pip-version-check --root-user-action ignore --target "$site" \
        "$work/python"
    check 'pip installs the package without a network' '[ $status -eq 0 ]'
    run /bin/bash -c "ls $site/foretell $site"
    check 'the package has its type hints' 'contains py.typed && contains foretell-'
else
    skip 'pip install, without a network' 'python3-pip is not installed'
    site=$work/python
fi
# Under sanitizers their libraries have to be loaded first; Python keeps memory until its end.
environment=(PYTHONPATH="$site" PREFIX="$prefix" PYTHONDONTWRITEBYTECODE=1)
if [ "$config" = sanitize ]; then
    asan=$(${CC:-cc} -print-file-name=libasan.so) ubsan=$(${CC:-cc} -print-file-name=libubsan.so)
    environment+=(LD_PRELOAD="$asan $ubsan"
        ASAN_OPTIONS=detect_leaks=0)
elif [ "$config" = tsan ]; then
    environment+=(LD_PRELOAD="$(${CC:-cc} -print-file-name=libtsan.so)" TSAN_OPTIONS=exitcode=66)
fi

run env "${environment[@]}" $python "$work/python/layout.py"
printf '%s\n' "$said" >"$root/work/layout.c"
check 'the structs can be listed' '[ $status -eq 0 ]'
run /bin/bash -c "cd $work && cc layout.c \$(pkg-config --cflags foretell) -o layout && ./layout"
check 'the structs are those of foretell.h' '[ $status -eq 0 ] && [ -z "$said" ]'
run /bin/bash -c "$python -m py_compile $site/foretell/*.py"
check 'every file compiles' '[ $status -eq 0 ]'

run env "${environment[@]}" $python -W error -m unittest -v "$work/python/test_foretell.py"
check 'the unit tests pass' '[ $status -eq 0 ] && contains "OK"'
grep -E '^test_.*(skipped|ok$|FAIL|ERROR)' <<<"$said" | sed 's/^/# /'

run env "${environment[@]}" $python "$work/python/examples/plot_hhat.py" 'The dragon' "$work/hhat.svg"
check 'plot_hhat.py writes a picture' '[ $status -eq 0 ] && grep -q "<svg" "$root/work/hhat.svg"'
run env "${environment[@]}" FORETELL_MODEL=/nowhere $python "$work/python/examples/plot_hhat.py"
check 'with a missing model plot_hhat.py prints one line' '[ $status -eq 1 ] && contains "plot_hhat: " && [ "$(wc -l <<<"$said")" = 1 ]'
run env FORETELL_LIBRARY=/nowhere/lib.so PYTHONPATH="$site" $python -c 'import foretell'
check 'a missing library raises ImportError' '[ $status -eq 1 ] && contains "ImportError: foretell: the library is not installed"'
done_testing
