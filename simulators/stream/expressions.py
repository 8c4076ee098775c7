"""Code for expressions and conditions over variables, parameters and constants."""

import ast
from typing import NoReturn

from headrace.simulators.stream.entry import EntryFunction
from headrace.simulators.stream.ir import BOOL, FLOAT, FLOAT_FUNCTIONS, INT, Value, float_literal
from headrace.simulators.stream.kernel import Variant
from headrace.simulators.stream.primitive import Constant
from headrace.simulators.stream.tokens import DONE, EMPTY, FIRST_CONTROL, FIRST_STOP, LEVEL

COMPARE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "oeq"),
    ast.NotEq: ("ne", "une"),
    ast.Lt: ("slt", "olt"),
    ast.LtE: ("sle", "ole"),
    ast.Gt: ("sgt", "ogt"),
    ast.GtE: ("sge", "oge"),
}
BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("add", "fadd"),
    ast.Sub: ("sub", "fsub"),
    ast.Mult: ("mul", "fmul"),
    ast.Div: ("", "fdiv"),
    ast.FloorDiv: ("sdiv", ""),
    ast.Mod: ("srem", ""),
    ast.BitAnd: ("and", ""),
    ast.BitOr: ("or", ""),
    ast.BitXor: ("xor", ""),
    ast.LShift: ("shl", ""),
    ast.RShift: ("lshr", ""),
}
"""Instructions on int and float; `//` and `%` are meant for numbers that are not negative."""


class NotConstant(Exception):
    """An expression is not known when the primitive is compiled."""


