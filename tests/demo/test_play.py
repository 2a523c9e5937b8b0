"""The play without a proxy: clients ask a backend directly, good ones and bad ones."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.demo import spoilers
from tests.demo.ground import play_without_proxy, run, until
from udplb.demo.acts import Act, Die, FallSilent, Flood, Return, Rush, Slow, Speak, Timeline
from udplb.demo.tally import Tally


async def played(spoil: spoilers.Spoiler) -> Tally:
    """What comes of some hundred datagrams."""
    play, _ = play_without_proxy(random.Random(1), spoil)
    play.begin()
    await until(lambda: play.tally.sent > 300)
    play.stop_sending()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.3
    await until(lambda: play.satisfied or loop.time() > deadline)
    play.close()
    return play.tally


def test_good_backends_answer_everything() -> None:
    assert run(played(spoilers.good)).complete


@pytest.mark.parametrize("spoil", [spoilers.losing, spoilers.garbling])
def test_bad_ones_are_noticed(spoil: spoilers.Spoiler) -> None:
    tally = run(played(spoil))
    assert not tally.complete
    assert tally.missing > 5
    assert bool(tally.wrong) is (spoil is spoilers.garbling)


def test_after_stop_sending_nothing_is_sent() -> None:
    async def play() -> None:
        playing, _ = play_without_proxy(random.Random(1))
        playing.begin()
        await until(lambda: playing.tally.sent)
        playing.stop_sending()
        sent = playing.tally.sent
        await until(lambda: playing.satisfied)
        assert playing.tally.sent == sent
        assert playing._timer is None
        playing.close()

    run(play())


def test_deeds_reach_their_backends() -> None:
    async def play() -> None:
        playing, servers = play_without_proxy(random.Random(1))
        birch, oak = servers["dns/birch"], servers["game/oak"]
        playing.do(Slow("dns/birch", 0.04))
        playing.do(FallSilent("game/oak"))
        assert (birch.delay_s, oak.silent) == (0.04, True)
        playing.do(Slow("dns/birch", 0.0))
        playing.do(Speak("game/oak"))
        playing.do(Die("dns/birch"))
        assert (birch.delay_s, birch.alive, oak.silent) == (0.0, False, False)
        playing.do(Return("dns/birch"))
        assert birch.alive
        assert all(server.alive for server in servers.values())
        playing.close()
        assert not any(server.alive for server in servers.values())

    run(play())


def test_the_timeline_is_followed() -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        acts = (Act(0.0, Rush(3.0)), Act(0.05, Flood(10)), Act(0.1, Die("game/rowan")))
        playing, servers = play_without_proxy(random.Random(1))
        playing._timeline = Timeline(loop.time(), acts, round_s=1_000.0)
        playing.begin()
        await until(lambda: not servers["game/rowan"].alive)
        assert playing._rush == 3.0
        assert playing.tally.intrusions == 10
        playing.close()

    run(play())


def test_what_a_standing_loop_missed_is_not_all_made_up_for() -> None:
    async def play() -> None:
        playing, _ = play_without_proxy(random.Random(1))
        playing.begin()
        playing.stop_sending()
        playing._ticked_at -= 3_600.0
        playing._tick()
        assert playing.tally.sent < 1_000
        playing.close()

    run(play())
