"""Model and Session: the weights and the vocabulary, and the memory to compute with."""

import ctypes
import os
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from . import _c
from ._handle import Bytes, Calls, Handle, Owner, Progress, as_bytes, is_text
from ._text import Step, Text, as_tokens


class Model(Owner):
    """The weights and the vocabulary of a model file; the default is $FORETELL_MODEL or the shipped model.

    vocab_size, context_length, dim, n_layers, n_heads, n_kv_heads, bos and eos (-1: none), weight_bytes, name and
    format are attributes. progress(done, total) is called with bytes while the file is read and cancels if it returns
    True."""

    vocab_size: int
    context_length: int
    dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    bos: int
    eos: int
    weight_bytes: int
    name: str
    format: str

    def __init__(self, path: Union[str, "os.PathLike[str]", None] = None, *,
                 tokenizer: Union[str, "os.PathLike[str]", None] = None, progress: Optional[Progress] = None) -> None:
        self.path = os.fspath(path) if path is not None else _c.shipped_model()
        calls = Calls(progress)
        options = _c.ModelOptions(tokenizer=_c.string(tokenizer, "tokenizer") if tokenizer else None, progress=calls.progress)
        pointer = ctypes.c_void_p()
        with calls.running(callbacks=True):
            _c.library.foretell_model_open(pointer, _c.string(self.path, "path"), options)
        self._handle = Handle(pointer, _c.library.foretell_model_close)
        info = _c.ModelInfo()
        _c.library.foretell_model_describe(pointer, info)
        for name, _ in info._fields_[1:]:
            value = getattr(info, name)
            setattr(self, name, value.decode("utf-8", "replace") if isinstance(value, bytes) else value)

    def encode(self, text: Bytes, *, bos: bool = False, special: bool = False) -> List[int]:
        """Converts text to tokens; with special, names such as "</s>" become control tokens."""
        data = as_bytes(text)
        flags = _c.BOS * bos | _c.SPECIAL * special
        return _c.filled(ctypes.c_int32, len(data) + 2,
                         lambda *out: _c.library.foretell_encode(self._pointer, data, len(data), flags, *out))

    def decode_bytes(self, tokens: Sequence[int], *, special: bool = False) -> bytes:
        """Converts tokens to the exact bytes of the text."""
        array = as_tokens(tokens)
        return _c.filled(ctypes.c_char, 8 * len(array) + 1,
                         lambda *out: _c.library.foretell_decode(self._pointer, array, len(array),
                                                                 _c.SPECIAL * special, *out))

    def decode(self, tokens: Sequence[int], *, special: bool = False) -> str:
        """Converts tokens to text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens, special=special).decode("utf-8", "replace")

    def token_bytes(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of one token, which may be only part of a character."""
        pointer, n = ctypes.c_void_p(), ctypes.c_size_t()
        token = _c.integer(token, ctypes.c_int32, "token")
        _c.library.foretell_token_bytes(self._pointer, token, _c.SPECIAL * special, pointer, n)
        return ctypes.string_at(pointer, n.value) if n.value else b""

    def session(self, **options: Any) -> "Session":
        """Opens a Session with this model."""
        return Session(self, **options)

    def write(self, prompt: Union[Bytes, Sequence[int]], n: int = 200, *, stop: Sequence[Bytes] = (),
              ban: Sequence[Bytes] = (), candidates: bool = False, futures: bool = False, threads: int = 0,
              **settings: Any) -> Iterator[Step]:
        """Continues a prompt by at most n tokens, a step each; see Session.text and Text.write.

        The last of n tokens also brings the text that was held back because a stop string might have followed."""
        tokens = self.encode(prompt, bos=True) if is_text(prompt) else list(prompt)
        depth = int(settings.get("fe_depth") or 1)
        with Session(self, context=min(len(tokens) + n + depth, self.context_length), threads=threads, depth=depth,
                     candidates=max(20, int(settings.get("fe_k") or 0))) as session:
            with session.text(candidates=candidates, futures=futures, stop=stop, ban=ban, **settings) as text:
                text.append(tokens)
                for step in text.write(n):
                    if len(text) == len(tokens) + n:
                        step = step._replace(text=step.text + text.rest.decode("utf-8", "replace"),
                                             bytes=step.bytes + text.rest)
                    yield step


class Session(Owner):
    """The memory to compute with: one key/value cache, in which its texts share what they have in common.

    context: positions a text may reach; texts: open at once; candidates, depth: the largest fe-k and fe-depth of any
    text; threads: 0 for the processors this process may run on; kv_f32: 32-bit keys and values. progress(done, total) is
    called with tokens while a prompt is read and cancels if it returns True."""

    def __init__(self, model: Model, *, context: int = 0, texts: int = 0, candidates: int = 0, depth: int = 0,
                 threads: int = 0, kv_f32: bool = False, progress: Optional[Progress] = None) -> None:
        self.model = model
        self._calls = Calls(progress)
        options = _c.SessionOptions(context=context, texts=texts, candidates=candidates, depth=depth, threads=threads,
                                    kv_f32=kv_f32, progress=self._calls.progress)
        pointer = ctypes.c_void_p()
        _c.library.foretell_session_open(pointer, model._pointer, options)
        self._handle = Handle(pointer, self._calls.close, _c.library.foretell_session_close)

    def text(self, *, number: int = 0, candidates: bool = False, futures: bool = False, stop: Sequence[Bytes] = (),
             ban: Sequence[Bytes] = (), **settings: Any) -> Text:
        """A new, empty Text. With candidates or futures its steps have these, too."""
        text = Text(self, number, _c.CANDIDATES * (candidates or futures) | _c.FUTURES * futures)
        text.set(**settings)
        for phrase in stop:
            text.stop(phrase)
        for phrase in ban:
            text.ban(phrase)
        return text

    def next(self, texts: Sequence[Text]) -> List[Step]:
        """Makes a step of several different texts in one shared pass; each text gets the token that it would get alone.

        If the step of one text fails, the others are still made; their tokens show them."""
        if any(text.session is not self for text in texts):
            raise _c.InvalidError("the texts are of another session")
        pointers = (ctypes.c_void_p * len(texts))(*(text._pointer.value for text in texts))
        steps = (_c.Step * len(texts))()
        for step in steps:
            step.size = ctypes.sizeof(step)
        with self._calls.running(callbacks=True):
            _c.library.foretell_texts_next(pointers, len(texts), steps)
            return [Step._from(step) for step in steps]

    def cancel(self) -> None:
        """Cancels the call that is running in another thread, or the next one that computes: it raises CancelledError."""
        _c.library.foretell_session_cancel(self._pointer)

    @property
    def counts(self) -> Tuple[int, int]:
        """Passes through the model and rows computed since the session was opened."""
        passes, rows = ctypes.c_uint64(), ctypes.c_uint64()
        with self._calls.running():
            _c.library.foretell_session_counts(self._pointer, passes, rows)
        return passes.value, rows.value


class Setting(NamedTuple):
    """A setting of the sampler: metavar is None for a switch; unit is "" where there is none."""

    name: str
    metavar: Optional[str]
    help: str
    range: str
    value: str
    unit: str


def settings() -> List[Setting]:
    """All settings that a text takes, with their ranges and defaults."""
    found: List[Setting] = []
    info = _c.SettingInfo()
    while True:
        try:
            _c.library.foretell_setting(len(found), info)
        except _c.InvalidError:
            return found
        found.append(Setting(info.name.decode(), info.metavar.decode() if info.metavar else None, info.help.decode(),
                             info.range.decode(), info.value.decode(), info.unit.decode()))
