from __future__ import annotations

from udplb.engine.probes.exchange import ANSWERED, Judgement


def test_an_answer_needs_no_reason() -> None:
    assert ANSWERED.good
    assert ANSWERED.why == ""
    assert not Judgement(False, "refused").good
