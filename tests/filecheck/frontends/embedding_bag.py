"""Print the entry IR of an embedding bag, given its mode and maybe its padding index."""

import sys

import torch

from headrace.frontends.torch_export import import_model

mode, *padding = sys.argv[1:]
model = torch.nn.EmbeddingBag(6, 3, mode=mode, padding_idx=int(padding[0]) if padding else None)
args = (torch.tensor([2, 0, 2, 4]), torch.tensor([0, 1]))
print(import_model(model, args, nests=True).module)
