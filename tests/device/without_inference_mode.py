"""A plugin of pytest for XLA, whose tensors cannot be made or moved in inference mode: no gradients, and no more.

It must be loaded before anything of the project is imported: `pytest -p tests.device.without_inference_mode`.
"""

import torch

torch.inference_mode = lambda mode=True: torch.no_grad() if mode else torch.enable_grad()
