# For tests of what is installed, after tap.sh: installs this build's libraries into $root/opt/foretell and defines
# `inside COMMAND`, which runs a command that sees the installed files at $prefix and the folder $root/work at $work.
# Where the system permits it, the command sees nothing else but the system's own /usr: no source tree, no other
# installed foretell. $bare is then `yes`.
# shellcheck shell=bash disable=SC2034,SC2154
for tool in make pkg-config; do command -v $tool >/dev/null || skip_all "$tool is not installed"; done
[ -f weights/tales-6m-q8_0.gguf ] || skip_all 'weights/tales-6m-q8_0.gguf is missing'
config=$(basename "$(dirname "${FORETELL:-build/release/foretell}")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{usr,proc,dev,tmp,etc/alternatives,work}
for folder in bin lib lib32 lib64; do [ ! -d /usr/$folder ] || ln -s usr/$folder "$root/$folder"; done
: >"$root/dev/null"

in_bare_root() {
    # shellcheck disable=SC2016 # expanded inside
    unshare --user --map-root-user --mount -- bash -c '
        root=$1; shift
        mount --rbind /usr "$root/usr" && mount -t tmpfs none "$root/usr/local" && mount --rbind /proc "$root/proc" &&
            mount --bind /dev/null "$root/dev/null" && mount --bind /etc/alternatives "$root/etc/alternatives" &&
            exec chroot "$root" "$@"' - "$root" "$@"
}
if in_bare_root /bin/bash -c 'cc --version' >/dev/null 2>&1; then
    bare=yes prefix=/opt/foretell work=/work
    make --no-print-directory install config="$config" DESTDIR="$root" PREFIX=$prefix >"$root/log" 2>&1
else
    bare='' prefix=$root/opt/foretell work=$root/work
    make --no-print-directory install config="$config" DESTDIR= PREFIX="$prefix" >"$root/log" 2>&1
fi || { cat "$root/log" && exit 1; }

inside() {
    local -a settings=(env -i PATH=/usr/bin:/bin HOME="$work" LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive
        PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib")
    # The thread sanitizer does not know how OpenMP's threads wait for each other, because libgomp is not built with it.
    [ "$config" != tsan ] || settings+=(OMP_THREAD_LIMIT=1)
    if [ "$bare" ]; then in_bare_root "${settings[@]}" "$@"; else (cd "$work" && "${settings[@]}" "$@"); fi
}
run() {
    said=$(inside "$@" 2>&1)
    status=$?
}
check_bare() {
    if [ "$bare" ]; then
        run /bin/bash -c "[ ! -e '$PWD' ] && [ -z \"\$(ls -A /usr/local)\" ] && [ -f '$prefix/include/foretell.h' ]"
        check 'the source tree cannot be seen from here' '[ $status -eq 0 ]'
    else
        skip 'the source tree cannot be seen from here' 'this system permits no mounts in a user namespace'
    fi
}
