"""What the models answer and why: one analysis a module."""

import torch  # noqa: F401 - whole before SciPy, which looks into it while another thread may import it
