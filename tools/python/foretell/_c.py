"""foretell.h in ctypes: its structs, its functions with their types, and exceptions for its statuses."""

import array
import ctypes
import enum
import operator
import os
import pathlib
import sys
from ctypes import (CDLL, CFUNCTYPE, POINTER, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint,
                    c_uint64, c_void_p)
from typing import Any, Callable, Iterable, Iterator, List, Union

SONAME = "libforetell.so.0"

BOS, SPECIAL = 1, 2
CANDIDATES, FUTURES = 1, 2


class End(enum.IntEnum):
    """Why a step is the last one, or GOES_ON."""

    GOES_ON = 0
    END_OF_TEXT = 1
    STOPPED = 2
    CONTEXT_FULL = 3
    REWOUND = 4


class Error(Exception):
    """A call of the library that failed; the message is foretell_message()."""


class InvalidError(Error, ValueError):
    """The caller's mistake: a wrong argument, a wrong setting, or a call that is not possible here."""


class FailedError(Error, RuntimeError):
    """A file that cannot be read or is not a model, or a computation that gave no finite number."""


class NoMemoryError(Error, MemoryError):
    """The system refused memory."""


class FullError(Error):
    """The context or the session is full."""


class CancelledError(Error):
    """Session.cancel was called, or a progress callback returned True."""


ERRORS = {1: InvalidError, 2: FailedError, 3: NoMemoryError, 4: FullError, 5: CancelledError}

Progress = CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)


def integer(value: Any, kind: Any, name: str) -> int:
    """A whole number, also one of numpy's, that the type holds; ctypes would drop its upper bits."""
    number = operator.index(value)
    if kind(number).value != number:
        raise InvalidError(f"{name}: expected a number of {8 * ctypes.sizeof(kind)} bits, got {number}")
    return number


def string(text: Union[str, bytes, "os.PathLike[str]"], name: str) -> bytes:
    """A string for C, which a NUL would cut off."""
    data = os.fsencode(text)
    if b"\0" in data:
        raise InvalidError(f"{name}: expected a string without NUL")
    return data


def integers(values: Iterable[int], name: str) -> "ctypes.Array[c_int32]":
    """An array of whole numbers of 32 bits."""
    try:
        numbers = array.array("i", values)
    except OverflowError as error:
        raise InvalidError(f"{name}: expected numbers of 32 bits") from error
    return (c_int32 * len(numbers))(*numbers)


class Sized(ctypes.Structure):
    """A struct that begins with its size."""

    def __init__(self, **fields: Any) -> None:
        kinds = dict(self._fields_)
        for name, value in fields.items():
            fields[name] = integer(value, kinds[name], name) if kinds[name] in (c_int32, c_uint) else value
        super().__init__(size=ctypes.sizeof(self), **fields)


class ModelOptions(Sized):
    _fields_ = [("size", c_size_t), ("tokenizer", c_char_p), ("progress", Progress), ("context", c_void_p)]


class ModelInfo(Sized):
    _fields_ = [("size", c_size_t), ("vocab_size", c_int32), ("context_length", c_int32), ("dim", c_int32),
                ("n_layers", c_int32), ("n_heads", c_int32), ("n_kv_heads", c_int32), ("bos", c_int32),
                ("eos", c_int32), ("weight_bytes", c_uint64), ("name", c_char_p), ("format", c_char_p)]


class SessionOptions(Sized):
    _fields_ = [("size", c_size_t), ("context", c_int32), ("texts", c_int32), ("candidates", c_int32),
                ("depth", c_int32), ("threads", c_int32), ("kv_f32", c_int32), ("progress", Progress),
                ("context_of_progress", c_void_p)]


class TextOptions(Sized):
    _fields_ = [("size", c_size_t), ("number", c_int32), ("report", c_uint)]


class Future(ctypes.Structure):
    _fields_ = [("token", c_int32), ("p", c_float)]


class Candidate(ctypes.Structure):
    _fields_ = [("token", c_int32), ("evaluated", c_int32), ("neutral", c_int32), ("p", c_double), ("ln_p", c_double),
                ("worth", c_double), ("ln_s", c_double), ("noise", c_double), ("futures", POINTER(Future)),
                ("n_futures", c_size_t)]


class Step(Sized):
    _fields_ = [("size", c_size_t), ("end", c_int), ("token", c_int32), ("position", c_int32), ("bytes", c_void_p),
                ("n_bytes", c_size_t), ("logprob", c_double), ("rank", c_int32), ("survivors", c_int32),
                ("entropy", c_double), ("varentropy", c_double), ("temperature", c_double), ("alpha", c_double),
                ("hhat", c_double), ("passes", c_uint64), ("rows", c_uint64), ("candidates", POINTER(Candidate)),
                ("n_candidates", c_size_t), ("chosen", c_int32)]


class Score(ctypes.Structure):
    _fields_ = [("logprob", c_double), ("entropy", c_double), ("varentropy", c_double), ("rank", c_int32)]


Worth = CFUNCTYPE(c_double, c_void_p, POINTER(Candidate), POINTER(c_float), c_size_t)
Bound = CFUNCTYPE(c_double, c_void_p, POINTER(Candidate))


class Scorer(Sized):
    _fields_ = [("size", c_size_t), ("worth", Worth), ("bound", Bound), ("context", c_void_p)]


class SettingInfo(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("metavar", c_char_p), ("help", c_char_p),
                ("range", c_char * 64), ("value", c_char * 128), ("unit", c_char_p)]


# By the names of foretell.h without foretell_.
STRUCTS = {"model_options": ModelOptions, "model_info": ModelInfo, "session_options": SessionOptions,
           "text_options": TextOptions, "future": Future, "candidate": Candidate, "step": Step, "score": Score,
           "scorer": Scorer, "setting_info": SettingInfo}
