from __future__ import annotations

from tests.show.pictures import explanation
from udplb.show.explanation import page_of_explanation
from udplb.show.plain import text_of


def test_it_reads_like_an_explanation() -> None:
    assert text_of(page_of_explanation(explanation())).splitlines() == [
        "Client 203.0.113.9:51820 on listener dns, cluster dns:",
        "● A new flow goes to edge-4 (10.0.0.14:5000):"
        " edge-4 has the highest score for this client",
        "",
        "balance   hrw",
        "affinity  source_ip",
        "hash_key  203.0.113.9",
        "hash      3f9ac41b00d1e2f4",
        "",
        "RANK  BACKEND         ADDRESS         USABLE  NOTE",
        "   1  edge-4          10.0.0.14:5000  yes     score 0.9312",
        "   2  10.0.0.12:5000  10.0.0.12:5000  yes     score 0.52",
        "   3  edge-6          10.0.0.16:5000  no      down",
        "",
        "Its flow 4711 is current, at edge-4 (10.0.0.14:5000): age 22m14s, idle 0.2s, ends in 26s"
        " if nothing comes; 411,000 requests, 409,000 replies.",
        "▲ Its last drop was 12s ago: max_flows"
        " (shed: the listener or the engine has all the flows it may have).",
    ]


def test_as_if_others_were_down() -> None:
    text = text_of(page_of_explanation(explanation(), ("edge-2", "edge-3")))
    assert "as if edge-2 and edge-3 were down:" in text.splitlines()[0]


def test_a_client_that_is_barred() -> None:
    text = text_of(page_of_explanation(explanation(barred="denied")))
    assert "✖ It would get no flow now: denied (allow and deny do not admit the client)." in text
    assert "Were it admitted: a new flow goes to edge-4" in text


def test_nobody_is_chosen() -> None:
    told = explanation(chosen=None, why="No backend takes new flows.", ranked=())
    assert "✖ It would get no flow: No backend takes new flows." in text_of(
        page_of_explanation(told)
    )


def test_a_policy_that_does_not_hash() -> None:
    told = explanation(balance="round_robin", affinity=None, hash_key=None, hash=None)
    text = text_of(page_of_explanation(told))
    assert "balance  round_robin" in text
    assert "hash" not in text
    assert "affinity" not in text


def test_a_client_of_whom_nothing_is_known() -> None:
    text = text_of(page_of_explanation(explanation(flows=(), last_drop=None)))
    assert text.endswith("It has no flow now.\nNothing of it was dropped lately.\n")
