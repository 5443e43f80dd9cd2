"""The example service, end to end: whatever happens to it, the totals come out right.

Usage: test_stream_service.py STREAM_SERVICE [unittest arguments]
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SERVICE = ""
SLOW = max(1.0, float(os.environ.get("FAILFAST_TEST_SLOW", "1")))
LIMIT_S = 60 * SLOW
# A sanitizer would end the process its own way after a fault, with its own exit status.
for name in "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS":
    os.environ[name] = ":".join(filter(None, [os.environ.get(name), "handle_segv=0"]))
WORDS = ["a", "of", "stream", "\u00fcber", "x\u2014y", "record", "--", "w" * 300]
SPACES = [" ", "  ", "\t", " \v", "\f", "\r"]


def make_line(rng, words):
    return "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(words)).encode()


def make_tree(root, rng):
    """Text of every inconvenient shape, and things that are no text."""
    (root / "sub" / "deep").mkdir(parents=True)
    for i in range(40):
        lines = [make_line(rng, rng.randrange(0, 25)) for _ in range(rng.randrange(1, 400))]
        folder = rng.choice([root, root / "sub", root / "sub" / "deep"])
        (folder / f"text{i:02}").write_bytes(b"\n".join(lines) + rng.choice([b"", b"\n"]))
    (root / "empty").write_bytes(b"")
    (root / "newline").write_bytes(b"\n")
    (root / "no newline").write_bytes(b"one two")
    (root / "long lines").write_bytes(b"word " * 150_000 + b"\n" + b"x" * 700_000 + b"\ny z")
    (root / "late nul").write_bytes(b"text\n" * 2000 + b"a\0b\0c d\n")
    (root / "binary").write_bytes(b"\x7fELF\0\0\0 a b c\n")
    (root / "link").symlink_to("newline")
    os.mkfifo(root / "fifo")


def list_texts(root):
    names = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in names if path.name != "binary"]


def run_tool(command, paths):
    environment = dict(os.environ, LC_ALL="C")
    return subprocess.run(
        command + [str(path) for path in paths], env=environment, stdout=subprocess.PIPE, check=True
    ).stdout.decode()


def count_with_wc(root):
    """What wc says; grep counts a last line without newline, as the service does."""
    paths = list_texts(root)
    words, size = run_tool(["wc", "-w", "-c"], paths).splitlines()[-1].split()[:2]
    lines = run_tool(["grep", "-hac", ""], [p for p in paths if p.stat().st_size]).split()
    return f"files={len(paths)} records={sum(map(int, lines))} words={words} bytes={size}"


class StreamService(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name) / "input"
        cls.root.mkdir()
        make_tree(cls.root, random.Random(cls.seed))
        cls.expected = count_with_wc(cls.root)
        cls.records = int(re.search(r"records=(\d+)", cls.expected)[1])
        print(f"SEED={cls.seed} {cls.expected}", file=sys.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.checkpoint = Path(self.work.name) / "checkpoint"

    def start(self, *arguments):
        command = [SERVICE, "--checkpoint", str(self.checkpoint), *arguments]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, child)
        return child

    def stop(self, child):
        if child.poll() is None:
            child.kill()
        child.communicate()

    def end(self, child, status):
        """Waits for the end. The texts are returned; any other status fails the test."""
        child.out, child.err = child.communicate(timeout=LIMIT_S)
        self.assertEqual(child.returncode, status, child.err)
        return child.out, child.err

    def run_service(self, status, *arguments):
        return self.end(self.start(str(self.root), *arguments), status)

    def run_plain(self, status, *arguments):
        """Without the checkpoint and the inputs of every day. @return stderr"""
        done = subprocess.run([SERVICE, *arguments], capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def finish(self, *arguments):
        """Runs to the end: the totals must be right, whatever was before."""
        out, err = self.run_service(0, *arguments)
        self.assertEqual(out, f"finished: {self.expected}\n")
        return err

    def counted(self):
        """Records in the checkpoint; 0 while there is none."""
        try:
            return int(re.search(r"^counted (\d+)", self.checkpoint.read_text(), re.M)[1])
        except FileNotFoundError:
            return 0

    def wait_for_progress(self, child):
        """Returns when the checkpoint shows more records than at the call."""
        before = self.counted()
        limit = time.monotonic() + LIMIT_S
        while self.counted() == before:
            self.assertIsNone(child.poll(), "it ended early")
            self.assertLess(time.monotonic(), limit, "no progress")
            time.sleep(0.005)

    def start_slowly(self, *arguments):
        """A run that takes ten seconds if it is let."""
        return self.start(str(self.root), "--batch", "20", "--rate", str(self.records // 10),
                          *arguments)

    def test_totals_of_a_clean_run_are_those_of_wc(self):
        err = self.finish()
        self.assertNotIn("failfast", err)
        self.assertIn("(3 entries skipped)", err)

    def test_totals_do_not_depend_on_consumers_workers_and_batches(self):
        for consumers, workers, batch in (1, 1, 1), (64, 1, 100000), (3, 8, 7):
            self.checkpoint.unlink(missing_ok=True)
            self.finish("--consumers", str(consumers), "--workers", str(workers),
                        "--batch", str(batch))

    def test_a_finished_checkpoint_is_not_read_again(self):
        self.finish()
        self.assertIn("resuming after", self.finish())

    def test_a_poisoned_record_ends_the_process_and_the_next_one_finishes(self):
        poison = self.records // 2
        out, err = self.run_service(1, "--poison", str(poison))
        self.assertEqual(out, "")
        self.assertIn(f"record {poison} is poisoned", err)
        self.assertIn("EBADMSG", err)
        self.assertIn("count_words", err)
        self.assertRegex(err, r"consumer_\d")
        self.assertIn("resuming after", self.finish("--poison", str(poison)))

    def test_a_crash_is_reported_and_the_next_process_finishes(self):
        _, err = self.run_service(-signal.SIGSEGV, "--crash", str(self.records // 2))
        self.assertIn("SIGSEGV", err)
        self.assertIn("count_words", err)
        self.finish("--crash", str(self.records // 2))

    def test_a_consumer_that_returns_early_ends_the_process(self):
        _, err = self.end(self.start_slowly("--leave", "2"), 1)
        self.assertIn("service task returned", err)
        self.assertIn("consumer_2", err)
        self.finish("--leave", "2")

    def test_all_mishaps_together_happen_once_each(self):
        mishaps = ["--poison", "50", "--crash", "90", "--leave", "1"]
        statuses = []
        for _ in range(4):
            child = self.start(str(self.root), *mishaps)
            out, _ = child.communicate(timeout=LIMIT_S)
            statuses.append(child.returncode)
            if child.returncode == 0:
                break
        self.assertEqual(statuses[-1], 0, statuses)
        self.assertLessEqual(set(statuses[:-1]), {1, -signal.SIGSEGV})
        self.assertEqual(out, f"finished: {self.expected}\n")

    def test_nothing_is_lost_or_counted_twice_when_it_is_killed_again_and_again(self):
        rng = random.Random(self.seed)
        for _ in range(5):
            child = self.start_slowly("--consumers", str(rng.randrange(1, 9)))
            self.wait_for_progress(child)
            time.sleep(rng.random() * 0.1)
            child.kill()
            self.end(child, -signal.SIGKILL)
        before = self.counted()
        self.assertGreater(before, 0)
        self.assertIn(f"resuming after {before} records", self.finish())

    def test_sigterm_stops_it_in_order_and_it_resumes(self):
        child = self.start_slowly()
        self.wait_for_progress(child)
        child.terminate()
        out, _ = self.end(child, 0)
        self.assertRegex(out, r"^stopped: files=\d+ records=\d+")
        self.assertIn(f" records={self.counted()} ", out)
        self.finish()

    def test_with_follow_it_stays_until_sigterm(self):
        child = self.start(str(self.root), "--follow", "--metrics-ms", "20")
        for line in child.stderr:
            if f"records={self.records}" in line:
                break
        self.assertIsNone(child.poll())
        child.terminate()
        out, _ = self.end(child, 0)
        self.assertEqual(out, f"finished: {self.expected}\n")

    def test_periodic_tasks_run_without_disturbing_the_totals(self):
        liveness = Path(self.work.name) / "alive"
        err = self.finish("--metrics-ms", "20", "--health-ms", "5", "--refresh-ms", "5",
                          "--rate", str(self.records), "--batch", "50",
                          "--liveness", str(liveness))
        self.assertRegex(err, r"metrics: up_s=\d+ files=\d+/\d+ records=\d+")
        self.assertTrue(liveness.exists())

    def test_an_input_that_changes_under_it_ends_the_process(self):
        changing = Path(self.work.name) / "changing"
        changing.write_bytes(b"line\n" * 10000)
        child = self.start(str(changing), "--refresh-ms", "10", "--rate", "1000", "--batch", "10")
        self.wait_for_progress(child)
        with changing.open("ab") as file:
            file.write(b"more\n")
        _, err = self.end(child, 1)
        self.assertIn("refresh_inputs", err)
        self.assertIn("ESTALE", err)
        _, err = self.end(self.start(str(changing)), 2)
        self.assertIn("the inputs have changed", err)

    def refuse_checkpoint(self, text, message):
        self.checkpoint.write_bytes(text)
        out, err = self.run_service(2)
        self.assertEqual(out, "")
        self.assertIn(message, err)
        self.assertEqual(self.checkpoint.read_bytes(), text)

    def test_a_checkpoint_that_is_not_its_own_is_refused_and_left_alone(self):
        self.finish()
        good = self.checkpoint.read_bytes()
        self.refuse_checkpoint(b"", "no checkpoint of stream-service")
        self.refuse_checkpoint(b"#!/bin/sh\n", "no checkpoint of stream-service")
        self.refuse_checkpoint(good.replace(b"checkpoint 1", b"checkpoint 2"), "another version")
        self.refuse_checkpoint(good.replace(b"counted ", b"counted 1"), "damaged")
        self.refuse_checkpoint(good[:-5], "damaged")
        self.refuse_checkpoint(good + b"x" * 100000, "damaged")

    def test_a_checkpoint_of_other_inputs_is_refused(self):
        self.finish()
        _, err = self.end(self.start(str(self.root / "sub")), 2)
        self.assertIn("made for other inputs", err)

    def test_a_checkpoint_in_use_is_refused(self):
        child = self.start_slowly()
        self.wait_for_progress(child)
        _, err = self.run_service(2)
        self.assertIn("another process uses it", err)
        child.terminate()
        self.end(child, 0)

    def test_a_checkpoint_that_cannot_be_made_is_said_at_the_start(self):
        self.checkpoint = Path(self.work.name) / "missing" / "checkpoint"
        _, err = self.run_service(2)
        self.assertIn("No such file or directory", err)

    def test_inputs_that_cannot_be_read_are_said(self):
        nothing = Path(self.work.name) / "nothing"
        nothing.mkdir()
        self.assertIn("cannot read /no/such: No such file", self.run_plain(2, "/no/such"))
        self.assertIn("neither a regular file", self.run_plain(2, "/dev/null"))
        self.assertIn("nothing to read", self.run_plain(2, str(nothing)))

    def test_bad_options_are_said(self):
        for arguments, message in (
            (["--bogus"], "unrecognized option"),
            (["--batch"], "requires an argument"),
            (["--batch", "0"], "--batch: \"0\" is no number from 1 to"),
            (["--batch", "12x"], "is no number"),
            (["--batch", "-1"], "is no number"),
            (["--batch", ""], "is no number"),
            (["--rate", "99999999999999999999"], "is no number"),
            (["--consumers", "65"], "is no number from 1 to 64"),
            (["--poison", "1"], "need --checkpoint"),
            (["--consumers", "2", "--leave", "3", "--checkpoint", "x"], "no consumer 3"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(message, self.run_plain(2, *arguments))

    def test_lost_totals_are_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([SERVICE, str(self.root)], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot print the totals: No space left", done.stderr)

    def test_the_list_names_the_files_that_are_read(self):
        out = subprocess.run([SERVICE, "--list", str(self.root)], capture_output=True, text=True,
                             check=True).stdout
        self.assertEqual(sorted(out.split("\0")[:-1]), sorted(map(str, list_texts(self.root))))


if __name__ == "__main__":
    SERVICE = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
