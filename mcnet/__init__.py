"""mcnet joins Kubernetes clusters, wherever they run, into one network.

The layers, each importing only those below it (import-linter keeps this):

    mcnet.cli, mcnet_gateway, mcnet_route_agent, mcnet_discovery,
    mcnet_dns, mcnet_cable                                          entry points: read settings, wire, run
    mcnet.lab                                                       real clusters on one machine
    mcnet.install, mcnet.show                                       operations of several steps
    mcnet.kube, mcnet.kernel, mcnet.dns, mcnet.probe,
    mcnet.render, mcnet.loop                                        adapters: the only I/O
    mcnet.plan                                                      pure: decide
    mcnet.codec                                                     pure: translate
    mcnet.model                                                     values

Everything that decides is in `plan/`; everything that touches a node's data path is in `kernel/`;
everything that touches an API server is in `kube/`.
"""

__version__ = "0.1.0"
