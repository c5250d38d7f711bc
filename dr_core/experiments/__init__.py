"""Experiments: one module a result table, from a study's models and eyes to rows."""

import torch  # noqa: F401 - whole before SciPy, which looks into it while another thread may import it
