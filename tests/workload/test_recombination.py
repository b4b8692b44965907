from __future__ import annotations

from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.workload.recombination import MAX_PER_POOL, Rules, cuts, recombine
from pipesim.workload.shapes import Label, Shape, canonical


def label(name: str) -> Label:
    kind, _, framework = name.partition("/")
    return kind, kind, None, framework or None


def dag(names: list[str], edges: list[tuple[int, int]]) -> Shape:
    return canonical([label(name) for name in names], edges)


def chain(*names: str) -> Shape:
    return dag(list(names), [(i + 1, i) for i in range(len(names) - 1)])


def new(*shapes: Shape) -> list[Shape]:
    return [shape for shape, _ in recombine(shapes, dict.fromkeys(range(len(shapes)), 1), Rules(shapes))]


def isomorphic(a: Shape, b: Shape) -> bool:
    """Whether two small DAGs are one, by trying every way to match their tasks."""
    if len(a.tasks) != len(b.tasks) or len(a.edges) != len(b.edges):
        return False
    edges = set(b.edges)
    return any(
        all(a.tasks[i].label == b.tasks[to].label for i, to in enumerate(order))
        and {(order[child], order[parent]) for child, parent in a.edges} == edges
        for order in permutations(range(len(a.tasks)))
    )


def before(shape: Shape) -> set[tuple[Label, Label]]:
    """The pairs of labels of which the first comes before the second on some path."""
    above: dict[int, set[int]] = {i: set() for i in range(len(shape.tasks))}
    for child, parent in sorted(shape.edges):
        above[child] |= above[parent] | {parent}
    return {(shape.tasks[p].label, shape.tasks[c].label) for c, parents in above.items() for p in parents}


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e/x", "e/y"]), min_size=1, max_size=5))
    edges = []
    for i in range(1, len(names)):
        parents = draw(st.sets(st.integers(max(0, i - 2), i - 1), min_size=draw(st.sampled_from([0, 1, 1, 1]))))
        edges += [(i, parent) for parent in sorted(parents)]
    return dag(names, edges)


def test_beginnings_and_ends_are_exchanged_at_a_task_of_both() -> None:
    made = new(chain("load", "train", "evaluate"), chain("train", "evaluate", "deploy"))
    assert {shape.key for shape in made} == {chain("load", "train", "evaluate", "deploy").key, chain("train", "evaluate").key}


def test_a_shape_is_as_likely_as_its_parents() -> None:
    pool = [chain("a", "m", "x"), chain("b", "m", "y"), chain("c", "m", "z")]
    made = {shape.key: share for shape, share in recombine(pool, {0: 6, 1: 3, 2: 1}, Rules(pool))}
    assert len(made) == 6
    assert made[chain("a", "m", "y").key] == made[chain("b", "m", "x").key] == pytest.approx(18 / 54)
    assert made[chain("c", "m", "y").key] == pytest.approx(3 / 54)


def test_dags_are_cut_only_where_nothing_passes_by() -> None:
    diamond = dag(["load", "a", "b", "join", "end"], [(1, 0), (2, 0), (3, 1), (3, 2), (4, 3)])
    assert [cut.label[0] for cut in cuts(diamond)] == ["load", "join", "end"]
    shortcut = dag(["load", "train", "end"], [(1, 0), (2, 1), (2, 0)])
    assert [cut.label[0] for cut in cuts(shortcut)] == ["load", "end"]
    assert cuts(dag(["a", "b"], [])) == []
    fan_in = dag(["p", "q", "join", "deploy"], [(2, 0), (2, 1), (3, 2)])
    made = {shape.key for shape in new(diamond, fan_in)}
    assert made == {
        dag(["p", "q", "join", "end"], [(2, 0), (2, 1), (3, 2)]).key,
        dag(["load", "a", "b", "join", "deploy"], [(1, 0), (2, 0), (3, 1), (3, 2), (4, 3)]).key,
    }


def test_the_order_of_labels_is_kept() -> None:
    """`check` follows `train` in every run that has both, so it is never put before it."""
    pool = [chain("check", "m", "x"), chain("y", "m", "train"), chain("train", "check")]
    assert chain("check", "m", "train").key not in {shape.key for shape in new(*pool)}
    assert chain("y", "m", "x").key in {shape.key for shape in new(*pool)}
    both = [*pool, chain("check", "train")]
    assert chain("check", "m", "train").key in {shape.key for shape in new(*both)}


def test_frameworks_are_not_mixed_and_tasks_not_repeated() -> None:
    assert new(chain("train/tf", "check", "deploy/tf"), chain("train/spark", "check", "deploy/spark")) == []
    # Recombined at the second of their common tasks, `a` would be there twice.
    assert chain("a", "m", "a").key not in {
        shape.key for shape in new(chain("a", "m", "x"), chain("m", "a"), chain("x", "m", "a"))
    }


def test_one_shape_has_nothing_to_be_recombined_with() -> None:
    assert new(chain("a", "b", "a", "b")) == []
    assert new(chain("a", "b"), chain("c", "d")) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(shapes(), min_size=1, max_size=5, unique_by=lambda shape: shape.key))
def test_recombined_shapes_are_valid_and_none_of_those_observed(pool: list[Shape]) -> None:
    made = recombine(pool, {i: i + 1 for i in range(len(pool))}, Rules(pool))
    assert len(made) <= MAX_PER_POOL
    assert not made or sum(share for _, share in made) == pytest.approx(1)
    known = {task.label for shape in pool for task in shape.tasks}
    order = set().union(*map(before, pool))
    for shape, share in made:
        assert share > 0
        assert all(parent < child for child, parent in shape.edges)
        assert len({task.task_id for task in shape.tasks}) == len(shape.tasks)
        assert {task.label for task in shape.tasks} <= known
        assert not any(isomorphic(shape, other) for other in pool)
        for first, second in before(shape):
            assert (first, second) in order or (second, first) not in order
    assert all(not isomorphic(a, b) for (a, _), (b, _) in pairwise(made))
