"""The encoder: a short post-norm BERT over a pruned vocabulary, mean and maximum pooling, three logits."""

import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    def __init__(self, hidden, heads, inner, epsilon):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(hidden, hidden) for _ in range(4))
        self.attention_norm = nn.LayerNorm(hidden, epsilon)
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.output_norm = nn.LayerNorm(hidden, epsilon)

    def forward(self, x, mask, dropout):
        batch, length, hidden = x.shape

        def dropped(y):
            """Without some of the numbers, the same ones for all pieces of a text."""
            return functional.dropout(y.new_ones(batch, 1, hidden), dropout) * y if dropout else y

        def split(y):
            return y.view(batch, length, self.heads, hidden // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = query @ key.transpose(-1, -2) * (hidden // self.heads) ** -0.5 + mask
        mixed = (weights.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, hidden)
        x = self.attention_norm(x + dropped(self.output(mixed)))
        return self.output_norm(x + dropped(self.down(functional.gelu(self.up(x)))))


class Encoder(nn.Module):
    """`forward` gives three logits for each text: as what a user asks, as what a model is given to read, and as a description of a tool."""

    def __init__(self, vocabulary, positions=128, layers=4, hidden=384, heads=12, inner=1536, epsilon=1e-12):
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.places = nn.Parameter(torch.zeros(positions, hidden))
        self.norm = nn.LayerNorm(hidden, epsilon)
        self.layers = nn.ModuleList(Layer(hidden, heads, inner, epsilon) for _ in range(layers))
        self.head = nn.Linear(2 * hidden, 128)
        self.last = nn.Linear(128, 3)
        self.dropout = 0.0

    def embedded(self, ids):
        return self.norm(self.words(ids) + self.places[: ids.shape[1]])

    def states(self, ids, mask):
        bias = (1.0 - mask[:, None, None, :]) * -10000.0
        x = self.embedded(ids)
        for layer in self.layers:
            x = layer(x, bias, self.dropout)
        return x

    def pooled(self, ids, mask):
        x = self.states(ids, mask)
        weight = mask[:, :, None]
        mean = (x * weight).sum(1) / weight.sum(1)
        peak = (x - (1.0 - weight) * 10000.0).amax(1)
        return torch.cat([mean, peak], 1)

    def forward(self, ids, mask):
        return self.last(functional.gelu(self.head(self.pooled(ids, mask))))

    @classmethod
    def of(cls, state):
        """The encoder whose weights `state` holds, of as many layers as it has."""
        layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
        made = cls(len(state["words.weight"]), layers=layers)
        made.load_state_dict(state)
        return made

    @classmethod
    def from_base(cls, base, keep, layers):
        """The chosen layers of the base model over the kept pieces."""
        made = cls(len(keep), layers=len(layers))
        hidden, inner = base.hidden, base.inner
        with torch.no_grad():
            words = base.matrix("emb.word", base.vocabulary, hidden)[keep] + base.plain("emb.type")[:hidden]
            made.words.weight.copy_(torch.from_numpy(words))
            made.places.copy_(torch.from_numpy(base.plain("emb.pos").reshape(-1, hidden)[: made.places.shape[0]]))
            made.norm.weight.copy_(torch.from_numpy(base.plain("emb.ln.w")))
            made.norm.bias.copy_(torch.from_numpy(base.plain("emb.ln.b")))
            for layer, number in zip(made.layers, layers):
                for name, short, rows, columns in [
                    ("query", "q", hidden, hidden),
                    ("key", "k", hidden, hidden),
                    ("value", "v", hidden, hidden),
                    ("output", "ao", hidden, hidden),
                    ("up", "fi", inner, hidden),
                    ("down", "fo", hidden, inner),
                ]:
                    linear = getattr(layer, name)
                    linear.weight.copy_(torch.from_numpy(base.matrix(f"l{number}.{short}.w", rows, columns)))
                    linear.bias.copy_(torch.from_numpy(base.plain(f"l{number}.{short}.b")))
                for name, short in [("attention_norm", "aln"), ("output_norm", "oln")]:
                    norm = getattr(layer, name)
                    norm.weight.copy_(torch.from_numpy(base.plain(f"l{number}.{short}.w")))
                    norm.bias.copy_(torch.from_numpy(base.plain(f"l{number}.{short}.b")))
        return made
