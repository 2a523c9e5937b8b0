"""Consequences: what a change of backends means for new flows, and whether that is too much."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from udplb.engine.snapshot import BackendSnapshot, ClusterSnapshot
from udplb.show.quantities import share
from udplb.tui.dialogs.plan import Text
from udplb.tui.draw.blocks import bar
from udplb.tui.ink import Piece
from udplb.tui.shares import growth, serving, shares, with_backend, without

BAR_WIDTH = 12

Cluster = ClusterSnapshot
Pair = tuple[Cluster, BackendSnapshot]


def consequences(pairs: Sequence[Pair]) -> Text:
    """Who serves after this, and how much more each of them gets."""
    text: list[Sequence[Piece]] = []
    for name in sorted({cluster.name for cluster, _ in pairs}):
        cluster = next(each for each, _ in pairs if each.name == name)
        gone = [backend.address for each, backend in pairs if each.name == name]
        after = without(cluster, gone)
        grows = growth(cluster, after)
        those = len(serving(after))
        of = f"serving {name} after this: {those} of {len(cluster.backends)}"
        if grows is None:
            text.append([Piece(f"{of}: new flows are dropped", "down")])
        else:
            more = f", each about +{share(grows)} of the new flows" if grows > 0.001 else ""
            text.append([Piece(f"{of}{more}")])
    return text


def guard(pairs: Sequence[Pair]) -> str | None:
    """What has to be typed where nobody that is up would serve any more."""
    for cluster, _ in pairs:
        gone = {backend.address for each, backend in pairs if each.name == cluster.name}
        before, after = serving(cluster), serving(without(cluster, gone))
        nobody_up = any(each.up for each in before) and not any(each.up for each in after)
        if nobody_up or (before and not after):
            return cluster.name
    return None


def projected(pairs: Sequence[Pair], weight: int | None) -> Text:
    text: list[Sequence[Piece]] = []
    for name in sorted({cluster.name for cluster, _ in pairs}):
        cluster = after = next(each for each, _ in pairs if each.name == name)
        for each, backend in pairs:
            if each.name == name:
                new = backend.weight if weight is None else weight
                after = with_backend(after, msgspec.structs.replace(backend, weight=new))
        text += table(cluster, after)
    return text


def table(before: Cluster, after: Cluster) -> Text:
    """The shares of new flows, before and after."""
    old, new = shares(before), shares(after)
    widest = max((len(each.name) for each in after.backends), default=0)
    width = min(widest, 24)
    text: list[Sequence[Piece]] = [[Piece("share of the new flows, now and after this", "quiet")]]
    for backend in after.backends[:12]:
        was, becomes = old.get(backend.address, 0.0), new.get(backend.address, 0.0)
        changed = abs(was - becomes) > 0.0005
        text.append(
            [
                Piece(f"  {backend.name[:width]:{width}}  {share(was):>6} → "),
                Piece(f"{share(becomes):>6}", "cfg-change" if changed else ""),
                Piece(f"  {bar(becomes, BAR_WIDTH)}", "graph"),
            ]
        )
    if len(after.backends) > 12:
        text.append([Piece(f"  … and {len(after.backends) - 12} more", "quiet")])
    if not new:
        text.append([Piece("  nobody would serve: new flows are dropped", "down")])
    return text
