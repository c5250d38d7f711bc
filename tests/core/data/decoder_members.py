"""Decoders that misbehave, for the processes of test_decoder_process.py; imports little, since each of them does so."""

import os
import time
from pathlib import Path

import numpy as np

from dr_core.data.decoder_process import Decoded


def take_memory(name, data, megabytes):
    return Decoded(arrays=(np.ones(megabytes * 2**20, np.uint8),), notes=(name,))


def spin(name, data):
    Path(data.decode()).write_text(str(os.getpid()))
    while True:
        pass


def sleep(name, data):
    time.sleep(100)


def die(name, data):
    os.abort()


def own_number(name, data):
    return Decoded(arrays=(np.frombuffer(data, np.uint8), np.array([os.getpid()], np.int32)))


def strange_samples(name, data):
    return Decoded(arrays=(np.array(["text"]),))
