"""Puts rows of pieces of similar length together and pads them."""

import torch

PAD = 1


def batches(rows, tokens, choose, order):
    """Places of rows, in batches of at most `tokens` pieces with padding; `order` sorts the places, `choose` mixes the batches."""
    made, batch = [], []
    for place in sorted(range(len(rows)), key=order):
        if batch and (len(batch) + 1) * len(rows[place]) > tokens:
            made.append(batch)
            batch = []
        batch.append(place)
    made.append(batch)
    choose.shuffle(made)
    return made


def tensors(rows):
    """The padded pieces and which of them count."""
    length = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
    return ids, (ids != PAD).float()
