from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipesim.workload.shape_shares import MAX_UNSEEN, Pool, concentration, share_shapes, similar_pipelines
from pipesim.workload.shapes import Shape, canonical


def chain(*names: str) -> Shape:
    return canonical([(name, None, None, None) for name in names], [(i + 1, i) for i in range(len(names) - 1)])


def pools(*runs: dict[int, int]) -> list[Pool]:
    return [Pool(Counter(each)) for each in runs]


AB, BA, ABC = chain("a", "b"), chain("b", "a"), chain("a", "b", "c")


def test_enough_runs_speak_for_themselves() -> None:
    own = pools({0: 6, 1: 4}, {0: 100}, {0: 50, 1: 50})
    expected, recombined, notes = share_shapes(own, [AB, BA])
    assert expected == [{0: 6.0, 1: 4.0}, {0: 100.0}, {0: 50.0, 1: 50.0}]
    assert (recombined, notes) == ([], [])


def test_few_runs_borrow_from_pipelines_with_the_same_labels() -> None:
    own = pools({0: 2}, {0: 50, 1: 50}, {2: 500})
    expected, _, notes = share_shapes(own, [AB, BA, ABC])
    # The second pipeline is the only other one with tasks a and b, and the third is no evidence for them.
    strength = concentration(own, similar_pipelines(own, [AB, BA, ABC]))
    assert expected[0] == pytest.approx(
        {0: 2 * (2 + strength * 52 / 102) / (2 + strength), 1: 2 * strength * 50 / 102 / (2 + strength)}
    )
    assert expected[1:] == [{0: 50.0, 1: 50.0}, {2: 500.0}]
    assert [note.split(";")[0] for note in notes] == ["structure: 1 pipeline has under 10 runs"]


def test_without_one_alike_all_shapes_it_could_have_count() -> None:
    own = pools({0: 1, 2: 2}, {0: 30}, {3: 30})
    similar = similar_pipelines(own, [AB, BA, ABC, chain("a", "b", "d")])
    assert similar[0].runs == {0: 31, 2: 2}
    assert similar[1].runs == {0: 30}


def test_nothing_is_borrowed_where_every_pipeline_has_one_shape() -> None:
    own = pools({0: 3}, {1: 40}, {0: 30})
    expected, recombined, notes = share_shapes(own, [AB, BA])
    assert expected == [{0: 3.0}, {1: 40.0}, {0: 30.0}]
    assert (recombined, notes) == ([], [])


def test_concentration_is_that_of_the_dirichlet_law() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(3.0 * np.array([0.4, 0.3, 0.2, 0.1]), 2_000)
    counts = [rng.multinomial(8, share) for share in shares]
    own = pools(*({s: int(c) for s, c in enumerate(count) if c} for count in counts))
    together = Pool(Counter({s: int(c) for s, c in enumerate(np.sum(counts, axis=0))}))
    assert concentration(own, [together] * len(own)) == pytest.approx(3.0, rel=0.1)


def test_pipelines_that_differ_no_more_than_chance_are_one() -> None:
    own = pools(*({0: 1, 1: 1} for _ in range(10)))
    assert concentration(own, [Pool(Counter({0: 10, 1: 10}))] * 10) == 10.0
    assert concentration(pools({0: 1}), pools({0: 5})) == 1.0  # no two runs of one pipeline


def test_unseen_shapes_have_the_mass_of_good_and_turing() -> None:
    shapes = [chain("a", "m", "x"), chain("b", "m", "y"), AB]
    for counts, mass in (({0: 99, 1: 1}, 0.01), ({0: 10, 1: 1}, MAX_UNSEEN), ({0: 10, 1: 2}, 0.0)):
        n = sum(counts.values())
        expected, recombined, notes = share_shapes(pools(counts, {2: 50}), shapes)
        assert sum(expected[0].values()) == pytest.approx(n)
        assert sum(runs for s, runs in expected[0].items() if s >= 3) == pytest.approx(mass * n)
        assert expected[0][0] == pytest.approx((1 - mass) * counts[0])
        assert expected[1] == {2: 50.0}
        assert (len(recombined), len(notes)) == ((2, 1) if mass else (0, 0))


def test_a_pipeline_with_few_runs_has_the_unseen_mass_of_those_alike() -> None:
    shapes = [chain("a", "m", "x"), chain("b", "m", "y"), chain("a", "m", "y", "b", "x")]
    expected, recombined, _ = share_shapes(pools({0: 1, 1: 1}, {0: 60, 1: 60}), shapes)
    assert recombined == []  # both of its shapes are frequent ones of the other pipeline
    expected, recombined, _ = share_shapes(pools({0: 1, 1: 1}, {0: 60, 1: 39, 2: 1}), shapes)
    assert recombined
    for runs, total, mass in zip(expected, (2, 100), (1 / 102, 1 / 100), strict=True):
        assert sum(runs.values()) == pytest.approx(total)
        assert sum(weight for s, weight in runs.items() if s >= 3) == pytest.approx(mass * total)


def test_there_are_no_more_recombined_shapes_than_allowed() -> None:
    heads, tails = "abcdefghij", "ABCDEFGHIJ"
    shapes = [chain(f"{head}{p}", "m", f"{tail}{p}") for p in range(12) for head, tail in zip(heads, tails, strict=True)]
    own = pools(*({10 * p + i: 1 + 9 * (i > 0) for i in range(10)} for p in range(12)))
    expected, recombined, _ = share_shapes(own, shapes)
    assert len(recombined) == len({shape.key for shape in recombined}) == 256
    of_pipeline = [[s for s in runs if s >= len(shapes)] for runs in expected]
    assert [len(each) for each in of_pipeline] == [32] * 8 + [0] * 4
    assert [sum(runs.values()) for runs in expected] == pytest.approx([91] * 12)
