"""The networks: the four set-ups, backbones, MoCo v2, checkpoints and predictions."""
