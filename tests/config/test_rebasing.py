"""An overlay meets another file: what stays, what vanishes, and what is dropped with a sentence."""

from __future__ import annotations

from tests.config.overlays import DNS, EMPTY, FILE, read


def test_what_the_file_did_not_touch_stays() -> None:
    overlay = EMPTY.with_weight(DNS, "dns", "edge-2", 5).with_backend(DNS, "dns", "10.0.0.9:53")
    new = read(FILE.replace("weight = 3", "weight = 30"))
    assert overlay.rebased(DNS, new) == (overlay, ())


def test_a_field_that_the_file_changed_wins() -> None:
    overlay = EMPTY.with_weight(DNS, "dns", "edge-3", 5).with_state(DNS, "dns", "edge-3", "active")
    rebased, dropped = overlay.rebased(DNS, read(FILE.replace("weight = 3", "weight = 30")))
    assert dropped == (
        "cluster dns: backend edge-3: weight 5, set here, is dropped: the file now says 30",
    )
    assert rebased == EMPTY.with_state(DNS, "dns", "edge-3", "active")


def test_what_the_file_says_by_now_vanishes_silently() -> None:
    overlay = (
        EMPTY.with_weight(DNS, "dns", "edge-3", 5)
        .with_backend(DNS, "dns", "10.0.0.9:53", "nine", 4)
        .without_backend(DNS, "dns", "edge-2")
    )
    new = FILE.replace("weight = 3", "weight = 5").replace("10.0.0.2", "10.0.0.22")
    new += '[[clusters.dns.backends]]\nname = "nine"\naddress = "10.0.0.9:53"\nweight = 4\n'
    assert overlay.rebased(DNS, read(new)) == (EMPTY, ())


def test_an_added_backend_that_the_file_writes_otherwise_is_as_in_the_file() -> None:
    overlay = EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "nine")
    new = FILE + '[[clusters.dns.backends]]\nname = "neun"\naddress = "10.0.0.9:53"\nweight = 4\n'
    assert overlay.rebased(DNS, read(new)) == (
        EMPTY,
        (
            "cluster dns: backend nine: name nine, set here, is dropped: the file now says neun",
            "cluster dns: backend nine: weight 1, set here, is dropped: the file now says 4",
        ),
    )


def test_entries_of_what_is_gone_are_dropped() -> None:
    overlay = (
        EMPTY.with_weight(DNS, "dns", "edge-3", 5)
        .with_weight(DNS, "web", "www", 6)
        .with_backend(DNS, "web", "10.0.1.2:80")
    )
    new = read(
        FILE.replace("10.0.0.3", "10.0.0.33")
        .replace("[[clusters.web", "[[clusters.w")
        .replace('cluster = "web"', 'cluster = "w"')
    )
    assert overlay.rebased(DNS, new) == (
        EMPTY,
        (
            "cluster dns: backend edge-3: weight 5, set here, is dropped: the file no longer has"
            " the backend",
            "cluster web: backend www: weight 6, set here, is dropped: the file no longer has the"
            " cluster",
            "cluster web: backend 10.0.1.2:80: added here, that is dropped: the file no longer has"
            " the cluster",
        ),
    )


def test_what_collides_with_the_file_by_now_is_dropped() -> None:
    overlay = EMPTY.with_backend(DNS, "dns", "10.0.0.9:53", "nine").with_backend(
        DNS, "dns", "10.0.0.8:53"
    )
    new = read(FILE.replace('"edge-2"', '"nine"'))
    rebased, dropped = overlay.rebased(DNS, new)
    assert rebased == EMPTY.with_backend(DNS, "dns", "10.0.0.8:53")
    assert dropped == (
        "cluster dns: backend nine (10.0.0.9:53): added here, that is dropped: 10.0.0.2:53 is"
        " called nine already",
    )


def test_a_backend_that_is_our_own_listener_by_now_is_dropped() -> None:
    overlay = EMPTY.with_backend(DNS, "dns", "10.0.0.8:80")
    new = read(FILE.replace("192.0.2.1:80", "10.0.0.8:80"))
    assert overlay.rebased(DNS, new) == (
        EMPTY,
        (
            "cluster dns: backend 10.0.0.8:80: added here, that is dropped: its address is"
            " listener web of our own",
        ),
    )


def test_a_name_that_returns_to_the_file_can_displace_an_added_backend() -> None:
    """What is dropped gives its words back: that may contradict somebody else."""
    overlay = (
        EMPTY.without_backend(DNS, "dns", "edge-2")
        .with_backend(DNS, "dns", "10.0.0.2:53", "two")
        .with_backend(DNS, "dns", "10.0.0.9:53", "edge-2")
    )
    new = read(FILE.replace('"edge-3"', '"two"'))
    rebased, dropped = overlay.rebased(DNS, new)
    assert rebased == EMPTY
    assert dropped == (
        "cluster dns: backend two: name two, set here, is dropped: 10.0.0.3:53 is called two"
        " already",
        "cluster dns: backend edge-2 (10.0.0.9:53): added here, that is dropped: 10.0.0.2:53 is"
        " called edge-2 already",
    )


def test_a_cluster_keeps_a_backend() -> None:
    overlay = EMPTY.with_backend(DNS, "web", "10.0.1.2:80").without_backend(DNS, "web", "www")
    new = read(FILE.replace("192.0.2.1:80", "10.0.1.2:80"))
    assert overlay.rebased(DNS, new) == (
        EMPTY,
        (
            "cluster web: backend 10.0.1.2:80: added here, that is dropped: its address is"
            " listener web of our own",
            "cluster web: backend www (10.0.1.1:80): removed here, that is dropped: it is the last"
            " backend",
        ),
    )


def test_a_name_that_a_removed_backend_has_is_free() -> None:
    overlay = EMPTY.with_backend(DNS, "web", "10.0.1.2:80", "new").without_backend(
        DNS, "web", "www"
    )
    assert overlay.rebased(DNS, read(FILE.replace('"www"', '"new"'))) == (overlay, ())
