"""`headrace explain`: the schedule that the cost model chooses, and what it rejects."""

import argparse
from typing import Any

from headrace.cli.report import print_json, print_table, progress
from headrace.cli.sources import load_source
from headrace.storage.errors import InputError
from headrace.storage.files import check_writable

GRANULARITIES = {
    "none": "every operation alone",
    "layer": "one region for each layer",
    "all": "one region",
}


def explain(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from headrace.scheduling.explain import summary

    if options.source.endswith(".npz"):
        raise InputError("a saved program is scheduled already; give .mlir or module:factory")
    if options.save:
        check_writable(options.save)
    with progress(options.json) as bar:
        bar.add_task("estimating schedules", total=None)
        decision = load_source(options.source).decide(options.inputs, options.lanes)
    if options.save:
        decision.schedule.save(options.save)
    report = summary(decision)
    if options.json:
        print_json(report)
    else:
        _print(report)
    return 0


def _print(report: dict[str, Any]) -> None:
    whole = [("chosen", report["cost"])]
    whole += [(GRANULARITIES[name], cost) for name, cost in report["baselines"].items()]
    whole += [
        ("products " + ", ".join(one["products"]), one["cost"])
        for one in report["rejected_products"]
    ]
    rows = [(name, cost, _times(cost, report["cost"])) for name, cost in whole]
    lanes = "" if report["lanes"] == 1 else f"; chosen with {report['lanes']} lanes, others with 1"
    title = f"Schedules: cycles and copied entries{lanes}"
    print_table(title, ("schedule", "cost", "of chosen"), rows)
    print(f"{report['estimates']:,} estimates of regions in {report['seconds']:.3g} s")
    if report["products"]:
        print("products: " + ", ".join(report["products"]))
    for number, region in enumerate(report["regions"]):
        print(f"\nregion {number}: {'; '.join(region['operations'])}")
        _print_region(region)
    print(f"\npipeline: {report['pipeline']}")


def _print_region(region: dict[str, Any]) -> None:
    print("  axes: " + ", ".join(f"{name} {what}" for name, what in region["axes"].items()))
    copied = f", {region['copied']:,} entries copied" if region["copied"] else ""
    print(
        f"  {region['schedule']}: {region['cycles']:,} cycles{copied}, bound by "
        f"{region['bound_by']}; {region['flops']:,} FLOPs, {region['bytes']:,} bytes"
    )
    for one in region["computed_more_than_once"]:
        print(f"  computed {one['times']} times, with different axes: {one['what']}")
    if region["flops"] > 1.01 * region["flops_alone"]:
        times = _times(region["flops"], region["flops_alone"])
        print(f"  {times} the FLOPs of the same operations alone, in exchange for storing less")
    for one in region["rejected"]:
        apart = "" if one["in_place_of"] is None else f" in place of {one['in_place_of']:,}"
        print(f"  rejected: {one['what']}: cost {one['cost']:,}{apart}, bound by {one['bound_by']}")
    for one in region["refused"]:
        print(f"  refused: {one['what']}: {one['reason']}")


def _times(one: float, other: float) -> str:
    return f"{one / other:.2f}x" if other else ""
