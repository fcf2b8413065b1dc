"""The base of the three handles: closing, one call at a time, and exceptions of callbacks."""

import collections
import contextlib
import ctypes
import signal
import threading
import weakref
from typing import Any, Callable, Deque, Iterator, Optional, Tuple, Union

from . import _c

Progress = Callable[[int, int], Optional[bool]]
Bytes = Union[str, bytes, bytearray, memoryview]


def is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes, bytearray, memoryview))


def as_bytes(text: Bytes) -> bytes:
    if not is_text(text):
        raise TypeError(f"expected str or bytes, got {type(text).__name__}")
    return text.encode() if isinstance(text, str) else bytes(text)


class Handle:
    """A pointer of the library; close(*arguments, pointer) is called after the last reference to it is dropped."""

    def __init__(self, pointer: ctypes.c_void_p, close: Callable[..., None], *arguments: Any) -> None:
        self.pointer = pointer
        weakref.finalize(self, close, *arguments, pointer)


class Owner:
    """An object that owns a handle until it is closed."""

    _handle: Optional[Handle]

    def close(self) -> None:
        """Frees the memory as soon as nothing else uses it; later calls raise InvalidError."""
        self._handle = None

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__.lower()} cannot be copied or pickled (a text can be forked)")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def _pointer(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise _c.InvalidError(f"the {type(self).__name__.lower()} is closed")
        return self._handle.pointer


class Calls:
    """Serialises the calls into one session, from any thread.

    Python's collector may drop a text in any thread, also in the middle of a call of the same session. Such a text is
    closed before the next call. What a callback raises is raised again after the call; so is a KeyboardInterrupt, which
    would otherwise be lost in the callback."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self.lock = threading.Lock()
        self.owner: Optional[int] = None
        self.dropped: Deque[Tuple[Callable[[ctypes.c_void_p], None], ctypes.c_void_p]] = collections.deque()
        self.raised: Optional[BaseException] = None
        self.user_progress = progress
        self.progress = _c.Progress(self.on_progress)

    def close(self, function: Callable[[ctypes.c_void_p], None], pointer: ctypes.c_void_p) -> None:
        """Closes a text or the session, now or before the next call."""
        self.dropped.append((function, pointer))
        if self.lock.acquire(blocking=False):
            try:
                self.close_dropped()
            finally:
                self.lock.release()

    def close_dropped(self) -> None:
        while self.dropped:
            function, pointer = self.dropped.popleft()
            function(pointer)

    def on_progress(self, _: Any, done: int, total: int) -> int:
        return self.guarded(lambda: bool(self.user_progress and self.user_progress(done, total)), True)

    def guarded(self, function: Callable[[], Any], otherwise: Any) -> Any:
        """What a callback returns, or `otherwise` if it raises or has been interrupted."""
        try:
            result = function()
        except BaseException as error:  # pylint: disable=broad-except
            self.raised = self.raised or error
        return result if self.raised is None else otherwise

    def interrupt(self, *_: Any) -> None:
        self.raised = KeyboardInterrupt()

    @contextlib.contextmanager
    def running(self, callbacks: bool = False) -> Iterator[None]:
        """The context of a call into the session; callbacks: the call may run callbacks."""
        if self.owner == threading.get_ident():
            raise _c.InvalidError("a callback must not use the session that calls it")
        with self.lock:
            noted = (callbacks and threading.current_thread() is threading.main_thread()
                     and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
            try:
                self.owner = threading.get_ident()
                self.close_dropped()
                if noted:
                    signal.signal(signal.SIGINT, self.interrupt)
                yield
            finally:
                if noted:
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                self.owner = None
                raised, self.raised = self.raised, None
                if raised is not None:
                    raise raised from None
