"""A checked tree into the functions that it runs as, by fragments of Python.

The translator writes names, constants and logic itself, the rest in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS, UNCOUNTED, Closure, cost, weight
from engine.cel.interpret.plan import Interpreter, plan
from engine.cel.lower.calls import (
    bound_name,
    by_likeness,
    call_function,
    closest_row,
    in_interval,
    in_list,
    make_binding,
    make_loop,
    row_of,
    rows_of,
    similar_in,
    similar_to,
)
from engine.cel.lower.fragments import (
    MAX_DEPTH,
    Form,
    Fragment,
    SourceWriter,
    UnlowerableError,
    cel_value,
    constant,
    element,
    name,
    plain,
    strict,
    truth,
    typed,
)
from engine.cel.lower.operators import all_of, any_of, binary, choice, negated, opposite
from engine.cel.lower.runtime import NAMES
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Macro,
    MapNode,
    Node,
    Select,
    constant_of,
)
from engine.cel.types.findings import (
    Findings,
    guarded_in_bind,
    guarded_when_false,
    guarded_when_true,
    interval_of,
    list_question,
    most_items,
    plates_question,
    watchlist_lookup,
)
from engine.cel.types.scope import Broken, Constant, Local, Scope, Variable, dotted
from engine.cel.values.values import MISSING, Duration, Timestamp, UInt, to_python
from engine.errors import EvaluationError
from engine.schema import Kind

#: Takes the bindings, returns the value or raises EvaluationError.
Evaluation: TypeAlias = Callable[[Any], Any]
#: Rounds that computing a constant may take at load; a longer one is left to the evaluation.
FOLDING_ROUNDS: Final = 1_000
_SCALARS: Final = frozenset({str, int, UInt, float, bool, bytes, Timestamp, Duration, type(None)})
#: Longest run of `+ - * / %` that is written as one expression.
_MAX_STEPS: Final = 20
_PLAIN_TYPES: Final = frozenset({bool, str, int, float, type(None), bytes})
_TOO_MANY_ROUNDS: Final = f"its macros may take more than {MAX_ROUNDS:,} rounds"
_SOURCE: Final = """\
def make(interpret, {names}):
 def run(b):
  try:
   return {body}
  except FAILED:
   pass
  return interpret(b)
 return run
