"""News: failures stay, the rest goes by itself."""

from __future__ import annotations

from udplb.tui.news import GOOD_FOR_S, KEPT, News


def test_good_news_go_and_failures_stay() -> None:
    now = [100.0]
    news = News(lambda: now[0])
    assert news.latest() is None
    news.failed("no")
    news.told("yes")
    latest = news.latest()
    assert latest is not None
    assert (latest.text, latest.good) == ("yes", True)
    now[0] += GOOD_FOR_S
    latest = news.latest()
    assert latest is not None
    assert (latest.text, latest.good) == ("no", False), "it was not dismissed"
    now[0] += 10_000
    assert news.latest() is latest
    assert news.dismiss()
    assert news.latest() is None
    assert not news.dismiss()


def test_they_are_bounded() -> None:
    news = News(lambda: 0.0)
    for number in range(10 * KEPT):
        news.failed(str(number))
    count = 0
    while news.latest() is not None and news.dismiss():
        count += 1
    assert count == 1
