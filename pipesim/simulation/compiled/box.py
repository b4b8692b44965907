"""One machine object for all arrays of the engine, so that a function can be given them all for the price of one.

Numba passes a tuple of arrays field by field and counts references to each; a struct behind one pointer costs neither.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.experimental import structref
from numba.extending import intrinsic, overload

from pipesim.simulation.compiled.world import World


@structref.register
class _BoxType(types.StructRef):
    """The type of the struct; its fields are those of the tuple."""


@intrinsic
def _borrowed(typing_context: Any, array: Any) -> Any:
    """Return an array without an owner, to which no references are counted: whoever has given it keeps it meanwhile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        made.meminfo, made.parent = (ir.Constant(part.type, None) for part in (made.meminfo, made.parent))
        return made._getvalue()

    return array(array), generate


def boxed(world: World, rules: int | None, upkeep: int | None) -> World:
    """Return the tuple as a struct, in machine code; it shares the arrays. Where both are None, the tuple will do."""
    return world


@overload(boxed)
def _boxed(world, rules, upkeep):  # type: ignore[no-untyped-def]
    if rules is types.none and upkeep is types.none:
        return lambda world, rules, upkeep: world
    box = _BoxType(list(zip(world.fields, world.types, strict=True)))  # type: ignore[no-untyped-call]
    lines = [
        "def make(world, rules, upkeep):",
        "    box = new(kind)",
        *(f"    box.{name} = borrowed(world.{name})" for name in world.fields),
        "    return box",
    ]
    scope: dict[str, Any] = {"new": structref.new, "kind": box, "borrowed": _borrowed}
    exec("\n".join(lines), scope)  # noqa: S102 - of names in this package only
    return scope["make"]