"""


@dataclass(frozen=True, slots=True)
class LoweredFunction:
    """What an expression runs as.

    `run` returns the value as CEL has it, `evaluate` as plain Python; both raise EvaluationError.
    `interpreter` returns the same as `run`, more slowly. `fragment` is what `run` was generated
    from; where it is None, `run` is the interpreter, and `fallback` says why.
    """

    run: Evaluation
    evaluate: Evaluation
    interpreter: Interpreter
    fragment: Fragment | None
    fallback: str = ""


def lower(findings: Findings, scope: Scope) -> LoweredFunction:
    """The functions of a checked tree without errors."""
    interpreter = Interpreter(findings)
    try:
        fragment = Translator(findings, scope).fragment(findings.root)
    except UnlowerableError as error:
        return _interpreted(interpreter, str(error))
    return _generated(fragment, interpreter)


def join(
    fragments: Sequence[Fragment | None], interpreters: Sequence[Interpreter]
) -> LoweredFunction:
    """The functions of several trees joined by `&&`, from the fragment and interpreter of each."""
    interpreter = Interpreter(tuple(interpreters))
    known = [fragment for fragment in fragments if fragment is not None]
    if len(known) < len(fragments):
        return _interpreted(interpreter, "")
    return _generated(all_of(known), interpreter)


def source_of(body: str, count: int) -> str:
    """The source of functions with this body and `count` constants `k0`, `k1` …"""
    return _SOURCE.format(names=", ".join(f"k{number}" for number in range(count)), body=body)


def make_function(body: str, constants: Sequence[Any], interpret: Evaluation) -> Evaluation:
    """The function of the bindings `b` with this body; where it gives up, it calls `interpret`."""
    return _factory(source_of(body, len(constants)))(interpret, *constants)


class Translator:
    """Translates one tree; UnlowerableError where all of it must be left to the interpreter."""

    def __init__(self, findings: Findings, scope: Scope) -> None:
        self._findings: Final = findings
        self._variables: Final = scope.variables
        self._items: Final[dict[int, Fragment]] = {}
        #: The constants that `cel.bind` names, by slot, for the computation of constants.
        self._known: Final[dict[int, Any]] = {}
        #: The names that guards keep from being null at the node in translation.
        self._safe: frozenset[str] = frozenset()

    def fragment(self, node: Node) -> Fragment:
        """The fragment of a node."""
        value = constant_of(node)
        if value is not MISSING:
            return constant(value)
        fragment = self._code(node)
        return fragment if fragment.depth <= MAX_DEPTH else self._closure(node)

    def _code(self, node: Node) -> Fragment:
        match node:
            case Ident() | Select():
                return self._guarded(node, self._name(node))
            case Call():
                return self._call(node)
            case ListNode():
                parts = [cel_value(self.fragment(item)) for item in node.items]
                holes = ", ".join(f"{{{number}}}" for number in range(len(parts)))
                is_flat = all(part.kind in _SCALARS for part in parts)
                return plain(f"[{holes}]" if is_flat else f"flat([{holes}])", *parts, kind=list)
            case MapNode():
                return self._map(node)
            case Comprehension():
                return self._macro(node)
        raise AssertionError(node)

    def _guarded(self, node: Node, fragment: Fragment) -> Fragment:
        if fragment.is_nullable and self._safe:
            path = dotted(node)
            if path is not None and path[0] in self._safe:
                return replace(fragment, is_guarded=True)
        return fragment

    def _name(self, node: Ident | Select) -> Fragment:
        reference = self._findings.references.get(id(node))
        match reference:
            case Variable():
                load = plain("b[{0}]", name(reference.name), share=reference.name)
                return typed(load, self._variables[reference.name])
            case Local():
                return self._items[reference.slot]
            case Constant():
                return constant(reference.value)
            case Broken():
                return self._closure(node)
        assert isinstance(node, Select)
        return self._select(node)

    def _select(self, node: Select) -> Fragment:
        record, field = self.fragment(node.operand), name(node.field)
        kind = record.field
        checked = self._findings.type_of(node.operand)
        if checked is not None and checked.kind is Kind.RECORD:
            if kind is None or kind.kind is not Kind.RECORD:
                return self._closure(node)
            load = self._field(record, field)
            load = typed(load, kind.fields.get(node.field), is_nullable=record.is_nullable)
            return plain("({0} is not None)", load, kind=bool) if node.is_test else load
        if kind is not None and kind.kind is Kind.MAP:
            if node.is_test:
                return strict("({0} in {1})", field, record, kind=bool)
            return element(plain("{0}[{1}]", record, field, can_fail=True), kind)
        function = "has_member" if node.is_test else "member"
        result = bool if node.is_test else None
        parts = (cel_value(record), field)
        return plain(f"{function}({{0}}, {{1}})", *parts, kind=result, can_fail=True)

    def _field(self, record: Fragment, field: Fragment) -> Fragment:
        share = (record.share, field.value) if record.share is not None else None
        if not record.is_nullable:
            return plain("{0}[{1}]", record, field, share=share)
        if share is None or self._items:
            return plain("field_or_null({0}, {1})", record, field)
        return plain("(None if {0} is None else {1}[{2}])", record, record, field, share=share)

    def _map(self, node: MapNode) -> Fragment:
        parts: list[Fragment] = []
        texts: list[str] = []
        for key, value in node.entries:
            texts.append(f"({{{len(parts)}}}, {{{len(parts) + 1}}})")
            parts += [cel_value(self.fragment(key)), cel_value(self.fragment(value))]
        return plain(f"flat(make_map([{', '.join(texts)}]))", *parts, can_fail=True)

    def _macro(self, node: Comprehension) -> Fragment:
        reference = self._findings.references[id(node)]
        assert isinstance(reference, Local)
        if node.macro is Macro.BIND:
            return self._bind(node, reference.slot)
        over = cel_value(self.fragment(node.range))
        item = Fragment(Form.ITEM, slot=reference.slot)
        if over.field is not None and over.field.kind is Kind.MAP:
            item = replace(item, kind=str)
        else:
            item = element(item, over.field)
        safe = self._safe
        self._safe = frozenset(path for path in safe if path.split(".")[0] != node.variable)
        self._items[reference.slot] = item
        condition = self.fragment(node.condition) if node.condition is not None else None
        result = self.fragment(node.result) if node.result is not None else None
        del self._items[reference.slot]
        self._safe = safe
        loops, most = self._findings.slots, most_items(node.range)
        return make_loop(
            node.macro, over, item, condition, result, loops=loops, weight=weight(node), most=most
        )

    def _bind(self, node: Comprehension, slot: int) -> Fragment:
        assert node.result is not None
        value = self.fragment(node.range)
        item = bound_name(value, slot)
        safe = self._safe
        self._safe = guarded_in_bind(safe, node)
        self._items[slot] = item
        if value.is_constant:
            if cost(value.value) > UNCOUNTED:
                raise UnlowerableError("cel.bind names a long constant")
            self._known[slot] = value.value
        result = self.fragment(node.result)
        del self._items[slot]
        self._safe = safe
        return result if value.is_constant else make_binding(value, item, result)

    def _call(self, node: Call) -> Fragment:
        if isinstance(self._findings.references.get(id(node)), Broken):
            return self._closure(node)
        function = self._findings.functions.get(id(node))
        if function is not None:
            args = node.args
            if node.target is not None and "." not in function.name:
                args = (node.target, *args)
            fragments = [self.fragment(arg) for arg in args]
            made = call_function(function, fragments)
            return self._folded(node, fragments, made if made is not None else self._closure(node))
        match node.function:
            case tree.AND | tree.OR:
                return self._chain(node)
            case tree.NOT:
                return opposite(self.fragment(node.args[0]))
            case tree.TERNARY:
                return self._ternary(node)
            case tree.NEGATE:
                operand = self.fragment(node.args[0])
                return self._folded(node, [operand], negated(operand))
            case function_name if function_name in tree.ARITHMETIC:
                return self._arithmetic(node)
        of_list = watchlist_lookup(node)
        if of_list is not None:
            watchlist, key = of_list[0], self.fragment(of_list[1])
            if node.function == tree.IN:
                return in_list(watchlist, key, is_in_loop=bool(self._items))
            return (row_of if node.function == tree.INDEX else rows_of)(watchlist, key)
        if node.function in tree.BY_LIKENESS:
            return self._by_likeness(node)
        interval = interval_of(node)
        if interval is not None:
            return in_interval(interval)
        left, right = map(self.fragment, node.args)
        return self._folded(node, [left, right], binary(node.function, left, right))

    def _by_likeness(self, node: Call) -> Fragment:
        of_list = list_question(node)
        if of_list is not None:
            text = self.fragment(of_list.text)
            make = closest_row if node.function == tree.CLOSEST else similar_in
            return make(of_list, text, is_in_loop=bool(self._items))
        of_plates = plates_question(node)
        if of_plates is not None:
            return similar_to(of_plates, self.fragment(of_plates.text))
        parts = list(map(self.fragment, node.args))
        return self._folded(node, parts, by_likeness(node.function, parts))

    def _chain(self, node: Call) -> Fragment:
        is_all = node.function == tree.AND
        known = guarded_when_true if is_all else guarded_when_false
        safe = self._safe
        operands: list[Fragment] = []
        for arg in node.args:
            operands.append(truth(self.fragment(arg)))
            self._safe |= known(arg)
        self._safe = safe
        return all_of(operands) if is_all else any_of(operands)

    def _ternary(self, node: Call) -> Fragment:
        test, one, two = node.args
        condition = truth(self.fragment(test))
        safe = self._safe
        self._safe = safe | guarded_when_true(test)
        first = self.fragment(one)
        self._safe = safe | guarded_when_false(test)
        second = self.fragment(two)
        self._safe = safe
        return choice(condition, first, second)

    def _arithmetic(self, node: Call) -> Fragment:
        first, calls = tree.arithmetic_chain(node)
        if len(calls) > _MAX_STEPS:
            return self._closure(node)
        fragment = self.fragment(first)
        for call in calls:
            right = self.fragment(call.args[1])
            fragment = self._folded(call, [fragment, right], binary(call.function, fragment, right))
        return fragment

    def _folded(self, node: Node, parts: list[Fragment], fragment: Fragment) -> Fragment:
        """The fragment; its value as a constant where all parts are constants."""
        if not all(part.is_constant for part in parts):
            return fragment
        run = plan(self._findings, node)
        try:
            return constant(run({BUDGET: FOLDING_ROUNDS, **self._known}))
        except EvaluationError:
            return _call_of(run)

    def _closure(self, node: Node) -> Fragment:
        """A call of the node's closure, for a node that is too deep, too long, or always fails."""
        if not self._is_simple(node):
            raise UnlowerableError("a part with a macro is nested too deep, or too long")
        return _call_of(plan(self._findings, node))

    def _is_simple(self, root: Node) -> bool:
        """Whether the closure of this tree needs only the event: it has no macro and no item."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(self._findings.references.get(id(node)), Local):
                return False
            waiting.extend(tree.children(node))
        return True


def _interpreted(interpreter: Interpreter, reason: str) -> LoweredFunction:
    return LoweredFunction(interpreter, _converting(interpreter), interpreter, None, reason)


def _generated(fragment: Fragment, interpreter: Interpreter) -> LoweredFunction:
    if fragment.rounds > MAX_ROUNDS:
        return _interpreted(interpreter, _TOO_MANY_ROUNDS)
    value = cel_value(fragment)
    writer = SourceWriter()
    body = writer.text(value)
    run = make_function(body, writer.constants, interpreter)
    evaluate = run if value.kind in _PLAIN_TYPES else _converting(run)
    return LoweredFunction(run, evaluate, interpreter, fragment)


def _converting(run: Evaluation) -> Evaluation:
    def evaluate(bindings: Any) -> Any:
        value = run(bindings)
        return value if type(value) in _PLAIN_TYPES else to_python(value)

    return evaluate


@lru_cache(maxsize=4_096)
def _factory(source: str) -> Callable[..., Evaluation]:
    made: dict[str, Any] = {}
    # The source consists of this package's templates alone: no part of it comes from a rule.
    exec(compile(source, "<rule>", "exec"), NAMES, made)  # noqa: S102
    return cast("Callable[..., Evaluation]", made["make"])


def _call_of(run: Closure) -> Fragment:
    return plain("{0}(b)", constant(run), can_fail=True)
