"""The operator's overlay: what it makes of a file, what it refuses, what another file leaves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.configurations import (
    BACKENDS,
    CLUSTERS,
    NAMES,
    configurations,
    is_valid,
    large,
)
from tests.config.overlays import DNS, EMPTY, backends
from udplb.config.overlay import Overlay, OverlayError
from udplb.core.address import Address
from udplb.core.settings import BackendSettings, Configuration


def refusal(code: str, operation: Callable[[], Overlay]) -> str:
    with pytest.raises(OverlayError) as refused:
        operation()
    assert refused.value.code == code
    assert str(refused.value).isprintable()
    return str(refused.value)


# What operators do


def test_without_an_overlay_the_file_is_the_desired_state() -> None:
    assert EMPTY.over(DNS) is DNS
    assert EMPTY.drift(DNS) == ()
    assert (bool(EMPTY), len(EMPTY)) == (False, 0)


def test_a_weight_is_laid_over_the_file_and_shown_as_drift() -> None:
    overlay = EMPTY.with_weight(DNS, "dns", "edge-2", 5)
    assert backends(overlay) == ["10.0.0.1:53 1 active", "edge-2 5 active", "edge-3 3 drain"]
    assert overlay.drift(DNS) == ("cluster dns: backend edge-2: weight 5 here, 2 in the file",)
    assert (bool(overlay), len(overlay)) == (True, 1)


def test_a_drain_and_its_end() -> None:
    overlay = EMPTY.with_state(DNS, "dns", "10.0.0.2:53", "drain")
    assert overlay.drift(DNS) == ("cluster dns: backend edge-2: drained here, active in the file",)
    assert overlay.with_state(DNS, "dns", "edge-2", "active") == EMPTY
    overlay = EMPTY.with_state(DNS, "dns", "edge-3", "active")
    assert overlay.drift(DNS) == ("cluster dns: backend edge-3: active here, drained in the file",)


def test_an_added_backend_stands_at_the_end() -> None:
    overlay = EMPTY.with_backend(DNS, "dns", "10.0.0.9:53").with_backend(
        DNS, "dns", "[2001:db8::9]:53", "edge-9", 9
    )
    assert backends(overlay)[3:] == ["10.0.0.9:53 1 active", "edge-9 9 active"]
    assert overlay.drift(DNS) == (
        "cluster dns: backend 10.0.0.9:53: added here, not in the file",
        "cluster dns: backend edge-9 ([2001:db8::9]:53): added here with weight 9, not in the file",
    )
    overlay = overlay.with_state(DNS, "dns", "edge-9", "drain").with_weight(DNS, "dns", "edge-9", 1)
    assert backends(overlay)[4:] == ["edge-9 1 drain"]
    assert overlay.drift(DNS)[1] == (
        "cluster dns: backend edge-9 ([2001:db8::9]:53): added here, drained, not in the file"
    )
    gone = overlay.without_backend(DNS, "dns", "edge-9").without_backend(DNS, "dns", "10.0.0.9:53")
    assert gone == EMPTY


def test_a_backend_of_the_file_is_removed_and_comes_back() -> None:
    gone = EMPTY.with_weight(DNS, "dns", "edge-2", 7).without_backend(DNS, "dns", "edge-2")
    assert backends(gone) == ["10.0.0.1:53 1 active", "edge-3 3 drain"]
    assert gone.drift(DNS) == ("cluster dns: backend edge-2: removed here, in the file",)
    assert len(gone) == 1
    assert gone.with_backend(DNS, "dns", "10.0.0.2:53") == EMPTY
    assert gone.with_backend(DNS, "dns", "10.0.0.2:53", "edge-2", 2) == EMPTY
    other = gone.with_backend(DNS, "dns", "10.0.0.2:53", "two", 8)
    assert backends(other) == ["10.0.0.1:53 1 active", "two 8 active", "edge-3 3 drain"]
    assert other.drift(DNS) == (
        "cluster dns: backend two: name two here, edge-2 in the file",
        "cluster dns: backend two: weight 8 here, 2 in the file",
    )


def test_what_the_file_says_anyway_is_no_entry() -> None:
    assert EMPTY.with_weight(DNS, "dns", "edge-2", 2) == EMPTY
    assert EMPTY.with_weight(DNS, "dns", "edge-2", 5).with_weight(DNS, "dns", "edge-2", 2) == EMPTY
    assert EMPTY.with_state(DNS, "dns", "edge-3", "drain") == EMPTY


REFUSED: list[tuple[str, Callable[[], Overlay], str]] = [
    (
        "not_found",
        lambda: EMPTY.with_weight(DNS, "dsn", "edge-2", 1),
        "there is no cluster dsn; did you mean dns?",
    ),
    (
        "not_found",
        lambda: EMPTY.with_state(DNS, "dns", "egde-2", "drain"),
        "cluster dns has no backend egde-2; did you mean edge-2?",
    ),
    (
        "not_found",
        lambda: EMPTY.without_backend(DNS, "dns", "\x1b[2J"),
        "cluster dns has no backend \\x1b[2J; see: udplb backends",
    ),
    (
        "not_found",
        lambda: EMPTY.without_backend(DNS, "dns", "edge-2").with_weight(DNS, "dns", "edge-2", 1),
        "cluster dns has no backend edge-2; it was removed here; add it again, or revert that",
    ),
    (
        "refused",
        lambda: EMPTY.with_weight(DNS, "dns", "edge-2", 1001),
        "cluster dns: backend edge-2: weight 1001: allowed: a whole number from 0 to 1000",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "localhost:53"),
        "cluster dns: address \"localhost:53\": 'localhost' is no literal IP address; host names"
        " are not looked up",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "0.0.0.0:53"),
        'cluster dns: address "0.0.0.0:53": a wildcard is no backend; name the address of one host',
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "a\x1b"),
        'cluster dns: name "a\\x1b": allowed: 1 to 255 printable characters, no space at either'
        " end",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", None, -1),
        "cluster dns: weight -1: allowed: a whole number from 0 to 1000",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "[::ffff:10.0.0.2]:53"),
        "cluster dns: 10.0.0.2:53 is there already, as edge-2; choose another address or name",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "edge-2"),
        "cluster dns: 10.0.0.2:53 is called edge-2 already; choose another address or name",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "10.0.0.2:53"),
        "cluster dns: 10.0.0.2:53 is another backend's address; choose another address or name",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "10.0.0.8:53").with_backend(
            DNS, "dns", "10.0.0.8:53"
        ),
        "cluster dns: 10.0.0.9:53 is called 10.0.0.8:53 already; choose another address or name",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "web", "192.0.2.1:80"),
        "cluster web: 192.0.2.1:80 is listener web of our own: datagrams would go round for ever;"
        " name another backend",
    ),
    (
        "refused",
        lambda: EMPTY.with_backend(DNS, "dns", "127.0.0.5:53"),
        "cluster dns: 127.0.0.5:53 is listener dns of our own: datagrams would go round for ever;"
        " name another backend",
    ),
    (
        "refused",
        lambda: EMPTY.without_backend(DNS, "web", "www"),
        "cluster web: www is its last backend; add another one first, or drain it",
    ),
    (
        "refused",
        lambda: EMPTY.reverted(DNS, None, "edge-2"),
        "name the cluster of the backend, too",
    ),
    (
        "not_found",
        lambda: EMPTY.reverted(DNS, "nix"),
        "there is no cluster nix; see: udplb backends",
    ),
]


@pytest.mark.parametrize(("code", "operation", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_what_to_do(
    code: str, operation: Callable[[], Overlay], message: str
) -> None:
    assert refusal(code, operation) == message


def test_a_state_that_there_is_not_is_refused() -> None:
    message = refusal(
        "refused",
        lambda: EMPTY.with_state(DNS, "dns", "edge-2", "drained"),  # type: ignore[arg-type]
    )
    assert message.endswith('did you mean "drain"?')


# Going back


def test_revert_of_everything_of_a_cluster_and_of_a_backend() -> None:
    overlay = (
        EMPTY.with_weight(DNS, "dns", "edge-2", 5)
        .with_backend(DNS, "dns", "10.0.0.9:53")
        .with_weight(DNS, "web", "www", 5)
    )
    assert overlay.reverted(DNS) == EMPTY
    assert overlay.reverted(DNS, "dns") == EMPTY.with_weight(DNS, "web", "www", 5)
    assert len(overlay.reverted(DNS, "dns", "edge-2")) == 2
    assert len(overlay.reverted(DNS, "dns", "10.0.0.9:53")) == 2
    assert overlay.reverted(DNS, "dns", "10.0.0.1:53") == overlay
    gone = EMPTY.without_backend(DNS, "dns", "edge-2")
    assert gone.reverted(DNS, "dns", "edge-2") == EMPTY


def test_a_revert_that_contradicts_the_rest_is_refused() -> None:
    overlay = EMPTY.without_backend(DNS, "dns", "edge-2").with_backend(
        DNS, "dns", "10.0.0.9:53", "edge-2"
    )
    assert (
        refusal("refused", lambda: overlay.reverted(DNS, "dns", "10.0.0.2:53"))
        == "cluster dns: 10.0.0.9:53 is called edge-2 already; revert the whole cluster"
    )
    # The name means the one that has it now.
    assert overlay.reverted(DNS, "dns", "edge-2") == EMPTY.without_backend(DNS, "dns", "edge-2")
    overlay = EMPTY.with_backend(DNS, "web", "10.0.1.2:80").without_backend(DNS, "web", "www")
    assert (
        refusal("refused", lambda: overlay.reverted(DNS, "web", "10.0.1.2:80"))
        == "cluster web: it would have no backend; revert the whole cluster"
    )


# Whatever happens

OPERATIONS = st.tuples(
    st.sampled_from(["weight", "drain", "undrain", "add", "remove", "revert", "file"]),
    st.sampled_from(CLUSTERS),
    st.sampled_from(BACKENDS),
    st.sampled_from((None, *NAMES)),
    st.sampled_from([None, 0, 1, 5]),
    configurations(),
)


Operation = tuple[str, str, Address, str | None, int | None, Configuration]


def done(overlay: Overlay, file: Configuration, operation: Operation) -> Overlay:
    """The overlay after one operation. Raises OverlayError."""
    kind, cluster, address, name, weight, _ = operation
    word = name or str(address)
    match kind:
        case "weight":
            return overlay.with_weight(file, cluster, word, weight or 0)
        case "drain":
            return overlay.with_state(file, cluster, word, "drain")
        case "undrain":
            return overlay.with_state(file, cluster, word, "active")
        case "add":
            return overlay.with_backend(file, cluster, str(address), name, weight)
        case "remove":
            return overlay.without_backend(file, cluster, word)
        case _:
            return overlay.reverted(file, cluster, word if weight else None)


@given(configurations(), st.lists(OPERATIONS, max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_desired_state_is_always_one_that_a_file_could_have(
    file: Configuration, operations: list[Operation]
) -> None:
    overlay = EMPTY
    for operation in operations:
        if operation[0] == "file":
            other = operation[-1]
            overlay, dropped = overlay.rebased(file, other)
            file = other
            assert all(sentence.isprintable() for sentence in dropped)
            assert overlay.rebased(file, file) == (overlay, ())
        else:
            with suppress(OverlayError):
                overlay = done(overlay, file, operation)
        assert is_valid(overlay.over(file))
        drift = overlay.drift(file)
        assert bool(drift) is (overlay.over(file) != file) is bool(overlay)
        assert all(sentence.isprintable() for sentence in drift)


def test_many_backends_and_a_wrong_name() -> None:
    file = large()
    message = refusal("not_found", lambda: EMPTY.with_weight(file, "many", "egde-17", 1))
    assert message.startswith("cluster many has no backend egde-17; ")
    overlay = EMPTY.with_weight(file, "many", "edge-1999", 77)
    changed: BackendSettings = overlay.over(file).clusters[0].backends[-1]
    assert changed == replace(file.clusters[0].backends[-1], weight=77)
