"""What tables say of themselves: how sets and networks were made, n, bytes; in captions and footnotes."""

import pytest
from grouped import config, evaluation_of, groups

from udd.config.drawings import table_config
from udd.config.params import load
from udd.reports import captions, render, tables
from udd.reports.captions import caption, footnotes


def test_the_share_of_the_schedule_is_told_where_it_was_cut():
    assert "of the schedule" not in caption(config("main"), tables.table(config("main"), groups(udd=[60])))
    cut = tables.table(config("main"), groups(udd=[60], schedule=0.35))
    assert "Distilled for 0.35 % of the schedule, on networks of at most 160 SGD steps." in caption(config("main"), cut)


def test_a_variant_that_is_another_paper_s_own_says_so():
    asked = config("main", variants=["idc", "udd-plus"])
    assert "udd-plus: IDC's own multi decode (Kim et al. 2022): the whole image and its quarters." in footnotes(
        asked, tables.table(asked, groups(udd_plus=[60]))
    )
    assert not any("multi decode" in line for line in footnotes(asked, tables.table(asked, groups(idc=[60]))))


def test_captions_state_n_and_the_kind_of_deviation():
    text = caption(config("main"), tables.table(config("main"), groups(idc=[60, 61, 62, 63], udd=[64, 65, 66, 67])))
    assert "n = 4 (2 sets, 2 networks on each)" in text and "sample standard deviation" in text
    one = caption(config("main"), tables.table(config("main"), groups(idc=[60])))
    assert "A cell has n = 1 (1 set, 1 network on each)." in one
    uneven = {key: [*runs, evaluation_of(2, 0, 62)] for key, runs in groups(udd=[64, 65, 66, 67]).items()}
    assert "A cell has n = 5 (3 sets, 1-2 networks on each)." in caption(
        config("main"), tables.table(config("main"), uneven)
    )


def test_footnotes_say_what_a_set_takes():
    made = groups(idc=[60], udd=[64])
    assert "Stored, in kB a set: CIFAR-10 IPC 10 1." in footnotes(config("main"), tables.table(config("main"), made))
    sizes = {
        key: [run._replace(stored_bytes=123000 + 400 * (key.variant == "udd")) for run in runs]
        for key, runs in made.items()
    }
    assert "Stored, in kB a set: CIFAR-10 IPC 10 123-123.4." in footnotes(
        config("main"), tables.table(config("main"), sizes)
    )


@pytest.mark.parametrize(
    ("size", "said"),
    [(1_000, "1"), (123_400, "123.4"), (9_999_000, "9999"), (9_999_600, "10,000"), (61_480_000, "61,480")],
)
def test_a_size_has_four_digits_or_all_before_the_point(size, said):
    assert captions.kilobytes(size) == said


def test_a_coreset_of_more_images_says_so_and_counts_for_no_other():
    made = groups(random=[30], random_x4=[50], idc=[60])
    made |= {
        key: [run._replace(stored_images=40, stored_bytes=4000) for run in runs]
        for key, runs in made.items()
        if key.variant == "random-x4"
    }
    asked = config("main", variants=["random-x4", "random", "idc"]) | {"times": {"random-x4": ["random", 4]}}
    table = tables.table(asked, made)
    assert table.headings[4:6] == ["Random", "Random ×4"]
    said = footnotes(asked, table)
    assert any(line.startswith("Random ×4: 4 x IPC real images a class: as many as networks see") for line in said)
    assert "Stored, in kB a set: CIFAR-10 IPC 10 1." in said and r"Random $\times$4" in render.tex(asked, table)
    assert table_config(load(["params.yaml"]), "imagenet")["times"] == {
        "random-x9": ["random", 9],
        "random-x13": ["random", 13],
    }
    plain = load(["params.yaml"])
    assert "times" not in table_config(
        plain | {"tables": {"cfc": plain["tables"]["cfc"] | {"variants": ["idc"]}}}, "cfc"
    )
    rows = tables.table(
        config("policy", variants=["random-x4", "udd"]) | {"times": {"random-x4": ["random", 4]}},
        made | groups(udd=[64]),
    ).rows
    assert [row[2] for row in rows] == ["Random ×4", "data jittering (default)"]


def test_captions_say_how_the_networks_were_trained():
    made = groups(udd=[64])
    assert "Networks trained for 1000 epochs. " in caption(config("main"), tables.table(config("main"), made))
    short = {key: [run._replace(epochs=60, precision="bfloat16") for run in runs] for key, runs in made.items()}
    assert "Networks trained for 60 epochs in bfloat16. " in caption(
        config("main"), tables.table(config("main"), short)
    )
    both = {key: [runs[0], *short[key][1:], short[key][0]] for key, runs in made.items()}
    assert "Networks trained for 60 or 1000 epochs in bfloat16 and float32. " in caption(
        config("main"), tables.table(config("main"), both)
    )
    assert "Networks trained" not in caption(config("main"), tables.table(config("main"), {}))
    runs = [made_run for found in made.values() for made_run in found]
    three = [runs[0]._replace(epochs=epochs, network_steps=1000 * epochs, schedule=1.0) for epochs in (3, 1, 2)]
    text = caption(config("main"), tables.table(config("main"), dict.fromkeys(made, three)))
    assert "Networks trained for 1, 2 or 3 epochs. " in text and "at most 1,000, 2,000 or 3,000 SGD steps." in text


def test_check_ups_are_no_more_than_epochs():
    for epochs, said in ((1, ""), (3, "the best of 3 check-ups"), (1000, "the best of 4 check-ups")):
        made = {key: [run._replace(epochs=epochs) for run in runs] for key, runs in groups(udd=[64]).items()}
        table = tables.table(config("main"), made)
        text = caption(config("main"), table)
        assert said in text if said else "idc_best" not in text + str(table.rows)
        assert ("Networks trained for 1 epoch." in text) == (epochs == 1)
