"""A suite with fixtures, subtests, failures and skips is run, with unittest and mock."""

import io
import re
import unittest
from unittest import mock

import pyperf


class Things(unittest.TestCase):
    def setUp(self):
        self.made = [n * n for n in range(50)]
        self.addCleanup(self.made.clear)

    def test_right(self):
        for n in range(20):
            with self.subTest(n=n):
                self.assertEqual(self.made[n], n * n)

    def test_wrong(self):
        self.assertEqual({"a": self.made[:3]}, {"a": [0, 1, 5]})

    @unittest.skip("not now")
    def test_skipped(self): ...

    def test_raises(self):
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            sum(1 / n for n in self.made)

    def test_mock(self):
        with mock.patch("os.getcwd", return_value="/here") as called:
            import os

            self.assertEqual(os.getcwd(), "/here")
        called.assert_called_once_with()


def work():
    out = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Things)
    result = unittest.TextTestRunner(out, verbosity=2).run(suite)
    return result.testsRun, len(result.failures), len(result.skipped), re.sub(r"\d\.\d+s", "", out.getvalue())


pyperf.Runner().bench_func("unittest_run", work)
