"""What tables call variants and data sets that have a `label`."""

from grouped import config, groups

from udd.config.drawings import table_config
from udd.config.params import load
from udd.reports import render, tables
from udd.reports.captions import caption, footnotes


def test_a_label_is_what_a_variant_is_called():
    params = load(["params.yaml"])
    named = params["variants"] | {
        name: params["variants"][name] | {"label": f"Our {name} & co."} for name in ("idc", "udd")
    }
    asked = table_config(params | {"variants": named}, "policy")
    assert asked["labels"] == {"udd": "Our udd & co."} and "labels" not in table_config(params, "policy")
    policy = tables.table(asked, groups(udd=[64]))
    assert [row[2] for row in policy.rows][2:4] == [
        "Our udd & co.",
        "gradient",
    ] and "Difference to Our udd & co. [95 %]" in policy.headings
    asked = table_config(params | {"variants": named}, "main")
    table = tables.table(asked, groups(idc=[60], udd=[64]))
    assert "Our idc & co." in table.headings and r"Our idc \& co." in render.tex(asked, table)
    assert "SGD steps of a network: Our idc & co.: 2000; Our udd & co.: 2000." in footnotes(asked, table)


def test_a_label_is_what_a_data_set_is_called():
    params = load(["params.yaml"])
    named = params["datasets"] | {"cifar10": params["datasets"]["cifar10"] | {"label": "CIFAR & 10", "flip": False}}
    asked = table_config(params | {"datasets": named}, "main")
    assert asked["dataset_labels"] == {"cifar10": "CIFAR & 10"} and "dataset_labels" not in table_config(params, "main")
    table = tables.table(asked, groups(idc=[60], udd=[64]))
    heads = {row[0] for row in table.rows}
    assert (
        "CIFAR & 10" in heads
        and "CIFAR-10" not in heads
        and "MNIST" in heads
        and r"CIFAR \& 10" in render.tex(asked, table)
    )
    assert "CIFAR & 10: test accuracy" in caption(asked, table) or ", CIFAR & 10" in caption(asked, table)
    assert "Stored, in kB a set: CIFAR & 10 IPC 10 1." in footnotes(asked, table)
    policy = tables.table(table_config(params | {"datasets": named}, "policy"), groups(udd=[64]))
    assert {"CIFAR & 10"} <= {row[0] for row in policy.rows} and "CIFAR-10" not in {row[0] for row in policy.rows}


def test_a_label_goes_before_how_many_times_ipc_and_before_what_a_note_says_of_a_variant():
    asked = config("main", variants=["random", "random-x4", "udd-plus"]) | {"times": {"random-x4": ["random", 4]}}
    labels = {"random": "Real", "random-x4": "Four times", "udd-plus": "Image and quarters"}
    assert tables.table(asked | {"labels": {"random": "Real"}}, {}).headings[4:6] == ["Real", "Random ×4"]
    table = tables.table(asked | {"labels": labels}, groups(udd_plus=[60]))
    said = " ".join(footnotes(asked | {"labels": labels}, table))
    assert (
        {"Real", "Four times"} <= set(table.headings)
        and "Image and quarters: IDC's own" in said
        and "udd-plus:" not in said
    )
