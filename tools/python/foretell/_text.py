"""Text: a sequence of tokens with the settings of its sampler. Step: the results of one step."""

import ctypes
import numbers
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _c
from ._handle import Bytes, Handle, Owner, as_bytes, is_text

if TYPE_CHECKING:
    from ._model import Session


class Future(NamedTuple):
    """A token that may follow a candidate; p: in the model's own distribution."""

    token: int
    p: float


class Candidate(NamedTuple):
    """A candidate of a step: see foretell_candidate."""

    token: int
    evaluated: bool
    neutral: bool
    p: float
    ln_p: float
    worth: float
    ln_s: float
    noise: float
    futures: Tuple[Future, ...]

    @classmethod
    def _from(cls, c: _c.Candidate) -> "Candidate":
        futures = tuple(Future(f.token, f.p) for f in c.futures[:c.n_futures]) if c.n_futures else ()
        return cls(c.token, bool(c.evaluated), bool(c.neutral), c.p, c.ln_p, c.worth, c.ln_s, c.noise, futures)


class Step(NamedTuple):
    """The results of one step: see foretell_step. text: the characters that became final; bytes: the same, undecoded."""

    text: str
    bytes: bytes
    end: _c.End
    token: int
    position: int
    logprob: float
    rank: int
    survivors: int
    entropy: float
    varentropy: float
    temperature: float
    alpha: float
    hhat: float
    passes: int
    rows: int
    candidates: Tuple[Candidate, ...]
    chosen: Optional[int]

    @classmethod
    def _from(cls, s: _c.Step) -> "Step":
        data = ctypes.string_at(s.bytes, s.n_bytes) if s.n_bytes else b""
        candidates = tuple(map(Candidate._from, s.candidates[:s.n_candidates])) if s.n_candidates else ()
        return cls(data.decode("utf-8", "replace"), data, _c.End(s.end), s.token, s.position, s.logprob, s.rank,
                   s.survivors, s.entropy, s.varentropy, s.temperature, s.alpha, s.hhat, s.passes, s.rows, candidates,
                   s.chosen if s.chosen >= 0 else None)


class Score(NamedTuple):
    """How likely a token was: logprob in nats, rank from 1, and the entropy of its distribution."""

    logprob: float
    entropy: float
    varentropy: float
    rank: int


