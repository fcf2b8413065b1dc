"""The Python package against the installed library and program: PREFIX in the environment."""

import contextlib
import copy
import gc
import io
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import unittest

import foretell

PROGRAM = os.path.join(os.environ["PREFIX"], "bin", "foretell")
model = foretell.Model()


def program(prompt, n, *options):
    """What the program writes, with its prompt and without the newline at its end."""
    return subprocess.run([PROGRAM, "run", "-t", "1", "-n", str(n), "-p", prompt, *options], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().rstrip("\n")


def written(prompt, n, **settings):
    return (prompt + "".join(step.text for step in model.write(prompt, n, **settings))).rstrip("\n")


def expected_likelihood(_, logits):
    highest = max(logits)
    weights = [math.exp(logit - highest) for logit in logits]
    return sum(weight * weight for weight in weights) / sum(weights) ** 2


class Write(unittest.TestCase):
    def test_as_the_program(self):
        for options, settings in (((), {}), (("--temp", "0"), {"temp": 0}), (("--top-p", "0.7"), {"top_p": 0.7}),
                                  (("--fe", "--alpha", "0.5"), {"alpha": 0.5, "fe": True}),
                                  (("--preset", "wave"), {"preset": "wave"}),
                                  (("--stop", "the"), {"stop": ["the"]}), (("--ban", "was"), {"ban": ["was"]}),
                                  (("--stop", "no such words in it"), {"stop": ["no such words in it"]})):
            with self.subTest(settings):
                self.assertEqual(written("The dragon", 40, seed=3, **settings),
                                 program("The dragon", 40, "-s", "3", *options))

    def test_steps(self):
        steps = list(model.write("The dragon", 12, fe=True, alpha=0.5, seed=1, futures=True))
        drawn = [step for step in steps if step.end == foretell.End.GOES_ON]
        self.assertEqual(len(drawn), 12)
        for step in drawn:
            self.assertTrue(0 <= step.hhat <= 1 and step.logprob <= 0 and step.rank >= 1)
            self.assertEqual(step.candidates[step.chosen].token, step.token)
            self.assertTrue(any(c.futures for c in step.candidates))
            self.assertTrue(all(f.p <= 1 for c in step.candidates for f in c.futures))

    def test_left_early(self):
        for _ in range(5):
            steps = model.write("The dragon", 30, seed=1)
            next(steps)
            steps.close()

    def test_text_held_back_for_a_stop_string(self):
        whole = written("The dragon", 20, seed=1)
        steps = list(model.write("The dragon", 20, seed=1, stop=[whole[-4:] + "@"]))
        self.assertEqual("The dragon" + "".join(step.text for step in steps), whole)
        self.assertEqual(len(steps), 20)

    def test_held_back_at_the_callers_own_limit(self):
        whole = written("The dragon", 20, seed=1)
        with model.session() as session, session.text(seed=1, stop=[whole[-4:] + "@"]) as text:
            text.append("The dragon")
            given = b"".join(step.bytes for step in text.write(20))
            self.assertTrue(text.rest)
            self.assertEqual("The dragon" + (given + text.rest).decode(), whole)

    def test_settings_in_any_order(self):
        for k in (3, 30):
            self.assertEqual(written("The dragon", 9, fe=True, fe_k=k, fe_depth=2, seed=1),
                             written("The dragon", 9, fe_depth=2, fe_k=k, fe=True, seed=1))
        self.assertEqual(written("The dragon", 9, settings="fe, alpha 0.5, seed 4"),
                         written("The dragon", 9, fe=True, alpha=0.5, seed=4))

    def test_the_whole_context(self):
        with model.session(context=12) as session, session.text(fe=True, seed=1) as text:
            text.append("The dragon")
            steps = list(text.write())
            self.assertEqual((len(text), steps[-1].end), (12, foretell.End.CONTEXT_FULL))

    def test_tokens_as_prompt(self):
        self.assertEqual("".join(s.text for s in model.write(model.encode("A", bos=True), 9, seed=2)),
                         "".join(s.text for s in model.write("A", 9, seed=2)))


class Models(unittest.TestCase):
    def test_describes_itself(self):
        self.assertEqual((model.vocab_size, model.format), (4096, "GGUF v3"))

    def test_codec(self):
        for text in ("", "The dragon", "żółw 火 \0 </s>", "a" * 999):
            self.assertEqual(model.decode(model.encode(text)), text)
        data = bytes(range(256))
        self.assertEqual(model.decode_bytes(model.encode(data)), data)
        self.assertEqual(b"".join(map(model.token_bytes, model.encode("The"))).strip(), b"The")

    def test_settings(self):
        names = [setting.name for setting in foretell.settings()]
        self.assertTrue({"top-p", "temp", "alpha", "fe", "seed"} <= set(names))
        self.assertIn(("mirostat-tau", "bits"), [(setting.name, setting.unit) for setting in foretell.settings()])

    def test_help(self):
        with contextlib.redirect_stdout(io.StringIO()) as page:
            help(foretell)
        self.assertTrue(all(word in page.getvalue() for word in ("class Text", "rewind", "FORETELL_LIBRARY")))


class Errors(unittest.TestCase):
    def test_by_status(self):
        with self.assertRaisesRegex(foretell.FailedError, "/nowhere/model.gguf"):
            foretell.Model("/nowhere/model.gguf")
        with model.session(context=8) as session, session.text() as text:
            for call, error in ((lambda: text.set("temp", -1), foretell.InvalidError),
                                (lambda: text.set(no_such_setting=1), foretell.InvalidError),
                                (text.next, foretell.InvalidError), (lambda: text.force(-1), foretell.InvalidError),
                                (lambda: text.append([99999]), foretell.InvalidError),
                                (lambda: text.append("word " * 20), foretell.FullError),
                                (session.text, foretell.FullError), (lambda: text.set(temp=-1), ValueError),
                                (lambda: model.token_bytes(-1), foretell.InvalidError)):
                with self.assertRaises(error):
                    call()
            self.assertEqual(text.tokens, [])
        with self.assertRaisesRegex(foretell.InvalidError, "the text is closed"):
            text.next()
        with self.assertRaisesRegex(foretell.InvalidError, "the session is closed"):
            session.text()

    def test_wrong_types(self):
        session = model.session(context=64)
        text = session.text()
        text.append("The dragon")
        tokens = text.tokens
        for call, error in ((lambda: text.append(None), TypeError), (lambda: text.append([1.5]), TypeError),
                            (lambda: text.append(["a"]), TypeError), (lambda: model.encode(3), TypeError),
                            (lambda: text.append([2 ** 32 + 5]), foretell.InvalidError),
                            (lambda: text.score([2 ** 32 + 5]), foretell.InvalidError),
                            (lambda: model.decode([2 ** 32 + 5]), foretell.InvalidError),
                            (lambda: model.token_bytes(2 ** 32 + 5), foretell.InvalidError),
                            (lambda: text.force(2 ** 32 + 5), foretell.InvalidError),
                            (lambda: text.force("a"), TypeError), (lambda: text.renumber(2 ** 32), foretell.InvalidError),
                            (lambda: text.rewind(-1), foretell.InvalidError),
                            (lambda: text.rewind(2 ** 64 + 1), foretell.InvalidError),
                            (lambda: model.session(context=2 ** 32 + 9), foretell.InvalidError),
                            (lambda: model.session(threads="2"), TypeError), (lambda: text.stop(1), TypeError),
                            (lambda: text.set(temp=[1]), TypeError), (lambda: text.set(temp=True), foretell.InvalidError),
                            (lambda: text.set(temp="1\0"), ValueError), (lambda: text.set("temp\0", 1), ValueError),
                            (lambda: text.set(temp=float("nan")), foretell.InvalidError)):
            with self.assertRaises(error):
                call()
        self.assertEqual(text.tokens, tokens)
        text.rewind(0)
        text.append(bytearray(b"The dragon"))
        self.assertEqual(text.tokens, tokens)
        text.set(temp=None, fe=None)
        self.assertEqual((float(text.get("temp")), text.get("fe")), (0.8, ""))
        text.set("fe")
        self.assertEqual(text.get("fe"), "on")

    def test_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        with model.session(context=numpy.int64(64)) as session, session.text() as text:
            text.append(numpy.array(model.encode("The dragon"), dtype=numpy.int64))
            text.force(numpy.int64(5))
            text.set(temp=numpy.float32(0.5), fe=numpy.bool_(True), alpha=numpy.float64(0.25), fe_k=numpy.int32(7))
            self.assertEqual([text.get(name) for name in ("temp", "fe", "alpha", "fe-k")], ["0.5", "on", "0.25", "7"])
            text.rewind(numpy.uint8(2))
            self.assertEqual(len(text.score(numpy.array([5, 6], dtype=numpy.int32))), 2)
            logits = text.logits().copy()
            text.force(int(logits.argmax()))

    def test_handles_are_not_copied(self):
        session = model.session()
        for handle in (model, session, session.text()):
            for copied in (copy.copy, copy.deepcopy, pickle.dumps):
                with self.assertRaisesRegex(TypeError, "cannot be copied or pickled"):
                    copied(handle)

    def test_cancel_from_another_thread(self):
        with model.session() as session, session.text(fe=True) as text:
            text.append("The dragon")
            before, cancelled, stop = text.tokens, 0, threading.Event()

            def cancel():
                while not stop.is_set():
                    session.cancel()
                    time.sleep(0.002)

            thread = threading.Thread(target=cancel)
            thread.start()
            try:
                for _ in range(40):
                    try:
                        text.append("The dragon was here. " * 40)
                        text.next()
                    except foretell.CancelledError:
                        cancelled += 1
                    text.rewind(len(before))
            finally:
                stop.set()
                thread.join()
            self.assertGreater(cancelled, 0)
            self.assertEqual(text.tokens, before)

    def test_exit_with_everything_open(self):
        program_text = ("import foretell\nmodel = foretell.Model()\nsession = model.session(texts=2)\n"
                        "text = session.text()\ntext.append('A')\nsteps = text.write()\nnext(steps)\n"
                        "other = model.write('The', seed=1)\nnext(other)\nfork = text.fork()\nlogits = text.logits()\n")
        done = subprocess.run([sys.executable, "-W", "error", "-c", program_text], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_cancel(self):
        with model.session() as session, session.text() as text:
            session.cancel()
            with self.assertRaises(foretell.CancelledError):
                text.append("The dragon")
            text.append("The dragon")

    def test_progress(self):
        seen = []
        with model.session(progress=lambda done, total: seen.append((done, total))) as session:
            session.text().append("The dragon was here. " * 80)
        self.assertTrue(seen and seen[-1][0] <= seen[-1][1])
        with model.session(progress=lambda done, total: True) as session, session.text() as text:
            with self.assertRaises(foretell.CancelledError):
                text.append("The dragon was here. " * 80)
        with model.session(progress=lambda done, total: 1 // 0) as session, session.text() as text:
            with self.assertRaises(ZeroDivisionError):
                text.append("The dragon was here. " * 80)

    def test_keyboard_interrupt(self):
        # The signal comes while the library computes: it ends the call between two batches, and is not lost.
        def interrupt(*_):
            if not sent:
                sent.append(True)
                os.kill(os.getpid(), signal.SIGINT)

        sent = []
        with model.session(progress=interrupt) as session, session.text() as text:
            with self.assertRaises(KeyboardInterrupt):
                text.append("The dragon was here. " * 80)
            self.assertEqual(text.tokens, [])
            text.append("The dragon")
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)


class Texts(unittest.TestCase):
    def setUp(self):
        self.session = model.session(texts=3, context=200)
        self.text = self.session.text(seed=5)
        self.text.append("Once upon a time")

    def test_set_and_get(self):
        self.text.set(top_p=0.25, fe=True)
        self.assertEqual(float(self.text.get("top-p")), 0.25)
        self.assertEqual(self.text.get("seed"), "5")
        self.text.set("fe", False)
        self.assertIn("top-p 0.25", self.text.chain)

    def test_fork_rewind_force(self):
        n = len(self.text)
        fork = self.text.fork()
        first = [step.token for step in self.text.write(10)]
        self.assertEqual([step.token for step in fork.write(10)], first)
        self.assertEqual(self.text.tokens, fork.tokens)
        fork.rewind(n)
        self.assertEqual([fork.force(token).token for token in first], first)
        fork.rewind(n + 3)
        self.assertEqual([step.token for step in fork.write(7)], first[3:])
        fork.rewind(n)
        fork.renumber(1)
        self.assertNotEqual([step.token for step in fork.write(10)], first)

    def test_several_in_one_pass(self):
        texts = [self.text, self.text.fork(number=1)]
        together = [[step.token for step in self.session.next(texts)] for _ in range(8)]
        for text in texts:
            text.rewind(len(text) - 8)
        alone = [[step.token for step in text.write(8)] for text in texts]
        self.assertEqual([list(row) for row in zip(*together)], alone)

    def test_logits(self):
        logits = self.text.logits()
        self.assertEqual(len(logits), model.vocab_size)
        step = self.text.fork().next()
        values = [float(value) for value in self.text.logits()]
        highest = max(values)
        total = sum(math.exp(value - highest) for value in values)
        self.assertAlmostEqual(values[step.token] - highest - math.log(total), step.logprob, places=4)
        with self.assertRaises((TypeError, ValueError)):
            logits[0] = 1
        self.text.close()
        self.session.close()
        gc.collect()
        self.assertEqual(len(list(logits)), model.vocab_size)  # the view keeps the memory

    def test_logits_as_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        logits = self.text.logits()
        self.assertIsInstance(logits, numpy.ndarray)
        self.assertEqual(logits.dtype, numpy.float32)
        self.assertTrue(numpy.isfinite(logits).all())

    def test_score(self):
        tokens = [step.token for step in self.text.write(6)]
        other = self.session.text()
        other.append("Once upon a time")
        scores = other.score(tokens)
        self.text.rewind(len(self.text) - 6)
        for score, step in zip(scores, self.text.write(6)):
            self.assertAlmostEqual(score.logprob, step.logprob, places=5)
            self.assertEqual(score.rank, step.rank)

    def test_scorer(self):
        self.text.set(fe=True, alpha=0.5, fe_k=6)
        plain = [step.token for step in self.text.fork().write(6)]
        lazy = self.text.fork()
        lazy.scorer(expected_likelihood, bound=lambda candidate: 1.0)
        steps = [step.token for step in lazy.write(6)]
        lazy.close()
        eager = self.text.fork()
        eager.scorer(expected_likelihood)
        self.assertEqual([step.token for step in eager.write(6)], steps)
        eager.rewind(len(self.text))
        eager.scorer(None)
        self.assertEqual([step.token for step in eager.write(6)], plain)
        eager.scorer(lambda candidate, logits: 1 // 0)
        with self.assertRaises(ZeroDivisionError):
            eager.next()
        eager.scorer(lambda candidate, logits: float("nan"))
        with self.assertRaises(foretell.InvalidError):
            eager.next()
        eager.scorer(lambda candidate, logits: eager.next() and 1)
        with self.assertRaisesRegex(foretell.InvalidError, "callback"):
            eager.next()


class Memory(unittest.TestCase):
    def test_dropped_in_any_order(self):
        for seed in range(6):
            own = foretell.Model()
            session = own.session(texts=2, context=64)
            text = session.text()
            text.append("A")
            things = [own, session, text, text.logits(), text.fork()]
            del own, session, text
            random.Random(seed).shuffle(things)
            while things:
                things.pop()
                gc.collect()

    def test_threads(self):
        expected = [written("The dragon", 40, seed=seed) for seed in range(2)]
        got = [None, None]

        def work(seed):
            got[seed] = written("The dragon", 40, seed=seed, threads=1)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(got, expected)


if __name__ == "__main__":
    unittest.main()
