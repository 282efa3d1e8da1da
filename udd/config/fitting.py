"""Whether what is asked of a set fits: its method, the network it is searched by, the images there are. Asked before
anything is planned, where each section by itself is sound."""

from __future__ import annotations

from typing import Any

from udd.config.caches import check_networks
from udd.config.plan import Params, evaluation_config, images_a_class, imported_file, method, set_config
from udd.config.requested import all_cells, all_records
from udd.config.sections import BLOCKS, LEARNED_RATE, takes_all
from udd.errors import UserError

Config = dict[str, Any]


def check_cells(params: Params, source: str) -> None:
    """Raise UserError if a set that is asked for does not fit its configuration, or cannot be evaluated as asked."""
    try:
        for cell in all_cells(params):
            check_fit(set_config(params, cell, 0))
        for record in all_records(params):
            config = evaluation_config(params, record)
            check_rate(config, record.cell.variant)
            check_views(config, record.cell.variant)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def check_fit(config: Config) -> None:
    """Raise UserError if a set's method does not meet its networks or real batches, or cannot search as it says."""
    check_networks(config)
    if "udd" in config:
        check_search(config)
    if "imported" in config:
        check_imported(config)


def check_imported(config: Config) -> None:
    """Raise UserError unless a set that lies in a file has a name below data_root, of which only dataset, ipc and seed
    are left open."""
    named, file = config["imported"]["file"], imported_file(config)
    if not file.endswith(".safetensors") or file.startswith(("/", "~")) or set("{}$") & set(file):
        raise UserError(
            f"{config['variant']}: found imported.file: {named!r}, expected a set's file below data_root, as "
            "theirs/{dataset}-ipc{ipc}-seed{seed}.safetensors"
        )


def check_search(config: Config) -> None:
    """Raise UserError if windows are to be searched on a map that the network has not, or the policy does not read."""
    own, network = config["udd"], config["distill"]["network"]
    layer, policy, blocks = own["search_layer"], own["policy"], BLOCKS[network]
    if takes_all(own) or policy == "random":
        return  # nothing is searched
    if layer == "pixels" and policy not in ("gradient", "vote"):
        raise UserError(
            f"{config['variant']}: found udd.search_layer: pixels for policy: {policy}; gradient, and vote by it, "
            "alone read pixels: write one of these, or search_layer: last"
        )
    if isinstance(layer, int) and layer > blocks:
        raise UserError(
            f"{config['variant']}: found udd.search_layer: {layer}; {network} has {blocks} blocks: give 1 to {blocks}, "
            "or last"
        )


def check_rate(config: Config, variant: str) -> None:
    """Raise UserError if a variant's evaluation takes the rate that was learned with a set whose method learns none."""
    how = config["set"]["method"]
    if config["evaluate"].get("rate") == "own" and how not in (*LEARNED_RATE, "imported"):
        raise UserError(
            f"{variant}: found rate: own for {how}, which learns no rate ({', '.join(LEARNED_RATE)} do); write it "
            f"for variants of these alone (variants.NAME.evaluate), not in evaluate or protocols.{config['protocol']}"
        )


def check_views(config: Config, variant: str) -> None:
    """Raise UserError if an evaluation chooses among the windows of a set that lies in a file: how they are chosen is
    what its method said, of which a file of others says nothing."""
    views = config["evaluate"].get("views", "all")
    if config["set"]["method"] == "imported" and views in ("searched", "random"):
        raise UserError(
            f"{variant}: found views: {views} for a set that lies in a file, of which all views are trained on, or "
            f"none; leave it out of tables by protocol {config['protocol']}"
        )


def check_images(params: Params, config: Config, least: int, smallest: str) -> None:
    """Raise UserError if a set takes more images a class than there are: `least` in the class that is called
    `smallest`. It names all variants at this IPC that do."""
    dataset, ipc, takes = config["dataset"]["name"], config["ipc"], images_a_class(config)
    if takes <= least or config["method"] == "imported":  # whose images need not be real ones
        return
    there = (cell for cell in all_cells(params) if (cell.dataset, cell.ipc) == (dataset, ipc))
    real = (cell for cell in there if method(params, cell.variant) != "imported")
    asking = [cell.variant for cell in real if images_a_class(set_config(params, cell, 0)) > least]
    names = ", ".join(dict.fromkeys([config["variant"], *asking]))
    asked = f"{config['times']} x IPC {ipc} = {takes}" if "times" in config else f"{ipc} at IPC {ipc}"
    raise UserError(
        f"{config['variant']}: found {asked} images a class, but class {smallest} of {dataset} has {least} to train "
        f"on; take a smaller IPC, add images, or leave out all that ask for more: add {names} to "
        f"datasets.{dataset}.ipc{ipc}.without"
    )
