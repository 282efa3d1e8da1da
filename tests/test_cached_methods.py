"""Which sets a cache concerns: those of methods that meet cached networks, where they are asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from caches import CACHE
from jobs import Bench
from tiny import of_method, params

from udd import workflow as flow
from udd.config.caches import cache_config, cache_name, meets_cache
from udd.config.params import overlay
from udd.config.plan import Cell, canonical, set_config
from udd.config.sections import CACHED_ONLY, METHODS, distils
from udd.errors import UserError
from udd.methods import EXPERTS, OWN, module
from udd.synthetic.sets import load


def test_an_edit_of_the_cache_concerns_no_set_that_meets_fresh_networks():
    cell, found = Cell("mnist", 1, "udd"), params()
    edited = found | {"distill": found["distill"] | {"cache_networks": 99}}
    assert set_config(found, cell, 0) == set_config(edited, cell, 0)
    cached_ones = [overlay(each, {"distill": {"networks": "cached"}}) for each in (found, edited)]
    assert len({canonical(set_config(each, cell, 0)) for each in cached_ones}) == 2
    assert len({canonical(cache_config(set_config(each, cell, 0))) for each in cached_ones}) == 1


@pytest.mark.parametrize("method", [name for name in METHODS if distils(name)])
def test_whether_a_method_meets_a_cache_is_what_its_module_says(method):
    assert meets_cache({"method": method, "distill": CACHE}) == (module(method).MEETS != OWN)
    assert (method in CACHED_ONLY) == (module(method).MEETS == EXPERTS)
    assert not meets_cache({"method": method, "distill": CACHE | {"networks": "fresh"}})


def test_a_method_with_networks_of_its_own_is_unaffected(tmp_path):
    """DSA meets real images, and no cache: the same bits, whatever the configuration says of networks."""
    bench, own = Bench(tmp_path), of_method("dsa")
    bench.distil(own, "fresh")
    bench.distil(own | {"distill": own["distill"] | CACHE}, "cached")
    assert torch.equal(*(load(tmp_path / f"{name}.safetensors").images for name in ("fresh", "cached")))


def test_a_cache_that_no_set_meets_says_so():
    """Its place holds a digest alone, from which no configuration comes back."""
    with pytest.raises(
        UserError,
        match=r"results/cache/mnist/0123456789ab: no set of a variant on mnist meets this cache; ask for a set",
    ):
        flow.cache_config(params(), SimpleNamespace(dataset="mnist", cache="0123456789ab"))
    with pytest.raises(UserError, match=r"results/cache/nosuch/0123456789ab: no set of a variant on nosuch"):
        flow.cache_config(params(), SimpleNamespace(dataset="nosuch", cache="0123456789ab"))


def test_a_set_that_cannot_meet_its_cache_is_refused_before_networks_are_made():
    declared = overlay(params(), {"variants": {"mine": {"distill": {"networks": "cached", "cache_draws": 0}}}})
    place = SimpleNamespace(dataset="mnist", ipc="1", variant="mine", seed="0")
    with pytest.raises(SystemExit, match="error: mine: found cache_draws: 0"):
        flow.cache_of(declared, place)


@pytest.mark.parametrize("ipc", [1, 3, 6, 7, 10])
def test_a_set_that_no_table_asks_for_finds_its_cache_by_name(ipc):
    """At IPCs with keys of their own (of the variant, of the data set, of the variant on the data set) and at
    others."""
    met = {
        "distill": {"networks": "cached"},
        "ipc3": {"distill": {"batch_real": 7}},
        "datasets": {"mnist": {"ipc7": {"distill": {"cache_ages": 3}}}},
    }
    known = params()
    mnist = known["datasets"]["mnist"] | {"ipc6": {"distill": {"cache_ages": 4}}}
    own = {"variants": known["variants"] | {"mine": met}, "datasets": known["datasets"] | {"mnist": mnist}}
    declared = known | own | {"tables": {}, "figures": {}}
    config = set_config(declared, Cell("mnist", ipc, "mine"), 2)
    place = SimpleNamespace(**dict(zip(("dataset", "cache"), cache_name(config).split("/"), strict=True)))
    assert flow.cache_config(declared, place) == canonical(cache_config(config))
