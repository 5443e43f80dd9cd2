"""The small examples do what they say.

Usage: test_small.py QUICKSTART WORKER_POOL CRITICAL_SECTION FAN_OUT TEST_FAILURE
"""

import os
import subprocess
import sys
import unittest

QUICKSTART, WORKER_POOL, CRITICAL_SECTION, FAN_OUT, TEST_FAILURE = "", "", "", "", ""
LIMIT_S = 30 * max(1.0, float(os.environ.get("FAILFAST_TEST_SLOW", "1")))


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=LIMIT_S, **options)


class SmallExamples(unittest.TestCase):
    def test_quickstart_works_until_sigterm(self):
        with subprocess.Popen([QUICKSTART], stdout=subprocess.PIPE, text=True) as child:
            self.assertEqual(child.stdout.readline(), "batch 1\n")
            self.assertEqual(child.stdout.readline(), "batch 2\n")
            child.terminate()
            child.communicate(timeout=LIMIT_S)
        self.assertEqual(child.returncode, 0)

    def test_quickstart_ends_when_its_loop_fails(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([QUICKSTART], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("data_processor", done.stderr)
        self.assertIn("batch 1", done.stderr)

    def test_worker_pool_finishes_every_job(self):
        done = run(WORKER_POOL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "sum of the numbers below 100000: 4999950000\n")

    def test_critical_section_does_its_work(self):
        done = run(CRITICAL_SECTION, __file__)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(__file__) as file:
            self.assertEqual(done.stdout, file.read())

    def test_critical_section_reports_its_failure(self):
        done = run(CRITICAL_SECTION, "/no/such/file")
        self.assertEqual(done.returncode, 1)
        self.assertIn("copy_settings", done.stderr)
        self.assertIn("cannot open /no/such/file", done.stderr)
        self.assertIn("ENOENT", done.stderr)

    def test_critical_section_wants_one_file(self):
        self.assertEqual(run(CRITICAL_SECTION).returncode, 2)

    def test_fan_out_answers_one_request_and_survives_the_failure_of_the_other(self):
        done = run(FAN_OUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()),
                         ["Dear Ada, 3 items", 'request failed: no user "nobody"'])
        self.assertEqual(done.stderr, "")

    def test_test_failure_finds_all_as_it_should_be(self):
        done = run(TEST_FAILURE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "both as they should be\n")


if __name__ == "__main__":
    QUICKSTART, WORKER_POOL, CRITICAL_SECTION, FAN_OUT, TEST_FAILURE = map(os.path.abspath,
                                                                           sys.argv[1:6])
    del sys.argv[1:6]
    unittest.main(verbosity=2)