class ExpressionFunction(EntryFunction):
    """Adds expressions; `constants` are the names with values that are known now."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(variant)
        self.procedure = variant.primitive
        self.arguments = {a.name: a for a in variant.primitive.arguments}
        self.constants: dict[str, Constant] = {
            **variant.primitive.constants,
            "DONE": DONE,
            "EMPTY": EMPTY,
            "n": variant.n,
            **dict(variant.statics),
        }

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        self.procedure.refuse(node, message)

    # Constants and names -------------------------------------------------------------------------

    def constant(self, expression: ast.expr) -> Constant | bool:
        """The value of an expression over constants; raises `NotConstant` otherwise."""
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) or (
                isinstance(node, ast.Name) and node.id not in self.constants
            ):
                raise NotConstant
        code = compile(ast.Expression(expression), self.procedure.file, "eval")
        return eval(code, {"__builtins__": {}}, dict(self.constants))

    def integer(self, expression: ast.expr) -> int:
        """An integer that must be constant."""
        try:
            value = self.constant(expression)
        except NotConstant:
            value = None
        if not isinstance(value, int):
            self.refuse(expression, f"'{ast.unparse(expression)}' must be a constant integer")
        return value

    def port(self, expression: ast.expr) -> str:
        """The name of the port that an argument denotes: `ref` or `crd[k]`."""
        match expression:
            case ast.Name(id=name) if name in self.port_words:
                return name
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.arguments:
                name = f"{name}{self.integer(index)}"
                if name in self.port_words:
                    return name
            case _:
                pass
        self.refuse(expression, f"'{ast.unparse(expression)}' is not a port")

    def array(self, expression: ast.expr) -> str:
        """The name of the array that an argument denotes."""
        match expression:
            case ast.Name(id=name) if name in self.parameter_words:
                return name
            case _:
                self.refuse(expression, f"'{ast.unparse(expression)}' is not an array")

    def element_type(self, array: str) -> str:
        return FLOAT if self.arguments[array].kind.startswith("Float") else INT

    def slot(self, array: str, index: ast.expr) -> str:
        """The pointer to one entry of an array."""
        position = self.value(index)
        base = self.let(f"inttoptr i64 %{array}.base to ptr")
        return self.let(f"getelementptr i64, ptr {base}, i64 {position.text}")

    def register(self, expression: ast.Subscript) -> str:
        """The variable behind `c[k]` where `c = registers(n)`."""
        assert isinstance(expression.value, ast.Name)
        name = f"{expression.value.id}.{self.integer(expression.slice)}"
        if name not in self.types:
            self.refuse(expression, f"there is no register '{ast.unparse(expression)}'")
        return name

    # Expressions ---------------------------------------------------------------------------------

    def value(self, expression: ast.expr) -> Value:
        try:
            return self.literal(self.constant(expression), expression)
        except NotConstant:
            pass
        match expression:
            case ast.Name(id=name) if name in self.types:
                return self.read(name)
            case ast.Name(id=name) if name in self.parameter_words:
                return Value(self.element_type(name), f"%{name}")
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.arguments:
                kind = self.element_type(name)
                return Value(kind, self.let(f"load {kind}, ptr {self.slot(name, index)}"))
            case ast.Subscript():
                return self.read(self.register(expression))
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.value(left), self.value(right)
                instruction = BINARY[type(op)][a.type == FLOAT]
                if a.type != b.type or not instruction:
                    self.refuse(expression, "the operands do not fit the operator")
                return Value(a.type, self.let(f"{instruction} {a.type} {a.text}, {b.text}"))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                a = self.value(operand)
                text = f"fneg double {a.text}" if a.type == FLOAT else f"sub i64 0, {a.text}"
                return Value(a.type, self.let(text))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return Value(INT, self.let(f"xor i64 {self.value(operand).text}, -1"))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                a, b = self.value(left), self.value(right)
                if a.type != b.type:
                    self.refuse(expression, "the operands are of different types")
                verb = "fcmp" if a.type == FLOAT else "icmp"
                order = COMPARE[type(op)][a.type == FLOAT]
                return Value(BOOL, self.let(f"{verb} {order} {a.type} {a.text}, {b.text}"))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choose(self.truth(test), self.value(body), self.value(orelse).text)
            case ast.Call(func=ast.Name(id="len"), args=[array]):
                return self.length(self.array(array))
            case ast.Call(func=ast.Name(id="place"), args=[array]):
                return Value(INT, self.let(f"lshr i64 %{self.array(array)}.base, 3"))
            case ast.Call(func=ast.Name(id=verb), args=args):
                return self.call(verb, args, expression)
            case _:
                self.refuse(expression, f"'{ast.unparse(expression)}' is not in the language")

    def literal(self, constant: Constant | bool, node: ast.AST) -> Value:
        match constant:
            case bool():
                return Value(BOOL, str(constant).lower())
            case int():
                return Value(INT, str(constant))
            case float():
                return Value(FLOAT, float_literal(constant))
            case _:
                self.refuse(node, "a word is no operand")

    def length(self, array: str) -> Value:
        if not self.arguments[array].kind.endswith("Output"):
            return Value(INT, f"%{array}.size")
        used = self.let(f"sub i64 {self.get(f'{array}.cursor')}, %{array}.base")
        return Value(INT, self.let(f"ashr i64 {used}, 3"))

    def truth(self, expression: ast.expr) -> str:
        value = self.value(expression)
        if value.type == BOOL:
            return value.text
        return self.let(f"icmp ne i64 {value.text}, 0")

    def call(self, verb: str, args: list[ast.expr], node: ast.expr) -> Value:
        if verb in ("peek", "take", "ask", "arrival", "stamp_of") or verb in self.procedure.helpers:
            self.refuse(node, f"{verb} must stand alone: x = {verb}(..)")
        operands = [self.value(argument).text for argument in args]
        match verb, operands:
            case "now", []:
                return Value(INT, self.get("t"))
            case "is_data", [x]:
                return Value(BOOL, self.let(f"icmp ult i64 {x}, {FIRST_CONTROL}"))
            case "is_stop", [x]:
                shifted = self.let(f"sub i64 {x}, {FIRST_CONTROL}")
                return Value(BOOL, self.let(f"icmp ult i64 {shifted}, {EMPTY - FIRST_CONTROL}"))
            case "stop", [level, mark]:
                levels = self.let(f"mul i64 {level}, {LEVEL}")
                code = self.let(f"add i64 {levels}, {mark}")
                return Value(INT, self.let(f"sub i64 {FIRST_STOP}, {code}"))
            case "level_of" | "mark_of", [x]:
                code = self.let(f"sub i64 {FIRST_STOP}, {x}")
                part = (
                    f"sdiv i64 {code}, {LEVEL}"
                    if verb == "level_of"
                    else (f"and i64 {code}, {LEVEL - 1}")
                )
                return Value(INT, self.let(part))
            case "value_of", [x]:
                return Value(FLOAT, self.let(f"bitcast i64 {x} to double"))
            case "token_of", [x]:
                return Value(INT, self.let(f"bitcast double {x} to i64"))
            case "below", [a, b]:
                return Value(BOOL, self.let(f"icmp ult i64 {a}, {b}"))
            case "maximum" | "minimum", [a, b]:
                order = "ogt" if verb == "maximum" else "olt"
                better = self.let(f"fcmp {order} double {a}, {b}")
                nan = self.let(f"fcmp uno double {a}, {a}")
                first = self.let(f"or i1 {better}, {nan}")
                return Value(FLOAT, self.let(f"select i1 {first}, double {a}, double {b}"))
            case "power", [a, b]:
                return Value(FLOAT, self.let(f"call double @pow(double {a}, double {b})"))
            case "trailing_zeros", [x]:
                return Value(INT, self.let(f"call i64 @llvm.cttz.i64(i64 {x}, i1 false)"))
            case "ones", [x]:
                return Value(INT, self.let(f"call i64 @llvm.ctpop.i64(i64 {x})"))
            case "float", [x]:
                return Value(FLOAT, self.let(f"sitofp i64 {x} to double"))
            case "int", [x]:
                return Value(INT, self.let(f"fptosi double {x} to i64"))
            case _, [x] if verb in FLOAT_FUNCTIONS:
                name = FLOAT_FUNCTIONS[verb]
                return Value(FLOAT, self.let(f"call double @{name}(double {x})"))
            case _:
                self.refuse(node, f"{verb} with {len(args)} arguments is no expression")

    # Conditions ----------------------------------------------------------------------------------

    def condition(self, test: ast.expr, yes: str, no: str) -> None:
        """Branch on a condition; `and`, `or` stop at the first operand that decides."""
        try:
            self.jump(yes if self.constant(test) else no)
            return
        except NotConstant:
            pass
        match test:
            case ast.BoolOp(op=op, values=[*others, last]):
                for operand in others:
                    following = self.label("and" if isinstance(op, ast.And) else "or")
                    if isinstance(op, ast.And):
                        self.condition(operand, following, no)
                    else:
                        self.condition(operand, yes, following)
                    self.open(following)
                self.condition(last, yes, no)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.condition(operand, no, yes)
            case _:
                self.branch(self.truth(test), yes, no)
