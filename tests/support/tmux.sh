# For the tests of programs in a real terminal, after foretell.sh: `tm` runs tmux with a server of its own, which ends with
# the test. The caller has seen that `terminal_missing tmux` is empty.
# shellcheck shell=bash disable=SC2034,SC2154
socket=foretell-$$
tm() { tmux -L "$socket" -f /dev/null "$@" 2>/dev/null; }
trap 'tm kill-server; rm -rf "$work"' EXIT
unset TMUX
begin() { # columns, lines, arguments: explore in a new terminal; its exit status shows after it
    local command
    printf -v command '%q ' env LC_ALL=C.UTF-8 TERM=screen-256color NO_COLOR="${no_color-}" "$program" explore "${@:3}"
    tm kill-server
    socket+=+ # the old server may still be dying
    tm new-session -d -x "$1" -y "$2" "sh -c '$command; echo \"exit \$?\"; exec sleep 600'"
}
wait_for() { # words that the screen will show, within 10 s
    for _ in {1..200}; do
        said=$(tm capture-pane -p)
        contains "$1" && return
        sleep 0.05
    done
    false
}
