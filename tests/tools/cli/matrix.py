#!/usr/bin/env python3
"""Gives every option of every subcommand values that no one should give it, and checks how the program takes them.

usage: tests/tools/cli/matrix.py PROGRAM [SUBCOMMAND [OPTION]]

The options are read from `PROGRAM SUBCOMMAND --help`, so new ones are tested without a change here. Each run must:

  end within the limit, with exit status 0, 1 or 2, and no report of a sanitizer;
  say exactly one line on standard error where it fails: "foretell: ...", without control bytes;
  leave no file behind, but for an output that it was told to write, and only where it succeeded; change none it read.

A program with sanitizers is slow, so it gets a sample of the values for each option, always the same one: MATRIX_SEED
chooses another, SLOW=1 takes all. The results are TAP, one test for each subcommand.
"""
import concurrent.futures
import fcntl
import os
import pty
import random
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading

LONG = b"x" * 100_000
NULL = b"null-device"  # a link to it, beside the run: no fault may replace the machine's
FOLDER = b"folder"
VALUES = {
    "empty": b"", "blank": b" ", "NaN": b"NaN", "nan": b"nan", "inf": b"inf", "-inf": b"-inf",
    "double denormal": b"1e-320", "float zero": b"1e-46", "float denormal": b"1e-40", "float infinity": b"1e308",
    "double infinity": b"1e999", "2^64": b"18446744073709551616", "25 digits": b"9" * 25, "-1": b"-1", "-0": b"-0",
    "0": b"0", "1": b"1", "hexadecimal": b"0x10", "exponent": b"1e2", "unicode digits": "\uff11\u0663".encode(),
    "emoji": "\U0001f409".encode(), "100 KB": LONG, "newline": b"a\nb", "escape": b"\x1b[31mred\x07", 
    "invalid UTF-8": b"\xff\xc0\xaf",
    "directory": FOLDER, "null device": NULL, "no such path": b"no/such/path", "--": b"--", "separators": b"1:2:3@x,,",
}

# What each subcommand needs to do a little work: options and arguments. {M}: a model, {T}: a text, {R}: a trace.
BASE = {
    "run": ([("--model", "{M}"), ("--prompt", "Once"), ("--predict", "3"), ("--threads", "1"), ("--seed", "1"),
             ("--ctx-size", "64")], []),
    "tokenize": ([("--model", "{M}"), ("--prompt", "Once")], []),
    "inspect": ([("--model", "{M}")], []),
    "look": ([("--model", "{M}"), ("--prompt", "Once"), ("--threads", "1")], []),
    "perplexity": ([("--model", "{M}"), ("--threads", "1"), ("--ctx-size", "64")], ["{T}"]),
    "quantize": ([], ["{M}", "out.gguf"]),
    "bench": ([("--model", "{M}"), ("--rows", "1"), ("--prompt", "4"), ("--runs", "5"), ("--threads", "1")], []),
    "export": ([("--random", "stories260k"), ("--output", "out.gguf")], []),
    "replay": ([("--model", "{M}"), ("--threads", "1")], ["{R}"]),
    "explore": ([("--model", "{M}"), ("--prompt", "Once"), ("--threads", "1"), ("--seed", "1"),
                 ("--ctx-size", "64")], []),
}
UNKNOWN = ([("--model", "{M}"), ("--threads", "1")], [])  # for a subcommand that is not in the table, if it has them
EXCLUSIVE = [{"--prompt", "--file", "ARGUMENT"}, {"--model", "--shape"}]  # one of each set is given at a time
TERMINAL = {"explore": b"\r  fu\tq"}  # these want a terminal; the keys that are pressed there

# What an option needs to have an effect.
EFFECTIVE = [
    (r"--(fe-.*|alpha|wave-.*)", ["--fe", "--fe-k=2"]),
    (r"--wave-.*", ["--wave=sine:0.5:3"]),
    (r"--edt-.*", ["--temp-policy=edt"]),
    (r"--udt-.*", ["--temp-policy=udt"]),
    (r"--sigmoid-.*", ["--temp-policy=sigmoid"]),
    (r"--entropy-(range|cap)|--temp-range", ["--temp-policy=linear"]),
    (r"--temp-table", ["--temp-policy=table"]),
    (r"--kld-.*", ["--temp-policy=kld", "--kld-without={T}"]),
    (r"--dynatemp-.*", ["--temp-policy=dynatemp"]),
    (r"--entropy-target", ["--temp-policy=target"]),
    (r"--mirostat-eta", ["--mirostat-tau=3"]),
    (r"--xtc-threshold", ["--xtc-probability=1"]),
    (r"--dry-.*", ["--dry-multiplier=1"]),
    (r"--repeat-last-n", ["--repeat-penalty=1.1"]),
    (r"--rank|--rank-all", ["--best-of=2"]),
    (r"--length-penalty|--rerank", ["--beam=2"]),
    (r"--decode", ["--file={T}"]),
]


class Fault(Exception):
    pass


