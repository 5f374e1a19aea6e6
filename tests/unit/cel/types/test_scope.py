"""Names and what they stand for."""

from __future__ import annotations

from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Constant, Scope, dotted, suggest
from engine.cel.values.values import CelType
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import VARIABLES


def test_a_name_is_looked_up_from_the_container_outwards() -> None:
    scope = Scope(dict.fromkeys(["a.b.x", "a.x", "x", "a.b.c.y"]), container="a.b")
    assert scope.qualified("x", is_absolute=False) == "a.b.x"
    assert scope.qualified("c.y", is_absolute=False) == "a.b.c.y"
    assert scope.qualified("x", is_absolute=True) == "x"
    assert scope.qualified("y", is_absolute=False) is None


def test_a_macros_variable_is_local_unless_a_dot_stands_before() -> None:
    scope = Scope({"x": None}).with_local("x", 1, FieldType(Kind.INT))
    assert scope.is_local(parse("x.y.z"))
    assert not scope.is_local(parse(".x"))
    assert not scope.is_local(parse("y"))
    assert not Scope({"x": None}).is_local(parse("x"))


def test_types_are_constants() -> None:
    found = Scope({}).type_constant("google.protobuf.Timestamp")
    assert found == Constant(CelType("google.protobuf.Timestamp"))
    assert Scope({}).type_constant("dyn") is None


def test_dotted_is_for_names_only() -> None:
    found = dotted(parse("a.b.c"))
    assert found is not None
    assert (found[0], found[1].name) == ("a.b.c", "a")
    assert dotted(parse("a[0].b")) is None
    assert dotted(parse("has(a.b)")) is None


def test_a_suggestion_is_a_near_name_or_the_few_that_there_are() -> None:
    assert suggest("Plate", ["plate", "vehicle"]) == "did you mean 'plate'?"
    assert suggest("zzz", ["b", "a"]) == "there are: a, b"
    assert suggest("zzz", [f"n{number}" for number in range(20)]) == ""
    assert Scope(VARIABLES).suggestion("region") == "did you mean 'plate.region'?"
