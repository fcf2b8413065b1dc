"""foretell: a small LLaMA inference engine whose sampler looks one token ahead.

    import foretell

    model = foretell.Model()                       # the shipped model; or foretell.Model("model.gguf")
    for step in model.write("The dragon", n=100, fe=True, alpha=0.5, seed=1):
        print(step.text, step.hhat)

Keyword arguments with "_" for "-" are settings of the sampler: top_p=0.9, fe_k=30, preset="wave"; foretell.settings()
lists them. Model, Session and Text are the three handles of foretell.h, whose comments say more; every call that fails
raises a subclass of foretell.Error.

The library is libforetell.so.0: the one that FORETELL_LIBRARY names, else the one that the dynamic loader finds, else
the one in the lib folder of Python's prefix or in /usr/local/lib.
"""

from ._c import CancelledError, End, Error, FailedError, FullError, InvalidError, NoMemoryError, version
from ._model import Model, Session, Setting, settings
from ._text import Candidate, Future, Score, Step, Text

__version__ = version()
__all__ = [
    "CancelledError", "Candidate", "End", "Error", "FailedError", "FullError", "Future", "InvalidError", "Model",
    "NoMemoryError", "Score", "Session", "Setting", "Step", "Text", "settings",
]