HANDLE, OUT = c_void_p, POINTER(c_void_p)
TOKENS, COUNT = POINTER(c_int32), POINTER(c_size_t)
# The functions that return a status, with the types of their arguments.
FUNCTIONS = {
    "model_open": [OUT, c_char_p, POINTER(ModelOptions)],
    "model_describe": [HANDLE, POINTER(ModelInfo)],
    "encode": [HANDLE, c_char_p, c_size_t, c_uint, TOKENS, c_size_t, COUNT],
    "decode": [HANDLE, TOKENS, c_size_t, c_uint, POINTER(c_char), c_size_t, COUNT],
    "token_bytes": [HANDLE, c_int32, c_uint, OUT, COUNT],
    "session_open": [OUT, HANDLE, POINTER(SessionOptions)],
    "session_counts": [HANDLE, POINTER(c_uint64), POINTER(c_uint64)],
    "text_open": [OUT, HANDLE, POINTER(TextOptions)],
    "text_set": [HANDLE, c_char_p, c_char_p],
    "text_get": [HANDLE, c_char_p, POINTER(c_char), c_size_t, COUNT],
    "text_chain": [HANDLE, POINTER(c_char), c_size_t, COUNT],
    "text_stop": [HANDLE, c_char_p, c_size_t],
    "text_ban": [HANDLE, c_char_p, c_size_t],
    "text_append": [HANDLE, c_char_p, c_size_t, c_uint],
    "text_append_tokens": [HANDLE, TOKENS, c_size_t],
    "text_next": [HANDLE, POINTER(Step)],
    "texts_next": [OUT, c_size_t, POINTER(Step)],
    "text_force": [HANDLE, c_int32, POINTER(Step)],
    "text_fork": [HANDLE, OUT],
    "text_renumber": [HANDLE, c_int32],
    "text_rewind": [HANDLE, c_size_t],
    "text_rest": [HANDLE, OUT, COUNT],
    "text_tokens": [HANDLE, POINTER(TOKENS), COUNT],
    "text_logits": [HANDLE, POINTER(c_void_p), COUNT],
    "text_score": [HANDLE, TOKENS, c_size_t, POINTER(Score)],
    "text_scorer": [HANDLE, POINTER(Scorer)],
    "setting": [c_size_t, POINTER(SettingInfo)],
}


def places() -> Iterator[str]:
    """The paths where the library may be, in the order of precedence."""
    if "FORETELL_LIBRARY" in os.environ:
        yield os.environ["FORETELL_LIBRARY"]
        return
    yield SONAME
    for prefix in (sys.prefix, sys.base_prefix, "/usr/local"):
        yield str(pathlib.Path(prefix, "lib", SONAME))


def load() -> CDLL:
    """Loads the library. When OpenMP is loaded, it reads how long its threads spin: see foretell_limit_spinning."""
    limit = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if limit:
        os.environ["GOMP_SPINCOUNT"] = "100"
    failures: List[str] = []
    try:
        for place in places():
            try:
                return CDLL(place)
            except OSError as error:
                failures.append(str(error))
    finally:
        if limit:
            del os.environ["GOMP_SPINCOUNT"]
    raise ImportError("foretell: the library is not installed, or FORETELL_LIBRARY names another file: "
                      + "; ".join(failures))


def message() -> str:
    return library.foretell_message().decode("utf-8", "replace")


def check(status: int, *_: Any) -> None:
    """Raises the exception of a status, unless it is FORETELL_OK."""
    if status:
        raise ERRORS.get(status, Error)(message())


def function(name: str, arguments: List[Any], result: Any = c_int) -> Callable[..., Any]:
    """The function foretell_NAME with its types; a status that it returns is checked."""
    found = getattr(library, "foretell_" + name)
    found.argtypes, found.restype = arguments, result
    if result is c_int:
        found.errcheck = check
    return found


library = load()
function("message", [], c_char_p)
function("version", [], c_char_p)
for name in ("model_close", "session_close", "text_close", "session_cancel"):
    function(name, [HANDLE], None)
for name, arguments in FUNCTIONS.items():
    function(name, arguments)


def version() -> str:
    return library.foretell_version().decode()


def filled(kind: Any, guess: int, call: Callable[..., Any]) -> Any:
    """The values that call(buffer, capacity, n) writes: a list of numbers, or bytes if kind is c_char."""
    n = c_size_t()
    while True:
        buffer = (kind * guess)()
        try:
            call(buffer, guess, n)
        except FullError:
            if n.value <= guess:
                raise
            guess = n.value
        else:
            return buffer[:n.value]


class DlInfo(ctypes.Structure):
    _fields_ = [("file", c_char_p), ("base", c_void_p), ("symbol", c_char_p), ("address", c_void_p)]


def shipped_model() -> str:
    """$FORETELL_MODEL, or the model that was installed with the library if that is not set."""
    if os.environ.get("FORETELL_MODEL"):
        return os.environ["FORETELL_MODEL"]
    info = DlInfo()
    dladdr = CDLL(None).dladdr
    dladdr.argtypes = [c_void_p, POINTER(DlInfo)]
    if not dladdr(library.foretell_version, info):
        raise FailedError("the shipped model: the folder of the library is unknown, so give the path of a model")
    folder = pathlib.Path(os.fsdecode(info.file)).resolve().parent
    for above in list(folder.parents)[:2]:  # lib/ or lib/x86_64-linux-gnu/
        for model in sorted(above.glob("share/foretell/*.gguf")):
            return str(model)
    raise FailedError(f"the shipped model: expected in share/foretell beside {folder}, so give the path of a model")
