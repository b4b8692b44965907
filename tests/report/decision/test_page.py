"""Pages on some scenarios, and the parts of the report on everything."""

from __future__ import annotations

import base64
import json
from itertools import product

import pytest

from pipesim.analytics import input_manifests
from pipesim.catalog import snapshot_views
from pipesim.errors import RequestError
from pipesim.lake import Lake
from pipesim.report.decision import Evidence, decision_parts, write_decision
from tests.report.decision.simulated import keep, run, scenario, searched, swept, trial
from tests.report.handmade import Page

ANSWER = {"is_answer": True, "is_least": True}


def _two(lake: Lake) -> Evidence:
    runs = [run(name, n, wait + n) for name, wait in (("s-fifo", 100), ("s-sjf", 50)) for n in range(3)]
    for name in ("s-fifo", "s-sjf"):
        order = name.removeprefix("s-")
        keep(lake, scenario(name, order=order), [one for one in runs if one.scenario == name])
    return Evidence.at_hand(lake, runs, [swept("s", {"s-fifo": {"policy.order": "fifo"}, "s-sjf": {"policy.order": "sjf"}})])


def test_a_page_holds_what_concerns_its_scenarios_and_needs_no_network(lake: Lake) -> None:
    path = write_decision(lake, "orders", _two(lake))
    assert path == lake.reports / "orders.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed")
        for name in ("src", "href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:text/csv")), (tag, attrs)
    assert all(spec["description"] for spec in page.specs())
    downloads = {a["download"]: a["href"] for tag, a in page.tags if tag == "a" and "download" in a}
    assert set(downloads) == {"scenario_differences.csv", "sweep_1_1.csv"}
    rows = base64.b64decode(str(downloads["scenario_differences.csv"]).split("base64,")[1]).decode().splitlines()
    assert rows[0].startswith("scenario,figure,")
    assert "Which scenario of s?" in text
    assert "synthetic, 7 days, scale 1, from the workload model m-1" in text
    assert text.index('id="scenarios"') < text.index('id="sweep-1"') < text.index('id="made"')
    assert len(text.encode()) < 1_500_000
    anchors = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(anchors) == len(set(anchors))


def test_a_page_says_what_it_was_made_from_and_equal_runs_give_equal_bytes(lake: Lake) -> None:
    path = write_decision(lake, "a", _two(lake))
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["kind"] == "decision"
    assert len(told["inputs"]) == 6
    assert told["inputs"].items() <= input_manifests(lake).items()
    first = path.read_bytes()
    assert write_decision(lake, "a", _two(lake)).read_bytes() == first


def test_a_search_has_a_page_without_a_comparison(lake: Lake) -> None:
    keep(lake, scenario("x-gpu-gpus-4", gpus=4), [run("x-gpu-gpus-4", 0, 10.0)])
    rows = searched(trial("search", "x", 2, 900.0), trial("search", "x", 4, 100.0, **ANSWER))
    text = write_decision(lake, "sized", Evidence.at_hand(lake, searches=[rows])).read_text(encoding="utf-8")
    assert '<p class="answer">With x (order fifo), 4 GPUs in the pool gpu keep p95_wait_s &lt; 600' in text
    assert 'id="scenarios"' not in text
    assert "2 trials of capacities of x" in text


@pytest.mark.parametrize(("name", "says"), [("report", "report on everything"), ("../x", "cannot be the name")])
def test_names_that_will_not_do_are_refused(lake: Lake, name: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        write_decision(lake, name, Evidence.at_hand(lake))
    assert not list(lake.reports.glob("*"))


def test_hostile_names_stay_names(lake: Lake) -> None:
    content = scenario("a", order="</script><img src=x onerror=alert(1)>")
    for name in "ab":
        keep(lake, {**content, "name": name} if name == "b" else scenario("a"), [run(name, n, 5.0 + n) for n in range(2)])
    runs = [run(name, n, 5.0 + n) for name in "ab" for n in range(2)]
    text = write_decision(lake, "hostile", Evidence.at_hand(lake, runs)).read_text(encoding="utf-8")
    assert "</script><img" not in text
    assert not any("onerror" in attrs for _, attrs in Page(text).tags)
    assert "&lt;/script&gt;&lt;img src=x" in text


def test_the_report_on_everything_leaves_trials_and_strategies_out_of_the_comparison(lake: Lake) -> None:
    evidence = _two(lake)
    keep(lake, scenario("as-is", gpus=4), [run("as-is", n, 20.0 + n) for n in range(2)])
    keep(lake, scenario("weekly", gpus=4), [run("weekly", n, 20.0 + n) for n in range(2)])
    keep(lake, scenario("as-is-gpu-gpus-4", gpus=4), [run("as-is-gpu-gpus-4", n, 20.0 + n) for n in range(2)])
    lake.save_experiment("s", {"sweeps": evidence.sweeps})
    lake.save_experiment("q", {"capacity": searched(trial("q", "as-is", 4, 100.0, **ANSWER))})
    with snapshot_views(lake) as con:
        parts = decision_parts(Evidence.of_lake(lake, con), ["weekly"])
    assert [(part.name, part.title) for part in parts] == [
        ("scenarios", "Which scenario of s?"),
        ("sweep-1", "What do the keys of s do?"),
        ("capacity-1", "How much of gpu is needed?"),
    ]
    assert [note.text for note in parts[0].notes][-1] == ("No other scenario ran the same work, so not compared: as-is.")


def test_without_scenarios_nothing_is_said_and_without_a_search_how_to_make_one(lake: Lake) -> None:
    assert decision_parts(Evidence.at_hand(lake), []) == []
    parts = decision_parts(_two(lake), [])
    assert (parts[-1].name, parts[-1].lead, parts[-1].sections) == ("capacity", "", [])
    assert parts[-1].notes[0].command.startswith("pipesim capacity ")


@pytest.mark.endurance
def test_a_thousand_scenarios_make_no_monstrous_page(lake: Lake) -> None:
    keys = ("platform.pools.gpu.gpus", "workload.scale", "policy.depth")
    at = {f"s-{i}": dict(zip(keys, one, strict=True)) for i, one in enumerate(product(range(8, 18), range(1, 11), range(10)))}
    runs = [run(name, n, 1000 / values[keys[0]] + n, cost=values[keys[0]] + n) for name, values in at.items() for n in range(2)]
    text = write_decision(lake, "many", Evidence.at_hand(lake, runs, [swept("s", at)])).read_text(encoding="utf-8")
    assert len(text.encode()) < 3_500_000
    assert "Shown are 20 of 999 scenarios" in text
