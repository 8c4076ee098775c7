"""
Permutations as model inputs, and how they are stepped through.

A permutation is given as the entry of each slot. All encodings are of the slots of the entries
("which loop comes before which"), so that renaming the entries permutes the inputs and changes
nothing else; of `kendall` it also turns "i before j" into "j before i" where i and j change sides,
which says the same.

    spearman   n inputs: the slot of each entry / n; squared differences of ranks
    kendall    n (n - 1) / 2 inputs: whether i comes before j, i < j; the pairs ordered otherwise
    hamming    n^2 inputs, by slots: whether slot i has entry j; the slots that have another
    naive      n! inputs: whether it is this order; nothing is near to anything

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, section
4.2.
"""

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Encoding = Literal["spearman", "kendall", "hamming", "naive"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

Orders = npt.NDArray[np.int64]
"""[rows, n] The entry of each slot."""

LONGEST_NAIVE = 6
"""Elements up to which every order may have an input of its own."""

ALL_NEIGHBOURS = 5
"""Up to this length every other permutation is a neighbour."""


def slots(orders: Orders) -> Orders:
    """[rows, n] The slot of each entry."""
    return np.argsort(orders, axis=1)


def inputs_of(length: int, encoding: Encoding) -> int:
    """How many model inputs a permutation of `length` elements has."""
    match encoding:
        case "spearman":
            return length
        case "kendall":
            return length * (length - 1) // 2
        case "hamming":
            return length**2
        case "naive":
            return math.factorial(length)


def encoded(orders: Orders, encoding: Encoding) -> npt.NDArray[np.float64]:
    """[rows, inputs] Model inputs in [0, 1]."""
    places, length = slots(orders), orders.shape[1]
    match encoding:
        case "spearman":
            return places / length
        case "kendall":
            first, second = np.triu_indices(length, 1)
            return (places[:, first] < places[:, second]).astype(np.float64)
        case "hamming":
            return np.eye(length)[orders].reshape(len(orders), length**2)
        case "naive":
            every = all_orders(length)
            return (orders[:, None, :] == every).all(axis=2).astype(np.float64)


def neighbours(order: Orders) -> Orders:
    """
    [neighbours, n] What one step leads to from a permutation [n].

    Short ones reach every other; longer ones those with two entries swapped, and those with one
    entry taken out and put in elsewhere.
    """
    length = len(order)
    if length <= ALL_NEIGHBOURS:
        others = all_orders(length)
        return others[(others != order).any(axis=1)]
    steps: list[Orders] = []
    for i in range(length):
        for j in range(length):
            if i < j:
                swapped = order.copy()
                swapped[[i, j]] = swapped[[j, i]]
                steps.append(swapped)
            if abs(i - j) > 1:
                steps.append(np.insert(np.delete(order, i), j, order[i]))
    return np.array(steps, np.int64)


def all_orders(length: int) -> Orders:
    """[length!, length] Every permutation, in lexicographic order."""
    orders = np.zeros((1, 0), np.int64)
    for count in range(1, length + 1):
        # Put a new first entry before each order of one less, whose entries make room for it.
        first = np.repeat(np.arange(count), len(orders))
        rest = np.tile(orders, (count, 1))
        orders = np.column_stack((first, rest + (rest >= first[:, None])))
    return orders
