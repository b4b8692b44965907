from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.workload.shapes import Label, build, canonical


@st.composite
def dags(draw: st.DrawFn) -> tuple[list[Label], list[tuple[int, int]]]:
    names = draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=6))
    edges = [(i, parent) for i in range(1, len(names)) for parent in sorted(draw(st.sets(st.integers(0, i - 1), max_size=2)))]
    return [(name, None, None, None) for name in names], edges


@settings(max_examples=150, deadline=None)
@given(dags(), st.randoms())
def test_the_order_in_which_tasks_come_does_not_matter(dag: tuple[list[Label], list[tuple[int, int]]], random: Random) -> None:
    labels, edges = dag
    order = list(range(len(labels)))
    random.shuffle(order)
    turned = [labels[i] for i in order]
    place = {old: new for new, old in enumerate(order)}
    shape = canonical(labels, edges)
    assert canonical(turned, [(place[c], place[p]) for c, p in edges]) == shape
    assert all(parent < child for child, parent in shape.edges)
    assert sorted(task.task_name for task in shape.tasks) == sorted(label[0] for label in labels)
    assert len(shape.edges) == len(edges)


def test_tasks_of_one_name_get_distinct_ids() -> None:
    names = ["x", "x", "x-1", "x-2"]
    ids = [task.task_id for task in build([(name, None, None, None) for name in names], [(1, 0)]).tasks]
    assert len(set(ids)) == 4
    assert ids[2:] == ["x-1", "x-2"]
