"""Imports between files form no cycle: lazy imports and those for type checking count as well."""

import graphlib

import grimp


def test_no_import_cycle() -> None:
    graph = grimp.build_graph("gateway", "drivers", "simulators", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the files
