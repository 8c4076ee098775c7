"""
Values: array reads and arithmetic. N counts as 0 in every operation.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.4.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    Float,
    Floats,
    In,
    Ins,
    Out,
    StaticInt,
    StaticText,
    absolute,
    below,
    cos,
    erf,
    exp,
    fail,
    finish,
    is_data,
    is_stop,
    log,
    maximum,
    minimum,
    numbers,
    power,
    registers,
    reject,
    send,
    sin,
    sqrt,
    take,
    tanh,
    tick,
    token_of,
    transfer,
    value_of,
)
from headrace.simulators.stream.primitive import primitive

UNARY = ("neg", "abs", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf")
ARITHMETIC = ("add", "sub", "mul", "div", "max", "min", "pow", "rsub", "rdiv")
NO_OPERATION = "none"
"""The first operand, for runs that want times only."""

COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")


@primitive
def array(ref: In, val: Out, values: Floats) -> None:
    """ref -> val: the value at each position; N reads 0."""
    while True:
        token = take(ref)
        if below(token, len(values)):
            transfer(1)
            send(val, token_of(values[token]))
        elif is_data(token):
            fail("reference {token} is outside the values", ref, token)
        elif token == EMPTY:
            send(val, 0)
        else:
            send(val, token)
            if token == DONE:
                finish()
        tick(1)


@primitive
def alu(x: Ins, y: Out, op: StaticText, n: StaticInt, scalar: Float = 0.0) -> None:
    """1 to 3 vals -> val: arithmetic; `scalar` is the second operand of a binary op with one."""
    token = registers(n)
    operand = numbers(3)
    while True:
        for k in range(n):
            token[k] = take(x[k])
        special = 0
        for k in range(n):
            if not is_data(token[k]):
                special = 1
            operand[k] = value_of(token[k])
        control = 0
        if special == 1:
            if is_stop(token[0]) or token[0] == DONE:
                control = 1
                for k in range(1, n):
                    if token[k] != token[0]:
                        fail("{token} against a stop on the first port", x[k], token[k])
            else:
                for k in range(n):
                    if token[k] == EMPTY:
                        operand[k] = 0.0
                    elif not is_data(token[k]):
                        fail("{token} against a value on the first port", x[k], token[k])
        if control == 1:
            send(y, token[0])
            if token[0] == DONE:
                finish()
        else:
            a = operand[0]
            b = operand[1]
            c = operand[2]
            if n == 1:
                b = scalar
            result = a
            if op == NO_OPERATION:
                pass
            elif n == 1 and op in UNARY:
                if op == "neg":
                    result = -a
                elif op == "abs":
                    result = absolute(a)
                elif op == "exp":
                    result = exp(a)
                elif op == "log":
                    result = log(a)
                elif op == "sqrt":
                    result = sqrt(a)
                elif op == "rsqrt":
                    result = 1.0 / sqrt(a)
                elif op == "sin":
                    result = sin(a)
                elif op == "cos":
                    result = cos(a)
                elif op == "tanh":
                    result = tanh(a)
                elif op == "sigmoid":
                    result = 1.0 / (1.0 + exp(-a))
                else:
                    result = erf(a)
            elif n <= 2 and op in ARITHMETIC + COMPARISONS:
                if op == "add":
                    result = a + b
                elif op == "sub":
                    result = a - b
                elif op == "mul":
                    result = a * b
                elif op == "div":
                    result = a / b
                elif op == "max":
                    result = maximum(a, b)
                elif op == "min":
                    result = minimum(a, b)
                elif op == "pow":
                    result = power(a, b)
                elif op == "rsub":
                    result = b - a
                elif op == "rdiv":
                    result = b / a
                elif op == "gt":
                    result = 1.0 if a > b else 0.0
                elif op == "ge":
                    result = 1.0 if a >= b else 0.0
                elif op == "lt":
                    result = 1.0 if a < b else 0.0
                elif op == "le":
                    result = 1.0 if a <= b else 0.0
                elif op == "eq":
                    result = 1.0 if a == b else 0.0
                else:
                    result = 1.0 if a != b else 0.0
            elif n == 2 and op == "mask":
                result = a if b != 0.0 else scalar
            elif n == 2 and op == "fill":
                result = scalar if b != 0.0 else a
            elif n == 3 and op == "where":
                result = b if a != 0.0 else c
            else:
                reject("no such operation for this number of operands")
            send(y, token_of(result))
        tick(1)
