"""Balancing policies: which backend a new flow gets. One file each; `policy.py` is the contract."""

from __future__ import annotations

from udplb.core.balance.hrw import Rendezvous
from udplb.core.balance.least_flows import LeastFlows
from udplb.core.balance.maglev import Maglev
from udplb.core.balance.policy import Policy, Ranked
from udplb.core.balance.random_two import RandomTwo
from udplb.core.balance.round_robin import RoundRobin
from udplb.core.settings import Balance

POLICIES: dict[Balance, type[Policy]] = {
    "hrw": Rendezvous,
    "maglev": Maglev,
    "round_robin": RoundRobin,
    "random": RandomTwo,
    "least_flows": LeastFlows,
}

__all__ = ["POLICIES", "Policy", "Ranked"]