def as_value(value: Any) -> Optional[bytes]:
    """A setting's value as the library reads it: True switches on, False off. numpy's numbers are Python's."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return None if value else b"off"
    if isinstance(value, (str, bytes)):
        return _c.string(value, "value")
    if not isinstance(value, numbers.Real):
        raise TypeError(f"expected a number, a string or a bool, got {type(value).__name__}")
    return repr(float(value) if isinstance(value, float) else value).encode()


def as_tokens(tokens: Sequence[int]) -> "ctypes.Array[ctypes.c_int32]":
    return _c.integers(tokens, "tokens")


def floats(address: int, n: int, *keeps: Any) -> Any:
    """A read-only view of n floats, a numpy array or a memoryview. It keeps references to the objects in `keeps`."""
    array = (ctypes.c_float * n).from_address(address)
    array.keeps = keeps  # type: ignore[attr-defined]
    view = memoryview(array).cast("B").cast("f").toreadonly()
    try:
        import numpy  # here, so that only programs that ask for logits wait for the import
    except ImportError:
        return view
    return numpy.frombuffer(view, dtype=numpy.float32)


class Text(Owner):
    """A sequence of tokens, the settings of its sampler and the sampler's state; see Session.text."""

    def __init__(self, session: "Session", number: int = 0, report: int = 0, *,
                 _fork_of: Optional["Text"] = None) -> None:
        self.session = session
        self._scorer: Optional[_c.Scorer] = None
        pointer = ctypes.c_void_p()
        with session._calls.running():
            if _fork_of is None:
                options = _c.TextOptions(number=number, report=report)
                _c.library.foretell_text_open(pointer, session._pointer, options)
            else:
                _c.library.foretell_text_fork(_fork_of._pointer, pointer)
                self._scorer = _fork_of._scorer
        self._handle = Handle(pointer, session._calls.close, _c.library.foretell_text_close)

    def _call(self, name: str, *arguments: Any, callbacks: bool = False) -> None:
        with self.session._calls.running(callbacks):
            getattr(_c.library, "foretell_text_" + name)(self._pointer, *arguments)

    # ---- settings ----

    def set(self, name: Optional[str] = None, value: Any = True, /, **settings: Any) -> None:
        """Sets one setting by name, or several: text.set("top-p", 0.9), text.set(fe=True, alpha=0.5).

        A setting with the value None stays as it is."""
        named = {} if name is None else {name: value}
        for key, value in {**named, **{key.replace("_", "-"): value for key, value in settings.items()}}.items():
            if value is not None:
                self._call("set", _c.string(key, "name"), as_value(value))

    def get(self, name: str) -> str:
        """The exact value of a setting; "" if it was not set."""
        wanted = _c.string(name, "name")
        with self.session._calls.running():
            return _c.filled(ctypes.c_char, 256,
                             lambda *out: _c.library.foretell_text_get(self._pointer, wanted, *out)).decode()

    @property
    def chain(self) -> str:
        """The whole sampler in one line."""
        with self.session._calls.running():
            return _c.filled(ctypes.c_char, 1024,
                             lambda *out: _c.library.foretell_text_chain(self._pointer, *out)).decode()

    def stop(self, phrase: Bytes) -> None:
        """Adds a string that ends the text."""
        data = as_bytes(phrase)
        self._call("stop", data, len(data))

    def ban(self, phrase: Bytes) -> None:
        """Adds a string that the text must not contain."""
        data = as_bytes(phrase)
        self._call("ban", data, len(data))

    def scorer(self, worth: Optional[Callable[[Candidate, Any], float]],
               bound: Optional[Callable[[Candidate], float]] = None) -> None:
        """Sets a lookahead sampler: worth(candidate, logits) returns what a candidate's future is worth, and
        bound(candidate) returns an upper bound of it. With None the sampler is future entropy again.

        logits are those that follow the candidate; the view is valid only during the call."""
        scorer = None
        if worth is not None:
            calls, handle = self.session._calls, self.session._handle

            def on_worth(_: Any, candidate: Any, logits: Any, n: int) -> float:
                address = ctypes.addressof(logits.contents)
                return calls.guarded(lambda: float(worth(Candidate._from(candidate[0]), floats(address, n, handle))),
                                     float("nan"))

            def on_bound(_: Any, candidate: Any) -> float:
                return calls.guarded(lambda: float(bound(Candidate._from(candidate[0]))), float("nan"))

            scorer = _c.Scorer(worth=_c.Worth(on_worth), bound=_c.Bound(on_bound) if bound else _c.Bound())
        self._call("scorer", scorer)
        self._scorer = scorer

    # ---- tokens ----

    def append(self, prompt: Union[Bytes, Sequence[int]], *, special: bool = False) -> None:
        """Appends to the prompt: text, which is encoded, or tokens."""
        if is_text(prompt):
            data = as_bytes(prompt)
            self._call("append", data, len(data), _c.SPECIAL * special, callbacks=True)
        else:
            tokens = as_tokens(prompt)
            self._call("append_tokens", tokens, len(tokens), callbacks=True)

    def _step(self, name: str, *arguments: Any) -> Step:
        step = _c.Step()
        with self.session._calls.running(callbacks=self._scorer is not None):
            getattr(_c.library, "foretell_text_" + name)(self._pointer, *arguments, step)
            return Step._from(step)

    def next(self) -> Step:
        """Draws the next token and appends it."""
        return self._step("next")

    def force(self, token: int) -> Step:
        """Appends this token instead of drawing one; the sampler goes on as if it had been drawn."""
        return self._step("force", _c.integer(token, ctypes.c_int32, "token"))

    def write(self, n: Optional[int] = None) -> Iterator[Step]:
        """Draws at most n tokens, or up to the end of the text or of the context.

        A banned string takes steps back; their positions are then drawn again."""
        target = sys.maxsize if n is None else len(self) + n
        while len(self) < target:
            step = self.next()
            if step.text or step.end not in (_c.End.REWOUND, _c.End.CONTEXT_FULL):
                yield step
            if step.end not in (_c.End.GOES_ON, _c.End.REWOUND):
                return

    @property
    def tokens(self) -> List[int]:
        """The tokens so far, including the prompt."""
        tokens, n = _c.TOKENS(), ctypes.c_size_t()
        with self.session._calls.running():
            _c.library.foretell_text_tokens(self._pointer, tokens, n)
            return tokens[:n.value] if n.value else []

    @property
    def rest(self) -> bytes:
        """The bytes that steps have held back, because a character or a stop string may be incomplete: the end of the
        text for a caller who stops here."""
        pointer, n = ctypes.c_void_p(), ctypes.c_size_t()
        with self.session._calls.running():
            _c.library.foretell_text_rest(self._pointer, pointer, n)
            return ctypes.string_at(pointer, n.value) if n.value else b""

    def __len__(self) -> int:
        tokens, n = _c.TOKENS(), ctypes.c_size_t()
        self._call("tokens", tokens, n)
        return n.value

    def __bool__(self) -> bool:
        return True

    def logits(self) -> Any:
        """The logits that follow the last token, before any setting is applied.

        A read-only view: a numpy array if numpy is installed, otherwise a memoryview. It is valid until the next call on any
        text of the session; copy it to keep it."""
        address, n = ctypes.c_void_p(), ctypes.c_size_t()
        self._call("logits", address, n)
        return floats(address.value or 0, n.value, self._handle, self.session._handle)

    def score(self, tokens: Union[Bytes, Sequence[int]]) -> List[Score]:
        """Appends tokens (or text) and returns how likely each was."""
        array = as_tokens(self.session.model.encode(tokens, bos=len(self) == 0) if is_text(tokens) else tokens)
        scores = (_c.Score * len(array))()
        self._call("score", array, len(array), scores, callbacks=True)
        return [Score(s.logprob, s.entropy, s.varentropy, s.rank) for s in scores]

    # ---- branches ----

    def fork(self, number: Optional[int] = None) -> "Text":
        """A second text that is equal in everything. With another number its next tokens are drawn with other noise."""
        copy = Text(self.session, _fork_of=self)
        if number is not None:
            copy.renumber(number)
        return copy

    def renumber(self, number: int) -> None:
        """Gives the text another number, so that its next tokens are drawn with other noise."""
        self._call("renumber", _c.integer(number, ctypes.c_int32, "number"))

    def rewind(self, n_tokens: int) -> None:
        """Takes the text back to n_tokens, including the sampler's state."""
        self._call("rewind", _c.integer(n_tokens, ctypes.c_size_t, "n_tokens"))
