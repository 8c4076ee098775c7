"""Print the entry IR of an embedding bag whose table has 8 bits an element."""

import torch

from headrace.frontends.torch_export import import_model
from headrace.models.quantized_bag import QuantizedBag

model = QuantizedBag(torch.zeros(6, 16, dtype=torch.int8), torch.ones(6), torch.zeros(6))
print(import_model(model, (torch.tensor([2, 0, 2, 4]), torch.tensor([0, 1])), nests=True).module)