class Program:
    """The program under test, what it reads (never to be changed), and the environment it runs in."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        with open(self.path, "rb") as file:
            self.sanitized = b"__asan_init" in file.read()
        self.limit = 90 if self.sanitized else 30  # seconds; a run takes well under one
        self.inputs = tempfile.mkdtemp(prefix="matrix-")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.inputs, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color",
            "OMP_WAIT_POLICY": "passive",
            # Memory that cannot be had is refused, as it is without the sanitizer; a report has a status of its own.
            "ASAN_OPTIONS": "allocator_may_return_null=1:exitcode=99",
            "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1",
        }
        self.statuses = {}  # of all runs: how many ended with each
        self.places = self.make_inputs()
        self.inputs_before = self.list_inputs()

    def make_inputs(self):
        top = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
        small = os.path.join(top, "../shared/models/stories260K")
        shipped = os.path.join(top, "weights/tales-6m-q8_0.gguf")
        model = os.path.join(self.inputs, "model")
        if os.path.exists(os.path.join(small, "stories260K.bin")):
            shutil.copy(os.path.join(small, "stories260K.bin"), model)
            shutil.copy(os.path.join(small, "tok512.bin"), os.path.join(self.inputs, "tokenizer.bin"))
        else:
            shutil.copy(shipped, model)
        text, trace = os.path.join(self.inputs, "text"), os.path.join(self.inputs, "trace")
        with open(text, "w", encoding="ascii") as file:
            file.write("Once upon a time there was a small dragon. " * 5)
        subprocess.run([self.path, "-m", model, "-p", "Once", "-n", "3", "-t", "1", "-s", "1", "--fe", "--fe-k", "2",
                        "--trace", trace], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=True)
        return {"{M}": model, "{T}": text, "{R}": trace}

    def list_inputs(self):
        return sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(self.inputs))

    def fill_in(self, text):
        for name, path in self.places.items():
            text = text.replace(name, path)
        return text

    def help(self, *subcommand):
        return subprocess.run([self.path, *subcommand, "--help"], env=self.environment, capture_output=True, text=True,
                              check=True).stdout

    def subcommands(self):
        lines = self.help().split("\n\n")[2].split("\n")
        return [line.split()[0] for line in lines if re.match(r"  [a-z]", line) and line.split()[0] != "help"]

    def options(self, subcommand):
        """(name, takes a value) of each option that the help lists."""
        found = []
        for line in self.help(subcommand).split("\n"):
            match = re.match(r"^  (?:-\w, |    )(--[a-z0-9-]+)( \S+)?  ", line)
            if match and match[1] not in ("--help", "--version"):
                found.append((match[1], match[2] is not None))
        if not found:
            raise Fault(f"{subcommand} --help lists no option")
        return found


class Case:
    """One run: a subcommand, an option (or ARGUMENT: a value in the place of an argument), one of the values."""

    def __init__(self, program, subcommand, listed, option, takes_value, value_name, index):
        self.program, self.subcommand, self.option, self.value_name = program, subcommand, option, value_name
        value = VALUES[value_name]
        options, arguments = BASE.get(subcommand, UNKNOWN)
        excluded = {option}.union(*(s for s in EXCLUSIVE if option in s))
        names = {name for name, _ in listed}
        line = [subcommand]
        for name, text in options:
            if name in names and name not in excluded:
                line += [name, program.fill_in(text)]
        for pattern, extra in EFFECTIVE:
            if re.fullmatch(pattern, option):
                line += [program.fill_in(e) for e in extra if e.split("=")[0] in names - {option}]
        line = [os.fsencode(word) for word in line]
        arguments = [os.fsencode(program.fill_in(a)) for a in arguments]
        if option == "ARGUMENT":
            arguments[-1:] = [value]
        elif takes_value and (index % 2 or value_name == "empty"):
            line += [option.encode(), value]
        else:
            line.append(option.encode() + b"=" + value)
        self.line = [self.program.path.encode()] + line + ([b"--"] if option == "ARGUMENT" else []) + arguments
        self.outputs = {a for a in arguments + [value, b"out.gguf"] if a}

    def name(self):
        return f"{self.subcommand} {self.option} {self.value_name}"

    def check(self, scratch):
        """Runs it in an empty folder; what is wrong, or None."""
        os.mkdir(os.path.join(scratch, FOLDER.decode()))
        os.symlink("/dev/null", os.path.join(scratch, NULL.decode()))
        try:
            status, said = run(self, scratch)
            self.program.statuses[status] = self.program.statuses.get(status, 0) + 1
            self.check_status(status, said)
            self.check_files(status, scratch)
        except Fault as fault:
            return str(fault)
        finally:
            shutil.rmtree(scratch)
        return None

    def check_status(self, status, said):
        shown = repr(said[-300:])
        if b"Sanitizer" in said or b"runtime error:" in said:
            raise Fault(f"a sanitizer's report: {said[:1500].decode(errors='replace')}")
        if status not in (0, 1, 2):
            raise Fault(f"exit status {status}, said {shown}")
        if status == 0:
            return
        if not said.startswith(b"foretell: ") or not said.endswith(b"\n") or said.count(b"\n") != 1:
            raise Fault(f"exit status {status}: expected one line \"foretell: ...\", got {shown}")
        if re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", said):
            raise Fault(f"control bytes in {shown}")

    def check_files(self, status, scratch):
        for entry in set(os.listdir(os.fsencode(scratch))) - {FOLDER, NULL}:
            named = any(entry == output or entry.startswith(output + b".") for output in self.outputs)
            if status != 0 or not named:
                raise Fault(f"exit status {status} and a file left behind: {entry[:80]!r}")
        writes_there = self.option == "--save" and status == 0  # the folder is where its files belong
        if os.listdir(os.path.join(scratch, FOLDER.decode())) and not writes_there:
            raise Fault("a file left behind in a folder")
        if not os.path.islink(os.path.join(scratch, NULL.decode())):
            raise Fault("the link to the null device was replaced")
        if self.program.list_inputs() != self.program.inputs_before:
            raise Fault("a file that it reads was changed")


def run(case, scratch):
    """(exit status, standard error)."""
    environment = dict(case.program.environment, TMPDIR=scratch)
    keys = TERMINAL.get(case.subcommand)
    master, slave = pty.openpty() if keys else (None, subprocess.DEVNULL)
    if keys:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    try:
        process = subprocess.Popen(case.line, cwd=scratch, env=environment, stdin=slave,
                                   stdout=slave if keys else subprocess.DEVNULL, stderr=subprocess.PIPE)
        if keys:
            os.close(slave)
            presser = threading.Thread(target=press, args=(master, keys))
            presser.start()
        try:
            said = process.communicate(timeout=case.program.limit)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Fault(f"it did not end within {case.program.limit} s") from None
    finally:
        if keys:
            presser.join()  # first: the number of a closed descriptor may be another case's at once
            os.close(master)
    return process.returncode, said


def can_open_terminal():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError:
        return False
    return True


def press(master, keys):
    """Presses a key whenever something was drawn, then the last one again and again (a key pressed before the program
    listens is lost), and reads what is drawn until the program is gone."""
    at = 0
    try:
        while True:
            drawn = select.select([master], [], [], 0.3)[0]
            if drawn and not os.read(master, 65536):
                return
            if not drawn or at < len(keys):
                os.write(master, keys[min(at, len(keys) - 1):][:1])
                at += 1
    except (OSError, ValueError):
        pass


def sample(program, subcommand, option):
    """The names of the values to try: all, or 8 of them with sanitizers, the same ones for the same seed."""
    if not program.sanitized or os.environ.get("SLOW") == "1":
        return list(VALUES)
    return random.Random(f"{os.environ.get('MATRIX_SEED', '1')} {subcommand} {option}").sample(list(VALUES), 8)


def cases_of(program, subcommand, wanted=None):
    listed = program.options(subcommand)
    cases = []
    for option, takes_value in listed + [("ARGUMENT", True)]:
        if wanted and option != wanted:
            continue
        for index, value in enumerate(list(VALUES) if wanted else sample(program, subcommand, option)):
            cases.append(Case(program, subcommand, listed, option, takes_value, value, index))
    return cases, (len(listed) + 1) * len(VALUES)


def main():
    program = Program(sys.argv[1])
    subcommands = sys.argv[2:3] or program.subcommands()
    n_ran = n_all = n_failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="matrix-") as scratch, concurrent.futures.ThreadPoolExecutor(
                len(os.sched_getaffinity(0))) as pool:
            for number, subcommand in enumerate(subcommands, 1):
                if subcommand in TERMINAL and not can_open_terminal():
                    print(f"ok {number} - {subcommand} # SKIP no pseudo-terminal can be opened")
                    continue
                cases, n_possible = cases_of(program, subcommand, *sys.argv[3:4])
                places = [os.path.join(scratch, f"{subcommand}-{i}") for i in range(len(cases))]
                for place in places:
                    os.mkdir(place)
                faults = [f"{case.name()}: {fault}" for case, fault in
                          zip(cases, pool.map(lambda job: job[0].check(job[1]), zip(cases, places))) if fault]
                print(f"{'not ok' if faults else 'ok'} {number} - {subcommand}: {len(cases)} runs")
                for fault in faults:
                    print("# " + fault.replace("\n", "\n#   "))
                n_ran, n_all, n_failed = n_ran + len(cases), n_all + n_possible, n_failed + len(faults)
        ends = ", ".join(f"{n} with status {status}" for status, n in sorted(program.statuses.items()))
        print(f"# {n_ran} of {n_all} runs (seed {os.environ.get('MATRIX_SEED', '1')}; SLOW=1 takes all): {ends}")
        print(f"1..{len(subcommands)}")
    finally:
        shutil.rmtree(program.inputs)
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
