"""Settings of all tests: one thread, figures into memory, no deadlines."""

import signal

import matplotlib
import torch
from hypothesis import settings

torch.set_num_threads(1)
# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Not by the environment variable MPLBACKEND: notebook kernels that a test starts would inherit it.
matplotlib.use("agg")
# Drawn inputs are the same in every run, so that a failure in CI is a failure at home.
settings.register_profile("colorlab", deadline=None, derandomize=True)
settings.load_profile("colorlab")
