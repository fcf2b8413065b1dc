#!/usr/bin/python3
"""Runs a command, sends it a signal after some seconds, and prints how it ended: "signal 15", "exit 1".

usage: kill.py SIGNAL SECONDS COMMAND...
With KEYS in the environment the command gets a terminal; the keys are typed when it has drawn its screen, and the
seconds count from then. With FILE they count from when a file of that pattern exists. The command is started with no
signal but SIGHUP ignored, as from an interactive shell; it writes where the caller's standard error goes."""
import fcntl, glob, os, pty, select, signal, struct, sys, termios, time

number, seconds, command = getattr(signal, "SIG" + sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
keys, pattern = os.environ.pop("KEYS", None), os.environ.pop("FILE", None)
child, terminal = pty.fork() if keys else (os.fork(), None)
if child == 0:
    for each in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    if not keys:
        os.dup2(2, 1)
    os.execv(command[0], command)


def has_ended():
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def wait(until):
    """Waits, reading what the terminal shows, or until the command has ended."""
    shown = b""
    while not until(shown) and not has_ended():
        if terminal is None:
            time.sleep(0.0005)
        elif select.select([terminal], [], [], 0.0005)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break


if keys:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    wait(lambda shown: b"seed" in shown)
    os.write(terminal, keys.encode())
if pattern:
    wait(lambda _: glob.glob(pattern))
end = time.monotonic() + seconds
wait(lambda _: time.monotonic() >= end)
os.kill(child, number)  # it may have ended, but its number is kept until waitpid
wait(lambda _: False)
status = os.waitpid(child, 0)[1]
print("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else print("exit", os.WEXITSTATUS(status))
